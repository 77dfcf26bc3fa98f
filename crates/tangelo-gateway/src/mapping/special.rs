//! Names of fields that stand for something of HTTP.

use http::{HeaderName, header};

/// The header of a field such as `headerUserAgent`: `User-Agent`, a part for each capital.
///
/// `headers` is a word, not the header `S`.
pub(super) fn header(field: &str) -> Option<HeaderName> {
    let rest = field.strip_prefix("header")?;
    if rest.is_empty() || rest == "s" {
        return None;
    }
    let mut name = String::with_capacity(rest.len() + 4);
    for character in rest.chars() {
        if character.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(character.to_ascii_lowercase());
    }
    HeaderName::from_bytes(name.as_bytes()).ok()
}

/// The cookie of a field such as `cookietheme`: `theme`, to the letter.
///
/// `cookies` is a word, not the cookie `s`.
pub(super) fn cookie(field: &str) -> Option<&str> {
    let rest = field.strip_prefix("cookie")?;
    (!rest.is_empty() && rest != "s").then_some(rest)
}

/// Headers that say how a message ends, where the connection goes or who the client is: the gateway's own.
pub(super) fn is_gateways_own(name: &HeaderName) -> bool {
    const OWN: [HeaderName; 8] = [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::SET_COOKIE,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    OWN.contains(name) || name == "keep-alive" || name == "proxy-connection"
}
