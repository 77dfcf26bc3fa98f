//! Bytes to packets that a client sends, alike for both versions.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use mqtt_protocol_core::mqtt::{
    packet::{Property, Qos, SubEntry, v3_1_1, v5_0},
    result_code::MqttError,
};

use super::topics;

/// What is wrong with what a client sends; its code is what MQTT 5 tells.
pub(super) type Violation = MqttError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// 3.1.1.
    V3,
    /// 5.
    V5,
}

#[derive(Debug)]
pub(super) enum Packet {
    Connect(Box<Connect>),
    Publish(Box<Publish>),
    /// PUBACK.
    Acknowledged(u16),
    Subscribe {
        id: u16,
        /// Each with the QoS asked for.
        filters: Vec<(Box<str>, u8)>,
    },
    Unsubscribe {
        id: u16,
        filters: Vec<Box<str>>,
    },
    Ping,
    Disconnect,
}

#[derive(Debug)]
pub(super) struct Connect {
    pub(super) version: Version,
    pub(super) client_id: String,
    pub(super) username: Option<String>,
    pub(super) password: Option<Bytes>,
    pub(super) is_clean: bool,
    /// Seconds; 0: none.
    pub(super) keep_alive: u16,
    /// How many messages of QoS 1 it takes at once.
    pub(super) receive_maximum: u16,
    /// Bytes of the longest packet it takes.
    pub(super) longest: usize,
    /// Why this client cannot be served.
    pub(super) refusal: Option<Violation>,
}

#[derive(Debug, Default)]
pub(super) struct Publish {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    /// None with QoS 0.
    pub(super) id: Option<u16>,
    pub(super) qos: u8,
    pub(super) retain: bool,
    pub(super) dup: bool,
    /// Where an answer is wanted.
    pub(super) response_topic: Option<String>,
    pub(super) correlation: Option<Bytes>,
}

/// Takes the next whole packet off the buffer: the first byte of its header, and what is behind the header.
pub(super) fn next(
    buffer: &mut BytesMut,
    longest: usize,
) -> Result<Option<(u8, BytesMut)>, Violation> {
    let Some((&kind, rest)) = buffer.split_first() else {
        return Ok(None);
    };
    let (mut length, mut header) = (0, 1);
    for (place, byte) in rest.iter().enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            header += place + 1;
            break;
        }
        if place == 3 {
            return Err(Violation::MalformedPacket);
        }
    }
    if length > longest {
        return Err(Violation::PacketTooLarge);
    }
    if header == 1 || buffer.len() < header + length {
        return Ok(None);
    }
    buffer.advance(header);
    Ok(Some((kind, buffer.split_to(length))))
}

/// Reads the first packet, which tells the version of those that follow.
pub(super) fn connect(kind: u8, body: &[u8]) -> Result<Connect, Violation> {
    const CONNECT: u8 = 0x10;
    // The name's length, the name, the version, flags.
    let [0, 4, b'M', b'Q', b'T', b'T', version, flags, ..] = body else {
        return Err(match body {
            // MQTT 3.1 called itself so.
            [0, 6, b'M', b'Q', b'I', b's', b'd', b'p', ..] if kind == CONNECT => {
                Violation::UnsupportedProtocolVersion
            }
            _ => Violation::MalformedPacket,
        });
    };
    if kind != CONNECT || flags & 1 != 0 {
        return Err(Violation::MalformedPacket);
    }
    match version {
        4 => {
            let (connect, read) = v3_1_1::Connect::parse(body)?;
            whole(read, body)?;
            Ok(Connect {
                version: Version::V3,
                client_id: connect.client_id().to_owned(),
                username: connect.user_name().map(str::to_owned),
                password: connect.password().map(Bytes::copy_from_slice),
                is_clean: connect.clean_session(),
                keep_alive: connect.keep_alive(),
                receive_maximum: u16::MAX,
                longest: usize::MAX,
                refusal: None,
            })
        }
        5 => {
            let (connect, read) = v5_0::Connect::parse(body)?;
            whole(read, body)?;
            Ok(of_version_5(&connect))
        }
        _ => Err(Violation::UnsupportedProtocolVersion),
    }
}

fn of_version_5(connect: &v5_0::Connect) -> Connect {
    let (mut receive_maximum, mut longest, mut refusal) = (u16::MAX, usize::MAX, None);
    for property in &connect.props {
        match property {
            Property::ReceiveMaximum(most) => receive_maximum = most.val(),
            Property::MaximumPacketSize(most) => longest = most.val() as usize,
            Property::AuthenticationMethod(_) => {
                refusal = Some(Violation::BadAuthenticationMethod);
            }
            _ => {}
        }
    }
    if connect.will_flag() && connect.will_qos() == Qos::ExactlyOnce {
        refusal = Some(Violation::QosNotSupported);
    } else if connect.will_flag() && connect.will_retain() {
        refusal = Some(Violation::RetainNotSupported);
    }
    Connect {
        version: Version::V5,
        client_id: connect.client_id().to_owned(),
        username: connect.user_name().map(str::to_owned),
        password: connect.password().map(Bytes::copy_from_slice),
        is_clean: connect.clean_start(),
        keep_alive: connect.keep_alive(),
        receive_maximum,
        longest,
        refusal,
    }
}

