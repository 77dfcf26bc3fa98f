//! What a client is told: answers, acknowledgements, pushes.

use mqtt_protocol_core::mqtt::result_code::PubackReasonCode;
use tangelo_wire::pomelo::package;
use tokio::time::Instant;

use super::{
    awaited::{self, Answer, To},
    connection::Mqtt,
    incoming::Version,
    outgoing, publication, topics,
};
use crate::{Error, Push};

impl<P> Mqtt<P> {
    /// The answer to something the client has asked.
    pub(super) fn respond(&mut self, id: u32, body: &[u8]) -> Result<(), Error> {
        match self.awaited.get(id) {
            Some(Answer::Published { to, qos, .. }) => {
                let published = match to {
                    Some(To::Topic { topic, correlation }) => {
                        let (topic, correlation) = (topic.clone(), correlation.clone());
                        self.publish(&topic, body, *qos, correlation.as_deref())?;
                        true
                    }
                    Some(To::AsItSays) => match publication::read(body) {
                        Some(said) => {
                            self.publish(&said.topic, &said.payload, said.qos, None)?;
                            true
                        }
                        None => false,
                    },
                    None => false,
                };
                let Some(Answer::Published { acknowledge, .. }) = self.awaited.take(id) else {
                    return Ok(());
                };
                let Some(packet) = acknowledge else {
                    return Ok(());
                };
                let reason = match self.version {
                    Version::V5 if !published => awaited::reason(body),
                    Version::V3 if !published && awaited::has_not_run(body) => {
                        // As the standard has it: its client comes back and publishes it again.
                        let problem = "what cannot be refused in MQTT 3.1.1 was refused";
                        return Err(Error::Mqtt(problem.to_owned()));
                    }
                    _ => PubackReasonCode::Success,
                };
                outgoing::acknowledge(self.version, packet, reason, &mut self.writing)?;
                self.unacknowledged.remove(&packet);
                if let Some(waits) = self.waits.take() {
                    waits.wake();
                }
                Ok(())
            }
            Some(Answer::Subscribed { .. }) => {
                if let Some(Answer::Subscribed { id, filters }) = self.awaited.take(id) {
                    self.grant(id, filters, Some(&awaited::granted(body)))?;
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// A push reaches who has subscribed to it.
    pub(super) fn push(&mut self, push: &Push) -> Result<(), Error> {
        let said = self.settings.publish_route.as_ref();
        if let Some(said) = said.and_then(|_| publication::read(push.body())) {
            return match self.subscriptions.qos(&said.topic) {
                Some(qos) => self.publish(&said.topic, &said.payload, said.qos.min(qos), None),
                None => Ok(()),
            };
        }
        let topic = topics::topic(push.route());
        match self.subscriptions.qos(&topic) {
            Some(qos) => self.publish(&topic, push.body(), qos, None),
            None => Ok(()),
        }
    }

    fn publish(
        &mut self,
        topic: &str,
        payload: &[u8],
        qos: u8,
        correlation: Option<&[u8]>,
    ) -> Result<(), Error> {
        if !topics::is_topic(topic) {
            return Err(Error::Encode(format!("nothing is published to {topic:?}")));
        }
        let publish = outgoing::Publish {
            version: self.version,
            topic,
            payload,
            qos,
            correlation,
        };
        let (length, limit) = (
            publish.size(),
            self.longest_of_client.min(outgoing::LONGEST),
        );
        if length > limit {
            return Err(package::Error::TooLong { length, limit }.into());
        }
        if qos == 0 {
            publish.write(&mut self.writing);
        } else {
            let mut packet = Vec::with_capacity(length);
            let id_at = publish.write(&mut packet);
            self.window
                .send(packet, id_at, Instant::now(), &mut self.writing);
        }
        Ok(())
    }
}
