//! What goes wrong, as clients are told.

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value};
use tangelo_rpc::{self as rpc, Status};

use crate::{
    Body,
    mapping::{BadParameter, RenderError},
    plugin::Refusal,
    route::Methods,
};

/// Codes of the gateway's own, by krpc's numbers; they stand in `retCode` beside those of
/// [calls](tangelo_rpc::Code).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub i32);

/// Words for a service that has panicked, say.
const FAILED: &str = "the service failed";

impl Code {
    /// It is not allowed: 403.
    pub const FORBIDDEN: Self = Self(-660);
    /// There is nothing at this path: 404.
    pub const URL_NOT_FOUND: Self = Self(-661);
    /// There is something, for other methods: 405.
    pub const METHOD_NOT_ALLOWED: Self = Self(-662);
    /// More than may be sent: 413.
    pub const TOO_LARGE: Self = Self(-663);
    /// A login is required: 401.
    pub const NO_LOGIN: Self = Self(-664);
    /// Sessions cannot be reached: 503.
    pub const NO_SESSIONS: Self = Self(-665);

    /// The code's own words.
    pub fn text(self) -> &'static str {
        match self {
            Self::FORBIDDEN => "forbidden",
            Self::URL_NOT_FOUND => "url not found",
            Self::METHOD_NOT_ALLOWED => "method not allowed",
            Self::TOO_LARGE => "request content too large",
            Self::NO_LOGIN => "not login yet",
            Self::NO_SESSIONS => "session service not found",
            Self(number) if number == rpc::Code::BUSINESS_ERROR.0 => FAILED,
            Self(number) => rpc::Code(number).text(),
        }
    }
}

impl From<rpc::Code> for Code {
    fn from(code: rpc::Code) -> Self {
        Self(code.0)
    }
}

/// A request that is answered with what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) code: i32,
    /// Empty: the code's own.
    pub(super) words: String,
    pub(super) allow: Option<Methods>,
    /// What else its status has to say.
    pub(super) header: Option<(HeaderName, HeaderValue)>,
    /// The rest of what the client sends is of no use.
    pub(super) closes: bool,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: impl Into<Code>, words: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into().0,
            words: words.into(),
            allow: None,
            header: None,
            closes: false,
        }
    }

    pub(super) fn bad_request(words: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, rpc::Code::DECODE_REQ_ERROR, words)
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::URL_NOT_FOUND, "")
    }

    pub(super) fn wrong_method(allow: Methods) -> Self {
        let problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, Code::METHOD_NOT_ALLOWED, "");
        Self {
            allow: Some(allow),
            ..problem
        }
    }

    /// Something of ours, or a plugin, has failed; the log knows more.
    pub(super) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            rpc::Code::EXEC_EXCEPTION,
            "internal error",
        )
    }

    pub(super) fn unavailable(code: impl Into<Code>, words: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, words)
    }

    pub(super) fn timeout() -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, rpc::Code::RPC_TIMEOUT, "")
    }

    /// Closes the connection behind the answer.
    pub(super) fn closing(self) -> Self {
        Self {
            closes: true,
            ..self
        }
    }

    /// With a header.
    pub(super) fn with(self, name: HeaderName, value: HeaderValue) -> Self {
        Self {
            header: Some((name, value)),
            ..self
        }
    }

    /// Words for a code that has none yet.
    pub(super) fn fill(&mut self, text: impl FnOnce(i32) -> Option<String>) {
        if self.words.is_empty() {
            let own = || Code(self.code).text().to_owned();
            self.words = text(self.code).unwrap_or_else(own);
        }
    }

    /// `{"retCode":-661,"retMsg":"url not found"}`
    pub(super) fn fields(&self) -> Map<String, Value> {
        Map::from_iter([
            ("retCode".to_owned(), self.code.into()),
            ("retMsg".to_owned(), self.words.as_str().into()),
        ])
    }

    /// The answer, where no plugin has a say in it.
    pub(super) fn response(&self) -> Response<Body> {
        let json = Value::Object(self.fields()).to_string();
        let mut response = Response::new(Body::from(json));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, JSON);
        self.finish(&mut response);
        response
    }

    /// Headers that belong to it however it is rendered.
    pub(super) fn finish(&self, response: &mut Response<Body>) {
        let headers = response.headers_mut();
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, allow_header(allow));
        }
        if let Some((name, value)) = &self.header {
            headers.insert(name, value.clone());
        }
        if self.closes {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// The methods that something is there for: `OPTIONS` is answered here, and `HEAD` where `GET` is.
pub(super) fn allow_header(methods: Methods) -> HeaderValue {
    let mut text = methods.to_string();
    if methods.contains(&http::Method::GET) && !methods.contains(&http::Method::HEAD) {
        text = text.replacen("GET", "GET, HEAD", 1);
    }
    text.push_str(", OPTIONS");
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("OPTIONS"))
}

