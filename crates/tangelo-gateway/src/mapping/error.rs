//! What is wrong with a request, or with an answer.

/// What a client said that its message has no place for. Answered with 400.
///
/// The words name what was expected and never repeat a text that was found: somebody may have typed a secret there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {words}")]
pub struct BadParameter {
    /// As `users[2].age`, in the names of the .proto file; `the body`, `the form`, `the query` where that as a whole is wrong.
    pub path: String,
    /// What was expected.
    pub words: String,
}

impl BadParameter {
    pub(crate) fn new(path: &str, words: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            words: words.into(),
        }
    }
}

/// Why a message of a service's cannot be rendered. Its service is to blame: answered with 500.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The bytes are not this message.
    #[error("no {message}: {problem}")]
    Message {
        /// Full name of the message.
        message: String,
        /// What is wrong with them.
        problem: String,
    },
    /// Nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    #[error("nested more than {} levels deep", super::MAX_DEPTH)]
    TooDeep,
    /// Its JSON is longer than this many bytes.
    #[error("longer than {0} bytes as JSON")]
    TooLong(usize),
}
