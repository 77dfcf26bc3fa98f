//! A request on its way from the front end to the back end that answers it, and the answer's way back.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use prost::{
    Message as _,
    encoding::{self, WireType},
};
use tangelo_rpc::{
    Answer, Code, Connection, Definition, Encoding, Reply, Sequence, Service, Status, Waiter,
};
use tangelo_runtime::guard::{self, Guarded};
use tokio::time::Instant;

use crate::{
    Context, Request, Session,
    fields::{Malformed, Value, fields},
    generated::forward::{self, ForwardRes},
    pipeline,
    session::{BackSession, FrontSession, Kind},
};

/// Service and message number, and the request's fields; see forward.proto.
const FORWARD: (i32, i32) = (11, 1);
/// Bytes that may wait on a connection when a notify is added; past it notifies are dropped.
const MOST_BEFORE_NOTIFY: usize = 4 << 20;
const ROUTE: u32 = 1;
const KIND: u32 = 2;
const BODY: u32 = 4;
const SESSION: u32 = 5;

/// Sends a request to a back end. `waiter` has the answer under `token`.
pub(crate) fn send(
    connection: &Connection,
    session: &FrontSession,
    (waiter, token): (Arc<dyn Waiter>, u64),
    request: &Request,
    now: Instant,
) -> Result<Sequence, Status> {
    let timeout = request.deadline().saturating_duration_since(now);
    let snapshot = session.snapshot();
    connection.request(
        FORWARD,
        timeout,
        |out| {
            encode(
                out,
                request.route(),
                forward::Kind::Request,
                request.body(),
                &snapshot,
            )
        },
        waiter,
        token,
    )
}

/// Sends a notify to a back end.
pub(crate) fn tell(
    connection: &Connection,
    session: &FrontSession,
    request: &Request,
) -> Result<(), Status> {
    if connection.peer_leaves() {
        return Err(Code::SERVER_SHUTDOWN.into());
    }
    // Nobody waits for a notify, so nothing but this bounds them: the connection is others' as well.
    if connection.backlog() > MOST_BEFORE_NOTIFY {
        return Err(Code::QUEUE_FULL.into());
    }
    let snapshot = session.snapshot();
    connection.tell(FORWARD, |out| {
        encode(
            out,
            request.route(),
            forward::Kind::Notify,
            request.body(),
            &snapshot,
        );
    })
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
    if answer.ret_code != 0 {
        return Ok(Err(Status::new(Code(answer.ret_code), answer.ret_msg)));
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
        ..Reply::default()
    }))
}

/// Answers service Forward on a back end: its pipeline.
#[derive(Debug)]
pub(crate) struct Forward {
    pub(crate) context: Arc<Context>,
}

impl Definition for Forward {
    const SERVICE_ID: i32 = FORWARD.0;
    const NAME: &'static str = "Forward";
}

impl Service for Forward {
    fn call(&self, request: tangelo_rpc::Request) -> Answer {
        let (request, kind) = match decode(request) {
            Ok(request) => request,
            Err(status) => return Box::pin(std::future::ready(Err(status))),
        };
        let session = request.session().clone();
        let pipeline = &self.context.pipeline;
        let number = pipeline.find(request.route());
        let Some((number, known)) = number.and_then(|n| Some((n, pipeline.get(n)?))) else {
            let status = pipeline::not_found(request.route());
            self.context
                .log_failure(session.id(), request.route(), &status);
            return Box::pin(std::future::ready(Ok(answered(Err(status)))));
        };
        // A panic while the handler takes its arguments is answered like one while it runs.
        let answer = guard::catch(|| known.handler.call(request)).map(Guarded::new);
        Box::pin(async move {
            let outcome = match answer {
                Ok(answer) => answer.await.unwrap_or_else(|p| Err(pipeline::failed(p))),
                Err(panicked) => Err(pipeline::failed(panicked)),
            };
            if let Err(status) = &outcome {
                let context = session.context();
                let route = context
                    .pipeline
                    .get(number)
                    .map_or(&[][..], |known| &known.route);
                context.log_failure(session.id(), route, status);
            }
            Ok(match kind {
                forward::Kind::Notify => Reply::default(),
                forward::Kind::Request => answered(outcome),
            })
        })
    }
}

/// [`ForwardReq`](forward::ForwardReq), read by hand: route, body and session stay parts of the
/// frame they came in.
fn decode(request: tangelo_rpc::Request) -> Result<(Request, forward::Kind), Status> {
    if (request.service_id, request.msg_id) != FORWARD {
        return Err(Code::NOT_FOUND.into());
    }
    let connection = request
        .connection
        .filter(|connection| connection.hello().is_some());
    let (Some(connection), Some(deadline)) = (connection, request.deadline) else {
        return Err(Status::new(
            Code::DECODE_REQ_ERROR,
            "forwarded by a stranger",
        ));
    };
    let bytes = request.body;
    let (mut route, mut body, mut session, mut kind) = (0..0, 0..0, 0..0, 0);
    for field in fields(&bytes) {
        match field.map_err(undecodable)? {
            (ROUTE, Value::Bytes(range)) => route = range,
            (KIND, Value::Number(number)) => kind = number,
            (BODY, Value::Bytes(range)) => body = range,
            (SESSION, Value::Bytes(range)) => session = range,
            _ => {}
        }
    }
    let session = BackSession::decode(bytes.slice(session), connection).map_err(undecodable)?;
    let session = Session(Kind::Back(Arc::new(session)));
    let kind = forward::Kind::try_from(kind as i32)
        .map_err(|error| undecodable(Malformed(error.to_string())))?;
    Ok((Request::new(bytes, route, body, session, deadline), kind))
}

fn undecodable(error: Malformed) -> Status {
    Status::from(Code::DECODE_REQ_ERROR).with_cause(error)
}

fn answered(outcome: Result<Reply, Status>) -> Reply {
    let answer = match outcome {
        Ok(reply) => ForwardRes {
            encoding: match reply.encoding {
                Encoding::Json => forward::Encoding::Json,
                Encoding::Protobuf => forward::Encoding::Protobuf,
                Encoding::Raw => forward::Encoding::Raw,
            }
            .into(),
            body: reply.body,
            ..ForwardRes::default()
        },
        Err(status) => ForwardRes {
            ret_code: status.code().0,
            ret_msg: status.message().to_owned(),
            ..ForwardRes::default()
        },
    };
    Reply::protobuf(answer.ret_code, answer.encode_to_vec())
}
