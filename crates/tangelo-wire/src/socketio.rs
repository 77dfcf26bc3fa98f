//! socket.io's packets, as they lie in the texts of engine.io: protocol 4 of its clients 1 and 2, protocol 5 of
//! its clients 3 and 4. They are written alike; what opens a connection differs.
//!
//! A digit for the type, for binary ones the count of attachments and a dash, the namespace if it is not `/`, an
//! id if an acknowledgement is wanted or given, then JSON.

pub mod text;

use std::{borrow::Cow, fmt::Write as _};

use serde_json::value::RawValue;

/// The namespace of who names none.
pub const DEFAULT_NAMESPACE: &str = "/";

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A client opens a namespace.
    Connect,
    /// It leaves one.
    Disconnect,
    /// It says something.
    Event,
    /// It has got something.
    Ack,
    /// Only servers send it.
    ConnectError,
    /// It says something with bytes, which follow as attachments.
    BinaryEvent,
    /// It has got something, and answers with bytes.
    BinaryAck,
}

/// A packet, as parts of the text that it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What it is for.
    pub kind: Kind,
    /// How many binary attachments follow.
    pub attachments: u32,
    /// Its namespace, without a query.
    pub namespace: &'a str,
    /// The id of the acknowledgement that it wants or gives.
    pub id: Option<u32>,
    /// What else it says: JSON, or nothing.
    pub payload: &'a str,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its arguments, each as JSON.
    pub arguments: Vec<&'a str>,
}

/// Why a text is no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing, or none of the types there are.
    #[error("no type of packet")]
    Kind,
    /// A binary packet that does not count its attachments.
    #[error("no count of attachments")]
    Attachments,
    /// An id that is beyond 32 bits.
    #[error("an id beyond 32 bits")]
    Id,
    /// An event that is no JSON array with a name first.
    #[error("an event without a name")]
    Event,
}

/// Reads a packet. Its JSON is not looked at.
///
/// # Errors
/// A text that is none.
pub fn decode(text: &str) -> Result<Packet<'_>, Error> {
    let mut characters = text.chars();
    let kind = match characters.next() {
        Some('0') => Kind::Connect,
        Some('1') => Kind::Disconnect,
        Some('2') => Kind::Event,
        Some('3') => Kind::Ack,
        Some('4') => Kind::ConnectError,
        Some('5') => Kind::BinaryEvent,
        Some('6') => Kind::BinaryAck,
        _ => return Err(Error::Kind),
    };
    let mut rest = characters.as_str();
    let mut attachments = 0;
    if matches!(kind, Kind::BinaryEvent | Kind::BinaryAck) {
        let (count, after) = rest.split_once('-').ok_or(Error::Attachments)?;
        attachments = number(count).ok_or(Error::Attachments)?;
        rest = after;
    }
    let mut namespace = DEFAULT_NAMESPACE;
    if rest.starts_with('/') {
        let (named, after) = rest.split_once(',').unwrap_or((rest, ""));
        namespace = named.split_once('?').map_or(named, |(path, _)| path);
        rest = after;
    }
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, payload) = rest.split_at_checked(digits).unwrap_or(("", rest));
    let id = match digits {
        "" => None,
        digits => Some(number(digits).ok_or(Error::Id)?),
    };
    Ok(Packet {
        kind,
        attachments,
        namespace,
        id,
        payload,
    })
}

fn number(digits: &str) -> Option<u32> {
    // `parse` would take a sign as well.
    let are_digits = digits.bytes().all(|digit| digit.is_ascii_digit());
    digits.parse().ok().filter(|_| are_digits)
}

/// Reads what an event says.
///
/// # Errors
/// A payload that is no JSON array with a name first.
pub fn event(payload: &str) -> Result<Event<'_>, Error> {
    let parts: Vec<&RawValue> = serde_json::from_str(payload).map_err(|_| Error::Event)?;
    let mut parts = parts.into_iter().map(RawValue::get);
    let name = parts.next().ok_or(Error::Event)?;
    Ok(Event {
        name: string(name).ok_or(Error::Event)?,
        arguments: parts.collect(),
    })
}

