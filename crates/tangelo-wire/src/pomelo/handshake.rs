//! The handshake: what opens a connection, and what may follow when.

use std::time::Duration;

use serde_json::{Value, json};

use super::{json, resume};

/// Where a connection stands. A package that does not fit the state is ignored without an error,
/// as Pomelo does: a client may rely on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nothing has been agreed.
    #[default]
    Inited,
    /// The answer is out, the client has not acknowledged it.
    WaitAck,
    /// Messages flow.
    Working,
}

/// What the client said when it opened the connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Hello {
    /// Kind of client, such as `js-websocket`.
    pub client_type: Option<String>,
    /// The client's own version.
    pub client_version: Option<String>,
    /// Whether it wants a session that outlives its connection, or has one.
    pub resume: Option<resume::Ask>,
    /// What the application's client added.
    pub user: Value,
}

/// Why a handshake is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not JSON, or without the `sys` object that says who is calling.
    #[error("handshake without a `sys` object")]
    NoSys,
}

impl Refusal {
    /// The code the client is told before the connection closes.
    pub fn code(self) -> u16 {
        match self {
            Self::NoSys => 500,
        }
    }
}

/// Reads the client's handshake.
///
/// # Errors
/// A body without a `sys` object.
pub fn decode(body: &[u8]) -> Result<Hello, Refusal> {
    let mut hello: Value = json::from_slice(body).map_err(|_| Refusal::NoSys)?;
    let sys = hello
        .get("sys")
        .filter(|sys| sys.is_object())
        .ok_or(Refusal::NoSys)?;
    let text = |key| sys.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok(Hello {
        client_type: text("type"),
        client_version: text("version"),
        resume: resume::asked(sys),
        user: hello.get_mut("user").map(Value::take).unwrap_or_default(),
    })
}

/// The answer that lets a client in; `heartbeat` in seconds, absent where there is none, and `resume` for
/// clients that asked for it.
pub fn accept(heartbeat: Option<Duration>, resume: Option<&resume::Answer>) -> Vec<u8> {
    let mut sys = match heartbeat {
        Some(interval) if interval.subsec_nanos() == 0 => {
            json!({ "heartbeat": interval.as_secs() })
        }
        Some(interval) => json!({ "heartbeat": interval.as_secs_f64() }),
        None => json!({}),
    };
    if let Some(resume) = resume {
        sys["resume"] = resume.to_json();
    }
    // Pomelo writes the code first, and a map of serde_json's would be in the alphabet's order: so it is here.
    json!({ "code": 200, "sys": sys }).to_string().into_bytes()
}

/// The answer that turns a client away.
pub fn refuse(refusal: Refusal) -> Vec<u8> {
    json!({ "code": refusal.code() }).to_string().into_bytes()
}

/// What a KICK package carries. Stock clients parse it, so it is always JSON.
pub fn kick(reason: &str) -> Vec<u8> {
    json::to_vec(&json!({ "reason": reason })).unwrap_or_else(|_| b"{}".to_vec())
}
