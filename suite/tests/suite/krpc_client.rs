//! The calling side of krpc, looked at from outside: servers are processes of their own.

mod apps;
mod balance;
mod breaker;
mod calls;
mod canned;
mod chain;
mod codes;
mod connections;
mod local;
mod node;
mod registry;
mod retry;
mod storm;

use std::collections::BTreeMap;

use tangelo::{
    Bootstrap, RpcApp,
    rpc::{Status, config::RefererConfig},
};

use self::node::Node;
use crate::world::until;

tangelo::include_proto!("worker");

/// A referer for these nodes, by the name of `worker`.
fn referer<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> RefererConfig {
    let addresses: Vec<_> = nodes.into_iter().map(Node::address).collect();
    RefererConfig::new::<WorkerClient>("worker").to(&addresses.join(","))
}

/// An application that calls them, and is connected to each of them.
async fn calling(referer: RefererConfig) -> (RpcApp, WorkerClient) {
    let count = referer.direct.len();
    let app = Bootstrap::new("calling").referer_with(referer);
    let app = app.start().await.unwrap();
    connected(&app, count).await;
    let client = app.referer("worker").unwrap();
    (app, client)
}

/// Waits until the client of an application has so many connections.
async fn connected(app: &RpcApp, count: usize) {
    let client = app.client("default").unwrap();
    until("all is connected", || client.connections().len() == count).await;
}

/// A call that is done at once.
fn work(id: i64) -> WorkReq {
    WorkReq {
        id,
        ..WorkReq::default()
    }
}

/// A call that a node holds until it is told to let it go on.
fn held(id: i64) -> WorkReq {
    WorkReq {
        hold: true,
        ..work(id)
    }
}

/// A call of this key.
fn keyed(key: impl Into<String>) -> WorkReq {
    WorkReq {
        key: key.into(),
        ..WorkReq::default()
    }
}

/// Who has run a call.
fn server(outcome: Result<WorkRes, Status>) -> String {
    outcome.unwrap().server
}

/// How many of so many calls, one after the other, each server has run.
async fn spread(client: &WorkerClient, calls: i64) -> BTreeMap<String, u32> {
    let mut spread = BTreeMap::new();
    for id in 0..calls {
        *spread
            .entry(server(client.work(work(id)).await))
            .or_default() += 1;
    }
    spread
}
