//! Packets that a client is sent, to bytes.

use bytes::{BufMut, BytesMut};
use mqtt_protocol_core::mqtt::{
    packet::{Properties, Property, v3_1_1, v5_0},
    result_code::{
        ConnectReasonCode, ConnectReturnCode, DisconnectReasonCode, MqttError, PubackReasonCode,
        SubackReasonCode, SubackReturnCode, UnsubackReasonCode,
    },
};

use super::incoming::{Version, Violation};

/// Bytes of the longest packet there is, behind its header.
pub(super) const LONGEST: usize = 0x0fff_ffff;
/// Bytes of the longest header.
const HEADER: usize = 5;
/// The property of MQTT 5 that an answer carries.
const CORRELATION_DATA: u8 = 9;
/// PINGRESP.
const PONG: [u8; 2] = [0xd0, 0];

/// What a client is told that was let in.
#[derive(Debug, Default)]
pub(super) struct Welcome {
    pub(super) receive_maximum: u16,
    pub(super) longest: u32,
    /// Seconds, if not as the client has said.
    pub(super) keep_alive: Option<u16>,
    /// If it has none of its own.
    pub(super) client_id: Option<String>,
}

/// CONNACK that lets a client in.
pub(super) fn welcome(
    version: Version,
    welcome: Welcome,
    out: &mut BytesMut,
) -> Result<(), MqttError> {
    let packet = match version {
        Version::V3 => refusal_3(ConnectReturnCode::Accepted)?,
        Version::V5 => {
            let mut properties: Properties = vec![
                property::receive_maximum(welcome.receive_maximum)?,
                property::longest(welcome.longest)?,
            ];
            properties.extend(property::offers_less()?);
            if let Some(seconds) = welcome.keep_alive {
                properties.push(property::keep_alive(seconds)?);
            }
            if let Some(id) = welcome.client_id {
                properties.push(property::client_id(&id)?);
            }
            let builder = v5_0::Connack::builder().session_present(false);
            let builder = builder.reason_code(ConnectReasonCode::Success);
            builder.props(properties).build()?.to_continuous_buffer()
        }
    };
    out.put_slice(&packet);
    Ok(())
}

/// CONNACK that turns a client of MQTT 3.1.1 away, or of a version that is unknown.
pub(super) fn refuse_3(code: ConnectReturnCode, out: &mut BytesMut) -> Result<(), MqttError> {
    out.put_slice(&refusal_3(code)?);
    Ok(())
}

fn refusal_3(code: ConnectReturnCode) -> Result<Vec<u8>, MqttError> {
    let builder = v3_1_1::Connack::builder().session_present(false);
    Ok(builder.return_code(code).build()?.to_continuous_buffer())
}

/// CONNACK that turns a client of MQTT 5 away.
pub(super) fn refuse_5(
    code: ConnectReasonCode,
    reason: &str,
    out: &mut BytesMut,
) -> Result<(), MqttError> {
    let builder = v5_0::Connack::builder()
        .session_present(false)
        .reason_code(code);
    let packet = builder.props(property::reason(reason)?).build()?;
    out.put_slice(&packet.to_continuous_buffer());
    Ok(())
}

/// DISCONNECT, which only MQTT 5 has.
pub(super) fn disconnect(
    violation: Violation,
    reason: &str,
    out: &mut BytesMut,
) -> Result<(), MqttError> {
    let code = DisconnectReasonCode::try_from(violation as u8);
    let code = code.unwrap_or(DisconnectReasonCode::UnspecifiedError);
    let builder = v5_0::Disconnect::builder().reason_code(code);
    let packet = builder.props(property::reason(reason)?).build()?;
    out.put_slice(&packet.to_continuous_buffer());
    Ok(())
}

/// PUBACK; the reason is for MQTT 5 alone.
pub(super) fn acknowledge(
    version: Version,
    id: u16,
    reason: PubackReasonCode,
    out: &mut BytesMut,
) -> Result<(), MqttError> {
    let packet = match version {
        Version::V3 => {
            let builder = v3_1_1::Puback::builder().packet_id(id);
            builder.build()?.to_continuous_buffer()
        }
        Version::V5 => {
            let builder = v5_0::Puback::builder().packet_id(id);
            builder.reason_code(reason).build()?.to_continuous_buffer()
        }
    };
    out.put_slice(&packet);
    Ok(())
}

