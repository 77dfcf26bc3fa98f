//! JSON for scripts of old.

use http::{HeaderValue, Response, StatusCode, header};
use percent_encoding::percent_decode_str;

use super::{Plugin, Refusal, Step, params::Params};
use crate::{Body, Exchange};

/// `callback({...});` for requests that name a callback.
#[derive(Debug)]
pub(super) struct Jsonp {
    /// Which parameter of the query names it.
    field: String,
}

/// Letters of the longest callback.
const LONGEST: usize = 128;

impl Jsonp {
    pub(super) fn new(params: &str) -> Result<Self, String> {
        let mut params = Params::read(params)?;
        let field = params.name("jsonpField", "jsonp");
        params.end()?;
        Ok(Self { field })
    }

    fn callback(&self, exchange: &Exchange) -> Option<Result<String, ()>> {
        let pairs = exchange.query()?.split('&');
        let mut values = pairs.filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode_str(name).decode_utf8().ok()? == self.field).then_some(value)
        });
        let value = values.next().filter(|value| !value.is_empty())?;
        let value = percent_decode_str(value).decode_utf8();
        let name = value.ok().filter(|value| is_name(value));
        Some(name.map(Into::into).ok_or(()))
    }
}

impl Plugin for Jsonp {
    fn before_parse<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        match self.callback(exchange) {
            Some(Err(())) => {
                let words = format!("{}: expected the name of a function", self.field);
                let code = tangelo_rpc::Code::DECODE_REQ_ERROR.0;
                Step::Refuse(Refusal::new(code, words).status(StatusCode::BAD_REQUEST))
            }
            _ => Step::Next,
        }
    }

    fn after_render<'a>(
        &'a self,
        exchange: &'a Exchange,
        response: &'a mut Response<Body>,
    ) -> Step<'a> {
        let Some(Ok(callback)) = self.callback(exchange) else {
            return Step::Next;
        };
        let kind = response.headers().get(header::CONTENT_TYPE);
        let is_json = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        let Some(json) = response.body().bytes().filter(|_| is_json) else {
            return Step::Next;
        };
        let json = String::from_utf8_lossy(json);
        // JSON has them in texts, where JavaScript of old has the ends of lines.
        let json = json
            .replace('\u{2028}', "\\u2028")
            .replace('\u{2029}', "\\u2029");
        // The comment keeps what is before it from being anything else than a script.
        *response.body_mut() = Body::from(format!("/**/{callback}({json});"));
        // A browser runs no script of an error.
        *response.status_mut() = StatusCode::OK;
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        let script = HeaderValue::from_static("application/javascript; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, script);
        let nosniff = HeaderValue::from_static("nosniff");
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
        Step::Next
    }
}

/// `jQuery.cb_1`: names with dots between them, of letters that cannot be anything else than a name.
fn is_name(text: &str) -> bool {
    text.len() <= LONGEST
        && text.split('.').all(|name| {
            let mut bytes = name.bytes();
            let is_letter = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'$');
            bytes.next().is_some_and(is_letter)
                && bytes.all(|byte| is_letter(byte) || byte.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_is_a_name_and_nothing_else() {
        for name in ["cb", "_", "$", "jQuery1_2", "a.b.c", &"a".repeat(128)] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "1a",
            "a b",
            "a(",
            "a;b",
            "alert(1)//",
            "a[0]",
            "a\"",
            "a<b",
            "ä",
            "a\n",
            &"a".repeat(129),
        ] {
            assert!(!is_name(name), "{name}");
        }
    }
}
