//! What goes wrong before a rule can be broken.

use prost_reflect::FieldDescriptor;

use super::{Unreadable, Violation};

/// A rule in a .proto file that cannot be kept to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}.{field}: rule {rule}: {problem}")]
pub struct Error {
    /// Full name of the message.
    pub message: String,
    /// Name of the field.
    pub field: String,
    /// The rule, as krpcext.proto calls it.
    pub rule: String,
    /// What is wrong, and what to write.
    pub problem: String,
}

impl Error {
    pub(super) fn new(field: &FieldDescriptor, rule: &str, problem: String) -> Self {
        Self {
            message: field.parent_message().full_name().to_owned(),
            field: field.name().to_owned(),
            rule: rule.to_owned(),
            problem,
        }
    }
}

/// Why a body is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BodyError {
    /// It is no message of the type, or would be too large a one.
    #[error(transparent)]
    Decode(#[from] Unreadable),
    /// It breaks a rule.
    #[error(transparent)]
    Violation(#[from] Violation),
}
