//! The cookie with a session's secret.

pub use cookie::SameSite;
use cookie::{Cookie, time::Duration};
use http::{HeaderMap, HeaderValue, header};

use super::secret::is_possible;

/// How the cookie with a session's secret is set. Scripts never see it (`HttpOnly`), and a client that speaks TLS
/// sends it over nothing else (`Secure`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionCookie {
    /// Its name. Default: `JSESSIONID`.
    pub name: String,
    /// Below which path it is sent. Default: empty, which is the folder of the path that it was set at.
    pub path: String,
    /// Whether it is sent with what other sites begin. Default: [`SameSite::Lax`], with links only.
    pub same_site: SameSite,
}

impl Default for SessionCookie {
    fn default() -> Self {
        Self {
            name: "JSESSIONID".to_owned(),
            path: String::new(),
            same_site: SameSite::Lax,
        }
    }
}

impl SessionCookie {
    /// Whether it can be a cookie.
    ///
    /// # Errors
    /// It cannot: what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if self.name.is_empty() || !self.name.bytes().all(is_token) {
            return Err(format!("`{}` cannot be the name of a cookie", self.name));
        }
        let is_path = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b';';
        if !self.path.bytes().all(is_path) || !(self.path.is_empty() || self.path.starts_with('/'))
        {
            return Err(format!("`{}` cannot be the path of a cookie", self.path));
        }
        Ok(())
    }

    /// The secret that a client shows; none if it has none, or what cannot be one. Of several the first one counts:
    /// browsers send the one with the longest path first.
    pub(crate) fn secret<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let lines = headers.get_all(header::COOKIE).into_iter();
        let texts = lines.filter_map(|line| line.to_str().ok());
        let pairs = texts.flat_map(|text| text.split(';'));
        let mut named = pairs.filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            (name.trim() == self.name).then(|| value.trim().trim_matches('"'))
        });
        named.next().filter(|secret| is_possible(secret))
    }

    /// Has the client keep a secret.
    pub(crate) fn keep(&self, secret: &str, secure: bool) -> Option<HeaderValue> {
        self.set(secret, secure, false)
    }

    /// Has the client forget its secret.
    pub(crate) fn forget(&self, secure: bool) -> Option<HeaderValue> {
        self.set("", secure, true)
    }

    fn set(&self, value: &str, secure: bool, ends: bool) -> Option<HeaderValue> {
        let mut cookie = Cookie::build((self.name.as_str(), value))
            .http_only(true)
            .same_site(self.same_site)
            // A browser keeps nothing of `SameSite=None` that is not `Secure`.
            .secure(secure || self.same_site == SameSite::None);
        if !self.path.is_empty() {
            cookie = cookie.path(self.path.as_str());
        }
        if ends {
            cookie = cookie.max_age(Duration::ZERO);
        }
        HeaderValue::try_from(cookie.build().to_string()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn said(cookies: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(header::COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        let cookie = SessionCookie::default();
        cookie.secret(&headers).map(str::to_owned)
    }

    #[test]
    fn a_secret_is_found_among_other_cookies_and_in_several_lines() {
        let secret = Some(SECRET.to_owned());
        assert_eq!(said(&[&format!("JSESSIONID={SECRET}")]), secret);
        assert_eq!(said(&[&format!("a=b; JSESSIONID=\"{SECRET}\";c")]), secret);
        assert_eq!(said(&["a=b", &format!("JSESSIONID={SECRET}")]), secret);
        assert_eq!(said(&[&format!("jsessionid={SECRET}")]), None);
        assert_eq!(said(&[]), None);
    }

    #[test]
    fn what_cannot_be_a_secret_of_ours_is_none() {
        for value in [
            "",
            "1",
            "../../etc/passwd",
            &"x".repeat(32),
            &"0".repeat(33),
        ] {
            assert_eq!(said(&[&format!("JSESSIONID={value}")]), None, "{value}");
        }
    }

    #[test]
    fn scripts_and_other_sites_do_not_have_the_cookie() {
        let cookie = SessionCookie::default();
        let set = cookie.keep(SECRET, false).unwrap();
        assert_eq!(
            set,
            format!("JSESSIONID={SECRET}; HttpOnly; SameSite=Lax").as_str()
        );
        let set = cookie.keep(SECRET, true).unwrap();
        assert_eq!(
            set,
            format!("JSESSIONID={SECRET}; HttpOnly; SameSite=Lax; Secure").as_str()
        );
        let cookie = SessionCookie {
            path: "/user".to_owned(),
            ..cookie
        };
        let forgotten = cookie.forget(false).unwrap();
        assert_eq!(
            forgotten,
            "JSESSIONID=; HttpOnly; SameSite=Lax; Path=/user; Max-Age=0"
        );
    }

    #[test]
    fn names_and_paths_that_would_break_the_header_are_refused() {
        let named = |name: &str| SessionCookie {
            name: name.to_owned(),
            ..SessionCookie::default()
        };
        assert!(named("SID").check().is_ok());
        for name in ["", "a b", "a;b", "a=b", "a\r\n"] {
            assert!(named(name).check().is_err(), "{name}");
        }
        let at = |path: &str| SessionCookie {
            path: path.to_owned(),
            ..SessionCookie::default()
        };
        assert!(at("/").check().is_ok());
        for path in ["user", "/a;b", "/a\r\nb"] {
            assert!(at(path).check().is_err(), "{path}");
        }
    }
}
