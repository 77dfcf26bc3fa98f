//! A single call: begun, given up, waited for, and what goes with it.

use std::{pin::pin, time::Duration};

use futures_util::{FutureExt, future::join_all};
use tangelo::{
    Bootstrap,
    rpc::{
        Code,
        client::balance,
        config::{ClientConfig, RefererConfig},
    },
};
use tokio::{net::TcpListener, time::Instant};

use super::{
    RelayReq, WorkReq, WorkerClient, calling, connected, held,
    local::{named, serving},
    node::{Journal, Node, a_place_of_its_own},
    referer, server, spread, work,
};
use crate::world::{DEADLINE, soon, until};

#[tokio::test]
async fn a_call_does_nothing_until_it_is_polled_or_started() {
    let mut node = Node::start("a", &[]).await;
    let (_app, client) = calling(referer([&node])).await;
    drop(client.work(work(1)));
    assert_eq!(server(client.work(work(2)).await), "a");
    assert_eq!(node.executed().await, 1);
}

#[tokio::test]
async fn a_dropped_call_gives_its_place_back_and_its_late_answer_disturbs_nobody() {
    let mut node = Node::start("a", &[]).await;
    let (_app, client) = calling(referer([&node])).await;
    for round in 0..10 {
        let mut given_up = Box::pin(client.work(held(round)));
        assert!(given_up.as_mut().now_or_never().is_none());
        assert_eq!(node.holds().await, round);
        drop(given_up);
        // Its place is taken by another call, and then its answer comes.
        let mut other = pin!(client.work(held(100 + round)));
        assert!(other.as_mut().now_or_never().is_none());
        assert_eq!(node.holds().await, 100 + round);
        node.tell("release 1").await;
        // Which was held first is let go first.
        assert_eq!(
            client.work(work(200 + round)).await.unwrap().id,
            200 + round
        );
        assert!(other.as_mut().now_or_never().is_none());
        node.tell("release 1").await;
        assert_eq!(other.await.unwrap().id, 100 + round);
    }
}

#[tokio::test]
async fn a_dropped_call_no_longer_counts_as_active() {
    let [mut a, mut b] = Node::each(["a", "b"], &[]).await;
    let by_activity = balance::by_name("leastactive").unwrap();
    let (_app, client) = calling(referer([&a, &b]).load_balance(by_activity)).await;
    let mut calls: Vec<_> = (0..10).map(|id| Box::pin(client.work(held(id)))).collect();
    for call in &mut calls {
        assert!(call.as_mut().now_or_never().is_none());
    }
    for _ in 0..5 {
        a.holds().await;
        b.holds().await;
    }
    // None of those that were given up is left to tell the servers apart.
    drop(calls);
    let calls = spread(&client, 60).await;
    assert_eq!(calls.len(), 2, "{calls:?}");
}

