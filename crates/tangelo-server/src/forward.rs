//! A request on its way from the front end to the back end that answers it, and the answer's way back.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use prost::{
    Message as _,
    encoding::{self, WireType},
};
use tangelo_rpc::{
    Answer, Code, Connection, Definition, Encoding, Remote, Reply, Sequence, Service, Status,
};
use tangelo_runtime::guard::Guarded;
use tokio::time::Instant;
use tracing::warn;

use crate::{
    Context, Request, Session,
    answer::{Reason, Shown},
    generated::forward::{self, ForwardReq, ForwardRes},
    session::{BackSession, FrontSession, Kind},
};

/// Service and message number; see forward.proto.
const FORWARD: (i32, i32) = (11, 1);

/// Sends a request to a back end. The answer comes to the session's queue under `token`.
pub(crate) fn send(
    remote: &Remote,
    session: &Arc<FrontSession>,
    token: u64,
    request: &Request,
    now: Instant,
) -> Result<(Connection, Sequence), Status> {
    let connection = remote.connection(session.id().0)?;
    let timeout = request.deadline.saturating_duration_since(now);
    let snapshot = session.snapshot();
    let waiter = Arc::clone(session);
    let sequence = connection.request(
        FORWARD,
        timeout,
        |out| {
            encode(
                out,
                &request.route,
                forward::Kind::Request,
                &request.body,
                &snapshot,
            )
        },
        waiter,
        token,
    )?;
    Ok((connection, sequence))
}

/// Sends a notify to a back end.
pub(crate) fn tell(
    remote: &Remote,
    session: &FrontSession,
    request: &Request,
) -> Result<(), Status> {
    let connection = remote.connection(session.id().0)?;
    if connection.peer_leaves() {
        return Err(Code::SERVER_SHUTDOWN.into());
    }
    let snapshot = session.snapshot();
    connection.tell(FORWARD, |out| {
        encode(
            out,
            &request.route,
            forward::Kind::Notify,
            &request.body,
            &snapshot,
        );
    })
}

/// [`ForwardReq`], written by hand: the body is copied once, straight into what will be sent, and
/// the session is encoded once for all its requests.
fn encode(out: &mut BytesMut, route: &[u8], kind: forward::Kind, body: &[u8], session: &[u8]) {
    const ROUTE: u32 = 1;
    const KIND: u32 = 2;
    const BODY: u32 = 4;
    const SESSION: u32 = 5;
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
pub(crate) fn outcome(answered: Result<Reply, Status>) -> Result<Reply, Status> {
    let answer = ForwardRes::decode(answered?.body)
        .map_err(|error| Status::from(Code::DECODE_RES_ERROR).with_cause(error))?;
    if answer.ret_code != 0 {
        return Err(Status::new(Code(answer.ret_code), answer.ret_msg));
    }
    let encoding = match answer.encoding() {
        forward::Encoding::Json => Encoding::Json,
        forward::Encoding::Protobuf => Encoding::Protobuf,
        forward::Encoding::Raw => Encoding::Raw,
    };
    Ok(Reply {
        ret_code: 0,
        encoding,
        body: answer.body,
    })
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
        let (request, kind) = match self.decode(request) {
            Ok(request) => request,
            Err(status) => return Box::pin(std::future::ready(Err(status))),
        };
        let route = request.route.clone();
        let session = request.session.id();
        let answer = self.context.pipeline.here(request).map(Guarded::new);
        Box::pin(async move {
            let outcome = match answer {
                Ok(answer) => answer.await.unwrap_or_else(|panicked| {
                    Err(Status::from(Code::BUSINESS_ERROR).with_cause(panicked))
                }),
                Err(status) => Err(status),
            };
            if let Err(status) = &outcome {
                let (route, reason) = (Shown(&route), Reason(status));
                warn!(%session, %route, code = status.code().0, %reason, "request failed");
            }
            Ok(match kind {
                forward::Kind::Notify => Reply::default(),
                forward::Kind::Request => answered(outcome),
            })
        })
    }
}

impl Forward {
    fn decode(&self, request: tangelo_rpc::Request) -> Result<(Request, forward::Kind), Status> {
        if (request.service_id, request.msg_id) != FORWARD {
            return Err(Code::NOT_FOUND.into());
        }
        let message = ForwardReq::decode(request.body)
            .map_err(|error| Status::from(Code::DECODE_REQ_ERROR).with_cause(error))?;
        let connection = request
            .connection
            .filter(|connection| connection.hello().is_some());
        let (Some(connection), Some(deadline)) = (connection, request.deadline) else {
            return Err(Status::new(
                Code::DECODE_REQ_ERROR,
                "forwarded by a stranger",
            ));
        };
        let kind = message.kind();
        let snapshot = message.session.unwrap_or_default();
        let session = BackSession::new(snapshot, connection, Arc::clone(&self.context));
        let request = Request {
            route: Bytes::from(message.route),
            body: message.body,
            session: Session(Kind::Back(Arc::new(session))),
            deadline,
        };
        Ok((request, kind))
    }
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
