//! Service Forward, as a back end answers it: its pipeline.

use std::{
    future::{poll_fn, ready},
    sync::Arc,
    task::{self, Poll},
};

use bytes::Bytes;
use prost::Message as _;
use tangelo_rpc::{Answer, Begun, Code, Definition, Encoding, Reply, Service, Status};
use tangelo_runtime::guard::{self, Guarded};
use tokio::time::Instant;

use super::{BODY, FORWARD, GONE, KIND, ROUTE, SESSION, head};
use crate::{
    Context, Error, Limits, Request, Session, SessionId,
    fields::{Malformed, Value, fields},
    generated::forward::{self, ForwardRes, GoneReq},
    handler::Manner,
    limits::after,
    pipeline::{self, Begun as Handled, Bounds, Passage, Registered, Step, To, Turn, within},
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
        let (context, mut request) = (Arc::clone(&self.context), Some(request));
        Box::pin(async move {
            let forward = Self { context };
            let begun = poll_fn(|task| Poll::Ready(request.take().map(|r| forward.begin(r, task))));
            match begun.await {
                Some(Begun::Answered(outcome)) => outcome,
                Some(Begun::Said(head, body)) => Ok(head.reply(&body)),
                Some(Begun::Called(answer) | Begun::Waits(answer)) => answer.await,
                None => Err(Code::BUSINESS_ERROR.into()),
            }
        })
    }

    fn begin(&self, request: tangelo_rpc::Request, task: &mut task::Context<'_>) -> Begun {
        if (request.service_id, request.msg_id) == GONE {
            return Begun::Answered(self.hear_gone(request));
        }
        match decode(request) {
            Ok((request, kind)) if self.context.pipeline.local.is_empty() => {
                self.begin_handler(request, kind, task)
            }
            Ok((request, kind)) => Begun::Called(self.pass(request, kind)),
            Err(status) => Begun::Answered(Err(status)),
        }
    }
}

impl Forward {
    /// No filters: the handler answers, mostly at once.
    fn begin_handler(
        &self,
        mut request: Request,
        kind: forward::Kind,
        task: &mut task::Context<'_>,
    ) -> Begun {
        let session = request.session().id();
        let pipeline = &self.context.pipeline;
        let number = pipeline.find(request.route());
        let Some((number, known)) = number.and_then(|n| Some((n, pipeline.get(n)?))) else {
            let status = pipeline::not_found(request.route());
            self.context.log_failure(session, request.route(), &status);
            return Begun::Answered(Ok(answered(Err(status))));
        };
        if let Some(bounds) = bounds(known.manner, self.context.limits(), &mut request) {
            return Begun::Called(self.call_bounded((number, known), (request, kind), bounds));
        }
        match pipeline::begin(&known.handler, &mut request, task) {
            Handled::Answered(outcome) => {
                if let Err(status) = &outcome {
                    self.context.log_failure(session, &known.route, status);
                }
                begun(kind, outcome)
            }
            Handled::Runs(answer) => {
                let context = Arc::clone(&self.context);
                Begun::Waits(Box::pin(async move {
                    let outcome = answer.await.unwrap_or_else(|p| Err(pipeline::failed(p)));
                    log_failure(&context, session, number, &outcome);
                    Ok(said(kind, outcome))
                }))
            }
        }
    }

    /// One whose handler ends with something beside the request's deadline.
    fn call_bounded(
        &self,
        (number, known): (usize, &Registered),
        (mut request, kind): (Request, forward::Kind),
        bounds: Bounds,
    ) -> Answer {
        let (context, session) = (Arc::clone(&self.context), request.session().id());
        // A panic while the handler takes its arguments is answered like one while it runs.
        let answer = guard::catch(|| known.handler.call(&mut request)).map(Guarded::new);
        Box::pin(async move {
            let answer = async {
                match answer {
                    Ok(answer) => answer.await.unwrap_or_else(|p| Err(pipeline::failed(p))),
                    Err(panicked) => Err(pipeline::failed(panicked)),
                }
            };
            let outcome = Box::pin(within(bounds, answer)).await;
            log_failure(&context, session, number, &outcome);
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
#[inline]
fn bounds(manner: Manner, own: &Limits, request: &mut Request) -> Option<Bounds> {
    if (manner.deadline, own.deadline, manner.with_client) == (None, None, false) {
        return None;
    }
    some_bounds(manner, own, request)
}

fn some_bounds(manner: Manner, own: &Limits, request: &mut Request) -> Option<Bounds> {
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

fn log_failure(
    context: &Context,
    session: SessionId,
    number: usize,
    outcome: &Result<Reply, Status>,
) {
    if let Err(status) = outcome {
        let known = context.pipeline.get(number);
        let route = known.map_or(&[][..], |known| &known.route);
        context.log_failure(session, route, status);
    }
}

/// What the front end hears of a handler that has answered.
fn begun(kind: forward::Kind, outcome: Result<Reply, Status>) -> Begun {
    match (kind, outcome) {
        (forward::Kind::Request, Ok(reply)) if reply.options.is_none() => {
            Begun::Said(head(&reply), reply.body)
        }
        (kind, outcome) => Begun::Answered(Ok(said(kind, outcome))),
    }
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
#[inline(always)]
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
    let mut fields = fields(&bytes);
    let mut route = fields.leading_bytes(ROUTE).map_err(undecodable)?;
    let mut body = fields.leading_bytes(BODY).map_err(undecodable)?;
    let mut session = fields.leading_bytes(SESSION).map_err(undecodable)?;
    let mut kind = 0;
    for field in fields {
        match field.map_err(undecodable)? {
            (ROUTE, Value::Bytes(range)) => route = range,
            (KIND, Value::Number(number)) => kind = number,
            (BODY, Value::Bytes(range)) => body = range,
            (SESSION, Value::Bytes(range)) => session = range,
            _ => {}
        }
    }
    let session = BackSession::decode(&bytes, session, connection).map_err(undecodable)?;
    let session = Session(Kind::Back(session));
    let kind = forward::Kind::try_from(kind as i32)
        .map_err(|_| undecodable(Malformed("neither request nor notify")))?;
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
