//! Answers of the server that a client waits for, in one form or another.

use std::collections::HashMap;

use bytes::Bytes;
use mqtt_protocol_core::mqtt::result_code::PubackReasonCode;
use serde_json::Value;
use tangelo_wire::pomelo::message::MAX_ID;

use super::{
    MqttLimits,
    asking::Judged,
    incoming::{Publish, Violation},
};

/// Answers that a client waits for, by the ids their requests have on this server.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    answers: HashMap<u32, Answer>,
    last: u32,
}

/// What becomes of an answer.
#[derive(Debug)]
pub(super) enum Answer {
    /// Of something published.
    Published {
        /// Whom PUBACK is for; none with QoS 0.
        acknowledge: Option<u16>,
        /// Where it is published; none: nowhere.
        to: Option<To>,
        qos: u8,
    },
    /// Which of these are granted.
    Subscribed { id: u16, filters: Vec<Judged> },
}

/// Where an answer is published.
#[derive(Debug)]
pub(super) enum To {
    Topic {
        topic: Box<str>,
        correlation: Option<Bytes>,
    },
    /// Where the answer says.
    AsItSays,
}

impl Awaited {
    /// The id of a request that is answered so; none if the client waits for too many.
    pub(super) fn add(&mut self, answer: Answer) -> Option<u32> {
        if self.answers.len() >= MqttLimits::AWAITED {
            return None;
        }
        loop {
            self.last = if self.last >= MAX_ID {
                1
            } else {
                self.last + 1
            };
            if !self.answers.contains_key(&self.last) {
                self.answers.insert(self.last, answer);
                return Some(self.last);
            }
        }
    }

    /// The id of a request that something published is; none if nobody wants to hear of it.
    pub(super) fn published(
        &mut self,
        publish: &Publish,
        to: Option<To>,
    ) -> Result<Option<u32>, Violation> {
        if publish.id.is_none() && to.is_none() {
            return Ok(None);
        }
        let answer = Answer::Published {
            acknowledge: publish.id,
            to,
            qos: publish.qos,
        };
        self.add(answer).map(Some).ok_or(Violation::QuotaExceeded)
    }

    pub(super) fn get(&self, id: u32) -> Option<&Answer> {
        self.answers.get(&id)
    }

    pub(super) fn take(&mut self, id: u32) -> Option<Answer> {
        self.answers.remove(&id)
    }
}

/// Whether a request has surely not run, and may if it is published again.
pub(super) fn has_not_run(answer: &[u8]) -> bool {
    matches!(code(answer), Some(429 | 503))
}

fn code(answer: &[u8]) -> Option<i64> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    answer.get("code")?.as_i64()
}

/// What PUBACK of MQTT 5 says of an answer that its client is not told otherwise.
pub(super) fn reason(answer: &[u8]) -> PubackReasonCode {
    if !tangelo_wire::pomelo::json::tells_of_failure(answer) {
        return PubackReasonCode::Success;
    }
    match code(answer) {
        Some(401 | 403) => PubackReasonCode::NotAuthorized,
        Some(404) => PubackReasonCode::TopicNameInvalid,
        Some(429) => PubackReasonCode::QuotaExceeded,
        Some(400) => PubackReasonCode::PayloadFormatInvalid,
        Some(500) => PubackReasonCode::UnspecifiedError,
        _ => PubackReasonCode::ImplementationSpecificError,
    }
}

/// What a handler grants: each a QoS, or nothing.
pub(super) fn granted(answer: &[u8]) -> Vec<Option<u8>> {
    let list: Vec<Value> = serde_json::from_slice(answer).unwrap_or_default();
    let qos = |value: &Value| value.as_u64().filter(|qos| *qos <= 2);
    list.iter()
        .map(|value| qos(value).map(|qos| qos.min(1) as u8))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        Answer::Published {
            acknowledge: None,
            to: None,
            qos: 0,
        }
    }

    #[test]
    fn as_many_answers_are_awaited_as_the_limit_says_and_no_more() {
        let mut awaited = Awaited::default();
        for id in 1..=MqttLimits::AWAITED as u32 {
            assert_eq!(awaited.add(answer()), Some(id));
        }
        assert_eq!(awaited.add(answer()), None);
        assert!(awaited.take(7).is_some() && awaited.take(7).is_none());
        assert!(awaited.add(answer()).is_some());
    }

    #[test]
    fn an_id_is_not_used_again_while_it_is_awaited() {
        let mut awaited = Awaited::default();
        assert_eq!(awaited.add(answer()), Some(1));
        awaited.last = MAX_ID;
        assert_eq!(awaited.add(answer()), Some(2));
    }

    #[test]
    fn an_acknowledgement_says_how_a_request_has_gone() {
        for (answer, expected) in [
            (&b"{}"[..], PubackReasonCode::Success),
            (b"raw", PubackReasonCode::Success),
            (br#"{"code":200}"#, PubackReasonCode::Success),
            (br#"{"code":404}"#, PubackReasonCode::TopicNameInvalid),
            (br#"{"code":500}"#, PubackReasonCode::UnspecifiedError),
            (
                br#"{"code":7}"#,
                PubackReasonCode::ImplementationSpecificError,
            ),
        ] {
            assert_eq!(reason(answer), expected);
        }
    }

    #[test]
    fn only_a_list_grants_anything() {
        assert_eq!(
            granted(b"[0,1,2,128,\"x\"]"),
            [Some(0), Some(1), Some(1), None, None]
        );
        assert_eq!(granted(br#"{"code":500}"#), []);
    }
}