impl From<BadParameter> for Problem {
    fn from(bad: BadParameter) -> Self {
        Self::bad_request(bad.to_string())
    }
}

/// The service has sent what is no answer.
impl From<&RenderError> for Problem {
    fn from(_: &RenderError) -> Self {
        let code = rpc::Code::DECODE_RES_ERROR;
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, "")
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let problem = Self::new(refusal.status, Code(refusal.code), refusal.words);
        match refusal.retry_after {
            // Up: who comes a moment too early comes for nothing.
            Some(time) => {
                let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
                problem.with(header::RETRY_AFTER, seconds.into())
            }
            None => problem,
        }
    }
}

/// What a call ended with.
impl From<&Status> for Problem {
    fn from(status: &Status) -> Self {
        let code = status.code();
        // Ours of a service that has failed name its number, which is nothing to clients.
        let is_ours =
            code == rpc::Code::BUSINESS_ERROR && status.message().starts_with(code.text());
        let words = if is_ours { "" } else { status.message() };
        Self::new(status_of(code), code, words)
    }
}

/// The HTTP status that says what a code of the framework's says.
fn status_of(code: rpc::Code) -> StatusCode {
    use rpc::Code as C;
    match code {
        C::DECODE_REQ_ERROR | C::ENCODE_REQ_ERROR | C::VALIDATE_ERROR => StatusCode::BAD_REQUEST,
        C::NOT_FOUND => StatusCode::NOT_FOUND,
        C::FLOW_LIMIT | C::DIST_FLOW_LIMIT => StatusCode::TOO_MANY_REQUESTS,
        C::CONNECTION_BROKEN | C::SERVICE_NOT_ALLOWED => StatusCode::BAD_GATEWAY,
        C::NO_CONNECTION
        | C::SEND_FAILED
        | C::USER_CANCEL
        | C::REFERER_NOT_ALLOWED
        | C::SERVER_SHUTDOWN
        | C::QUEUE_FULL => StatusCode::SERVICE_UNAVAILABLE,
        C::RPC_TIMEOUT | C::QUEUE_TIMEOUT => StatusCode::GATEWAY_TIMEOUT,
        code if code.is_frameworks() => StatusCode::INTERNAL_SERVER_ERROR,
        // An application's own, from a method that ended with it.
        _ => StatusCode::OK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_the_frameworks_has_the_status_that_says_the_same() {
        for (code, status) in [
            (-625, 400),
            (-621, 400),
            (-627, 404),
            (-628, 429),
            (-629, 429),
            (-620, 500),
            (-608, 500),
            (-601, 502),
            (-600, 503),
            (-604, 503),
            (-622, 503),
            (-623, 503),
            (-602, 504),
            (-624, 504),
            (-100_001, 200),
        ] {
            assert_eq!(status_of(rpc::Code(code)).as_u16(), status, "{code}");
        }
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        let response = Problem::wrong_method(Methods::GET_POST).response();
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "GET, HEAD, POST, OPTIONS");
    }
}
