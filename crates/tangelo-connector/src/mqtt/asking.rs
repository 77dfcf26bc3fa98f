//! What a client publishes and subscribes to, as requests and notifies.

use mqtt_protocol_core::mqtt::result_code::SubackReasonCode;
use serde_json::{Value, json};
use tangelo_wire::pomelo::message::Message;

use super::{
    awaited::{Answer, To},
    connection::Mqtt,
    incoming::{Publish, Version, Violation},
    outgoing, publication, topics,
};
use crate::{Error, Event};

/// A filter, and the QoS it is granted, as far as has been judged, or why none.
pub(super) type Judged = (Box<str>, Result<u8, SubackReasonCode>);

impl<P> Mqtt<P> {
    /// What the client has published: a request if it wants to hear of it, else a notify.
    pub(super) fn published(&mut self, publish: &Publish) -> Result<Option<Event>, Violation> {
        let limits = self.settings.limits;
        if publish.qos > 1 {
            return Err(Violation::QosNotSupported);
        }
        if publish.retain && self.version == Version::V5 {
            return Err(Violation::RetainNotSupported);
        }
        let topics = [Some(&publish.topic), publish.response_topic.as_ref()];
        if topics
            .into_iter()
            .flatten()
            .any(|topic| topic.len() > limits.topic)
        {
            return Err(Violation::TopicNameInvalid);
        }
        if publish
            .correlation
            .as_ref()
            .is_some_and(|data| data.len() > limits.topic)
        {
            return Err(Violation::QuotaExceeded);
        }
        if let Some(id) = publish.id {
            if !self.unacknowledged.insert(id) {
                // Published again before it was acknowledged, which it will be.
                return Ok(None);
            }
            if self.unacknowledged.len() > usize::from(limits.in_flight) {
                return Err(Violation::ReceiveMaximumExceeded);
            }
        }
        let asked = topics::asked(&publish.topic).map_err(|()| Violation::TopicNameInvalid)?;
        let (own, topic) = match asked {
            Some((own, rest)) => (Some(own), rest),
            None => (None, publish.topic.as_str()),
        };
        let to = publish
            .response_topic
            .as_deref()
            .or(own.as_deref())
            .map(|topic| To::Topic {
                topic: topic.into(),
                correlation: publish.correlation.clone(),
            });
        let message = match &self.settings.publish_route {
            Some(route) => {
                let to = to.or(publish.id.map(|_| To::AsItSays));
                let id = self.awaited.published(publish, to)?;
                Message::new(id, route, &publication::told(publish))
            }
            None => {
                let id = self.awaited.published(publish, to)?;
                Message::new(id, &topics::route(topic), &publish.payload)
            }
        };
        match message {
            Ok(message) => Ok(Some(Event::Message(message))),
            Err(_) => Err(Violation::TopicNameInvalid),
        }
    }

    /// What the client wants to hear of: granted at once, or by a handler.
    pub(super) fn subscribe(
        &mut self,
        id: u16,
        filters: Vec<(Box<str>, u8)>,
    ) -> Result<Option<Event>, Violation> {
        let judged = self.judge(filters);
        let asked: Vec<Value> = judged
            .iter()
            .filter_map(|(topic, qos)| Some(json!({ "topic": topic, "qos": qos.ok()? })))
            .collect();
        let route = self.settings.subscribe_route.as_deref();
        let Some(route) = route.filter(|_| !asked.is_empty()) else {
            self.grant(id, judged, None)
                .map_err(|_| Violation::UnspecifiedError)?;
            return Ok(Some(Event::Heartbeat));
        };
        let filters = judged;
        let Some(request) = self.awaited.add(Answer::Subscribed { id, filters }) else {
            return Err(Violation::QuotaExceeded);
        };
        let body = json!({ "subscriptions": asked }).to_string();
        match Message::new(Some(request), route, body.as_bytes()) {
            Ok(message) => Ok(Some(Event::Message(message))),
            Err(_) => Err(Violation::ImplementationSpecificError),
        }
    }

    /// Which filters can be granted at all.
    fn judge(&self, filters: Vec<(Box<str>, u8)>) -> Vec<Judged> {
        let limits = self.settings.limits;
        let mut room = limits
            .subscriptions
            .saturating_sub(self.subscriptions.len());
        let mut judge = |filter: &str, qos: u8| {
            if filter.len() > limits.topic || !topics::is_filter(filter) {
                return Err(SubackReasonCode::TopicFilterInvalid);
            }
            if topics::is_shared(filter) {
                return Err(SubackReasonCode::SharedSubscriptionsNotSupported);
            }
            if !self.subscriptions.has(filter) {
                room = room.checked_sub(1).ok_or(SubackReasonCode::QuotaExceeded)?;
            }
            Ok(qos.min(1))
        };
        let judge = |(filter, qos): (Box<str>, u8)| {
            let judgement = judge(&filter, qos);
            (filter, judgement)
        };
        filters.into_iter().map(judge).collect()
    }

    /// Grants what was asked for, or what a handler grants of it.
    pub(super) fn grant(
        &mut self,
        id: u16,
        filters: Vec<Judged>,
        granted: Option<&[Option<u8>]>,
    ) -> Result<(), Error> {
        let most = self.settings.limits.subscriptions;
        let mut granted = granted.map(|granted| granted.iter());
        let mut told = Vec::with_capacity(filters.len());
        for (filter, judgement) in filters {
            told.push(judgement.and_then(|asked| {
                let qos = match &mut granted {
                    Some(granted) => granted.next().copied().flatten(),
                    None => Some(asked),
                };
                let qos = qos.ok_or(SubackReasonCode::NotAuthorized)?.min(asked);
                match self.subscriptions.add(&filter, qos, most) {
                    true => Ok(qos),
                    false => Err(SubackReasonCode::QuotaExceeded),
                }
            }));
        }
        Ok(outgoing::subscribed(
            self.version,
            id,
            &told,
            &mut self.writing,
        )?)
    }

    /// What the client wants to hear of no more.
    pub(super) fn unsubscribe(
        &mut self,
        id: u16,
        filters: &[Box<str>],
    ) -> Result<Option<Event>, Violation> {
        let found: Vec<bool> = filters
            .iter()
            .map(|filter| self.subscriptions.remove(filter))
            .collect();
        outgoing::unsubscribed(self.version, id, &found, &mut self.writing)?;
        let Some(route) = &self.settings.unsubscribe_route else {
            return Ok(Some(Event::Heartbeat));
        };
        let body = json!({ "unsubscriptions": filters }).to_string();
        match Message::new(None, route, body.as_bytes()) {
            Ok(message) => Ok(Some(Event::Message(message))),
            Err(_) => Err(Violation::ImplementationSpecificError),
        }
    }
}
