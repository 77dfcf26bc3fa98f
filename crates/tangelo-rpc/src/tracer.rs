//! What tracing systems are told of calls and requests.

#[cfg(feature = "opentelemetry")]
mod opentelemetry;

use std::fmt;

#[cfg(feature = "opentelemetry")]
pub use self::opentelemetry::OpenTelemetry;
use crate::{Request, ServerContext, Trace, config::RefererConfig};

/// Is told of calls and requests, and gives calls what a tracing system wants to find in them.
///
/// Called from tasks of the framework, for every call and request: it must be quick and must not block.
pub trait Tracer: fmt::Debug + Send + Sync + 'static {
    /// A call is about to be made, for the request that is being answered here if there is one. `trace`
    /// will travel with it as this leaves it.
    fn call(
        &self,
        method: Method<'_>,
        trace: &mut Trace,
        serving: Option<&ServerContext>,
    ) -> Option<Box<dyn Span>>;

    /// A request is about to be answered.
    fn serve(&self, _method: Method<'_>, _context: &ServerContext) -> Option<Box<dyn Span>> {
        None
    }
}

/// A call or request under way. Dropped without an end it was given up.
pub trait Span: Send {
    /// It has ended with this code; 0 is success.
    fn end(self: Box<Self>, code: i32);
}

/// What is called.
#[derive(Clone, Copy, Debug)]
pub struct Method<'a> {
    /// Name of the service; empty if it is not known.
    pub service: &'a str,
    /// Name of the method; empty if it is not known.
    pub method: &'a str,
    /// Number of the service.
    pub service_id: i32,
    /// Number of the message.
    pub msg_id: i32,
}

impl<'a> Method<'a> {
    /// What a call to this message of a referer's service asks for, by name where names are known.
    pub(crate) fn of(referer: &'a RefererConfig, msg_id: i32) -> Self {
        let described = referer.described.as_ref();
        let methods = described.map_or(&[][..], |described| described.methods());
        let method = methods.iter().find(|method| method.msg_id == msg_id);
        Self {
            service: described.map_or("", |described| described.name()),
            method: method.map_or("", |method| &method.name),
            service_id: referer.service_id,
            msg_id,
        }
    }
}

/// Sends W3C's `traceparent` as a tag, with a fresh span id for each call.
#[derive(Clone, Copy, Debug, Default)]
pub struct W3c;

impl Tracer for W3c {
    fn call(
        &self,
        _method: Method<'_>,
        trace: &mut Trace,
        _serving: Option<&ServerContext>,
    ) -> Option<Box<dyn Span>> {
        let parent = trace.traceparent();
        let mut parts = parent.splitn(4, '-');
        let (Some(_), Some(trace_id)) = (parts.next(), parts.next()) else {
            return None;
        };
        let flags = parts.nth(1).unwrap_or("01");
        let span = fastrand::u64(1..);
        trace.set_traceparent(&format!("00-{trace_id}-{span:016x}-{flags}"));
        None
    }
}

/// The span of a call or request, if its tracer has one.
#[derive(Default)]
pub(crate) struct OpenSpan(Option<Box<dyn Span>>);

impl OpenSpan {
    pub(crate) fn new(span: Option<Box<dyn Span>>) -> Self {
        Self(span)
    }

    pub(crate) fn end(&mut self, outcome: &Result<crate::Reply, crate::Status>) {
        if let Some(span) = self.0.take() {
            span.end(match outcome {
                Ok(reply) => reply.ret_code,
                Err(status) => status.code().0,
            });
        }
    }
}

/// Gives the request of a call what its trace says, and has its span begun.
pub(crate) fn begin_call(
    tracer: Option<&dyn Tracer>,
    referer: &RefererConfig,
    sample_rate: u32,
    request: &mut Request,
    serving: Option<&ServerContext>,
) -> (Trace, OpenSpan) {
    let mut trace = Trace::of_call(serving, sample_rate);
    let headers = request.headers.get_or_insert_default();
    if !headers.label.is_empty() {
        headers.label.clone_into(&mut trace.dyeing);
    }
    let span = tracer.and_then(|tracer| {
        let method = Method::of(referer, request.msg_id);
        tracer.call(method, &mut trace, serving)
    });
    headers.trace = trace.encode();
    (trace, OpenSpan::new(span))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::fresh_id;

    const METHOD: Method<'_> = Method {
        service: "UserService",
        method: "login",
        service_id: 100,
        msg_id: 1,
    };

    #[test]
    fn a_traceparent_keeps_the_trace_id_and_every_call_has_a_span_of_its_own() {
        let mut trace = Trace {
            trace_id: "8c8595005 6a".into(),
            ..Trace::of_call(None, 100)
        };
        assert_eq!(trace.traceparent().len(), 55, "any id becomes a valid one");
        assert_eq!(trace.traceparent(), trace.traceparent());
        trace.trace_id = fresh_id();
        let (before, trace_id) = (trace.traceparent(), trace.trace_id.clone());
        W3c.call(METHOD, &mut trace, None);
        let after = trace.traceparent();
        assert!(before.contains(&trace_id) && after.contains(&trace_id) && before != after);
        assert!(after.ends_with("-01"));
    }
}
