//! Spans for OpenTelemetry, across servers.

use std::{sync::Arc, time::Duration};

use opentelemetry::{global, trace::SpanKind};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tangelo::{
    Bootstrap, RpcApp,
    rpc::{Code, Status, config::ServerConfig, tracer::OpenTelemetry},
};

use crate::{
    rpc::{
        AddReq, AddRes, Calculator, CalculatorClient, CalculatorServer, HangReq, HangRes, PanicReq,
        PanicRes, RefuseReq, RefuseRes,
    },
    world::soon,
};

/// Adds, and hands what is to be refused on to somebody else, if there is one.
struct Link(Option<CalculatorClient>);

impl Calculator for Link {
    async fn add(&self, AddReq { a, b }: AddReq) -> Result<AddRes, Status> {
        match &self.0 {
            Some(next) => next.add(AddReq { a, b }).await,
            None => Ok(AddRes {
                sum: a + b,
                ..AddRes::default()
            }),
        }
    }

    async fn hang(&self, _: HangReq) -> Result<HangRes, Status> {
        std::future::pending().await
    }

    async fn panic(&self, _: PanicReq) -> Result<PanicRes, Status> {
        Err(Code::BUSINESS_ERROR.into())
    }

    async fn refuse(&self, RefuseReq { code }: RefuseReq) -> Result<RefuseRes, Status> {
        Ok(RefuseRes { ret_code: code })
    }
}

async fn serve(tracer: &Arc<OpenTelemetry>, next: Option<CalculatorClient>) -> (RpcApp, String) {
    let server = ServerConfig::default().host("127.0.0.1").port(0_u16);
    let app = Bootstrap::new("link")
        .server(server)
        .service(CalculatorServer::new(Link(next)))
        .tracer(Arc::clone(tracer) as _)
        .start()
        .await
        .unwrap();
    let at = app.server("default").unwrap().address().to_string();
    (app, at)
}

async fn call(tracer: &Arc<OpenTelemetry>, at: &str) -> (RpcApp, CalculatorClient) {
    let app = Bootstrap::new("caller")
        .referer::<CalculatorClient>("calculator", at)
        .tracer(Arc::clone(tracer) as _)
        .start()
        .await
        .unwrap();
    let client = app.referer("calculator").unwrap();
    (app, client)
}

#[tokio::test]
async fn spans_of_a_chain_of_calls_are_one_trace() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    global::set_tracer_provider(provider.clone());
    let tracer = Arc::new(OpenTelemetry::new());

    let (last, at_last) = serve(&tracer, None).await;
    let (to_last, next) = call(&tracer, &at_last).await;
    let (first, at_first) = serve(&tracer, Some(next)).await;
    let (to_first, client) = call(&tracer, &at_first).await;
    assert_eq!(client.add(AddReq { a: 1, b: 2 }).await.unwrap().sum, 3);
    assert_eq!(
        client
            .refuse(RefuseReq { code: -100_001 })
            .await
            .unwrap()
            .ret_code,
        -100_001
    );
    for app in [to_first, first, to_last, last] {
        soon("the end", app.stop(Duration::from_secs(5))).await;
    }
    provider.force_flush().unwrap();

    let mut spans = exporter.get_finished_spans().unwrap();
    spans.sort_by_key(|span| span.start_time);
    let (refused, added): (Vec<_>, Vec<_>) = spans
        .iter()
        .partition(|span| span.name == "Calculator/refuse");
    let kinds: Vec<_> = added.iter().map(|span| span.span_kind.clone()).collect();
    assert_eq!(
        kinds,
        [
            SpanKind::Client,
            SpanKind::Server,
            SpanKind::Client,
            SpanKind::Server
        ]
    );
    for pair in added.windows(2) {
        assert_eq!(pair[1].parent_span_id, pair[0].span_context.span_id());
        assert_eq!(
            pair[1].span_context.trace_id(),
            pair[0].span_context.trace_id()
        );
    }
    assert_eq!(refused.len(), 2);
    for span in refused {
        let code = span
            .attributes
            .iter()
            .find(|pair| pair.key.as_str() == "krpc.ret_code");
        assert_eq!(code.unwrap().value.to_string(), "-100001");
        assert!(matches!(
            span.status,
            opentelemetry::trace::Status::Error { .. }
        ));
    }
}
