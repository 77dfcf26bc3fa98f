//! A request's line in the access log.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tangelo_wire::krpc::meta::Meta;
use tokio::time::Instant;

use crate::{
    Code, Connection, Reply, Request, ServerContext, Status, Trace,
    access_log::{AccessLog, Excerpt, Extra, Kind, NO_CONNECTION, Record},
    log_call::told,
};

/// A request that will have a line when it has ended, also when it is given up. One that does not run may
/// have none, where there are many of those.
pub(super) struct Line(Option<Box<Pending>>);

struct Pending {
    log: AccessLog,
    received: Instant,
    request: Excerpt,
    context: ServerContext,
    waited: Duration,
    /// The request was handed to its method, or to who decides about that.
    runs: bool,
}

impl Line {
    pub(super) fn begin(
        log: Option<&AccessLog>,
        request: &Request,
        context: &ServerContext,
    ) -> Self {
        let log = log.filter(|log| log.wants(Kind::Server));
        Self(log.map(|log| {
            Box::new(Pending {
                log: log.clone(),
                received: Instant::now(),
                request: Excerpt::of(&request.body),
                context: context.clone(),
                waited: Duration::ZERO,
                runs: false,
            })
        }))
    }

    /// It waited so long for its turn.
    pub(super) fn waited(&mut self, waited: Duration) {
        if let Some(pending) = &mut self.0 {
            pending.waited = waited;
        }
    }

    /// It has its turn.
    pub(super) fn runs(&mut self) {
        if let Some(pending) = &mut self.0 {
            pending.runs = true;
        }
    }

    pub(super) fn finish(&mut self, outcome: &Result<Reply, Status>) {
        if let Some(pending) = self.0.take() {
            pending.write(told(outcome));
        }
    }
}

impl Pending {
    fn write(self, (ret_code, response): (i32, Excerpt)) {
        if !self.runs && !self.log.wants_refused() {
            return;
        }
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

/// Writes the line of a request that reached no service: what it asked for, but not its body, which
/// nobody has read.
pub(crate) fn log_refused(log: &AccessLog, connection: &Connection, meta: &Meta, code: Code) {
    if !log.wants_refused() {
        return;
    }
    let trace = Trace::received(&meta.trace(), None);
    log.record(Record {
        kind: Kind::Server,
        completed: SystemTime::now(),
        connection: Arc::clone(connection.name()),
        sequence: meta.sequence,
        trace_id: trace.trace_id.as_str().into(),
        span_id: trace.span_id.as_str().into(),
        service_id: meta.service_id,
        msg_id: meta.msg_id,
        ret_code: code.0,
        took: Duration::ZERO,
        request: Excerpt::default(),
        response: Excerpt::default(),
        extra: Extra::new(),
    });
}
