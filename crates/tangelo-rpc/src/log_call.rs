//! The access log's line of one call or request.

use std::{sync::Arc, time::SystemTime};

use tokio::time::Instant;

use crate::{
    Reply, Request, Status, Trace,
    access_log::{AccessLog, Excerpt, Extra, Kind, NO_CONNECTION, Record},
};

/// A call that will have a line when it is finished; none if nobody reads such lines.
pub(crate) struct LogCall(Option<Pending>);

struct Pending {
    log: AccessLog,
    begun: Instant,
    request: Excerpt,
    record: (i32, i32),
    trace: (Box<str>, Box<str>),
}

impl LogCall {
    pub(crate) fn begin(log: Option<&AccessLog>, request: &Request, trace: &Trace) -> Self {
        let log = log.filter(|log| log.wants(Kind::Client));
        Self(log.map(|log| Pending {
            log: log.clone(),
            begun: Instant::now(),
            request: Excerpt::of(&request.body),
            record: (request.service_id, request.msg_id),
            trace: (
                trace.trace_id.as_str().into(),
                trace.span_id.as_str().into(),
            ),
        }))
    }

    pub(crate) fn finish(
        self,
        connection: Option<Arc<str>>,
        sequence: i32,
        outcome: &Result<Reply, Status>,
    ) {
        let Some(pending) = self.0 else {
            return;
        };
        let (ret_code, response) = told(outcome);
        let (service_id, msg_id) = pending.record;
        pending.log.record(Record {
            kind: Kind::Client,
            completed: SystemTime::now(),
            connection: connection.unwrap_or_else(|| NO_CONNECTION.into()),
            sequence,
            trace_id: (&*pending.trace.0).into(),
            span_id: (&*pending.trace.1).into(),
            service_id,
            msg_id,
            ret_code,
            took: pending.begun.elapsed(),
            request: pending.request,
            response,
            extra: Extra::new(),
        });
    }
}

/// Code and body of an outcome, as the log shows them.
pub(crate) fn told(outcome: &Result<Reply, Status>) -> (i32, Excerpt) {
    match outcome {
        Ok(reply) => (reply.ret_code, Excerpt::of(&reply.body)),
        Err(status) => (status.code().0, Excerpt::of(status.response())),
    }
}
