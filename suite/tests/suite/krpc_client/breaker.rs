//! An address that keeps failing is left alone, and comes back.

use std::{collections::BTreeMap, time::Duration};

use tangelo::{
    Bootstrap,
    rpc::{
        Code,
        client::RetryLevel,
        config::{ClientConfig, RefererConfig},
    },
};
use tokio::time::Instant;

use super::{WorkReq, WorkerClient, calling, connected, node::Node, referer, server, spread, work};

/// Opens after ten calls of which half have failed, and tries with one call in each second.
fn guarded<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> RefererConfig {
    referer(nodes)
        .breaker_enabled(true)
        .breaker_window_seconds(600_u32)
        .breaker_window_min_reqs(10_u32)
        .breaker_sleep_seconds(1_u32)
        .breaker_succ_mills(60_000_u32)
}

/// Calls until the breaker of a server that answers so must have opened.
async fn fail(client: &WorkerClient, code: i32) {
    for id in 0..20 {
        let answer = client.work(work(id)).await.unwrap();
        assert_eq!(answer.ret_code, if answer.server == "a" { code } else { 0 });
    }
}

#[tokio::test]
async fn calls_go_elsewhere_until_one_that_is_let_through_is_answered_well() {
    let [mut a, mut b] = Node::each(["a", "b"], &[]).await;
    a.tell("code -100100").await;
    let (_app, client) = calling(guarded([&a, &b])).await;
    let begun = Instant::now();
    fail(&client, -100_100).await;
    assert_eq!((a.executed().await, b.executed().await), (10, 10));

    // While it fails it gets one call in each second, and no more.
    let mut tried = 0;
    while tried < 2 {
        let answer = client.work(work(1)).await.unwrap();
        tried += u64::from(answer.server == "a");
        assert!(tried <= begun.elapsed().as_secs());
    }
    a.tell("code 0").await;
    while server(client.work(work(2)).await) != "a" {
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
    let shared = BTreeMap::from([("a".to_owned(), 10), ("b".to_owned(), 10)]);
    assert_eq!(spread(&client, 20).await, shared);
}

#[tokio::test]
async fn when_all_are_left_alone_there_is_no_connection() {
    let mut a = Node::start("a", &[]).await;
    a.tell("code -100100").await;
    // Far more than the test takes.
    let referer = guarded([&a]).breaker_sleep_seconds(600_u32);
    let (_app, client) = calling(referer).await;
    for id in 0..10 {
        assert_eq!(client.work(work(id)).await.unwrap().ret_code, -100_100);
    }
    for id in 10..20 {
        let status = client.work(work(id)).await.unwrap_err();
        assert_eq!(status.code(), Code::NO_CONNECTION);
        let reason = status.reason().to_string();
        assert!(
            reason.contains(a.address()) && reason.contains("breaker"),
            "{reason}"
        );
    }
    assert_eq!(a.executed().await, 10);
}

#[tokio::test]
async fn time_outs_alone_may_count() {
    let [mut a, b] = Node::each(["a", "b"], &[]).await;
    a.tell("code -100100").await;
    let referer = guarded([&a, &b])
        .breaker_close_by(2_u32)
        .breaker_sleep_seconds(600_u32);
    let (_app, client) = calling(referer).await;
    for _ in 0..3 {
        fail(&client, -100_100).await;
    }
    assert_eq!(a.executed().await, 30, "an answer is no time-out");

    // All calls so far count as good ones: it takes as many bad ones.
    a.tell("delay 60000").await;
    let hasty = client.clone().with_timeout(Duration::from_millis(500));
    let calls = (0..120).map(|id| hasty.work(work(id)));
    futures_util::future::join_all(calls).await;
    assert_eq!(
        spread(&client, 20).await,
        BTreeMap::from([("b".to_owned(), 20)])
    );
}

#[tokio::test]
async fn a_call_that_is_tried_again_fails_once_for_each_server() {
    let [mut a, mut b] = Node::each(["a", "b"], &[]).await;
    a.tell("delay 60000").await;
    let referer = guarded([&a, &b])
        .breaker_sleep_seconds(600_u32)
        .retry_level(RetryLevel::Timeout)
        .retry_count(1_u32)
        .timeout(Duration::from_secs(2));
    let (_app, client) = calling(referer).await;
    let calls = (0..20).map(|id| client.work(work(id)));
    for outcome in futures_util::future::join_all(calls).await {
        assert_eq!(server(outcome), "b");
    }
    assert_eq!((a.executed().await, b.executed().await), (10, 20));
    assert_eq!(
        spread(&client, 20).await,
        BTreeMap::from([("b".to_owned(), 20)])
    );
}

#[tokio::test]
async fn what_one_referer_has_seen_is_no_matter_of_another() {
    let [mut a, b] = Node::each(["a", "b"], &[]).await;
    a.tell("code -100100").await;
    let (_app, client) = calling(guarded([&a, &b])).await;
    fail(&client, -100_100).await;
    let (_other_app, other) = calling(guarded([&a, &b])).await;
    let answer = other.work(work(1)).await.unwrap();
    assert_eq!((answer.server.as_str(), answer.ret_code), ("a", -100_100));
}

#[tokio::test]
async fn what_cannot_be_sent_is_no_failure_of_the_server() {
    let node = Node::start("a", &[]).await;
    let small = ClientConfig::default().max_package_size(10_000_usize);
    let app = Bootstrap::new("calling")
        .client(small)
        .referer_with(guarded([&node]).breaker_sleep_seconds(600_u32));
    let app = app.start().await.unwrap();
    connected(&app, 1).await;
    let client: WorkerClient = app.referer("worker").unwrap();
    for id in 0..20 {
        let large = WorkReq {
            load: vec![1; 10_000].into(),
            ..work(id)
        };
        let status = client.work(large).await.unwrap_err();
        assert_eq!(status.code(), Code::ENCODE_REQ_ERROR);
    }
    assert_eq!(server(client.work(work(20)).await), "a");
}

#[tokio::test]
async fn a_breaker_that_is_forced_open_asks_nobody() {
    let mut a = Node::start("a", &[]).await;
    let referer = referer([&a]).breaker_force_close(true);
    let (_app, client) = calling(referer).await;
    let status = client.work(work(1)).await.unwrap_err();
    assert_eq!(status.code(), Code::NO_CONNECTION);
    assert_eq!(a.executed().await, 0);
}
