//! The handshake: socket.io's own, told as Pomelo's.

use engineioxide::ProtocolVersion;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// Members of a query that are engine.io's.
const ENGINE: [&str; 6] = ["EIO", "transport", "sid", "t", "j", "b64"];
/// The code of an answer that lets a client in.
const WELCOME: u64 = 200;

/// The body of a handshake: `auth`, which is JSON or nothing, over what the query says. None: it is neither an
/// object nor nothing.
pub(super) fn handshake(protocol: ProtocolVersion, query: &str, auth: &str) -> Option<Vec<u8>> {
    let mut user = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (plain(name), plain(value));
        if !ENGINE.contains(&name.as_str()) {
            user.insert(name, Value::String(value));
        }
    }
    let auth = match auth {
        "" => Value::Null,
        auth => serde_json::from_str(auth).ok()?,
    };
    match auth {
        Value::Null => {}
        Value::Object(auth) => user.extend(auth),
        _ => return None,
    }
    let version = match protocol {
        ProtocolVersion::V3 => "3",
        ProtocolVersion::V4 => "4",
    };
    let hello = json!({ "sys": { "type": "socket.io", "version": version }, "user": user });
    Some(hello.to_string().into_bytes())
}

/// As forms write it.
fn plain(encoded: &str) -> String {
    let spaced = encoded.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// Whether an answer lets the client in.
pub(super) fn welcomes(answer: &Value) -> bool {
    answer.get("code").and_then(Value::as_u64) == Some(WELCOME)
}

/// The packet that lets a client in.
pub(super) fn welcome(protocol: ProtocolVersion, sid: &str) -> String {
    match protocol {
        ProtocolVersion::V3 => "0".to_owned(),
        ProtocolVersion::V4 => format!("0{}", json!({ "sid": sid })),
    }
}

/// The packets that refuse it: the answer, and to clients that would come again at once a farewell.
pub(super) fn refusal(protocol: ProtocolVersion, answer: &Value) -> Vec<String> {
    match protocol {
        ProtocolVersion::V3 => vec![format!("4{answer}"), "1".to_owned()],
        ProtocolVersion::V4 => {
            let message = answer.get("msg").and_then(Value::as_str);
            let error = json!({ "message": message.unwrap_or("refused"), "data": answer });
            vec![format!("4{error}")]
        }
    }
}

/// The packet that refuses a namespace.
pub(super) fn no_namespace(protocol: ProtocolVersion, namespace: &str) -> String {
    let message = "Invalid namespace";
    match protocol {
        ProtocolVersion::V3 => format!("4{namespace},{}", json!(message)),
        ProtocolVersion::V4 => format!("4{namespace},{}", json!({ "message": message })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(query: &str, auth: &str) -> Option<Value> {
        let hello = handshake(ProtocolVersion::V4, query, auth)?;
        let mut hello: Value = serde_json::from_slice(&hello).unwrap();
        assert_eq!(hello["sys"], json!({ "type": "socket.io", "version": "4" }));
        Some(hello["user"].take())
    }

    #[test]
    fn who_a_client_is_stands_in_its_query_and_before_that_in_auth() {
        let query = "EIO=4&transport=polling&t=x&a=1&b=%C3%A9+%2B&c";
        assert_eq!(
            user(query, ""),
            Some(json!({ "a": "1", "b": "é +", "c": "" }))
        );
        let both = json!({ "a": 2, "b": "é +", "c": "" });
        assert_eq!(user(query, r#"{"a":2}"#), Some(both));
        assert_eq!(user("", "null"), Some(json!({})));
        for auth in ["1", "[]", "{", "\"a\""] {
            assert_eq!(user("", auth), None, "{auth}");
        }
    }
}
