//! The connections that calls go over: how many, since when, and what becomes of those that break.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::{FutureExt, future::join_all};
use tangelo::{
    Bootstrap, RpcApp,
    rpc::{
        Code,
        client::RetryLevel,
        config::{ClientConfig, RefererConfig},
    },
};
use tokio::{
    io::AsyncReadExt,
    net::TcpListener,
    time::{Instant, timeout},
};

use super::{
    WorkReq, WorkerClient, connected,
    node::{Node, a_place_of_its_own},
    referer, server, spread, work,
};
use crate::world::soon;

async fn calling(client: ClientConfig, referer: RefererConfig) -> (RpcApp, WorkerClient) {
    let bootstrap = Bootstrap::new("calling")
        .client(client)
        .referer_with(referer);
    let app = bootstrap.start().await.unwrap();
    let client = app.referer("worker").unwrap();
    (app, client)
}

fn lazy() -> ClientConfig {
    ClientConfig::default().lazy(true)
}

/// A server that is no server yet, and its address.
async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// An address where nobody listens.
async fn nobody() -> String {
    let mut node = Node::start("nobody", &[&a_place_of_its_own()]).await;
    node.kill().await;
    node.address().to_owned()
}

#[tokio::test]
async fn calls_use_all_connections_to_an_address_in_turn() {
    let node = Node::start("a", &[]).await;
    let three = ClientConfig::default().connections(3_u32);
    let (app, client) = calling(three, referer([&node])).await;
    connected(&app, 3).await;
    let mut peers = Vec::new();
    for id in 0..9 {
        peers.push(client.work(work(id)).await.unwrap().peer);
    }
    assert_eq!(peers[..3], peers[3..6]);
    assert_eq!(peers.iter().collect::<BTreeSet<_>>().len(), 3);
    // One that breaks takes nothing along but itself, and is replaced.
    app.client("default").unwrap().connections()[0].close();
    for id in 0..9 {
        assert_eq!(server(client.work(work(id)).await), "a");
    }
    connected(&app, 3).await;
}

#[tokio::test]
async fn an_eager_client_connects_when_it_starts_and_a_lazy_one_when_it_is_to_call() {
    let (listener, address) = listener().await;
    let to = || RefererConfig::new::<WorkerClient>("worker").to(&address);
    let _eager = calling(ClientConfig::default(), to()).await;
    soon("the eager one comes", listener.accept())
        .await
        .unwrap();
    let (_app, client) = calling(lazy(), to()).await;
    assert!(listener.accept().now_or_never().is_none());
    let _call = client.work(work(1)).start();
    soon("the lazy one comes", listener.accept()).await.unwrap();
}

#[tokio::test]
async fn the_first_calls_of_a_lazy_client_find_their_connection() {
    let nodes = Node::each(["a", "b"], &[]).await;
    for _ in 0..20 {
        let three = lazy().connections(3_u32);
        let (app, client) = calling(three, referer(&nodes)).await;
        // At once, before its tasks have had a turn.
        let calls = (0..10).map(|id| client.work(work(id)));
        for answer in join_all(calls).await {
            server(answer);
        }
        connected(&app, 6).await;
    }
}

#[tokio::test]
async fn a_lazy_client_goes_elsewhere_when_it_cannot_connect() {
    let node = Node::start("a", &[]).await;
    let (_app, client) = calling(lazy(), referer([&node]).to(&nobody().await)).await;
    assert_eq!(
        spread(&client, 20).await,
        BTreeMap::from([("a".to_owned(), 20)])
    );

    let nobody = RefererConfig::new::<WorkerClient>("worker").to(&nobody().await);
    let (_app, client) = calling(lazy(), nobody).await;
    let begun = Instant::now();
    let status = client.work(work(1)).await.unwrap_err();
    assert_eq!(status.code(), Code::NO_CONNECTION);
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "it was told at once"
    );
}

#[tokio::test]
async fn a_server_that_returns_is_met_again() {
    for client in [ClientConfig::default().connections(2_u32), lazy()] {
        let (count, is_lazy) = (client.connections as usize, client.lazy);
        let mut node = Node::start("a", &[&a_place_of_its_own()]).await;
        let (app, client) = calling(client, referer([&node])).await;
        server(client.work(work(1)).await);
        node.kill().await;
        connected(&app, 0).await;
        let status = client.work(work(2)).await.unwrap_err();
        assert_eq!(status.code(), Code::NO_CONNECTION);

        let settings = node.same_address();
        let _again = Node::start("again", &settings.each_ref().map(String::as_str)).await;
        let back = Instant::now();
        if is_lazy {
            // Who calls does not wait for the pause to end, which is half a second at least.
            while let Err(status) = client.work(work(3)).await {
                assert_eq!(status.code(), Code::NO_CONNECTION);
                tokio::task::yield_now().await;
            }
            assert!(back.elapsed() < Duration::from_millis(400));
        }
        connected(&app, count).await;
        assert!(back.elapsed() < Duration::from_secs(10));
        assert_eq!(server(client.work(work(4)).await), "again");
    }
}

#[tokio::test]
async fn a_server_that_throws_out_whom_it_lets_in_is_asked_less_and_less_often() {
    let (listener, address) = listener().await;
    let to = RefererConfig::new::<WorkerClient>("worker").to(&address);
    let _app = calling(ClientConfig::default(), to).await;
    let mut attempts = 0;
    let throw_out = async {
        loop {
            drop(listener.accept().await.unwrap());
            attempts += 1;
        }
    };
    // At once; after half a second to one; after one to two more.
    let _ = timeout(Duration::from_millis(2_400), throw_out).await;
    assert!((2..=3).contains(&attempts), "{attempts}");
}

