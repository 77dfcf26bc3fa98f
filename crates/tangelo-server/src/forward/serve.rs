//! Service Forward, as a back end answers it: its pipeline.

use std::{future::ready, sync::Arc};

use bytes::Bytes;
use prost::Message as _;
use tangelo_rpc::{Answer, Code, Definition, Encoding, Reply, Service, Status};
use tangelo_runtime::guard::{self, Guarded};
use tokio::time::Instant;

use super::{BODY, FORWARD, GONE, KIND, ROUTE, SESSION};
use crate::{
    Context, Error, Limits, Request, Session, SessionId,
    fields::{Malformed, Value, fields},
    generated::forward::{self, ForwardRes, GoneReq},
    handler::Manner,
    limits::after,
    pipeline::{self, Bounds, Passage, Step, To, Turn, within},
    session::{BackSession, Kind},
};

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
        if (request.service_id, request.msg_id) == GONE {
            return Box::pin(ready(self.hear_gone(request)));
        }
        let (request, kind) = match decode(request) {
            Ok(request) => request,
            Err(status) => return Box::pin(ready(Err(status))),
        };
        if self.context.pipeline.local.is_empty() {
            self.call_handler(request, kind)
        } else {
            self.pass(request, kind)
        }
    }
}

impl Forward {
    /// No filters: the handler answers.
    fn call_handler(&self, mut request: Request, kind: forward::Kind) -> Answer {
        let session = request.session().clone();
        let pipeline = &self.context.pipeline;
        let number = pipeline.find(request.route());
        let Some((number, known)) = number.and_then(|n| Some((n, pipeline.get(n)?))) else {
            let status = pipeline::not_found(request.route());
            self.context
                .log_failure(session.id(), request.route(), &status);
            return Box::pin(ready(Ok(answered(Err(status)))));
        };
        let bounds = bounds(known.manner, self.context.limits(), &mut request);
        // A panic while the handler takes its arguments is answered like one while it runs.
        let answer = guard::catch(|| known.handler.call(request)).map(Guarded::new);
        Box::pin(async move {
            let answer = async {
                match answer {
                    Ok(answer) => answer.await.unwrap_or_else(|p| Err(pipeline::failed(p))),
                    Err(panicked) => Err(pipeline::failed(panicked)),
                }
            };
            let outcome = match bounds {
                None => answer.await,
                Some(bounds) => Box::pin(within(bounds, answer)).await,
            };
            if let Err(status) = &outcome {
                let context = session.context();
                let route = context
                    .pipeline
                    .get(number)
                    .map_or(&[][..], |known| &known.route);
                context.log_failure(session.id(), route, status);
            }
            Ok(said(kind, outcome))
        })
    }

    /// Filters first, and last, when the answer has been handed on.
    fn pass(&self, mut request: Request, kind: forward::Kind) -> Answer {
        let session = request.session().clone();
        let (pipeline, route) = (&self.context.pipeline, request.route_bytes());
        let to = To::Here(pipeline.find(&route));
        let turn = match pipeline.local.has_befores() {
            false => Some(Turn::Free),
            true => self.context.turns.join(session.id()).map(Turn::After),
        };
        let Some(turn) = turn else {
            let status = Status::from(Code::FLOW_LIMIT);
            self.context.log_failure(session.id(), &route, &status);
            return Box::pin(ready(Ok(said(kind, Err(status)))));
        };
        let bounds = bounds(pipeline.manner(to), self.context.limits(), &mut request);
        let bounds = bounds.unwrap_or_else(|| Bounds::new(request.deadline()));
        let passage = Passage::of_front_end(request);
        Box::pin(async move {
            let Step::Answered { outcome, passage } = passage.pass(turn, to, bounds).await else {
                return Err(pipeline::not_found(&route));
            };
            let context = session.context();
            if let Err(status) = &outcome {
                context.log_failure(session.id(), &route, status);
            }
            let deadline = Instant::now() + context.limits().deadline_or_default();
            if let Some(work) = passage.and_then(|p| p.afterwards(&outcome, deadline))
                && let Kind::Back(its) = &session.0
            {
                let work = Box::pin(async move {
                    work.await;
                    Ok(Reply::default())
                });
                its.came_over().afterwards(FORWARD, deadline, work);
            }
            Ok(said(kind, outcome))
        })
    }

    fn hear_gone(&self, request: tangelo_rpc::Request) -> Result<Reply, Status> {
        let connection = request.connection.ok_or(Code::DECODE_REQ_ERROR)?;
        let gone = GoneReq::decode(request.body)
            .map_err(|error| Status::from(Code::DECODE_REQ_ERROR).with_cause(error))?;
        self.context.gone.told(&connection, SessionId(gone.sid));
        Ok(Reply::default())
    }
}

/// What ends a handler beside its request's deadline, at which its connection polls it.
fn bounds(manner: Manner, own: &Limits, request: &mut Request) -> Option<Bounds> {
    let mut bounds = None;
    if let Some(limit) = manner.deadline.into_iter().chain(own.deadline).min() {
        let deadline = after(limit);
        bounds = Some(Bounds::new(request.deadline()).alarmed(deadline));
        request.due_by(deadline);
    }
    if manner.with_client {
        let known = bounds.unwrap_or_else(|| Bounds::new(request.deadline()));
        bounds = Some(known.with_client(request.session()));
    }
    bounds
}

/// What the front end hears: nothing, of a notify.
fn said(kind: forward::Kind, outcome: Result<Reply, Status>) -> Reply {
    match kind {
        forward::Kind::Notify => Reply::default(),
        forward::Kind::Request => answered(outcome),
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
            options: reply.options.as_deref().map(encoded).unwrap_or_default(),
            ..ForwardRes::default()
        },
        Err(status) => {
            let code = match status.code() {
                // That would be an answer.
                Code(0) => Code::BUSINESS_ERROR,
                code => code,
            };
            let error = Error::of(status);
            ForwardRes {
                ret_code: code.0,
                ret_msg: error.as_status().message().to_owned(),
                body: error.body().map(encoded).unwrap_or_default(),
                options: error.options().map(encoded).unwrap_or_default(),
                ..ForwardRes::default()
            }
        }
    };
    Reply::protobuf(answer.ret_code, answer.encode_to_vec())
}

fn encoded(value: &serde_json::Value) -> Bytes {
    Bytes::from(value.to_string())
}
