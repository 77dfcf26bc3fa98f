//! A request on its way from the front end to the back end that answers it, and the answer's way back.

mod serve;

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use prost::{
    Message as _,
    encoding::{self, WireType},
};
use tangelo_rpc::{Code, Connection, Encoding, Reply, Sequence, Status, Waiter};
use tokio::time::Instant;

pub(crate) use self::serve::Forward;
pub(crate) use crate::generated::forward::Kind;
use crate::{
    Error, Options, Request, SessionId,
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

/// Sends a request to a back end. `waiter` has the answer under `token`: of a notify, that it has ended.
pub(crate) fn send(
    connection: &Connection,
    session: &FrontSession,
    (waiter, token): (Arc<dyn Waiter>, u64),
    (kind, request): (forward::Kind, &Request),
    now: Instant,
) -> Result<Sequence, Status> {
    let timeout = request.deadline().saturating_duration_since(now);
    let snapshot = session.snapshot();
    connection.request(
        FORWARD,
        timeout,
        |out| encode(out, request.route(), kind, request.body(), &snapshot),
        waiter,
        token,
    )
}

/// Tells a back end that this session's client is gone.
pub(crate) fn tell_gone(connection: &Connection, session: SessionId) {
    let gone = GoneReq { sid: session.0 };
    // A connection that is lost says it as well.
    let _ = connection.tell(GONE, |out| gone.encode_raw(out));
}

/// [`ForwardReq`](forward::ForwardReq), written by hand: the body is copied once, straight into what will be sent, and
/// the session is encoded once for all its requests.
fn encode(out: &mut BytesMut, route: &[u8], kind: forward::Kind, body: &[u8], session: &[u8]) {
    if kind != forward::Kind::Request {
        encoding::encode_key(KIND, WireType::Varint, out);
        encoding::encode_varint(kind as u64, out);
    }
    for (field, bytes) in [(ROUTE, route), (BODY, body), (SESSION, session)] {
        encoding::encode_key(field, WireType::LengthDelimited, out);
        encoding::encode_varint(bytes.len() as u64, out);
        out.put_slice(bytes);
    }
}

/// What a back end answered, as the front end's handlers would have.
///
/// # Errors
/// There is no answer of the back end's.
pub(crate) fn answer(answered: Result<Reply, Status>) -> Result<Result<Reply, Status>, Status> {
    let answer = ForwardRes::decode(answered?.body)
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
        ret_code: 0,
        encoding,
        body: answer.body,
        options: options.map(Arc::new),
    }))
}
