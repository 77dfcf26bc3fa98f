//! Spans for OpenTelemetry.

use std::fmt;

use ::opentelemetry::{
    Context, KeyValue,
    global::{self, BoxedTracer},
    trace::{
        Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
        TraceState, Tracer as _,
    },
};

use super::{Method, Span, Tracer};
use crate::{ServerContext, Trace};

/// Makes a span of every call and every request, with OpenTelemetry's global tracer provider. They find
/// each other across processes by W3C's `traceparent`, which travels as a tag.
pub struct OpenTelemetry(BoxedTracer);

impl OpenTelemetry {
    /// A tracer of the provider that is global now: set yours first.
    pub fn new() -> Self {
        Self(global::tracer("tangelo"))
    }

    fn begin(&self, method: Method<'_>, kind: SpanKind, parent: &str) -> global::BoxedSpan {
        let parent = remote(parent).map_or_else(Context::new, |parent| {
            Context::new().with_remote_span_context(parent)
        });
        let name = match (method.service, method.method) {
            ("", _) | (_, "") => format!("{}/{}", method.service_id, method.msg_id),
            (service, method) => format!("{service}/{method}"),
        };
        let attributes = [
            KeyValue::new("rpc.system", "krpc"),
            KeyValue::new("rpc.service", method.service.to_owned()),
            KeyValue::new("rpc.method", method.method.to_owned()),
        ];
        let builder = self.0.span_builder(name).with_kind(kind);
        self.0
            .build_with_context(builder.with_attributes(attributes), &parent)
    }
}

impl Default for OpenTelemetry {
    fn default() -> Self {
        Self::new()
    }
}

impl Tracer for OpenTelemetry {
    fn call(
        &self,
        method: Method<'_>,
        trace: &mut Trace,
        _serving: Option<&ServerContext>,
    ) -> Option<Box<dyn Span>> {
        let span = self.begin(method, SpanKind::Client, &trace.traceparent());
        trace.set_traceparent(&traceparent(span.span_context()));
        Some(Box::new(Begun(span)))
    }

    fn serve(&self, method: Method<'_>, context: &ServerContext) -> Option<Box<dyn Span>> {
        let span = self.begin(method, SpanKind::Server, &context.trace().traceparent());
        context.set_traceparent(traceparent(span.span_context()));
        Some(Box::new(Begun(span)))
    }
}

struct Begun(global::BoxedSpan);

impl Span for Begun {
    fn end(mut self: Box<Self>, code: i32) {
        self.0
            .set_attribute(KeyValue::new("krpc.ret_code", i64::from(code)));
        if code != 0 {
            self.0.set_status(Status::error(crate::Code(code).text()));
        }
        self.0.end();
    }
}

/// The caller's span; none if the text is no `traceparent`.
fn remote(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-').skip(1);
    let trace_id = TraceId::from_hex(parts.next()?).ok()?;
    let span_id = SpanId::from_hex(parts.next()?).ok()?;
    let flags = u8::from_str_radix(parts.next()?, 16).ok()?;
    let flags = TraceFlags::new(flags);
    Some(SpanContext::new(
        trace_id,
        span_id,
        flags,
        true,
        TraceState::NONE,
    ))
}

fn traceparent(span: &SpanContext) -> String {
    let flags = span.trace_flags().to_u8();
    format!(
        "00-{:032x}-{:016x}-{flags:02x}",
        span.trace_id(),
        span.span_id()
    )
}

impl fmt::Debug for OpenTelemetry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OpenTelemetry")
    }
}
