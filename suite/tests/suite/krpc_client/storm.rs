//! Ten thousand calls at once, and servers that are stopped, killed and started beneath them.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use tangelo::{
    Bootstrap, RpcApp,
    rpc::{
        Code, Status,
        client::RetryLevel,
        config::{ClientConfig, RefererConfig},
    },
};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    WorkReq, WorkRes, WorkerClient, connected,
    node::{Journal, Node, a_place_of_its_own},
    referer,
};

const CALLERS: usize = 10_000;
const CONNECTIONS: u32 = 2;
const RETRIES: u32 = 2;
/// How long ten thousand callers may take to end on a machine that has other work.
const PATIENCE: Duration = Duration::from_secs(90);
/// What a call is given.
const TIME: Duration = Duration::from_secs(6);
/// How late it may end on a machine that has other things to do.
const LATE: Duration = Duration::from_secs(10);

/// A call that has ended.
struct Ended {
    id: i64,
    /// Whether it may be made again when it may have run.
    again: bool,
    took: Duration,
    outcome: Result<WorkRes, Status>,
}

/// What the callers share.
struct Storm {
    next: AtomicI64,
    is_over: AtomicBool,
}

impl Storm {
    /// Calls, one call after the other, until it is over.
    async fn call(self: Arc<Self>, client: WorkerClient, again: bool) -> Vec<Ended> {
        let mut calls = Vec::new();
        while !self.is_over.load(Ordering::Relaxed) {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            let request = WorkReq {
                id,
                millis: 500 + i32::try_from(id * 37 % 1500).unwrap(),
                ..WorkReq::default()
            };
            let begun = Instant::now();
            let outcome = client.work(request).await;
            calls.push(Ended {
                id,
                again,
                took: begun.elapsed(),
                outcome,
            });
        }
        calls
    }
}

/// What happens to the servers. Each comes back under another name, at the same address.
async fn weather(app: &RpcApp, nodes: &mut [Node; 3], journal: &Journal) {
    let all = nodes.len() * CONNECTIONS as usize;
    for (node, is_killed) in nodes.iter_mut().zip([true, false, true]) {
        if is_killed {
            node.kill().await;
        } else {
            node.begin_to_stop().await;
            assert_eq!(node.stopped().await, 0, "what it had taken is answered");
        }
        let (name, [host, port]) = (format!("{}'", node.name), node.same_address());
        *node = Node::start(&name, &[&host, &port, &journal.setting()]).await;
        connected(app, all).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_ends_in_time_with_its_own_answer_or_a_code_and_runs_as_often_as_its_level_allows()
 {
    let journal = Journal::new();
    let place = async |name| Node::start(name, &[&a_place_of_its_own(), &journal.setting()]).await;
    let mut nodes = [place("a").await, place("b").await, place("c").await];
    let to = |id: &str, level| {
        let referer: RefererConfig = referer(&nodes).id(id).timeout(TIME);
        referer.retry_level(level).retry_count(RETRIES)
    };
    let app = Bootstrap::new("storm")
        .client(ClientConfig::default().connections(CONNECTIONS))
        .referer_with(to("once", RetryLevel::NotAvailable))
        .referer_with(to("again", RetryLevel::Disconnect));
    let app = app.start().await.unwrap();
    connected(&app, nodes.len() * CONNECTIONS as usize).await;

    let storm = Arc::new(Storm {
        next: AtomicI64::new(0),
        is_over: AtomicBool::new(false),
    });
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let again = caller % 2 == 0;
        let client = app.referer(if again { "again" } else { "once" }).unwrap();
        callers.spawn(Arc::clone(&storm).call(client, again));
    }
    weather(&app, &mut nodes, &journal).await;
    storm.is_over.store(true, Ordering::Relaxed);
    let ended = timeout(PATIENCE, callers.join_all()).await;
    let ended = ended.expect("all calls end");
    let ended: Vec<_> = ended.into_iter().flatten().collect();

    assert_eq!(ended.len() as i64, storm.next.load(Ordering::Relaxed));
    let mut runs = HashMap::<i64, Vec<String>>::new();
    for (server, id) in journal.runs() {
        runs.entry(id).or_default().push(server);
    }
    let mut codes = HashMap::<i32, usize>::new();
    for call in &ended {
        let code = call
            .outcome
            .as_ref()
            .map_or_else(|status| status.code().0, |_| 0);
        *codes.entry(code).or_default() += 1;
        check(call, runs.get(&call.id).map_or(&[], Vec::as_slice));
    }
    // The weather was felt, and most calls were answered all the same.
    assert!(codes.contains_key(&Code::CONNECTION_BROKEN.0), "{codes:?}");
    assert!(codes[&0] * 2 > ended.len(), "{codes:?}");
}

/// What every call may expect; `runs` are the servers that have run it.
fn check(call: &Ended, runs: &[String]) {
    let Ended { id, took, .. } = call;
    assert!(*took < TIME + LATE, "{id} took {took:?}");
    let most = if call.again { 1 + RETRIES as usize } else { 1 };
    assert!(runs.len() <= most, "{id} has run at {runs:?}");
    match &call.outcome {
        Ok(answer) => {
            assert_eq!(answer.id, *id);
            assert!(runs.contains(&answer.server), "{id}: {answer:?}, {runs:?}");
        }
        Err(status) => match status.code() {
            // It may have run.
            Code::CONNECTION_BROKEN | Code::RPC_TIMEOUT => {}
            // It has not, and that is what they say.
            Code::NO_CONNECTION
            | Code::SEND_FAILED
            | Code::SERVER_SHUTDOWN
            | Code::QUEUE_FULL
            | Code::QUEUE_TIMEOUT => assert!(runs.is_empty(), "{id}: {status}, {runs:?}"),
            _ => panic!("{id}: {status}"),
        },
    }
}