/// A JSON text's string, if it is one.
pub fn string(json: &str) -> Option<Cow<'_, str>> {
    match serde_json::from_str::<&str>(json) {
        Ok(text) => Some(Cow::Borrowed(text)),
        Err(_) => serde_json::from_str(json).ok().map(Cow::Owned),
    }
}

/// Whether an argument stands for the first attachment.
pub fn is_first_attachment(argument: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(argument).is_ok_and(|value| {
        value.get("_placeholder") == Some(&true.into()) && value.get("num") == Some(&0.into())
    })
}

const FIRST_ATTACHMENT: &str = r#"{"_placeholder":true,"num":0}"#;

/// A packet in ASCII: clients 1 take what they poll for UTF-8 that was encoded twice.
pub fn ascii(packet: String) -> String {
    if packet.is_ascii() {
        return packet;
    }
    let mut out = String::with_capacity(packet.len() * 2);
    push_escaped_above(&packet, 0x7f, &mut out);
    out
}

/// What clients 1 encode twice when they poll. A text of another client is taken for such a one only where it
/// has no character beyond `ÿ`, and those beyond ASCII happen to be UTF-8 once more.
pub fn mend(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let bytes: Option<Vec<u8>> = text
        .chars()
        .map(|character| u8::try_from(u32::from(character)).ok())
        .collect();
    String::from_utf8(bytes?).ok()
}

/// An event with one argument, JSON.
pub fn write_event(name: &str, argument: &str) -> String {
    told(format_args!("2"), Some(name), argument)
}

/// An event whose argument is the attachment that follows.
pub fn write_binary_event(name: &str) -> String {
    told(format_args!("51-"), Some(name), FIRST_ATTACHMENT)
}

/// An acknowledgement with one argument, JSON.
pub fn write_ack(id: u32, argument: &str) -> String {
    told(format_args!("3{id}"), None, argument)
}

/// An acknowledgement whose argument is the attachment that follows.
pub fn write_binary_ack(id: u32) -> String {
    told(format_args!("61-{id}"), None, FIRST_ATTACHMENT)
}

fn told(head: std::fmt::Arguments<'_>, name: Option<&str>, argument: &str) -> String {
    let mut out = String::with_capacity(24 + name.map_or(0, str::len) + argument.len());
    // Writing into a text does not fail.
    let _ = write!(out, "{head}[");
    if let Some(name) = name {
        quote(name, &mut out);
        out.push(',');
    }
    push_escaped(argument, &mut out);
    out.push(']');
    out
}

/// A text as JSON writes it.
fn quote(text: &str, out: &mut String) {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    push_escaped(&quoted, out);
}

/// JSON with characters beyond the BMP escaped, which every client reads: in JSON they stand in strings only.
fn push_escaped(json: &str, out: &mut String) {
    // They, and they alone, begin with such a byte.
    if !json.bytes().any(|byte| byte >= 0xf0) {
        return out.push_str(json);
    }
    push_escaped_above(json, 0xffff, out);
}

