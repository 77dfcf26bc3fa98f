//! What a call ends with when it does not end with a reply.

use std::{borrow::Cow, fmt, sync::Arc};

/// A code of the framework, by krpc's numbers (those of 0.2.51).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub i32);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        impl Code {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// The code's own words.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    _ => "unknown error",
                }
            }

            fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// No connection to any server that could answer; surely not run.
    NO_CONNECTION = -600, "no connection";
    /// The connection went while the call was under way; it may have run.
    CONNECTION_BROKEN = -601, "connection is reset";
    /// No answer in time; it may have run.
    RPC_TIMEOUT = -602, "rpc timeout";
    /// The request could not be sent; surely not run.
    SEND_FAILED = -604, "failed to send to network";
    /// The answer could not be understood.
    DECODE_RES_ERROR = -608, "decode res error";
    /// The service failed or panicked.
    BUSINESS_ERROR = -620, "business exception";
    /// The server is going away; surely not run.
    SERVER_SHUTDOWN = -622, "server shutdown";
    /// Too much is waiting or running; surely not run.
    QUEUE_FULL = -623, "queue is full";
    /// The time was up before the request's turn came; surely not run.
    QUEUE_TIMEOUT = -624, "timeout in queue";
    /// The request could not be understood.
    DECODE_REQ_ERROR = -625, "decode req error";
    /// There is no such service or message.
    NOT_FOUND = -627, "service or method not found";
    /// More than this caller is allowed at once.
    FLOW_LIMIT = -628, "flow control limit exceeded";
}

impl fmt::Debug for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Code({}, {})",
            self.0,
            self.name().unwrap_or("?")
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// Why a call has no reply: a code and words that the caller may see, and a cause that only the log
/// sees.
///
/// Between servers only the code travels: a service that has more to say answers with a negative
/// `retCode`, and words in its `retMsg`.
#[derive(Clone, Debug)]
pub struct Status {
    code: Code,
    message: Cow<'static, str>,
    cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Status {
    /// A status with words for the caller.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            cause: None,
        }
    }

    /// Adds what led to it, for the log.
    #[must_use]
    pub fn with_cause(
        mut self,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.cause = Some(Arc::from(cause.into()));
        self
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// What the caller may see.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl Status {
    /// The status and all that led to it, for the log: on one line, whatever peers have put in it.
    pub fn reason(&self) -> Reason<'_> {
        Reason(self)
    }
}

/// What [`Status::reason`] shows.
#[derive(Debug)]
pub struct Reason<'a>(&'a Status);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;

        struct OneLine<'a, 'b>(&'a mut fmt::Formatter<'b>);

        impl Write for OneLine<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                for character in text.chars() {
                    if character.is_control() {
                        write!(self.0, "{}", character.escape_default())?;
                    } else {
                        self.0.write_char(character)?;
                    }
                }
                Ok(())
            }
        }

        let mut line = OneLine(formatter);
        write!(line, "{}", self.0)?;
        let mut source = std::error::Error::source(self.0);
        while let Some(error) = source {
            write!(line, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl From<Code> for Status {
    fn from(code: Code) -> Self {
        Self::new(code, code.text())
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Status {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_whatever_peers_have_put_in_it() {
        let status = Status::new(Code::NOT_FOUND, "no `x\nINFO all is well\u{1b}[2J`");
        let status = status.with_cause("and\rmore");
        let shown = status.reason().to_string();
        assert!(!shown.chars().any(char::is_control), "{shown}");
        assert!(
            shown.contains("x\\nINFO") && shown.ends_with("(-627): and\\rmore"),
            "{shown}"
        );
    }
}
