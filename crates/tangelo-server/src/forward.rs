//! A request on its way from the front end to the back end that answers it, and the answer's way back.

mod serve;

use std::{ops::Range, sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use prost::{
    Message as _,
    encoding::{self, WireType},
};
use tangelo_rpc::{Code, Connection, Encoding, Head, Reply, Sequence, Status, Waiter};

pub(crate) use self::serve::Forward;
pub(crate) use crate::generated::forward::Kind;
use crate::{
    Error, Options, SessionId,
    fields::{Value, fields},
    generated::forward::{self, ForwardRes, GoneReq},
    session::FrontSession,
};

/// Service and message number, and the request's fields; see forward.proto.
const FORWARD: (i32, i32) = (11, 1);
const GONE: (i32, i32) = (11, 2);
const ROUTE: u32 = 1;
const KIND: u32 = 2;
const BODY: u32 = 4;
const SESSION: u32 = 5;
/// The fields of an answer that is nothing but a reply.
const REPLY_ENCODING: u32 = 3;
const REPLY_BODY: u32 = 4;

/// What is the same in all requests that a session makes under one route, until the session changes.
#[derive(Debug)]
pub(crate) struct Frame {
    /// The route, as a field.
    route: Box<[u8]>,
    /// Where it begins there.
    begins: usize,
    /// What back ends are shown of the session, encoded; all its routes share it.
    session: Bytes,
}

impl Frame {
    pub(crate) fn new(route: &[u8], session: &FrontSession) -> Self {
        let mut field = Vec::new();
        put_field(ROUTE, route, &mut field);
        Self {
            begins: field.len() - route.len(),
            route: field.into(),
            session: session.snapshot(),
        }
    }

    pub(crate) fn route(&self) -> &[u8] {
        self.route.get(self.begins..).unwrap_or_default()
    }

    /// [`ForwardReq`](forward::ForwardReq), written by hand: the body is copied once, straight into what will be
    /// sent.
    fn encode(&self, kind: forward::Kind, body: &[u8], out: &mut BytesMut) {
        out.reserve(self.route.len() + body.len() + self.session.len() + BESIDE);
        if kind != forward::Kind::Request {
            encoding::encode_key(KIND, WireType::Varint, out);
            encoding::encode_varint(kind as u64, out);
        }
        out.put_slice(&self.route);
        put_field(BODY, body, out);
        put_field(SESSION, &self.session, out);
    }
}

/// Bytes of a request beside its parts, at the most.
const BESIDE: usize = 16;

#[inline]
fn put_field(field: u32, bytes: &[u8], out: &mut impl BufMut) {
    let key = field << 3 | WireType::LengthDelimited as u32;
    match (u8::try_from(key), u8::try_from(bytes.len())) {
        // Most are as short as this.
        (Ok(key @ ..0x80), Ok(length @ ..0x80)) => out.put_slice(&[key, length]),
        _ => {
            encoding::encode_key(field, WireType::LengthDelimited, out);
            encoding::encode_varint(bytes.len() as u64, out);
        }
    }
    out.put_slice(bytes);
}

/// Sends a request to a back end. `waiter` has the answer under `token`: of a notify, that it has ended.
pub(crate) fn send(
    connection: &Connection,
    frame: &Frame,
    (waiter, token): (Arc<dyn Waiter>, u64),
    (kind, body): (forward::Kind, &[u8]),
    timeout: Duration,
) -> Result<Sequence, Status> {
    let write = |out: &mut BytesMut| frame.encode(kind, body, out);
    connection.request(FORWARD, timeout, write, waiter, token)
}

/// Tells a back end that this session's client is gone.
pub(crate) fn tell_gone(connection: &Connection, session: SessionId) {
    let gone = GoneReq { sid: session.0 };
    // A connection that is lost says it as well.
    let _ = connection.tell(GONE, |out| gone.encode_raw(out));
}

/// What a back end answered, as the front end's handlers would have.
///
/// # Errors
/// There is no answer of the back end's.
pub(crate) fn answer(answered: Result<Reply, Status>) -> Result<Result<Reply, Status>, Status> {
    let bytes = answered?.body;
    if let Some((encoding, body)) = parts(&bytes) {
        // It stays a part of the frame it came in.
        return Ok(Ok(reply(encoding, bytes.slice(body))));
    }
    let answer = ForwardRes::decode(bytes)
        .map_err(|error| Status::from(Code::DECODE_RES_ERROR).with_cause(error))?;
    let options = match &*answer.options {
        b"" => None,
        options => serde_json::from_slice::<Options>(options).ok(),
    };
    if answer.ret_code != 0 {
        let mut error = Error::of(Status::new(Code(answer.ret_code), answer.ret_msg));
        if let Ok(body) = serde_json::from_slice::<serde_json::Value>(&answer.body) {
            error = error.with_body(body);
        }
        if let Some(options) = options {
            error = error.with_options(options);
        }
        return Ok(Err(error.into_status()));
    }
    let encoding = match answer.encoding() {
        forward::Encoding::Json => Encoding::Json,
        forward::Encoding::Protobuf => Encoding::Protobuf,
        forward::Encoding::Raw => Encoding::Raw,
    };
    Ok(Ok(Reply {
        options: options.map(Arc::new),
        ..reply(encoding, answer.body)
    }))
}

/// A reply that is nothing else.
pub(crate) fn reply(encoding: Encoding, body: Bytes) -> Reply {
    Reply {
        ret_code: 0,
        encoding,
        body,
        options: None,
    }
}

/// What a back end answered that is nothing but a reply, where it lies.
#[inline]
pub(crate) fn plain(answered: &Result<Reply, Status>) -> Option<(Encoding, &[u8])> {
    let bytes = &answered.as_ref().ok()?.body;
    let (encoding, body) = parts(bytes)?;
    Some((encoding, bytes.get(body)?))
}

/// What a [`ForwardRes`] says that is nothing but a reply, as most are, and where its body is: read by hand.
#[inline]
fn parts(bytes: &[u8]) -> Option<(Encoding, Range<usize>)> {
    let mut fields = fields(bytes);
    let (mut encoding, mut body) = (0, fields.leading_bytes(REPLY_BODY).ok()?);
    for field in fields {
        match field.ok()? {
            (REPLY_ENCODING, Value::Number(number)) => encoding = number,
            (REPLY_BODY, Value::Bytes(range)) => body = range,
            _ => return None,
        }
    }
    let encoding = match encoding {
        0 => Encoding::Json,
        1 => Encoding::Protobuf,
        2 => Encoding::Raw,
        _ => return None,
    };
    Some((encoding, body))
}

/// What stands before the body in a [`ForwardRes`] that is nothing but this reply.
fn head(reply: &Reply) -> Head {
    let mut head = [0; Head::MOST];
    let mut rest = &mut head[..];
    let kind = match reply.encoding {
        Encoding::Json => forward::Encoding::Json,
        Encoding::Protobuf => forward::Encoding::Protobuf,
        Encoding::Raw => forward::Encoding::Raw,
    };
    if kind != forward::Encoding::Json {
        encoding::encode_key(REPLY_ENCODING, WireType::Varint, &mut rest);
        encoding::encode_varint(kind as u64, &mut rest);
    }
    if !reply.body.is_empty() {
        encoding::encode_key(REPLY_BODY, WireType::LengthDelimited, &mut rest);
        encoding::encode_varint(reply.body.len() as u64, &mut rest);
    }
    let unused = rest.len();
    let head = head.get(..Head::MOST - unused).unwrap_or_default();
    Head::new(head).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same, as prost writes it.
    fn written(reply: &Reply) -> ForwardRes {
        let encoding = match reply.encoding {
            Encoding::Json => forward::Encoding::Json,
            Encoding::Protobuf => forward::Encoding::Protobuf,
            Encoding::Raw => forward::Encoding::Raw,
        };
        ForwardRes {
            encoding: encoding.into(),
            body: reply.body.clone(),
            ..ForwardRes::default()
        }
    }

    #[test]
    fn a_request_is_written_as_prost_would_however_long_its_parts_are() {
        for length in [0, 1, 127, 128, 300, 20_000] {
            let part = vec![b'x'; length];
            for field in [ROUTE, BODY, 15, 16, 4000] {
                let (mut ours, mut prosts) = (Vec::new(), Vec::new());
                put_field(field, &part, &mut ours);
                encoding::bytes::encode(field, &part, &mut prosts);
                assert_eq!(ours, prosts, "{length} bytes in field {field}");
            }
        }
    }

    #[test]
    fn a_reply_is_written_as_prost_would_and_read_as_it_was() {
        let long = "x".repeat(300);
        for encoding in [Encoding::Json, Encoding::Protobuf, Encoding::Raw] {
            for body in ["", "{}", &long] {
                let reply = reply(encoding, Bytes::copy_from_slice(body.as_bytes()));
                let whole = [head(&reply).as_slice(), &reply.body].concat();
                assert_eq!(whole, written(&reply).encode_to_vec());
                let answered = Ok(Reply::protobuf(0, whole));
                assert_eq!(plain(&answered), Some((encoding, body.as_bytes())));
                assert_eq!(answer(answered).unwrap().unwrap(), reply);
            }
        }
    }

    #[test]
    fn what_is_more_than_a_reply_is_left_to_prost() {
        let plainly = written(&reply(Encoding::Json, "{}".into()));
        let others = [
            ForwardRes {
                ret_code: -1,
                ..plainly.clone()
            },
            ForwardRes {
                options: Bytes::from("{}"),
                ..plainly.clone()
            },
            ForwardRes {
                encoding: 9,
                ..plainly
            },
        ];
        for other in others {
            let bytes = Bytes::from(other.encode_to_vec());
            assert_eq!(plain(&Ok(Reply::protobuf(0, bytes))), None, "{other:?}");
        }
        assert_eq!(plain(&Ok(Reply::protobuf(0, "no message"))), None);
        assert_eq!(plain(&Err(Code::RPC_TIMEOUT.into())), None);
    }
}