#[tokio::test]
async fn many_calls_that_are_given_up_leave_room_for_others() {
    // More than may wait for answers over one connection.
    const CALLS: i64 = 66_000;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = silent.local_addr().unwrap().to_string();
    let (_app, client) = calling(RefererConfig::new::<WorkerClient>("worker").to(&to)).await;
    for id in 0..CALLS {
        let outcome = client.work(work(id)).now_or_never();
        assert!(outcome.is_none(), "{outcome:?}");
        if id % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_started_call_runs_at_once_and_goes_on_when_it_is_dropped() {
    let journal = Journal::new();
    let mut node = Node::start("a", &[&journal.setting()]).await;
    let (_app, client) = calling(referer([&node])).await;
    let started = client.work(held(1)).start();
    assert_eq!(node.holds().await, 1);
    node.tell("release 1").await;
    assert_eq!(started.await.unwrap().id, 1);

    drop(client.work(work(2)).start());
    until("it has run", || journal.runs_of(2).len() == 1).await;
}

#[test]
fn wait_blocks_a_thread_without_a_runtime_until_the_answer_is_there() {
    let app = serving(named("a")).start_blocking().unwrap();
    let to = app.servers()[0].address().to_string();
    let calling = Bootstrap::new("calling").referer::<WorkerClient>("worker", &to);
    let calling = calling.start_blocking().unwrap();
    let client: WorkerClient = calling.referer("worker").unwrap();
    assert_eq!(server(client.work(work(1)).wait()), "a");
    // A runtime that is not that of the calls does not mind either.
    let other = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    other.block_on(async { assert_eq!(server(client.work(work(1)).wait()), "a") });
    calling.stop(Duration::from_secs(3));
    app.stop(Duration::from_secs(3));
}

#[tokio::test]
async fn wait_is_refused_in_the_thread_that_would_have_to_do_the_work() {
    let app = serving(named("a")).start().await.unwrap();
    let to = app.servers()[0].address().to_string();
    let (_app, client) = calling(RefererConfig::new::<WorkerClient>("worker").to(&to)).await;
    let status = client.work(work(1)).wait().unwrap_err();
    assert_eq!(status.code(), Code::EXEC_EXCEPTION);
    assert!(status.message().contains(".await"), "{status}");
    assert_eq!(server(client.work(work(1)).await), "a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn wait_in_all_threads_of_a_runtime_at_once_gets_its_answers() {
    let app = serving(named("a")).start().await.unwrap();
    let to = app.servers()[0].address().to_string();
    let (_app, client) = calling(RefererConfig::new::<WorkerClient>("worker").to(&to)).await;
    let tasks = tangelo_runtime::Tasks::default();
    let (done, mut answers) = tokio::sync::mpsc::channel(3);
    for id in 0..3 {
        let (client, done) = (client.clone(), done.clone());
        tasks.spawn(tracing::Span::none(), async move {
            done.send(client.work(work(id)).wait()).await.unwrap();
        });
    }
    for _ in 0..3 {
        let answer = soon("an answer", answers.recv()).await.unwrap();
        assert_eq!(server(answer), "a");
    }
}

#[tokio::test]
async fn one_way_waits_for_no_answer() {
    let journal = Journal::new();
    let mut node = Node::start("a", &[&journal.setting()]).await;
    node.tell("delay 60000").await;
    let (app, client) = calling(referer([&node])).await;
    soon("it is sent", client.work(work(1)).one_way())
        .await
        .unwrap();
    until("it has run", || journal.runs_of(1).len() == 1).await;
    node.kill().await;
    connected(&app, 0).await;
    let status = client.work(work(2)).one_way().await.unwrap_err();
    assert_eq!(status.code(), Code::NO_CONNECTION);
}

#[tokio::test]
async fn many_calls_at_once_have_each_its_own_answer_in_whatever_order_they_come() {
    let nodes = Node::each(["a", "b"], &[]).await;
    let (_app, client) = calling(referer(&nodes)).await;
    let calls = (0..500).map(|id| {
        client.work(WorkReq {
            millis: i32::try_from(id * 37 % 50).unwrap(),
            ..work(id)
        })
    });
    for (id, answer) in (0..).zip(join_all(calls).await) {
        assert_eq!(answer.unwrap().id, id);
    }
}

#[tokio::test]
async fn a_call_may_have_a_time_of_its_own() {
    let node = Node::start("a", &[]).await;
    let short = referer([&node]).timeout(Duration::from_millis(100));
    let (_app, client) = calling(short).await;
    let slow = |id| WorkReq {
        millis: 500,
        ..work(id)
    };
    let patient = client.clone().with_timeout(Duration::from_secs(20));
    let (hasty, patient) = tokio::join!(client.work(slow(1)), patient.work(slow(2)));
    assert_eq!(hasty.unwrap_err().code(), Code::RPC_TIMEOUT);
    assert_eq!(server(patient), "a");
    // None at all, and all there is.
    let none = client.clone().with_timeout(Duration::ZERO);
    let status = none.work(work(3)).await.unwrap_err();
    assert_eq!(status.code(), Code::RPC_TIMEOUT);
    let endless = client.with_timeout(Duration::MAX);
    assert_eq!(server(endless.work(work(4)).await), "a");
}

#[tokio::test]
async fn an_application_that_stops_waits_for_the_answers_to_its_calls() {
    let mut node = Node::start("a", &[]).await;
    let (app, client) = calling(referer([&node])).await;
    let call = client.work(held(1)).start();
    node.holds().await;
    let stops = async {
        assert_eq!(app.stop(DEADLINE).await, 0);
    };
    let released = async {
        // What is new is refused already.
        let is_refused = async || client.work(work(2)).await.is_err();
        soon("it stops", async { while !is_refused().await {} }).await;
        node.tell("release 1").await;
    };
    let (call, (), ()) = tokio::join!(call, stops, released);
    assert_eq!(server(call), "a");
}

#[tokio::test]
async fn who_calls_again_and_again_lets_the_runtime_go_on_also_when_he_is_refused_at_once() {
    let mut node = Node::start("a", &[&a_place_of_its_own()]).await;
    let (app, client) = calling(referer([&node])).await;
    node.kill().await;
    connected(&app, 0).await;
    let settings = node.same_address();
    let _again = Node::start("again", &settings.each_ref().map(String::as_str)).await;
    let begun = Instant::now();
    let answer = loop {
        match client.work(work(1)).await {
            Ok(answer) => break answer,
            // The thread of this loop is the one that has to connect.
            Err(_) => assert!(begun.elapsed() < DEADLINE),
        }
    };
    assert_eq!(answer.server, "again");
}

#[tokio::test]
async fn what_goes_with_a_call_is_seen_by_the_method() {
    let node = Node::start("a", &[]).await;
    let (_app, client) = calling(referer([&node])).await;
    let with_all = client
        .clone()
        .with_attachment("ä note")
        .with_label("new")
        .with_key("no server sees it")
        .with_timeout(Duration::from_secs(200));
    let seen = with_all
        .relay(RelayReq::default())
        .await
        .unwrap()
        .seen
        .remove(0);
    assert_eq!((&*seen.attachment, &*seen.label), ("ä note", "new"));
    assert!(
        (1..=200_000).contains(&seen.millis_left),
        "{}",
        seen.millis_left
    );
    assert!(seen.millis_left > 150_000, "{}", seen.millis_left);
    // It belongs to those calls alone.
    let seen = client
        .relay(RelayReq::default())
        .await
        .unwrap()
        .seen
        .remove(0);
    assert_eq!((&*seen.attachment, &*seen.label), ("", ""));
    assert!(seen.millis_left <= 3_000, "{}", seen.millis_left);
}

#[tokio::test]
async fn a_call_that_is_larger_than_a_frame_may_be_ends_alone() {
    let journal = Journal::new();
    let nodes = Node::each(["a", "b"], &[&journal.setting()]).await;
    let small = ClientConfig::default().max_package_size(10_000_usize);
    let app = Bootstrap::new("calling")
        .client(small)
        .referer_with(referer(&nodes))
        .start()
        .await
        .unwrap();
    connected(&app, 2).await;
    let client: WorkerClient = app.referer("worker").unwrap();
    let mut other = Box::pin(client.work(WorkReq {
        millis: 100,
        ..work(1)
    }));
    assert!(other.as_mut().now_or_never().is_none());
    let large = WorkReq {
        load: vec![1; 10_000].into(),
        ..work(2)
    };
    let status = client.work(large).await.unwrap_err();
    assert_eq!(status.code(), Code::ENCODE_REQ_ERROR);
    assert_eq!(other.await.unwrap().id, 1);
    assert!(journal.runs_of(2).is_empty());
}
