//! What a call ends with when it does not end with a reply.

use std::{borrow::Cow, fmt, sync::Arc};

use bytes::Bytes;
use tangelo_reflect::log_text::is_unseen;

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
    /// The caller gave up waiting.
    USER_CANCEL = -603, "user cancelled";
    /// The request could not be sent; surely not run.
    SEND_FAILED = -604, "failed to send to network";
    /// The call could not be made here, for a reason of its own.
    EXEC_EXCEPTION = -605, "exception in future";
    /// No referer of this client is for the service.
    REFERER_NOT_ALLOWED = -606, "serviceId is not allowed";
    /// The request could not be encoded.
    ENCODE_REQ_ERROR = -607, "encode req error";
    /// The answer could not be understood.
    DECODE_RES_ERROR = -608, "decode res error";
    /// The service failed or panicked.
    BUSINESS_ERROR = -620, "business exception";
    /// The request breaks a rule of its definition; not run.
    VALIDATE_ERROR = -621, "validate error:";
    /// The server is going away; surely not run.
    SERVER_SHUTDOWN = -622, "server shutdown";
    /// Too much is waiting or running; surely not run.
    QUEUE_FULL = -623, "queue is full";
    /// The time was up before the request's turn came; surely not run.
    QUEUE_TIMEOUT = -624, "timeout in queue";
    /// The request could not be understood.
    DECODE_REQ_ERROR = -625, "decode req error";
    /// The answer could not be encoded.
    ENCODE_RES_ERROR = -626, "encode res error";
    /// There is no such service or message.
    NOT_FOUND = -627, "service or method not found";
    /// More than this caller is allowed at once.
    FLOW_LIMIT = -628, "flow control limit exceeded";
    /// More than is allowed by a limit that several servers share.
    DIST_FLOW_LIMIT = -629, "dist flow control limit exceeded";
    /// The service is there, but not for those who ask over this connection.
    SERVICE_NOT_ALLOWED = -630, "serviceId is not allowed";
    /// The caller's connection went before its request's turn came; only the log sees it.
    SERVER_CONNECTION_BROKEN = -631, "server connection is broken";
}

/// Codes by the numbers of the time before 0.2, beside ours.
const V1: [(i32, Code); 18] = [
    (-450, Code::RPC_TIMEOUT),
    (-451, Code::NO_CONNECTION),
    (-452, Code::SEND_FAILED),
    (-453, Code::CONNECTION_BROKEN),
    (-454, Code::USER_CANCEL),
    (-455, Code::EXEC_EXCEPTION),
    (-456, Code::REFERER_NOT_ALLOWED),
    (-457, Code::ENCODE_REQ_ERROR),
    (-458, Code::DECODE_RES_ERROR),
    (-500, Code::BUSINESS_ERROR),
    (-503, Code::SERVER_SHUTDOWN),
    (-550, Code::QUEUE_FULL),
    (-551, Code::QUEUE_TIMEOUT),
    (-552, Code::DECODE_REQ_ERROR),
    (-553, Code::ENCODE_RES_ERROR),
    (-554, Code::NOT_FOUND),
    (-555, Code::FLOW_LIMIT),
    (-556, Code::SERVICE_NOT_ALLOWED),
];

impl Code {
    /// The number that krpc had for it before 0.2; a later code is told as the nearest earlier one.
    pub fn to_v1(self) -> i32 {
        let code = match self {
            Self::DIST_FLOW_LIMIT => Self::FLOW_LIMIT,
            Self::VALIDATE_ERROR => Self::BUSINESS_ERROR,
            code => code,
        };
        V1.iter()
            .find(|(_, ours)| *ours == code)
            .map_or(code.0, |(theirs, _)| *theirs)
    }

    /// The code that had this number before 0.2.
    pub fn from_v1(number: i32) -> Self {
        V1.iter()
            .find(|(theirs, _)| *theirs == number)
            .map_or(Self(number), |(_, ours)| *ours)
    }

    /// Whether it is one of the framework's own; all others are the application's.
    pub fn is_frameworks(self) -> bool {
        (-699..=-600).contains(&self.0)
    }

    /// Whether it says that the request was surely not run: true of what a connection or a server
    /// refused, and not of what a method passes on from its own calls.
    pub(crate) fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::NO_CONNECTION
                | Self::SEND_FAILED
                | Self::SERVER_SHUTDOWN
                | Self::QUEUE_FULL
                | Self::QUEUE_TIMEOUT
                | Self::FLOW_LIMIT
                | Self::DIST_FLOW_LIMIT
                | Self::SERVICE_NOT_ALLOWED
                | Self::NOT_FOUND
        )
    }
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
/// From a method of a generated service both travel, in the response's `retCode` and `retMsg`.
#[derive(Clone)]
pub struct Status {
    code: Code,
    of_call: bool,
    message: Cow<'static, str>,
    cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
    response: Bytes,
}

impl Status {
    /// A status with words for the caller.
    pub fn new(code: impl Into<Code>, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code: code.into(),
            of_call: false,
            message: message.into(),
            cause: None,
            response: Bytes::new(),
        }
    }

    /// Says that a call ended with it. What a framework's code says is said of that call then, and not of
    /// the request that the call was made for, which runs.
    #[must_use]
    pub fn of_call(mut self) -> Self {
        self.of_call = true;
        self
    }

    /// Whether a call made here ended with it: one of a client, a referer or a remote's method.
    pub fn is_of_call(&self) -> bool {
        self.of_call
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

    /// Adds the response message that says the same, for callers elsewhere.
    pub(crate) fn with_response(mut self, message: impl Into<Bytes>) -> Self {
        self.response = message.into();
        self
    }

    /// The response message that says the same; empty where there is none.
    pub(crate) fn response(&self) -> &Bytes {
        &self.response
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
                    if is_unseen(character) {
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

/// As it reads, with all that led to it: a `main` shows errors in this form.
impl fmt::Debug for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.reason(), formatter)
    }
}

impl From<i32> for Code {
    /// The code of this number: an application's own, or one of the framework's.
    fn from(number: i32) -> Self {
        Self(number)
    }
}

impl From<Code> for i32 {
    fn from(code: Code) -> Self {
        code.0
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
        let status = status.with_cause("and\rmore\u{202e}\u{200b}");
        let shown = status.reason().to_string();
        assert!(!shown.contains(is_unseen), "{shown}");
        assert!(
            shown.contains("x\\nINFO") && shown.ends_with("(-627): and\\rmore\\u{202e}\\u{200b}"),
            "{shown}"
        );
    }
}
