//! A push on its way to another server: [`PushReq`](crate::generated::channel::PushReq), written by hand,
//! so that its body is copied once, straight into what will be sent.

use std::ops::Range;

use bytes::BytesMut;
use prost::{
    bytes::BufMut,
    encoding::{self, WireType},
};
use tangelo_connector::Push;
use tangelo_rpc::{Code, Status};
use tangelo_wire::krpc::frame::DEFAULT_MAX_FRAME;

use super::Terms;
use crate::session::SessionId;

const SIDS: u32 = 1;
const ROUTE: u32 = 2;
const BODY: u32 = 3;
const UIDS: u32 = 4;
const ALL: u32 = 5;
const BOUND: u32 = 6;
const FILTER: u32 = 7;
const FILTER_PARAM: u32 = 8;
const CHANNEL: u32 = 9;

/// Room for what stands around a push's parts.
const AROUND: usize = 1 << 10;
/// Room that every push leaves for receivers.
const FOR_RECEIVERS: usize = 64 << 10;
/// The most bytes of a push that goes to another server, with its filter and its channel's name.
const MOST: usize = DEFAULT_MAX_FRAME - AROUND - FOR_RECEIVERS;

/// One push, as it is said to several servers.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    push: &'a Push,
    terms: Terms<'a>,
    /// Bytes for receivers.
    room: usize,
}

impl<'a> Frame<'a> {
    /// # Errors
    /// It is too long for a frame.
    pub(crate) fn new(push: &'a Push, terms: Terms<'a>) -> Result<Self, Status> {
        let filter = terms
            .filter
            .map_or(0, |filter| filter.name.len() + filter.encoded.len());
        let channel = terms.member_of.map_or(0, |(_, channel)| channel.len());
        let size = push.route().len() + push.body().len() + filter + channel;
        if size > MOST {
            let problem = format!("a push of {size} bytes; {MOST} is the most");
            return Err(Status::from(Code::BUSINESS_ERROR).with_cause(problem));
        }
        Ok(Self {
            push,
            terms,
            room: DEFAULT_MAX_FRAME - AROUND - size,
        })
    }

    /// How many sessions one frame can be for; more of them on one connection take several.
    pub(crate) fn most_sessions(&self) -> usize {
        self.room / size_of::<u64>()
    }

    pub(crate) fn to_sessions(
        &self,
        out: &mut BytesMut,
        sessions: impl ExactSizeIterator<Item = SessionId>,
    ) {
        encoding::encode_key(SIDS, WireType::LengthDelimited, out);
        encoding::encode_varint((sessions.len() * size_of::<u64>()) as u64, out);
        for session in sessions {
            out.put_u64_le(session.0);
        }
        self.rest(out);
    }

    /// Splits users so that each part fits a frame. One that fits none is nobody's, and left out.
    pub(crate) fn parts(&self, uids: &[&str]) -> Vec<Range<usize>> {
        let (mut parts, mut begin, mut room) = (Vec::new(), 0, self.room);
        for (at, uid) in uids.iter().enumerate() {
            let size = uid.len() + AROUND_UID;
            let fits_none = size > self.room;
            if size > room {
                parts.push(begin..at);
                begin = if fits_none { at + 1 } else { at };
                room = self.room;
            }
            room -= if fits_none { 0 } else { size };
        }
        parts.push(begin..uids.len());
        parts.retain(|part| !part.is_empty());
        parts
    }

    pub(crate) fn to_users(&self, out: &mut BytesMut, uids: &[&str]) {
        for uid in uids {
            bytes(UIDS, uid.as_bytes(), out);
        }
        self.rest(out);
    }

    pub(crate) fn to_all(&self, out: &mut BytesMut) {
        flag(ALL, out);
        self.rest(out);
    }