#[tokio::test]
async fn calls_in_a_loop_do_not_make_a_lazy_client_dial_in_a_loop() {
    let (listener, address) = listener().await;
    let to = RefererConfig::new::<WorkerClient>("worker").to(&address);
    let (_app, client) = calling(lazy(), to).await;
    let mut dialed = Vec::new();
    let throw_out = async {
        while dialed.len() < 5 {
            drop(listener.accept().await.unwrap());
            dialed.push(Instant::now());
        }
    };
    let mut refused = 0;
    let calls = async {
        loop {
            let status = client.work(work(1)).await.unwrap_err();
            if status.code() == Code::NO_CONNECTION {
                refused += 1;
                assert!(status.reason().to_string().contains("lost"), "{status:?}");
            }
        }
    };
    tokio::select! {
        () = soon("five connections", throw_out) => {}
        () = calls => {}
    }
    // After 50 ms at the most, then after twice as long each time: half of it at the least.
    for (step, pair) in dialed.windows(2).enumerate() {
        let least = Duration::from_millis(25 << step);
        assert!(
            pair[1] - pair[0] >= least,
            "{step}: {:?}",
            pair[1] - pair[0]
        );
    }
    assert!(refused > 100, "{refused} calls were told at once");
}

#[tokio::test]
async fn who_cannot_connect_is_told_at_once_where_and_why() {
    for config in [lazy(), ClientConfig::default()] {
        let nobody = nobody().await;
        let referer = RefererConfig::new::<WorkerClient>("worker").to(&nobody);
        let (_app, client) = calling(config, referer).await;
        let refused = |status: tangelo::rpc::Status| {
            assert_eq!(status.code(), Code::NO_CONNECTION);
            let reason = status.reason().to_string();
            let is_told = reason.contains(&nobody) && reason.contains("refused");
            assert!(is_told, "{reason}");
        };
        refused(client.work(work(1)).await.unwrap_err());
        let begun = Instant::now();
        for id in 2..20 {
            refused(client.work(work(id)).await.unwrap_err());
        }
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test]
async fn of_many_addresses_the_first_three_are_told() {
    let mut to = RefererConfig::new::<WorkerClient>("worker");
    let mut nobodies = Vec::new();
    for _ in 0..5 {
        nobodies.push(nobody().await);
        to = to.to(&nobodies[nobodies.len() - 1]);
    }
    let (_app, client) = calling(ClientConfig::default(), to).await;
    let reason = client.work(work(1)).await.unwrap_err().reason().to_string();
    for (at, nobody) in nobodies.iter().enumerate() {
        assert_eq!(reason.contains(nobody), at < 3, "{reason}");
    }
    assert!(reason.ends_with("and 2 more"), "{reason}");
}

/// Takes what is sent and says nothing, until it is left; it takes no second connection.
async fn falls_silent(listener: TcpListener) {
    let mut stream = listener.accept().await.unwrap().0;
    drop(listener);
    let mut sink = [0; 1024];
    while stream.read(&mut sink).await.is_ok_and(|read| read > 0) {}
}

#[tokio::test]
async fn a_peer_that_falls_silent_is_noticed_within_three_pings_and_calls_go_elsewhere() {
    let node = Node::start("alive", &[]).await;
    let (listener, address) = listener().await;
    let pinging = ClientConfig::default().ping_seconds(1_u32);
    let to = |id: &str| {
        RefererConfig::new::<WorkerClient>(id)
            .to(&address)
            .to(node.address())
            .timeout(Duration::from_secs(20))
    };
    let again = to("again").retry_level(RetryLevel::Disconnect);
    let bootstrap = Bootstrap::new("calling")
        .client(pinging)
        .referer_with(again.retry_count(1_u32))
        .referer_with(to("once"));
    let begun = Instant::now();
    let app = bootstrap.start().await.unwrap();
    let again: WorkerClient = app.referer("again").unwrap();
    let once: WorkerClient = app.referer("once").unwrap();
    let calls = async {
        // Both begin with the first address.
        let (again, once) = tokio::join!(again.work(work(1)), once.work(work(2)));
        assert_eq!(server(again), "alive");
        assert_eq!(once.unwrap_err().code(), Code::CONNECTION_BROKEN);
        begun.elapsed()
    };
    let (took, ()) = tokio::join!(calls, falls_silent(listener));
    let pings = Duration::from_secs(2)..Duration::from_millis(3_900);
    assert!(pings.contains(&took), "{took:?}");
    assert_eq!(server(again.work(work(3)).await), "alive");
    assert_eq!(server(again.work(work(4)).await), "alive");
}

#[tokio::test]
async fn heartbeats_keep_a_connection_on_which_nothing_else_is_said() {
    let node = Node::start("a", &["server.default.idle_seconds=3"]).await;
    let pinging = ClientConfig::default().ping_seconds(1_u32);
    let (app, client) = calling(pinging, referer([&node])).await;
    connected(&app, 1).await;
    let connection = app.client("default").unwrap().connections().remove(0);
    let long = WorkReq {
        millis: 4_000,
        ..work(1)
    };
    let patient = client.with_timeout(Duration::from_secs(20));
    assert_eq!(server(patient.work(long).await), "a");
    assert!(!connection.is_closed());
}
