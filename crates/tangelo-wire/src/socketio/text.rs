//! What Pomelo's clients write into socket.io: texts under the event `message`.
//!
//! A request or a notify is four characters for its id, big endian, each the value of a byte; one for the length
//! of its route in UTF-16 units; the route; JSON. What they are told is JSON.

use super::{push_escaped, quote};

/// The event that carries all of it.
pub const EVENT: &str = "message";

/// A request, or, where its id is 0, a notify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said<'a> {
    /// Under which an answer is expected; 0: none is.
    pub id: u32,
    /// Where it is for.
    pub route: &'a str,
    /// JSON.
    pub body: &'a str,
}

/// Reads what a client says; none if it is too short for what it tells of itself.
pub fn decode(text: &str) -> Option<Said<'_>> {
    let mut characters = text.chars();
    let mut id = 0;
    for _ in 0..4 {
        let [low, ..] = u32::from(characters.next()?).to_le_bytes();
        id = id << 8 | u32::from(low);
    }
    let length = u32::from(characters.next()?);
    let rest = characters.as_str();
    let mut units = 0;
    let mut end = 0;
    for character in rest.chars() {
        if units >= length {
            break;
        }
        units += if u32::from(character) > 0xffff { 2 } else { 1 };
        end += character.len_utf8();
    }
    let (route, body) = rest.split_at_checked(end).filter(|_| units == length)?;
    Some(Said { id, route, body })
}

/// The packet that answers a request. `body` is JSON.
pub fn write_response(id: u32, body: &str) -> String {
    packet(&format!(r#"{{"id":{id},"body":{body}}}"#))
}

/// The packet of a push. `body` is JSON.
pub fn write_push(route: &str, body: &str) -> String {
    let mut inner = String::with_capacity(24 + route.len() + body.len());
    inner.push_str(r#"{"route":"#);
    quote(route, &mut inner);
    inner.push_str(r#","body":"#);
    inner.push_str(body);
    inner.push('}');
    packet(&inner)
}

/// The packet that says why a client has to go. `reason` is JSON.
pub fn write_kick(reason: &str) -> String {
    packet(&format!(r#"{{"route":"onKick","reason":{reason}}}"#))
}

fn packet(inner: &str) -> String {
    // Escaped within, or the text around would escape for it and the client would read it as two.
    let mut escaped = String::with_capacity(inner.len());
    push_escaped(inner, &mut escaped);
    let mut out = String::with_capacity(escaped.len() + escaped.len() / 4 + 16);
    out.push_str("2[\"message\",");
    quote(&escaped, &mut out);
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{
        super::{event, string},
        *,
    };

    #[test]
    fn what_pomelos_client_writes_is_read() {
        let route = "connector.entryHandler.entry";
        let text = format!("\0\0\u{1}\u{ff}\u{1c}{route}{{\"a\":1}}");
        let said = decode(&text);
        let body = r#"{"a":1}"#;
        assert_eq!(
            said,
            Some(Said {
                id: 511,
                route,
                body
            })
        );
        // Only the low eight bits count, and route lengths are in UTF-16 units.
        let said = decode("\u{100}\0\0\u{2}\u{4}a😀é{}").unwrap();
        assert_eq!((said.id, said.route, said.body), (2, "a😀é", "{}"));
        assert_eq!(decode("\0\0\0\0\0").unwrap().body, "");
    }

    #[test]
    fn what_is_too_short_is_none() {
        for text in [
            "",
            "\0\0\0\u{1}",
            "\0\0\0\u{1}\u{3}ab",
            "\0\0\0\u{1}\u{1}😀",
        ] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }

    fn told(packet: &str) -> Value {
        let event = event(packet.strip_prefix('2').unwrap()).unwrap();
        assert_eq!(event.name, EVENT);
        serde_json::from_str(&string(event.arguments[0]).unwrap()).unwrap()
    }

    #[test]
    fn what_a_client_is_told_is_json_in_a_text() {
        let body = r#"{"msg":"\"😀"}"#;
        let read: Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            told(&write_response(7, body)),
            json!({ "id": 7, "body": read })
        );
        assert_eq!(
            told(&write_push("on\"", body)),
            json!({ "route": "on\"", "body": read })
        );
        assert_eq!(
            told(&write_kick("\"why\"")),
            json!({ "route": "onKick", "reason": "why" })
        );
        assert!(write_response(7, body).is_ascii());
    }

    proptest! {
        #[test]
        fn no_text_harms(text in "\\PC{0,20}") {
            let _ = decode(&text);
        }
    }
}