/// Reads a packet that is not the first.
pub(super) fn packet(version: Version, kind: u8, body: &[u8]) -> Result<Packet, Violation> {
    let flags = kind & 0x0f;
    match (kind >> 4, flags) {
        (1, 0) => Err(Violation::ProtocolError),
        (3, _) => publish(version, flags, body).map(|publish| Packet::Publish(Box::new(publish))),
        (4, 0) => acknowledged(version, body).map(Packet::Acknowledged),
        (8, 2) => subscribe(version, body),
        (10, 2) => unsubscribe(version, body),
        (12, 0) if body.is_empty() => Ok(Packet::Ping),
        (14, 0) => match version {
            Version::V3 if !body.is_empty() => Err(Violation::MalformedPacket),
            _ => Ok(Packet::Disconnect),
        },
        // Parts of QoS 2, and authentication in several steps; neither was offered.
        (5..=7 | 15, _) => Err(Violation::ProtocolError),
        _ => Err(Violation::MalformedPacket),
    }
}

fn publish(version: Version, flags: u8, body: &[u8]) -> Result<Publish, Violation> {
    let body = Arc::from(body);
    let mut publish = match version {
        Version::V3 => {
            let (publish, _) = v3_1_1::Publish::parse(flags, body)?;
            Publish {
                topic: publish.topic_name().to_owned(),
                payload: Bytes::copy_from_slice(publish.payload().as_slice()),
                id: publish.packet_id(),
                ..Publish::default()
            }
        }
        Version::V5 => {
            let (publish, _) = v5_0::Publish::parse(flags, body)?;
            let (mut response_topic, mut correlation) = (None, None);
            for property in &publish.props {
                match property {
                    Property::ResponseTopic(topic) => response_topic = Some(topic.val().to_owned()),
                    Property::CorrelationData(data) => {
                        correlation = Some(Bytes::copy_from_slice(data.val()));
                    }
                    Property::TopicAlias(_) => return Err(Violation::TopicAliasInvalid),
                    Property::SubscriptionIdentifier(_) => return Err(Violation::ProtocolError),
                    _ => {}
                }
            }
            Publish {
                topic: publish.topic_name().to_owned(),
                payload: Bytes::copy_from_slice(publish.payload().as_slice()),
                id: publish.packet_id(),
                response_topic,
                correlation,
                ..Publish::default()
            }
        }
    };
    if publish.id == Some(0) {
        return Err(Violation::ProtocolError);
    }
    if !topics::is_topic(&publish.topic) {
        return Err(Violation::TopicNameInvalid);
    }
    let is_good = |topic: &String| topics::is_topic(topic);
    if !publish.response_topic.as_ref().is_none_or(is_good) {
        return Err(Violation::ProtocolError);
    }
    (publish.qos, publish.retain, publish.dup) = (flags >> 1 & 3, flags & 1 != 0, flags & 8 != 0);
    Ok(publish)
}

fn acknowledged(version: Version, body: &[u8]) -> Result<u16, Violation> {
    let (id, read) = match version {
        Version::V3 => v3_1_1::Puback::parse(body).map(|(ack, read)| (ack.packet_id(), read))?,
        Version::V5 => v5_0::Puback::parse(body).map(|(ack, read)| (ack.packet_id(), read))?,
    };
    whole(read, body)?;
    Ok(id)
}

fn subscribe(version: Version, body: &[u8]) -> Result<Packet, Violation> {
    let (id, filters, read) = match version {
        Version::V3 => {
            let (subscribe, read) = v3_1_1::Subscribe::parse(body)?;
            (subscribe.packet_id(), wanted(subscribe.entries()), read)
        }
        Version::V5 => {
            let (subscribe, read) = v5_0::Subscribe::parse(body)?;
            let mut properties = subscribe.props.iter();
            if properties.any(|property| matches!(property, Property::SubscriptionIdentifier(_))) {
                return Err(Violation::SubscriptionIdentifiersNotSupported);
            }
            (subscribe.packet_id(), wanted(subscribe.entries()), read)
        }
    };
    whole(read, body)?;
    named(id, &filters)?;
    Ok(Packet::Subscribe { id, filters })
}

