//! What is published, as Pomelo tells it: the whole packet as JSON.

use bytes::Bytes;
use serde_json::{Value, json};

use super::incoming::Publish;

/// What a handler answers or a server pushes that is to be published.
#[derive(Debug, PartialEq)]
pub(super) struct Publication {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    /// 0 or 1.
    pub(super) qos: u8,
}

/// What a client has published, as handlers are told.
pub(super) fn told(publish: &Publish) -> Vec<u8> {
    let told = json!({
        "topic": publish.topic,
        "payload": text_or_bytes(&publish.payload),
        "qos": publish.qos,
        "retain": publish.retain,
        "dup": publish.dup,
        "messageId": publish.id,
    });
    told.to_string().into_bytes()
}

/// Text, or what Node makes of bytes.
pub(super) fn text_or_bytes(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "type": "Buffer", "data": bytes }),
    }
}

/// What a handler's JSON says is to be published, if it says so.
pub(super) fn read(json: &[u8]) -> Option<Publication> {
    let mut value: Value = serde_json::from_slice(json).ok()?;
    let topic = value.get("topic")?.as_str()?.to_owned();
    let qos = value.get("qos").and_then(Value::as_u64).unwrap_or_default();
    let payload = match value.get_mut("payload")?.take() {
        Value::String(text) => text.into(),
        other => buffer(&other).unwrap_or_else(|| other.to_string().into()),
    };
    Some(Publication {
        topic,
        payload,
        qos: qos.min(1) as u8,
    })
}

fn buffer(value: &Value) -> Option<Bytes> {
    let is_buffer = value.get("type")?.as_str()? == "Buffer";
    let data = value.get("data").filter(|_| is_buffer)?.as_array()?;
    let byte = |value: &Value| value.as_u64().and_then(|byte| u8::try_from(byte).ok());
    data.iter().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_told_as_node_tells_bytes() {
        let mut publish = Publish {
            topic: "a/b".to_owned(),
            payload: Bytes::from_static(b"hi"),
            id: Some(7),
            qos: 1,
            ..Publish::default()
        };
        let expected = json!({"topic": "a/b", "payload": "hi", "qos": 1, "retain": false, "dup": false, "messageId": 7});
        assert_eq!(
            serde_json::from_slice::<Value>(&told(&publish)).unwrap(),
            expected
        );
        publish.payload = Bytes::from_static(&[255, 0]);
        let told: Value = serde_json::from_slice(&told(&publish)).unwrap();
        assert_eq!(told["payload"], json!({"type": "Buffer", "data": [255, 0]}));
    }

    #[test]
    fn text_bytes_and_other_json_can_be_published() {
        for (payload, expected) in [
            (r#""hi""#, &b"hi"[..]),
            (r#"{"type":"Buffer","data":[255,0]}"#, &[255, 0]),
            (
                r#"{"type":"Buffer","data":[256]}"#,
                br#"{"data":[256],"type":"Buffer"}"#,
            ),
            (r#"{"a":1}"#, br#"{"a":1}"#),
        ] {
            let json = format!(r#"{{"topic":"t","payload":{payload},"qos":2}}"#);
            let publication = read(json.as_bytes()).unwrap();
            assert_eq!(publication.payload, expected, "{payload}");
            assert_eq!((publication.topic.as_str(), publication.qos), ("t", 1));
        }
        for none in [
            "",
            "[]",
            r#"{"topic":"t"}"#,
            r#"{"payload":"p"}"#,
            r#"{"topic":1,"payload":""}"#,
        ] {
            assert_eq!(read(none.as_bytes()), None, "{none}");
        }
    }
}
