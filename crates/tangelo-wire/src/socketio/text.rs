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

/// The text that answers a request. `body` is JSON.
pub fn response(id: u32, body: &str) -> String {
    format!(r#"{{"id":{id},"body":{body}}}"#)
}

/// The text of a push. `body` is JSON.
pub fn push(route: &str, body: &str) -> String {
    let mut text = String::with_capacity(24 + route.len() + body.len());
    text.push_str(r#"{"route":"#);
    quote(route, &mut text);
    text.push_str(r#","body":"#);
    text.push_str(body);
    text.push('}');
    text
}

/// The text that says why a client has to go. `reason` is JSON.
pub fn kick(reason: &str) -> String {
    format!(r#"{{"route":"onKick","reason":{reason}}}"#)
}

/// Several texts as one, which the client takes apart.
pub fn batch(texts: &[String]) -> String {
    format!("[{}]", texts.join(","))
}

/// The packet that carries a text.
pub fn packet(text: &str) -> String {
    // Escaped within, or the text around would escape for it and the client would read it as two.
    let mut escaped = String::with_capacity(text.len());
    push_escaped(text, &mut escaped);
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
        for (text, id, route, body) in [
            ("\0\0\0\u{1}\u{5}a.b.c{}", 1, "a.b.c", "{}"),
            ("\0\0\0\0\u{5}a.b.c{\"n\":1}", 0, "a.b.c", r#"{"n":1}"#),
            (
                "\0\0\u{1}\0\u{1c}connector.entryHandler.entry{\"a\":\"é\"}",
                256,
                route,
                r#"{"a":"é"}"#,
            ),
            (
                "\0\0\u{1}\u{ff}\u{1c}connector.entryHandler.entry{}",
                511,
                route,
                "{}",
            ),
        ] {
            assert_eq!(decode(text), Some(Said { id, route, body }));
        }
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
    fn what_a_client_is_told_is_json() {
        let texts = [push("onHi", r#"{"n":1}"#), response(1, r#"{"code":200}"#)];
        assert_eq!(texts[0], r#"{"route":"onHi","body":{"n":1}}"#);
        assert_eq!(
            batch(&texts),
            r#"[{"route":"onHi","body":{"n":1}},{"id":1,"body":{"code":200}}]"#
        );
        assert_eq!(kick(r#""bye""#), r#"{"route":"onKick","reason":"bye"}"#);
    }

    #[test]
    fn a_packet_carries_it_as_a_text() {
        let body = r#"{"msg":"\"😀"}"#;
        let read: Value = serde_json::from_str(body).unwrap();
        let written = packet(&push("on\"", body));
        assert_eq!(told(&written), json!({ "route": "on\"", "body": read }));
        assert!(written.is_ascii());
    }

    proptest! {
        #[test]
        fn no_text_harms(text in "\\PC{0,20}") {
            let _ = decode(&text);
        }
    }
}