fn push_escaped_above(json: &str, highest: u32, out: &mut String) {
    for character in json.chars() {
        if u32::from(character) <= highest {
            out.push(character);
        } else {
            for half in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{half:04x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet<'a>(
        kind: Kind,
        namespace: &'static str,
        id: Option<u32>,
        payload: &'a str,
    ) -> Packet<'a> {
        Packet {
            kind,
            attachments: 0,
            namespace,
            id,
            payload,
        }
    }

    #[test]
    fn packets_are_read_as_clients_write_them() {
        for (text, read) in [
            ("0", packet(Kind::Connect, "/", None, "")),
            (
                r#"0{"token":"x"}"#,
                packet(Kind::Connect, "/", None, r#"{"token":"x"}"#),
            ),
            ("0/chat,{}", packet(Kind::Connect, "/chat", None, "{}")),
            ("0/chat?token=x", packet(Kind::Connect, "/chat", None, "")),
            ("1", packet(Kind::Disconnect, "/", None, "")),
            ("2[\"a\",1]", packet(Kind::Event, "/", None, "[\"a\",1]")),
            ("20[\"a\"]", packet(Kind::Event, "/", Some(0), "[\"a\"]")),
            (
                "2/chat,12[\"a\"]",
                packet(Kind::Event, "/chat", Some(12), "[\"a\"]"),
            ),
            (
                "34294967295[]",
                packet(Kind::Ack, "/", Some(u32::MAX), "[]"),
            ),
        ] {
            assert_eq!(decode(text), Ok(read), "{text}");
        }
        let binary = decode(r#"51-7["a",{"_placeholder":true,"num":0}]"#).unwrap();
        assert_eq!((binary.attachments, binary.id), (1, Some(7)));
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        for (text, error) in [
            ("", Error::Kind),
            ("7", Error::Kind),
            ("é", Error::Kind),
            ("5[]", Error::Attachments),
            ("5-[]", Error::Attachments),
            ("5+1-[]", Error::Attachments),
            ("24294967296[]", Error::Id),
        ] {
            assert_eq!(decode(text), Err(error), "{text}");
        }
        for payload in ["", "{}", "[]", "[1]", "[\"a\"", "[\"a\"]x"] {
            assert_eq!(event(payload), Err(Error::Event), "{payload}");
        }
    }

    #[test]
    fn an_event_has_a_name_and_its_arguments_as_they_are() {
        let read = event(r#"["r", {"a" : 1} ,"\u00e9"]"#).unwrap();
        assert_eq!(read.name, "r");
        assert_eq!(read.arguments, [r#"{"a" : 1}"#, r#""\u00e9""#]);
        assert_eq!(event(r#"["\u00e9"]"#).unwrap().name, "é");
    }

    #[test]
    fn what_is_written_escapes_characters_beyond_the_bmp() {
        assert_eq!(write_event("on", "{\"a\":1}"), "2[\"on\",{\"a\":1}]");
        assert_eq!(write_event("\"😀", "1"), r#"2["\"\ud83d\ude00",1]"#);
        assert_eq!(write_ack(0, r#""é😀""#), r#"30["é\ud83d\ude00"]"#);
        let attached = write_binary_ack(4);
        assert_eq!(attached, r#"61-4[{"_placeholder":true,"num":0}]"#);
        let read = write_binary_event("on");
        let read = decode(&read).unwrap();
        assert!(is_first_attachment(
            event(read.payload).unwrap().arguments[0]
        ));
        for other in ["1", "{}", r#"{"_placeholder":true,"num":1}"#] {
            assert!(!is_first_attachment(other));
        }
    }

    #[test]
    fn clients_1_are_told_ascii_and_read_as_they_write() {
        assert_eq!(ascii("2[\"é😀\"]".to_owned()), r#"2["\u00e9\ud83d\ude00"]"#);
        let twice: String = "2[\"é大\"]".bytes().map(char::from).collect();
        assert_eq!(mend(&twice).as_deref(), Some("2[\"é大\"]"));
        for once in ["2[\"é\"]", "2[\"大\"]", "2[\"a\"]"] {
            assert_eq!(mend(once), None);
        }
    }

    proptest! {
        #[test]
        fn no_text_harms(text in "\\PC{0,40}", head in "[0-7][0-9]{0,3}-?(/[a-z?]{0,3},?)?[0-9]{0,11}") {
            for text in [&text, &format!("{head}{text}")] {
                if let Ok(packet) = decode(text) {
                    let _ = event(packet.payload);
                }
            }
        }

        #[test]
        fn what_is_written_is_read(name in "\\PC{0,9}", said in "\\PC{0,9}") {
            let json = serde_json::to_string(&said).unwrap();
            let text = write_event(&name, &json);
            let packet = decode(&text).unwrap();
            let read = event(packet.payload).unwrap();
            prop_assert_eq!(&read.name, &name);
            prop_assert_eq!(string(read.arguments[0]).unwrap(), said);
        }
    }
}