/// SUBACK: the QoS that is granted for each filter, or why none.
pub(super) fn subscribed(
    version: Version,
    id: u16,
    granted: &[Result<u8, SubackReasonCode>],
    out: &mut BytesMut,
) -> Result<(), MqttError> {
    let packet = match version {
        Version::V3 => {
            let code = |granted: &Result<u8, _>| match granted {
                Ok(0) => SubackReturnCode::SuccessMaximumQos0,
                Ok(_) => SubackReturnCode::SuccessMaximumQos1,
                Err(_) => SubackReturnCode::Failure,
            };
            let builder = v3_1_1::Suback::builder().packet_id(id);
            let builder = builder.return_codes(granted.iter().map(code).collect());
            builder.build()?.to_continuous_buffer()
        }
        Version::V5 => {
            let code = |granted: &Result<u8, _>| match granted {
                Ok(0) => SubackReasonCode::GrantedQos0,
                Ok(_) => SubackReasonCode::GrantedQos1,
                Err(reason) => *reason,
            };
            let builder = v5_0::Suback::builder().packet_id(id);
            let builder = builder.reason_codes(granted.iter().map(code).collect());
            builder.build()?.to_continuous_buffer()
        }
    };
    out.put_slice(&packet);
    Ok(())
}

/// UNSUBACK: of each filter, whether there was a subscription.
pub(super) fn unsubscribed(
    version: Version,
    id: u16,
    found: &[bool],
    out: &mut BytesMut,
) -> Result<(), MqttError> {
    let packet = match version {
        Version::V3 => {
            let builder = v3_1_1::Unsuback::builder().packet_id(id);
            builder.build()?.to_continuous_buffer()
        }
        Version::V5 => {
            let code = |found: &bool| match found {
                true => UnsubackReasonCode::Success,
                false => UnsubackReasonCode::NoSubscriptionExisted,
            };
            let builder = v5_0::Unsuback::builder().packet_id(id);
            let builder = builder.reason_codes(found.iter().map(code).collect());
            builder.build()?.to_continuous_buffer()
        }
    };
    out.put_slice(&packet);
    Ok(())
}

/// PINGRESP.
pub(super) fn pong(out: &mut BytesMut) {
    out.put_slice(&PONG);
}

/// PUBLISH, which goes to many and is written by hand: the library would copy its parts twice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Publish<'a> {
    pub(super) version: Version,
    /// At most 65,535 bytes.
    pub(super) topic: &'a str,
    pub(super) payload: &'a [u8],
    /// 0 or 1.
    pub(super) qos: u8,
    /// What the request was told by; at most 65,535 bytes, and only in MQTT 5.
    pub(super) correlation: Option<&'a [u8]>,
}

impl Publish<'_> {
    /// Bytes of the packet behind its header.
    fn length(&self) -> usize {
        let id = usize::from(self.qos) * 2;
        let properties = match self.version {
            Version::V3 => 0,
            Version::V5 => length_bytes(self.properties()) + self.properties(),
        };
        2 + self.topic.len() + id + properties + self.payload.len()
    }

    fn properties(&self) -> usize {
        self.correlation.map_or(0, |data| 3 + data.len())
    }

    /// Bytes of the whole packet.
    pub(super) fn size(&self) -> usize {
        1 + length_bytes(self.length()) + self.length()
    }

    /// Appends it, without its id; where that belongs, if there is one.
    pub(super) fn write(&self, out: &mut impl BufMut) -> usize {
        const PUBLISH: u8 = 0x30;
        out.put_u8(PUBLISH | self.qos << 1);
        put_length(self.length(), out);
        put_bytes(self.topic.as_bytes(), out);
        let id_at = 1 + length_bytes(self.length()) + 2 + self.topic.len();
        if self.qos > 0 {
            out.put_u16(0);
        }
        if self.version == Version::V5 {
            put_length(self.properties(), out);
            if let Some(correlation) = self.correlation {
                out.put_u8(CORRELATION_DATA);
                put_bytes(correlation, out);
            }
        }
        out.put_slice(self.payload);
        id_at
    }
}

