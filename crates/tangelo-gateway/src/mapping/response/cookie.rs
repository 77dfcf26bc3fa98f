//! From `value^key=value;key=value` to `Set-Cookie`.

use http::HeaderValue;

/// A cookie that is set.
#[derive(Debug)]
pub(super) struct SetCookie {
    pub(super) header: HeaderValue,
    /// Or why not all that was said counts.
    pub(super) understood: Result<(), &'static str>,
}

/// The cookie; or why there is none.
///
/// The part behind the last `^` has `domain`, `path`, `maxAge` in seconds, `httpOnly`, `secure`, `sameSite` and `wrap` (quotes around the
/// value). With such a part `httpOnly` is so unless it says `false`. What it has beside those is passed over, and told.
pub(super) fn set_cookie(name: &str, said: &str) -> Result<SetCookie, &'static str> {
    let (value, attributes) = match said.rsplit_once('^') {
        Some((value, attributes)) => (value, Some(attributes)),
        None => (said, None),
    };
    if !value.bytes().all(is_octet) {
        return Err("what no cookie can hold");
    }
    let mut understood = Ok(());
    let mut wrap = false;
    let mut http_only = attributes.is_some();
    let mut rest = String::new();
    let pairs = attributes.unwrap_or_default().split(';');
    for pair in pairs.map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, "true"));
        let (key, value) = (key.trim(), value.trim());
        let yes = value.eq_ignore_ascii_case("true") || value == "1";
        match key {
            "domain" if value.bytes().all(is_host) => rest.push_str(&format!("; Domain={value}")),
            "path" if value.bytes().all(is_path) => rest.push_str(&format!("; Path={value}")),
            "maxAge" => {
                let seconds: i64 = value.parse().map_err(|_| "a maxAge that is no number")?;
                rest.push_str(&format!("; Max-Age={seconds}"));
            }
            "sameSite" => {
                const WORDS: [&str; 3] = ["Strict", "Lax", "None"];
                let mut words = WORDS.into_iter();
                let word = words.find(|word| word.eq_ignore_ascii_case(value));
                rest.push_str("; SameSite=");
                rest.push_str(word.ok_or("a sameSite that is none")?);
            }
            "httpOnly" => http_only = yes,
            "secure" if yes => rest.push_str("; Secure"),
            "wrap" => wrap = yes,
            "domain" => return Err("a domain that is none"),
            "path" => return Err("a path that no cookie can have"),
            "secure" => {}
            _ => understood = Err("an attribute that cookies do not have; it is passed over"),
        }
    }
    let quote = if wrap { "\"" } else { "" };
    let http_only = if http_only { "; HttpOnly" } else { "" };
    let header = HeaderValue::try_from(format!("{name}={quote}{value}{quote}{rest}{http_only}"));
    let header = header.map_err(|_| "what no cookie can hold")?;
    Ok(SetCookie { header, understood })
}

/// RFC 6265, cookie-octet.
fn is_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\')
}

fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')
}

fn is_path(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b';'
}

#[cfg(test)]
mod tests {
    use super::set_cookie;

    #[test]
    fn the_part_behind_the_last_circumflex_says_how_the_cookie_is_kept() {
        for (said, header) in [
            ("a", "c=a"),
            ("a^", "c=a; HttpOnly"),
            ("a^path=/", "c=a; Path=/; HttpOnly"),
            ("a^path=/;httpOnly=false", "c=a; Path=/"),
            (
                "a^domain=x.org; maxAge=60;secure=true",
                "c=a; Domain=x.org; Max-Age=60; Secure; HttpOnly",
            ),
            (
                "a^secure;wrap=1;sameSite=lax",
                "c=\"a\"; Secure; SameSite=Lax; HttpOnly",
            ),
            ("a^b^secure=false;colour=red", "c=a^b; HttpOnly"),
            ("^maxAge=0", "c=; Max-Age=0; HttpOnly"),
        ] {
            let cookie = set_cookie("c", said).unwrap_or_else(|why| panic!("{said}: {why}"));
            assert_eq!(cookie.header, header, "{said}");
            assert_eq!(
                cookie.understood.is_err(),
                said.contains("colour"),
                "{said}"
            );
        }
    }

    #[test]
    fn nothing_gets_out_of_its_place() {
        for said in [
            "a; Domain=evil.org",
            "a\r\nSet-Cookie: b=c",
            "a\nb",
            "a b",
            "a,b",
            "\"a\"",
            "a\\b",
            "a\0",
            "ü",
            "a^domain=x.org\r\nb: c",
            "a^domain=x y",
            "a^path=/\r\nb: c",
            "a^path=/\u{7f}",
            "a^maxAge=1\r\n",
            "a^maxAge=1x",
            "a^sameSite=Lax, b=c",
        ] {
            let cookie = set_cookie("c", said);
            // White space around an attribute is nobody's; all else is refused.
            assert!(
                cookie.is_err() || cookie.is_ok_and(|c| c.header == "c=a; Max-Age=1; HttpOnly"),
                "{said:?}"
            );
        }
    }
}