    fn rest(&self, out: &mut BytesMut) {
        bytes(ROUTE, self.push.route().as_bytes(), out);
        bytes(BODY, self.push.body(), out);
        if self.terms.bound_only {
            flag(BOUND, out);
        }
        if let Some(filter) = self.terms.filter {
            bytes(FILTER, filter.name.as_bytes(), out);
            bytes(FILTER_PARAM, &filter.encoded, out);
        }
        if let Some((_, channel)) = self.terms.member_of {
            bytes(CHANNEL, channel.as_bytes(), out);
        }
    }
}

/// Key and length of a user's id.
const AROUND_UID: usize = 6;

fn bytes(field: u32, bytes: &[u8], out: &mut BytesMut) {
    encoding::encode_key(field, WireType::LengthDelimited, out);
    encoding::encode_varint(bytes.len() as u64, out);
    out.put_slice(bytes);
}

fn flag(field: u32, out: &mut BytesMut) {
    encoding::encode_key(field, WireType::Varint, out);
    encoding::encode_varint(1, out);
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use serde_json::json;

    use super::{super::NamedFilter, *};
    use crate::generated::channel::PushReq;

    fn read(write: impl FnOnce(&mut BytesMut)) -> PushReq {
        let mut out = BytesMut::new();
        write(&mut out);
        assert!(out.len() <= DEFAULT_MAX_FRAME, "{}", out.len());
        PushReq::decode(out.freeze()).unwrap()
    }

    #[test]
    fn what_is_written_is_what_prost_reads() {
        let push = Push::new("on", "[1]").unwrap();
        let filter = NamedFilter::new("level", json!(3));
        let terms = Terms {
            bound_only: true,
            filter: Some(&filter),
            member_of: Some(("chat-1", "room")),
        };
        let frame = Frame::new(&push, terms).unwrap();
        let rest = PushReq {
            route: "on".into(),
            body: "[1]".into(),
            bound: true,
            filter: "level".into(),
            filter_param: "3".into(),
            channel: "room".into(),
            ..PushReq::default()
        };
        let sessions = [SessionId(1), SessionId(u64::MAX)];
        assert_eq!(
            read(|out| frame.to_sessions(out, sessions.into_iter())),
            PushReq {
                sids: vec![1, u64::MAX],
                ..rest.clone()
            }
        );
        assert_eq!(
            read(|out| frame.to_users(out, &["a", "b"])),
            PushReq {
                uids: vec!["a".into(), "b".into()],
                ..rest.clone()
            }
        );
        let everybody = PushReq { all: true, ..rest };
        assert_eq!(read(|out| frame.to_all(out)), everybody);
    }

    #[test]
    fn a_push_has_a_longest_size_and_leaves_room_for_receivers() {
        let longest = Push::new("on", vec![b'1'; MOST - 2]).unwrap();
        let frame = Frame::new(&longest, Terms::default()).unwrap();
        assert_eq!(frame.most_sessions(), FOR_RECEIVERS / 8);
        let sessions = (0..frame.most_sessions() as u32).map(|id| SessionId(id.into()));
        read(|out| frame.to_sessions(out, sessions.collect::<Vec<_>>().into_iter()));

        let longer = Push::new("on", vec![b'1'; MOST - 1]).unwrap();
        Frame::new(&longer, Terms::default()).unwrap_err();
    }

    #[test]
    fn users_who_do_not_fit_one_frame_take_several() {
        let push = Push::new("on", vec![b'1'; MOST - 2]).unwrap();
        let frame = Frame::new(&push, Terms::default()).unwrap();
        let uid = "u".repeat(FOR_RECEIVERS / 2 - AROUND_UID);
        let too_long = "u".repeat(FOR_RECEIVERS);
        let uids = [&*uid, &*uid, &*too_long, "a", &*uid];
        let parts = frame.parts(&uids);
        assert_eq!(parts, [0..2, 3..5]);
        for part in parts {
            let part = &uids[part];
            assert_eq!(read(|out| frame.to_users(out, part)).uids, part);
        }
        assert!(frame.parts(&[]).is_empty());
    }
}