fn put_bytes(bytes: &[u8], out: &mut impl BufMut) {
    out.put_u16(bytes.len() as u16);
    out.put_slice(bytes);
}

/// Bytes that a length takes.
fn length_bytes(length: usize) -> usize {
    match length {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => HEADER - 1,
    }
}

fn put_length(mut length: usize, out: &mut impl BufMut) {
    while length > 0x7f {
        out.put_u8(length as u8 | 0x80);
        length >>= 7;
    }
    out.put_u8(length as u8);
}

/// The properties of MQTT 5 that are told.
mod property {
    use mqtt_protocol_core::mqtt::packet::{
        AssignedClientIdentifier, MaximumPacketSize, MaximumQos, ReasonString, ReceiveMaximum,
        RetainAvailable, ServerKeepAlive, SessionExpiryInterval, SharedSubscriptionAvailable,
        SubscriptionIdentifierAvailable,
    };

    use super::{MqttError, Properties, Property};

    /// Characters of a reason; the rest is left out.
    const REASON: usize = 256;

    pub(super) fn receive_maximum(most: u16) -> Result<Property, MqttError> {
        ReceiveMaximum::new(most).map(Into::into)
    }

    pub(super) fn longest(most: u32) -> Result<Property, MqttError> {
        MaximumPacketSize::new(most).map(Into::into)
    }

    pub(super) fn keep_alive(seconds: u16) -> Result<Property, MqttError> {
        ServerKeepAlive::new(seconds).map(Into::into)
    }

    pub(super) fn client_id(id: &str) -> Result<Property, MqttError> {
        AssignedClientIdentifier::new(id).map(Into::into)
    }

    /// What there is not.
    pub(super) fn offers_less() -> Result<[Property; 5], MqttError> {
        Ok([
            SessionExpiryInterval::new(0)?.into(),
            MaximumQos::new(1)?.into(),
            RetainAvailable::new(0)?.into(),
            SubscriptionIdentifierAvailable::new(0)?.into(),
            SharedSubscriptionAvailable::new(0)?.into(),
        ])
    }

    /// Why, if there is anything to say.
    pub(super) fn reason(reason: &str) -> Result<Properties, MqttError> {
        if reason.is_empty() {
            return Ok(Vec::new());
        }
        let reason: String = reason.chars().filter(|c| *c != '\0').take(REASON).collect();
        Ok(vec![ReasonString::new(reason)?.into()])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Buf;

    use super::*;
    use crate::mqtt::incoming;

    #[test]
    fn what_is_published_is_what_the_library_reads() {
        let long = vec![b'x'; 20_000];
        for payload in [&b""[..], b"hi", &long[..120], &long] {
            for (qos, correlation) in [(0, None), (1, None), (1, Some(&b"id"[..]))] {
                for version in [Version::V3, Version::V5] {
                    let publish = Publish {
                        version,
                        topic: "a/b",
                        payload,
                        qos,
                        correlation: correlation.filter(|_| version == Version::V5),
                    };
                    let mut out = BytesMut::new();
                    let id_at = publish.write(&mut out);
                    assert_eq!(out.len(), publish.size());
                    if qos > 0 {
                        out[id_at + 1] = 7;
                    }
                    let (kind, body) = incoming::next(&mut out, LONGEST).unwrap().unwrap();
                    assert!(!out.has_remaining());
                    let (topic, told, id) = match version {
                        Version::V3 => {
                            let (read, _) =
                                v3_1_1::Publish::parse(kind & 15, Arc::from(&body[..])).unwrap();
                            (
                                read.topic_name().to_owned(),
                                read.payload().as_slice().to_vec(),
                                read.packet_id(),
                            )
                        }
                        Version::V5 => {
                            let (read, _) =
                                v5_0::Publish::parse(kind & 15, Arc::from(&body[..])).unwrap();
                            assert_eq!(
                                read.props.len(),
                                usize::from(publish.correlation.is_some())
                            );
                            (
                                read.topic_name().to_owned(),
                                read.payload().as_slice().to_vec(),
                                read.packet_id(),
                            )
                        }
                    };
                    assert_eq!((topic.as_str(), &told[..]), ("a/b", payload));
                    assert_eq!(id, (qos > 0).then_some(7));
                }
            }
        }
    }
}
