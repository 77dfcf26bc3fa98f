//! Session resume, within what Pomelo's packages leave free: `sys.resume` in the handshake, and the
//! bodies of heartbeats. A client that does not ask for it never meets any of this.
//!
//! Both sides count the DATA packages of each direction since the session began. A heartbeat's body is
//! the count of what its sender has received, in decimal digits; from a client that leaves for good it
//! is `bye`.

use std::fmt;

use serde_json::{Value, json};

/// The longest token that is looked at.
pub const MAX_TOKEN: usize = 512;

/// A client's heartbeat that says it leaves for good.
const BYE: &[u8] = b"bye";

/// What a client asks for in its handshake.
#[derive(Clone, PartialEq, Eq)]
pub enum Ask {
    /// A session that it can come back to: `sys.resume` is `true` or an object without a token.
    New,
    /// To go on with the session it had.
    Back {
        /// What it was given last.
        token: String,
        /// How many DATA packages it has received in that session.
        received: u64,
    },
}

/// What the client is told about it, as `sys.resume`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// What it comes back with. Good for one time; each answer has another.
    pub token: String,
    /// Bytes that the server keeps for it.
    pub window: usize,
    /// Seconds that it may be away.
    pub seconds: u64,
    /// What became of its wish to come back.
    pub outcome: Outcome,
}

/// What became of a client's wish to come back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// It had none: the session is new.
    #[default]
    New,
    /// The session is new, as the one it had is not there any more; for this reason.
    Lost(&'static str),
    /// The session goes on.
    Resumed {
        /// How many DATA packages of the client's were taken; it sends again what came after those.
        received: u64,
        /// How many DATA packages for the client are gone for ever.
        gap: u64,
        /// Of a session with a gap: the requests that will still be answered. Others that were taken
        /// have been answered in the gap.
        pending: Vec<u32>,
    },
}

/// What the body of a client's heartbeat says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// How many DATA packages it has received.
    Received(u64),
    /// It leaves for good.
    Bye,
}

/// Reads the wish from the handshake's `sys`. A token that is none, or too long, is one that nobody
/// knows.
pub fn asked(sys: &Value) -> Option<Ask> {
    let resume = sys.get("resume")?;
    match resume {
        Value::Bool(true) => Some(Ask::New),
        Value::Object(resume) => Some(match resume.get("token") {
            None => Ask::New,
            Some(token) => Ask::Back {
                token: token
                    .as_str()
                    .filter(|token| token.len() <= MAX_TOKEN)
                    .unwrap_or_default()
                    .to_owned(),
                received: resume.get("received").and_then(Value::as_u64).unwrap_or(0),
            },
        }),
        _ => None,
    }
}

impl Answer {
    /// As it stands in the handshake's answer.
    pub fn to_json(&self) -> Value {
        let mut resume = json!({
            "token": self.token,
            "window": self.window,
            "time": self.seconds,
        });
        match &self.outcome {
            Outcome::New => {}
            Outcome::Lost(reason) => resume["lost"] = json!(reason),
            Outcome::Resumed {
                received,
                gap,
                pending,
            } => {
                resume["received"] = json!(received);
                if *gap > 0 {
                    resume["gap"] = json!(gap);
                    resume["pending"] = json!(pending);
                }
            }
        }
        resume
    }
}

/// Without the token, which nobody shall find in a log.
impl fmt::Debug for Ask {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => formatter.write_str("New"),
            Self::Back { received, .. } => formatter
                .debug_struct("Back")
                .field("received", received)
                .finish_non_exhaustive(),
        }
    }
}

/// Without the token, which nobody shall find in a log.
impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Answer")
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

/// Reads the body of a client's heartbeat; none if it says nothing that is known.
pub fn receipt(body: &[u8]) -> Option<Receipt> {
    if body == BYE {
        return Some(Receipt::Bye);
    }
    let digits = std::str::from_utf8(body).ok()?;
    // `parse` would take a sign.
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let received = is_number.then(|| digits.parse().ok())??;
    Some(Receipt::Received(received))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_client_that_asks_is_meant() {
        assert_eq!(asked(&json!({})), None);
        for other in [json!(false), json!(null), json!(1), json!("yes"), json!([])] {
            assert_eq!(asked(&json!({ "resume": other })), None);
        }
        assert_eq!(asked(&json!({ "resume": true })), Some(Ask::New));
        assert_eq!(asked(&json!({ "resume": {} })), Some(Ask::New));
    }

    #[test]
    fn a_token_that_is_none_is_one_that_nobody_knows() {
        let back = |token: Value, received: Value| {
            asked(&json!({ "resume": { "token": token, "received": received } }))
        };
        let expected = |token: &str, received| {
            let token = token.to_owned();
            Some(Ask::Back { token, received })
        };
        assert_eq!(back(json!("abc"), json!(7)), expected("abc", 7));
        assert_eq!(back(json!("abc"), json!(-1)), expected("abc", 0));
        assert_eq!(back(json!(5), json!("x")), expected("", 0));
        let longest = "x".repeat(MAX_TOKEN);
        assert_eq!(back(json!(longest), json!(0)), expected(&longest, 0));
        assert_eq!(
            back(json!("x".repeat(MAX_TOKEN + 1)), json!(0)),
            expected("", 0)
        );
    }

    #[test]
    fn no_log_shows_a_token() {
        let asked = asked(&json!({ "resume": { "token": "secret", "received": 1 } }));
        let answer = Answer {
            token: "secret".to_owned(),
            ..Answer::default()
        };
        let shown = format!("{asked:?} {answer:?}");
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_gap_names_what_will_still_be_answered() {
        let resumed = |gap| Answer {
            token: "t".to_owned(),
            window: 10,
            seconds: 60,
            outcome: Outcome::Resumed {
                received: 3,
                gap,
                pending: vec![5],
            },
        };
        let without = json!({ "token": "t", "window": 10, "time": 60, "received": 3 });
        assert_eq!(resumed(0).to_json(), without);
        let with = json!({
            "token": "t", "window": 10, "time": 60, "received": 3, "gap": 2, "pending": [5]
        });
        assert_eq!(resumed(2).to_json(), with);
        let lost = Answer {
            outcome: Outcome::Lost("unknown"),
            ..resumed(0)
        };
        assert_eq!(lost.to_json()["lost"], "unknown");
        assert!(lost.to_json().get("received").is_none());
    }

    #[test]
    fn a_heartbeat_carries_a_count_or_a_farewell_or_nothing_that_is_known() {
        assert_eq!(receipt(b"0"), Some(Receipt::Received(0)));
        let most = u64::MAX.to_string();
        assert_eq!(receipt(most.as_bytes()), Some(Receipt::Received(u64::MAX)));
        assert_eq!(receipt(b"bye"), Some(Receipt::Bye));
        for other in [
            &b""[..],
            b"-1",
            b"+1",
            b" 1",
            b"1.5",
            b"x",
            b"\xff",
            b"18446744073709551616",
        ] {
            assert_eq!(receipt(other), None, "{other:?}");
        }
    }
}
