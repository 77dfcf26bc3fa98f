//! What is tried again, where, and how often.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::future::join_all;
use tangelo::{
    RpcApp,
    rpc::{
        Code,
        client::{
            RetryLevel,
            balance::{self, Balance, Choice},
        },
        config::MethodConfig,
    },
};
use tokio::time::Instant;

use super::{
    WorkReq, WorkerClient, calling, connected, held, keyed,
    node::{Journal, Node},
    referer, server, work,
};

const LEVELS: [RetryLevel; 5] = [
    RetryLevel::NoRetry,
    RetryLevel::SendFailed,
    RetryLevel::NotAvailable,
    RetryLevel::Disconnect,
    RetryLevel::Timeout,
];

/// Two servers: what is called by [`key_of_a`](Self::key_of_a) goes to `a` first. And for each level an
/// application that tries again once.
struct World {
    a: Node,
    b: Node,
    journal: Journal,
    key_of_a: String,
    callers: Vec<(RetryLevel, RpcApp, WorkerClient)>,
}

impl World {
    async fn new(settings_of_a: &[&str], timeout: Duration) -> Self {
        let journal = Journal::new();
        let setting = journal.setting();
        let a = Node::start("a", &[settings_of_a, &[&setting]].concat()).await;
        let b = Node::start("b", &[&setting]).await;
        let mut callers = Vec::new();
        for level in LEVELS {
            let referer = referer([&a, &b])
                .load_balance(balance::by_name("hash:hashField=key").unwrap())
                .timeout(timeout)
                .retry_level(level)
                .retry_count(1_u32);
            let (app, client) = calling(referer).await;
            callers.push((level, app, client));
        }
        let client = &callers[0].2;
        let mut key = 0;
        while server(client.work(keyed(key.to_string())).await) != "a" {
            key += 1;
        }
        Self {
            a,
            b,
            journal,
            key_of_a: key.to_string(),
            callers,
        }
    }

    /// A call that is tried at `a` first.
    fn to_a(&self, request: WorkReq) -> WorkReq {
        WorkReq {
            key: self.key_of_a.clone(),
            ..request
        }
    }

