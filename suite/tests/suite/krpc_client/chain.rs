//! Calls that a call leads to: A calls B, which calls C.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tangelo::{
    Bootstrap, RpcApp,
    rpc::{Code, W3c},
};

use super::{
    RelayReq, Seen, WorkerClient, connected,
    node::{Journal, Node},
};
use crate::world::soon;

/// B, and C behind it; what B is started with beside that.
async fn chain(settings: &[&str]) -> (Node, Node) {
    let c = Node::start("c", settings).await;
    let next = format!("next={}", c.address());
    let b = Node::start("b", &[&[next.as_str()], settings].concat()).await;
    (b, c)
}

async fn calling(b: &Node, change: impl FnOnce(Bootstrap) -> Bootstrap) -> (RpcApp, WorkerClient) {
    let bootstrap = Bootstrap::new("calling").referer::<WorkerClient>("worker", b.address());
    let app = change(bootstrap).start().await.unwrap();
    connected(&app, 1).await;
    let client = app.referer("worker").unwrap();
    (app, client)
}

/// What B and C have seen of one call.
async fn seen(client: &WorkerClient, request: RelayReq) -> Vec<Seen> {
    client.relay(request).await.unwrap().seen
}

#[tokio::test]
async fn the_time_of_a_call_shrinks_along_the_chain() {
    let (b, _c) = chain(&[]).await;
    let (_app, client) = calling(&b, |it| it).await;
    // B would give C 3 s, and gives it what A has left.
    let hasty = client.clone().with_timeout(Duration::from_millis(2_000));
    let seen_hasty = seen(&hasty, RelayReq::default()).await;
    let (at_b, at_c) = (seen_hasty[0].millis_left, seen_hasty[1].millis_left);
    assert!(at_c <= at_b && at_b <= 2_000 && at_c > 0, "{at_b}, {at_c}");
    // It is never more than B's own.
    let patient = client.with_timeout(Duration::from_secs(200));
    let asks = RelayReq {
        timeout: 1_000,
        ..RelayReq::default()
    };
    let seen = seen(&patient, asks).await;
    assert!(seen[0].millis_left > 150_000 && seen[1].millis_left <= 1_000);
}

#[tokio::test]
async fn a_call_whose_time_is_up_is_not_followed_by_others() {
    let journal = Journal::new();
    let c = Node::start("c", &[&journal.setting()]).await;
    let next = format!("next={}", c.address());
    let mut b = Node::start("b", &[&next]).await;
    let (_app, client) = calling(&b, |it| it).await;
    let hasty = client.with_timeout(Duration::from_millis(100));
    let late = RelayReq {
        late: true,
        ..RelayReq::default()
    };
    let status = hasty.relay(late).await.unwrap_err();
    assert_eq!(status.code(), Code::RPC_TIMEOUT);
    // With an answer, and without.
    for _ in 0..2 {
        let code: i32 = b.hear("late").await.parse().unwrap();
        assert_eq!(code, Code::RPC_TIMEOUT.0);
    }
    assert!(journal.runs().is_empty());
}

#[tokio::test]
async fn one_trace_goes_through_all_and_each_call_has_its_place_in_it() {
    let (b, _c) = chain(&[]).await;
    let (_app, client) = calling(&b, |it| it).await;
    let three = RelayReq {
        calls: 3,
        ..RelayReq::default()
    };
    let first = seen(&client, three).await;
    let second = seen(&client, three).await;
    for seen in [&first, &second] {
        let trace_id = &seen[0].trace_id;
        assert_eq!(trace_id.len(), 32);
        assert!(seen.iter().all(|seen| seen.trace_id == *trace_id));
        let spans: Vec<_> = seen.iter().map(|seen| &*seen.span_id).collect();
        assert_eq!(spans, ["0.1", "0.1.1", "0.1.2", "0.1.3"]);
    }
    assert_ne!(first[0].trace_id, second[0].trace_id);
}

#[tokio::test]
async fn each_node_knows_those_the_call_came_through() {
    let (b, _c) = chain(&[]).await;
    let (_app, client) = calling(&b, |it| it).await;
    let seen = seen(&client, RelayReq::default()).await;
    let (at_b, at_c) = (&seen[0].peers, &seen[1].peers);
    let ports = |peers: &str| -> Vec<u16> {
        let hosts = peers.split(',').map(|peer| peer.strip_prefix("127.0.0.1:"));
        hosts.map(|port| port.unwrap().parse().unwrap()).collect()
    };
    assert_eq!(ports(at_b).len(), 1, "{at_b}");
    assert_eq!(ports(at_c).len(), 2, "{at_c}");
    assert_eq!(
        ports(at_b)[0],
        ports(at_c)[0],
        "the first caller stands first"
    );
}

#[tokio::test]
async fn a_label_goes_on_along_the_chain_and_an_attachment_does_not() {
    let (b, _c) = chain(&[]).await;
    let (_app, client) = calling(&b, |it| it).await;
    let client = client.with_label("new").with_attachment("for b");
    let seen = seen(&client, RelayReq::default()).await;
    let labels: Vec<_> = seen.iter().map(|seen| &*seen.label).collect();
    assert_eq!(labels, ["new", "new"]);
    let attachments: Vec<_> = seen.iter().map(|seen| &*seen.attachment).collect();
    assert_eq!(attachments, ["for b", ""]);
}

#[tokio::test]
async fn w3cs_traceparent_has_the_same_trace_and_a_span_for_each_call() {
    let (b, _c) = chain(&["w3c"]).await;
    let (_app, client) = calling(&b, |it| it.tracer(Arc::new(W3c))).await;
    let three = RelayReq {
        calls: 3,
        ..RelayReq::default()
    };
    let seen = seen(&client, three).await;
    let mut spans = BTreeSet::new();
    for seen in &seen {
        let parts: Vec<_> = seen.traceparent.split('-').collect();
        assert_eq!(
            (parts[0], parts[1], parts[3]),
            ("00", &*seen.trace_id, "01")
        );
        assert_eq!(parts[2].len(), 16);
        spans.insert(parts[2]);
    }
    assert_eq!(spans.len(), 4);
}

#[tokio::test]
async fn when_c_is_gone_a_hears_that_b_failed_and_not_that_nobody_was_there() {
    let (b, mut c) = chain(&[]).await;
    let (_app, client) = calling(&b, |it| it).await;
    assert_eq!(seen(&client, RelayReq::default()).await.len(), 2);
    c.kill().await;
    let fails = async {
        loop {
            if let Err(status) = client.relay(RelayReq::default()).await {
                return status;
            }
        }
    };
    // B has run: nobody may say that the call surely has not.
    let status = soon("B notices", fails).await;
    assert_eq!(status.code(), Code::BUSINESS_ERROR, "{status}");
}

#[tokio::test]
async fn what_is_not_sampled_at_the_first_node_is_not_at_any() {
    let (b, _c) = chain(&["w3c"]).await;
    let never = |it: Bootstrap| it.application(|app| app.sample_rate(0_u32));
    let (_app, client) = calling(&b, never).await;
    let seen = seen(&client, RelayReq::default()).await;
    assert!(seen.iter().all(|seen| seen.traceparent.ends_with("-00")));
}
