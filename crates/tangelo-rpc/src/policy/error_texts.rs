//! The words for codes.

use std::{borrow::Cow, fmt};

mod properties;
mod syntax;

pub use properties::{Mistake, Properties, PropertiesError};

/// Gives codes their words: what stands in a reply's `retMsg` when the service left it empty.
///
/// [`Properties`] reads them from a file; a user's own may ask for the language of the day.
pub trait ErrorTexts: fmt::Debug + Send + Sync + 'static {
    /// The words for this code, if it has any. It must not block.
    fn text(&self, code: i32) -> Option<Cow<'_, str>>;
}