    /// Below the level a call ends with the code and has run at `ran` alone; from it on it is answered by
    /// `b`, where it has run as well.
    async fn is_answered_elsewhere_from(
        &self,
        least: RetryLevel,
        code: Code,
        ran: &[&str],
        request: impl Fn(i64) -> WorkReq,
    ) {
        let calls = (100..).zip(&self.callers).map(async |(id, caller)| {
            let outcome = caller.2.work(self.to_a(request(id))).await;
            (id, caller.0, outcome)
        });
        for (id, level, outcome) in join_all(calls).await {
            let runs = self.journal.runs_of(id);
            if level < least {
                assert_eq!(outcome.unwrap_err().code(), code, "{level}");
                assert_eq!(runs, ran, "{level}");
            } else {
                assert_eq!(server(outcome), "b", "{level}");
                assert_eq!(runs, [ran, &["b"]].concat(), "{level}");
            }
        }
    }
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn what_a_server_that_leaves_refuses_goes_elsewhere_from_not_available_on() {
    let mut world = World::new(&[], LONG).await;
    let running = world.callers[0].2.work(world.to_a(held(1))).start();
    assert_eq!(world.a.holds().await, 1);
    world.a.begin_to_stop().await;
    world
        .is_answered_elsewhere_from(RetryLevel::NotAvailable, Code::SERVER_SHUTDOWN, &[], work)
        .await;
    // What it has taken is answered.
    world.a.tell("release 1").await;
    assert_eq!(server(running.await), "a");
    assert_eq!(world.a.stopped().await, 0);
    // Who has heard that it leaves calls it no more, at any level.
    for (level, _, client) in &world.callers {
        assert_eq!(
            server(client.work(world.to_a(work(2))).await),
            "b",
            "{level}"
        );
    }
}

#[tokio::test]
async fn what_finds_a_queue_full_goes_elsewhere_from_not_available_on() {
    let one_at_a_time = ["server.default.threads=1", "server.default.queue_size=0"];
    let mut world = World::new(&one_at_a_time, LONG).await;
    let running = world.callers[0].2.work(world.to_a(held(1))).start();
    assert_eq!(world.a.holds().await, 1);
    world
        .is_answered_elsewhere_from(RetryLevel::NotAvailable, Code::QUEUE_FULL, &[], work)
        .await;
    world.a.tell("release 1").await;
    assert_eq!(server(running.await), "a");
}

#[tokio::test]
async fn what_runs_where_the_process_is_killed_goes_elsewhere_from_disconnect_on() {
    let mut world = World::new(&[], LONG).await;
    world.b.tell("release 2").await;
    let World { a, journal, .. } = &mut world;
    let mut victim = std::mem::replace(a, Node::start("c", &[&journal.setting()]).await);
    let dies = async {
        for _ in LEVELS {
            victim.holds().await;
        }
        victim.kill().await;
    };
    let (code, ran) = (Code::CONNECTION_BROKEN, ["a"]);
    let calls = world.is_answered_elsewhere_from(RetryLevel::Disconnect, code, &ran, held);
    tokio::join!(dies, calls);
}

#[tokio::test]
async fn what_is_not_answered_in_time_goes_elsewhere_at_timeout_alone() {
    let mut world = World::new(&[], Duration::from_millis(800)).await;
    world.b.tell("release 1").await;
    world
        .is_answered_elsewhere_from(RetryLevel::Timeout, Code::RPC_TIMEOUT, &["a"], held)
        .await;
}

#[tokio::test]
async fn what_may_have_run_is_never_told_as_what_surely_has_not() {
    let mut a = Node::start("a", &[]).await;
    let one_at_a_time = ["server.default.threads=1", "server.default.queue_size=0"];
    let mut full = Node::start("full", &one_at_a_time).await;
    let (_filling, filler) = calling(referer([&full])).await;
    let _fills = filler.work(held(1)).start();
    assert_eq!(full.holds().await, 1);

    let again = referer([&a, &full])
        .retry_level(RetryLevel::Disconnect)
        .retry_count(1_u32);
    let (_app, client) = calling(again).await;
    let call = client.work(held(2)).start();
    assert_eq!(a.holds().await, 2);
    a.kill().await;
    // The other one refuses it, but the first may have run it.
    assert_eq!(call.await.unwrap_err().code(), Code::CONNECTION_BROKEN);
}

/// Three servers that never answer in time.
async fn silent(journal: &Journal) -> [Node; 3] {
    let mut nodes = Node::each(["a", "b", "c"], &[&journal.setting()]).await;
    for node in &mut nodes {
        node.tell("delay 60000").await;
    }
    nodes
}

#[tokio::test]
async fn each_attempt_is_at_another_address_and_there_are_as_many_as_the_count_allows() {
    let journal = Journal::new();
    let nodes = silent(&journal).await;
    let calls = [(0, 1), (1, 2), (2, 3)];
    let calls = calls.map(async |(retries, attempts)| {
        // Each attempt has an equal part of the time.
        let timeout = Duration::from_millis(300) * (retries + 1);
        let referer = referer(&nodes)
            .retry_level(RetryLevel::Timeout)
            .retry_count(retries)
            .timeout(timeout);
        let (_app, client) = calling(referer).await;
        let (id, begun) = (i64::from(retries), Instant::now());
        let status = client.work(work(id)).await.unwrap_err();
        assert_eq!(status.code(), Code::RPC_TIMEOUT);
        assert!(begun.elapsed() >= Duration::from_millis(300) * attempts);
        let runs = journal.runs_of(id);
        let servers: BTreeSet<_> = runs.iter().collect();
        let expected = attempts as usize;
        assert_eq!(
            (runs.len(), servers.len()),
            (expected, expected),
            "{runs:?}"
        );
    });
    join_all(calls).await;
}

#[tokio::test]
async fn a_count_without_an_end_ends_with_the_addresses() {
    let journal = Journal::new();
    let full = ["server.default.threads=1", "server.default.queue_size=0"];
    let mut nodes = Node::each(["a", "b"], &[&full[..], &[&journal.setting()]].concat()).await;
    let (_filling, filler) = calling(referer(&nodes)).await;
    let _fill = [filler.work(held(1)).start(), filler.work(held(2)).start()];
    for node in &mut nodes {
        node.holds().await;
    }
    for level in [RetryLevel::NotAvailable, RetryLevel::Timeout] {
        let referer = referer(&nodes).retry_level(level).retry_count(u32::MAX);
        let (_app, client) = calling(referer).await;
        let status = client.work(work(3)).await.unwrap_err();
        assert_eq!(status.code(), Code::QUEUE_FULL, "{level}");
    }
}

#[tokio::test]
async fn the_time_is_divided_among_the_addresses_there_are() {
    let [mut a, mut b] = Node::each(["a", "b"], &[]).await;
    a.tell("delay 60000").await;
    b.tell("delay 500").await;
    let referer = referer([&a, &b])
        .retry_level(RetryLevel::Timeout)
        .retry_count(9_u32)
        .timeout(Duration::from_secs(3));
    let (_app, client) = calling(referer).await;
    assert_eq!(server(client.work(work(1)).await), "b");
}

#[tokio::test]
async fn a_method_may_have_its_own_time_and_level() {
    let journal = Journal::new();
    let nodes = silent(&journal).await;
    let of_work = MethodConfig::new("work").unwrap();
    let of_work = of_work
        .timeout(Duration::from_millis(600))
        .retry_level(RetryLevel::Timeout)
        .retry_count(1_u32);
    let (_app, client) = calling(referer(&nodes).timeout(LONG).method(of_work)).await;
    let begun = Instant::now();
    let status = client.work(work(1)).await.unwrap_err();
    assert_eq!(status.code(), Code::RPC_TIMEOUT);
    assert!(begun.elapsed() < LONG / 2);
    assert_eq!(journal.runs_of(1).len(), 2);
}

#[tokio::test]
async fn retries_stay_a_share_of_the_calls_when_all_servers_fail() {
    const CALLS: i64 = 400;
    let journal = Journal::new();
    let nodes = silent(&journal).await;
    let referer = referer(&nodes)
        .retry_level(RetryLevel::Timeout)
        .retry_count(2_u32)
        .timeout(Duration::from_millis(1_500));
    let begun = Instant::now();
    let (_app, client) = calling(referer).await;
    let calls = (0..CALLS).map(|id| client.work(work(id)));
    for outcome in join_all(calls).await {
        assert_eq!(outcome.unwrap_err().code(), Code::RPC_TIMEOUT);
    }
    let attempts = journal.runs().len();
    // One in five calls, and ten in each second, of which one is there at the beginning.
    let seconds = begun.elapsed().as_secs_f64() + 1.0;
    let retries = attempts - CALLS as usize;
    assert!(retries >= 80, "{retries}");
    assert!(
        retries as f64 <= 80.0 + 10.0 * seconds,
        "{retries} in {seconds} s"
    );
}

/// Takes the first of two, or what is left of them, and closes connections before they are used.
#[derive(Debug)]
struct Cuts {
    app: OnceLock<RpcApp>,
    everywhere: bool,
}

impl Balance for Cuts {
    fn pick(&self, choice: &Choice<'_>) -> usize {
        let client = self.app.get().unwrap().client("default").unwrap();
        let chosen = choice.nodes[0].address();
        let is_first = choice.nodes.len() == 2;
        for connection in client.connections() {
            let is_chosen = connection.peer().to_string() == chosen;
            if self.everywhere || is_first && is_chosen {
                connection.close();
            }
        }
        0
    }
}

#[tokio::test]
async fn what_could_not_be_sent_goes_elsewhere_at_every_level_as_it_has_run_nowhere() {
    let journal = Journal::new();
    let nodes = Node::each(["a", "b"], &[&journal.setting()]).await;
    for (everywhere, level) in [(false, RetryLevel::NoRetry), (true, RetryLevel::SendFailed)] {
        let cuts = Arc::new(Cuts {
            app: OnceLock::new(),
            everywhere,
        });
        let referer = referer(&nodes)
            .load_balance(Arc::clone(&cuts) as Arc<dyn Balance>)
            .retry_level(level)
            .retry_count(1_u32);
        let (app, client) = calling(referer).await;
        cuts.app.set(app.clone()).unwrap();
        let id = i64::from(everywhere);
        let outcome = client.work(work(id)).await;
        if everywhere {
            assert_eq!(outcome.unwrap_err().code(), Code::SEND_FAILED);
            assert!(journal.runs_of(id).is_empty());
        } else {
            assert_eq!(server(outcome), "b");
            assert_eq!(journal.runs_of(id), ["b"]);
        }
    }
}

#[tokio::test]
async fn an_answer_of_the_application_is_never_tried_again() {
    let journal = Journal::new();
    let mut nodes = Node::each(["a", "b"], &[&journal.setting()]).await;
    for node in &mut nodes {
        node.tell("code -100100").await;
    }
    let referer = referer(&nodes)
        .retry_level(RetryLevel::Timeout)
        .retry_count(5_u32);
    let (app, client) = calling(referer).await;
    connected(&app, 2).await;
    assert_eq!(client.work(work(1)).await.unwrap().ret_code, -100_100);
    assert_eq!(journal.runs_of(1).len(), 1);
}
