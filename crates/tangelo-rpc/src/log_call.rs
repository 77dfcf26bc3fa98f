//! The access log's line of one call or request.

use std::{sync::Arc, time::SystemTime};

use tokio::time::Instant;

use crate::{
    Code, Connection, Reply, Request, Status, Trace,
    access_log::{AccessLog, Excerpt, Extra, Kind, NO_CONNECTION, Record},
};

/// A call that will have a line when it is finished, also when it is given up; none if nobody reads such
/// lines.
#[derive(Default)]
pub(crate) struct LogCall(Option<Box<Pending>>);

struct Pending {
    log: AccessLog,
    begun: Instant,
    request: Excerpt,
    method: (i32, i32),
    trace: (Box<str>, Box<str>),
    connection: Option<Arc<str>>,
}

impl LogCall {
    pub(crate) fn begin(log: Option<&AccessLog>, request: &Request, trace: &Trace) -> Self {
        let log = log.filter(|log| log.wants(Kind::Client));
        Self(log.map(|log| {
            Box::new(Pending {
                log: log.clone(),
                begun: Instant::now(),
                request: Excerpt::of(&request.body),
                method: (request.service_id, request.msg_id),
                trace: (
                    trace.trace_id.as_str().into(),
                    trace.span_id.as_str().into(),
                ),
                connection: None,
            })
        }))
    }

    /// It goes over this connection now.
    pub(crate) fn goes_over(&mut self, connection: &Connection) {
        if let Some(pending) = &mut self.0 {
            pending.connection = Some(Arc::clone(connection.name()));
        }
    }

    pub(crate) fn finish(&mut self, sequence: i32, outcome: &Result<Reply, Status>) {
        if let Some(pending) = self.0.take() {
            pending.write(sequence, told(outcome));
        }
    }
}

impl Pending {
    fn write(self, sequence: i32, (ret_code, response): (i32, Excerpt)) {
        let (service_id, msg_id) = self.method;
        self.log.record(Record {
            kind: Kind::Client,
            completed: SystemTime::now(),
            connection: self.connection.unwrap_or_else(|| NO_CONNECTION.into()),
            sequence,
            trace_id: (&*self.trace.0).into(),
            span_id: (&*self.trace.1).into(),
            service_id,
            msg_id,
            ret_code,
            took: self.begun.elapsed(),
            request: self.request,
            response,
            extra: Extra::new(),
        });
    }
}

impl Drop for LogCall {
    /// Nobody waits for the answer any more.
    fn drop(&mut self) {
        if let Some(pending) = self.0.take() {
            pending.write(0, (Code::USER_CANCEL.0, Excerpt::default()));
        }
    }
}

/// Code and body of an outcome, as the log shows them.
pub(crate) fn told(outcome: &Result<Reply, Status>) -> (i32, Excerpt) {
    match outcome {
        Ok(reply) => (reply.ret_code, Excerpt::of(&reply.body)),
        Err(status) => (status.code().0, Excerpt::of(status.response())),
    }
}
