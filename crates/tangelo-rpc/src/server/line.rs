//! A request's line in the access log.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use crate::{
    Code, Reply, Request, ServerContext, Status,
    access_log::{AccessLog, Excerpt, Extra, Kind, NO_CONNECTION, Record},
    log_call::told,
};

/// A request that will have a line when it has ended, also when it is given up.
pub(super) struct Line(Option<Pending>);

struct Pending {
    log: AccessLog,
    received: Instant,
    request: Excerpt,
    context: ServerContext,
    waited: Duration,
}

impl Line {
    pub(super) fn begin(
        log: Option<&AccessLog>,
        request: &Request,
        context: &ServerContext,
    ) -> Self {
        let log = log.filter(|log| log.wants(Kind::Server));
        Self(log.map(|log| Pending {
            log: log.clone(),
            received: Instant::now(),
            request: Excerpt::of(&request.body),
            context: context.clone(),
            waited: Duration::ZERO,
        }))
    }

    /// It waited so long for its turn.
    pub(super) fn waited(&mut self, waited: Duration) {
        if let Some(pending) = &mut self.0 {
            pending.waited = waited;
        }
    }

    pub(super) fn finish(mut self, outcome: &Result<Reply, Status>) {
        if let Some(pending) = self.0.take() {
            pending.write(told(outcome));
        }
    }
}

impl Pending {
    fn write(self, (ret_code, response): (i32, Excerpt)) {
        let context = &self.context;
        let (service_id, msg_id) = context.method();
        let connection = context.connection();
        let mut extra = Extra::new();
        if !self.waited.is_zero() {
            extra.add("Q", self.waited.as_micros());
        }
        for (name, value) in context.take_variables() {
            extra.add(&name, value);
        }
        let trace = context.trace();
        self.log.record(Record {
            kind: Kind::Server,
            completed: SystemTime::now(),
            connection: connection.map_or_else(
                || NO_CONNECTION.into(),
                |connection| Arc::clone(connection.name()),
            ),
            sequence: context.sequence(),
            trace_id: trace.trace_id.as_str().into(),
            span_id: trace.span_id.as_str().into(),
            service_id,
            msg_id,
            ret_code,
            took: self.received.elapsed(),
            request: self.request,
            response,
            extra,
        });
    }
}

impl Drop for Line {
    /// Given up before its end: its time was up, or nobody wants the answer any more.
    fn drop(&mut self) {
        let Some(pending) = self.0.take() else {
            return;
        };
        let is_late = pending
            .context
            .deadline()
            .is_some_and(|deadline| Instant::now() >= deadline);
        let code = if is_late {
            Code::RPC_TIMEOUT
        } else {
            Code::USER_CANCEL
        };
        pending.write((code.0, Excerpt::default()));
    }
}