/// Each filter with the QoS asked for.
fn wanted(entries: &[SubEntry]) -> Vec<(Box<str>, u8)> {
    let wanted = |entry: &SubEntry| (entry.topic_filter().into(), entry.sub_opts().qos() as u8);
    entries.iter().map(wanted).collect()
}

fn unsubscribe(version: Version, body: &[u8]) -> Result<Packet, Violation> {
    let (id, entries, read) = match version {
        Version::V3 => {
            let (unsubscribe, read) = v3_1_1::Unsubscribe::parse(body)?;
            (unsubscribe.packet_id(), unsubscribe.entries().clone(), read)
        }
        Version::V5 => {
            let (unsubscribe, read) = v5_0::Unsubscribe::parse(body)?;
            (unsubscribe.packet_id(), unsubscribe.entries().clone(), read)
        }
    };
    whole(read, body)?;
    let filters: Vec<Box<str>> = entries.iter().map(|entry| entry.as_str().into()).collect();
    named(id, &filters)?;
    Ok(Packet::Unsubscribe { id, filters })
}

/// Whether it has an id and names at least one filter.
fn named<T>(id: u16, filters: &[T]) -> Result<(), Violation> {
    match id == 0 || filters.is_empty() {
        true => Err(Violation::ProtocolError),
        false => Ok(()),
    }
}

/// Whether all of it has been read.
fn whole(read: usize, body: &[u8]) -> Result<(), Violation> {
    match read == body.len() {
        true => Ok(()),
        false => Err(Violation::MalformedPacket),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_as_long_as_the_limit_says_and_no_longer() {
        let mut buffer = BytesMut::from(&[0xc0, 0, 0x30, 3, 0, 1, b'a', 0x30][..]);
        let taken = next(&mut buffer, 3).unwrap().unwrap();
        assert_eq!((taken.0, &taken.1[..]), (0xc0, &b""[..]));
        let taken = next(&mut buffer, 3).unwrap().unwrap();
        assert_eq!((taken.0, &taken.1[..]), (0x30, &b"\0\x01a"[..]));
        assert_eq!(next(&mut buffer, 3), Ok(None));
        buffer.extend_from_slice(&[4]);
        assert_eq!(next(&mut buffer, 3), Err(Violation::PacketTooLarge));
    }

    #[test]
    fn a_length_has_four_bytes_at_most() {
        let mut buffer = BytesMut::from(&[0x30, 0x80, 0x80, 0x80][..]);
        assert_eq!(next(&mut buffer, usize::MAX), Ok(None));
        buffer.extend_from_slice(&[0x80]);
        assert_eq!(
            next(&mut buffer, usize::MAX),
            Err(Violation::MalformedPacket)
        );
    }

    #[test]
    fn the_first_packet_tells_the_version_and_old_ones_are_told_apart() {
        let body =
            |version: u8, flags: u8| [0, 4, b'M', b'Q', b'T', b'T', version, flags, 0, 9, 0, 0];
        let read = connect(0x10, &body(4, 2)).unwrap();
        assert_eq!(
            (read.version, read.keep_alive, read.is_clean),
            (Version::V3, 9, true)
        );
        let refused = |kind, body: &[u8]| connect(kind, body).err();
        assert_eq!(
            refused(0x10, &body(6, 2)),
            Some(Violation::UnsupportedProtocolVersion)
        );
        let old = [0, 6, b'M', b'Q', b'I', b's', b'd', b'p', 3, 2, 0, 9, 0, 0];
        assert_eq!(
            refused(0x10, &old),
            Some(Violation::UnsupportedProtocolVersion)
        );
        assert_eq!(refused(0x10, &body(4, 3)), Some(Violation::MalformedPacket));
        assert_eq!(refused(0x30, &body(4, 2)), Some(Violation::MalformedPacket));
        assert_eq!(refused(0x10, &[]), Some(Violation::MalformedPacket));
        let long = [&body(4, 2)[..], &[1]].concat();
        assert_eq!(refused(0x10, &long), Some(Violation::MalformedPacket));
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_sent_is_read_or_refused(
            kind in 0..=u8::MAX,
            body in proptest::collection::vec(0..=u8::MAX, 0..64),
            version in 3..7_u8,
        ) {
            let mut first = vec![0, 4, b'M', b'Q', b'T', b'T', version];
            first.extend_from_slice(&body);
            let _ = connect(0x10, &first);
            for version in [Version::V3, Version::V5] {
                let _ = packet(version, kind, &body);
                // As good as possible: a topic of one letter, an id, properties.
                let _ = packet(version, kind, &[&[0, 1, b'a'][..], &body].concat());
                let _ = packet(version, kind, &[&[0, 1][..], &body].concat());
            }
        }
    }
}
