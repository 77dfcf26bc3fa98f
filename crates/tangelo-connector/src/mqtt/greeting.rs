//! CONNECT to a handshake of Pomelo's, and its answer to CONNACK.

use std::hash::{BuildHasher, Hasher, RandomState};

use bytes::{Bytes, BytesMut};
use mqtt_protocol_core::mqtt::result_code::{ConnectReasonCode, ConnectReturnCode, MqttError};
use serde_json::{Value, json};

use super::{
    incoming::{Connect, Version},
    outgoing, publication,
};

/// The code of an answer that lets a client in.
pub(super) const WELCOME: u64 = 200;

/// The body of the handshake that a client's CONNECT stands for.
pub(super) fn hello(connect: &Connect) -> Bytes {
    let version = match connect.version {
        Version::V3 => "3.1.1",
        Version::V5 => "5",
    };
    let mut user = serde_json::Map::new();
    user.insert("clientId".to_owned(), connect.client_id.as_str().into());
    if let Some(name) = &connect.username {
        user.insert("username".to_owned(), name.as_str().into());
    }
    if let Some(password) = &connect.password {
        user.insert("password".to_owned(), publication::text_or_bytes(password));
    }
    let hello = json!({ "sys": { "type": "mqtt", "version": version }, "user": user });
    hello.to_string().into()
}

/// An id for a client that has none of its own. Nothing is known by it but this connection.
pub(super) fn made_up_id() -> String {
    format!(
        "tangelo-{:016x}",
        RandomState::new().build_hasher().finish()
    )
}

/// The code of the answer to a handshake, and what it says beyond it.
pub(super) fn read_answer(answer: &[u8]) -> (u64, String) {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let code = answer
        .get("code")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    let words = ["msg", "message", "reason"]
        .iter()
        .find_map(|key| answer.get(key)?.as_str());
    (code, words.unwrap_or_default().to_owned())
}

/// CONNACK for a client that the server refuses with this code.
pub(super) fn refuse(
    version: Version,
    code: u64,
    reason: &str,
    out: &mut BytesMut,
) -> Result<(), MqttError> {
    match version {
        Version::V3 => {
            let code = match code {
                400 | 401 => ConnectReturnCode::BadUserNameOrPassword,
                403 => ConnectReturnCode::NotAuthorized,
                // Pomelo's `checkClient`.
                501 => ConnectReturnCode::NotAuthorized,
                _ => ConnectReturnCode::ServerUnavailable,
            };
            outgoing::refuse_3(code, out)
        }
        Version::V5 => {
            let code = match code {
                400 | 401 => ConnectReasonCode::BadUserNameOrPassword,
                403 => ConnectReasonCode::NotAuthorized,
                429 => ConnectReasonCode::ServerBusy,
                501 => ConnectReasonCode::ImplementationSpecificError,
                503 => ConnectReasonCode::ServerUnavailable,
                _ => ConnectReasonCode::UnspecifiedError,
            };
            outgoing::refuse_5(code, reason, out)
        }
    }
}

/// CONNACK for a client that cannot be served, whoever it is.
pub(super) fn cannot_serve(
    version: Version,
    why: MqttError,
    out: &mut BytesMut,
) -> Result<(), MqttError> {
    match version {
        Version::V3 => {
            let code = match why {
                MqttError::ClientIdentifierNotValid => ConnectReturnCode::IdentifierRejected,
                MqttError::UnsupportedProtocolVersion => {
                    ConnectReturnCode::UnacceptableProtocolVersion
                }
                _ => ConnectReturnCode::ServerUnavailable,
            };
            outgoing::refuse_3(code, out)
        }
        Version::V5 => {
            let code = ConnectReasonCode::try_from(why as u8);
            let code = code.unwrap_or(ConnectReasonCode::UnspecifiedError);
            outgoing::refuse_5(code, "", out)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::incoming::Violation;

    fn connect(version: Version) -> Connect {
        Connect {
            version,
            client_id: "me".to_owned(),
            username: Some("name".to_owned()),
            password: Some(Bytes::from_static(b"secret")),
            is_clean: true,
            keep_alive: 0,
            receive_maximum: 1,
            longest: 1,
            refusal: None,
        }
    }

    #[test]
    fn a_handshake_says_who_connects() {
        let read = |hello: Bytes| serde_json::from_slice::<Value>(&hello).unwrap();
        let mut connect = connect(Version::V5);
        let expected = json!({
            "sys": {"type": "mqtt", "version": "5"},
            "user": {"clientId": "me", "username": "name", "password": "secret"},
        });
        assert_eq!(read(hello(&connect)), expected);
        connect.version = Version::V3;
        (connect.username, connect.password) = (None, None);
        let expected = json!({
            "sys": {"type": "mqtt", "version": "3.1.1"},
            "user": {"clientId": "me"},
        });
        assert_eq!(read(hello(&connect)), expected);
        connect.password = Some(Bytes::from_static(&[255]));
        let password = &read(hello(&connect))["user"]["password"];
        assert_eq!(password, &json!({"type": "Buffer", "data": [255]}));
    }

    #[test]
    fn each_version_tells_a_refusal_in_its_own_codes() {
        for (code, of_3, of_5) in [
            (401, 4, 0x86),
            (403, 5, 0x87),
            (429, 3, 0x89),
            (500, 3, 0x80),
            (501, 5, 0x83),
            (503, 3, 0x88),
        ] {
            let mut out = BytesMut::new();
            refuse(Version::V3, code, "why", &mut out).unwrap();
            assert_eq!(out, [0x20, 2, 0, of_3][..]);
            out.clear();
            refuse(Version::V5, code, "why", &mut out).unwrap();
            assert_eq!(out, [0x20, 9, 0, of_5, 6, 31, 0, 3, b'w', b'h', b'y'][..]);
        }
        let answer = read_answer(br#"{"code":403,"msg":"why"}"#);
        assert_eq!(answer, (403, "why".to_owned()));
        assert_eq!(read_answer(b"none"), (0, String::new()));
    }

    #[test]
    fn who_cannot_be_served_is_told_so() {
        for (version, why, expected) in [
            (
                Version::V3,
                Violation::ClientIdentifierNotValid,
                &[0x20, 2, 0, 2][..],
            ),
            (
                Version::V3,
                Violation::UnsupportedProtocolVersion,
                &[0x20, 2, 0, 1],
            ),
            (
                Version::V5,
                Violation::BadAuthenticationMethod,
                &[0x20, 3, 0, 0x8c, 0],
            ),
        ] {
            let mut out = BytesMut::new();
            cannot_serve(version, why, &mut out).unwrap();
            assert_eq!(out, expected);
        }
    }
}
