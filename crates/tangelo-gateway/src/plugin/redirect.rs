//! An answer leads elsewhere.

use http::{HeaderValue, StatusCode, Uri, header};
use tracing::warn;

use super::{Plugin, Refusal, Step, params::Params, text::take_text};
use crate::{Exchange, Output};

/// How a browser is sent there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// 302 and `Location`.
    Server,
    /// A page with a script: its cookies are set in any case.
    Script,
}

pub(super) const WAYS: [By; 2] = [By::Server, By::Script];

impl By {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Server => "serverredirect",
            Self::Script => "jsredirect",
        }
    }
}

/// Sends a browser where a field of the answer says. Where it is empty, and of errors, JSON is sent.
#[derive(Debug)]
pub(super) struct Redirect {
    by: By,
    field: String,
    /// Hosts that it may lead to beside the one that was asked.
    hosts: Vec<String>,
}

impl Redirect {
    pub(super) fn new(by: By, params: &str) -> Result<Self, String> {
        let mut params = Params::read(params)?;
        let field = params.name("redirectUrlField", "redirectUrl");
        let hosts = params.name("hosts", "");
        params.end()?;
        let hosts = hosts.split(',').map(str::trim);
        let hosts = hosts.filter(|host| !host.is_empty());
        Ok(Self {
            by,
            field,
            hosts: hosts.map(str::to_ascii_lowercase).collect(),
        })
    }

    /// The address, if it may be gone to, with nothing in it but what may stand in a header.
    fn checked(&self, to: &str, own: Option<&str>) -> Option<String> {
        // Browsers make a `/` of a `\`, and leave out what is not seen.
        if to.contains('\\')
            || to
                .chars()
                .any(|letter| letter.is_control() || letter == ' ')
        {
            return None;
        }
        let encoded = encode(to);
        if to.starts_with('/') && !to.starts_with("//") {
            return Some(encoded);
        }
        let uri: Uri = encoded.parse().ok()?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return None;
        }
        let authority = uri.authority()?;
        if authority.as_str().contains('@') {
            return None;
        }
        let is_own = own.is_some_and(|own| own.eq_ignore_ascii_case(authority.as_str()));
        let host = authority.host().to_ascii_lowercase();
        let mut hosts = self.hosts.iter();
        let may = is_own || hosts.any(|known| known == "*" || *known == host);
        may.then_some(encoded)
    }
}

impl Plugin for Redirect {
    fn before_render<'a>(&'a self, exchange: &'a Exchange, output: &'a mut Output) -> Step<'a> {
        let Some(to) = take_text(output, &self.field) else {
            return Step::Next;
        };
        let Some(to) = self.checked(&to, exchange.host()) else {
            if let Some(left_out) = exchange.line() {
                let (plugin, url) = (self.by.name(), &exchange.url().path);
                let words = "an answer leads to where it may not; `hosts` says where it may";
                warn!(plugin, url, left_out, "{words}");
            }
            let words = "the answer leads to where it may not";
            let refusal = Refusal::new(tangelo_rpc::Code::EXEC_EXCEPTION.0, words);
            return Step::Refuse(refusal.status(StatusCode::INTERNAL_SERVER_ERROR));
        };
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        match self.by {
            By::Server => {
                if let Ok(to) = HeaderValue::try_from(to) {
                    output.headers_mut().insert(header::LOCATION, to);
                }
                output.set_status(StatusCode::FOUND);
                output.set_body(html, "");
            }
            By::Script => output.set_body(html, page(&to)),
        }
        Step::Next
    }
}

/// What is no ASCII, or would end a text in a page, encoded.
fn encode(to: &str) -> String {
    const PLAIN: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
        .add(b'"')
        .add(b'\'')
        .add(b'<')
        .add(b'>')
        .add(b'`');
    percent_encoding::utf8_percent_encode(to, PLAIN).to_string()
}

/// Of the letters that mean something in a page the address has `&` alone, which means the same in it as in a script.
fn page(to: &str) -> String {
    let in_html = to.replace('&', "&amp;");
    format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>...</title>\n\
         <noscript><meta http-equiv=\"refresh\" content=\"0; url={in_html}\"></noscript>\n\
         <script>location.replace(\"{to}\")</script></head>\n\
         <body><a href=\"{in_html}\">...</a></body></html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(hosts: &str, to: &str) -> Option<String> {
        let redirect = Redirect::new(By::Server, &format!("hosts={hosts}")).unwrap();
        redirect.checked(to, Some("us.com:8888"))
    }

    #[test]
    fn an_answer_leads_to_its_own_host_and_to_those_that_are_named() {
        for (hosts, to) in [
            ("", "/"),
            ("", "/a?b=c&d=e#f"),
            ("", "http://us.com:8888/a"),
            ("", "https://US.com:8888"),
            ("them.com", "https://them.com/a"),
            ("a.com, Them.com", "https://THEM.com:8443/a"),
            ("*", "http://anybody.com"),
        ] {
            assert_eq!(checked(hosts, to).as_deref(), Some(to), "{hosts} {to}");
        }
        for (hosts, to) in [
            ("", "http://them.com"),
            ("", "http://us.com/"),
            ("", "//them.com"),
            ("", "/\\them.com"),
            ("", "\\\\them.com"),
            ("", "/\t/them.com"),
            ("*", "javascript:alert(1)"),
            ("*", "JavaScript:alert(1)"),
            ("*", "data:text/html,x"),
            ("*", "ftp://them.com"),
            ("*", "http://us.com@them.com"),
            ("*", "/a\r\nset-cookie: b"),
            ("*", "a"),
            ("*", "http://"),
            ("them.com", "http://them.com.evil.com"),
            ("them.com", "http://evil.com/them.com"),
            ("them.com", "http://evil.com?them.com"),
            ("them.com", "http://evil.com#them.com"),
        ] {
            assert_eq!(checked(hosts, to), None, "{hosts} {to}");
        }
    }

    #[test]
    fn nothing_in_an_address_ends_its_text() {
        let to = checked("", "/ä?a=\"</script><script>'`&b").unwrap();
        assert_eq!(to, "/%C3%A4?a=%22%3C/script%3E%3Cscript%3E%27%60&b");
        let page = page(&to);
        assert_eq!(page.matches("<script>").count(), 1);
        assert!(page.contains("%60&amp;b\">"), "{page}");
    }
}
