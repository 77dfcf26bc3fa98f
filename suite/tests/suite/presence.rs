//! Who is online, and where.

use std::{
    collections::HashMap,
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use serde_json::json;
use tangelo::{
    App,
    server::{Blueprint, Handlers, PresenceStore, StoreError},
};
use tokio::{io::copy_bidirectional, net::TcpListener, task::JoinSet};

use crate::{
    channel_pushes::stranger,
    client::{Door, connect},
    rooms::heard,
    stores::Shared,
    world::{DEADLINE, soon},
};

#[tokio::test]
async fn a_user_is_online_on_the_front_ends_where_a_session_is_bound_to_him() {
    let shared = Shared::new().await;
    let mut first = shared.client(1, "a").await;
    shared.is_on("a", &["connector-1"]).await;
    let second = shared.client(1, "a").await;
    let mut third = shared.client(2, "a").await;
    shared.is_on("a", &["connector-1", "connector-2"]).await;
    first.ask("connector.main.unbind", &json!({})).await;
    // Another user's coming is known after the first one's going.
    let _marker = shared.client(1, "marker").await;
    shared.is_on("marker", &["connector-1"]).await;
    shared.is_on("a", &["connector-1", "connector-2"]).await;
    drop(second);
    shared.is_on("a", &["connector-2"]).await;
    third.ask("connector.main.unbind", &json!({})).await;
    shared.is_on("a", &[]).await;
    assert!(!shared.presence().is_online("a").await.unwrap());
    third.ask("connector.main.bind", &json!("b")).await;
    shared.is_on("b", &["connector-2"]).await;
}

#[tokio::test]
async fn every_server_knows_it_and_so_do_its_handlers() {
    let shared = Shared::new().await;
    let mut a = shared.client(1, "a").await;
    let mut b = shared.client(2, "b").await;
    for (uid, at) in [("a", "connector-1"), ("b", "connector-2")] {
        shared.is_on(uid, &[at]).await;
        for server in shared.servers() {
            let presence = server.context().presence();
            assert_eq!(presence.frontends_of(uid).await.unwrap(), [at]);
            assert!(presence.is_online(uid).await.unwrap());
        }
        for client in [&mut a, &mut b] {
            for route in ["connector.main.where", "chat.main.where"] {
                assert_eq!(client.ask(route, &json!(uid)).await, json!([at]));
            }
        }
    }
    let online = shared.presence().are_online(&["b", "c", "a"]).await;
    let expected = [("a", true), ("b", true), ("c", false)];
    let expected = expected.map(|(uid, online)| (uid.to_owned(), online));
    assert_eq!(online.unwrap(), HashMap::from(expected));
    assert!(shared.presence().are_online(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn users_are_told_wherever_they_are() {
    let shared = Shared::new().await;
    let mut clients = [
        shared.client(1, "a").await,
        shared.client(1, "a").await,
        shared.client(2, "a").await,
        shared.client(2, "b").await,
    ];
    let mut other = shared.client(1, "c").await;
    shared.is_on("a", &["connector-1", "connector-2"]).await;
    shared.is_on("b", &["connector-2"]).await;
    for (number, server) in (1..).zip(shared.servers()) {
        let presence = server.context().presence();
        let uids = ["a", "nobody", "b", "a"];
        let pushed = presence.push_by_uids(&uids, "on", &number);
        soon("it is known where they are", pushed).await.unwrap();
        let again = number * 10;
        let pushed = presence.push_by_uids_confirmed(&uids, "on", &again, DEADLINE);
        let unreached = soon("all say so", pushed).await.unwrap();
        assert_eq!(unreached, ["nobody"]);
        let mut all: Vec<_> = clients.iter_mut().collect();
        // Asked for twice, he is told once.
        heard(&mut all, &[json!(number), json!(again)]).await;
    }
    heard(&mut [&mut other], &[]).await;
}

#[tokio::test]
async fn nobody_is_online_on_a_front_end_that_leaves() {
    let mut shared = Shared::new().await;
    let _clients = [shared.client(1, "a").await, shared.client(2, "a").await];
    shared.is_on("a", &["connector-1", "connector-2"]).await;
    let front = shared.fronts.remove(0);
    assert_eq!(front.close_doors(DEADLINE).await, 0);
    shared.is_on("a", &["connector-2"]).await;
    assert_eq!(front.leave(DEADLINE).await, 0);
    // Nor if it has no time.
    shared.fronts.remove(0).leave(Duration::ZERO).await;
    let left = shared.presence().frontends_of("a").await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn nobody_is_online_on_a_front_end_that_has_died() {
    let shared = Shared::new().await;
    let _client = shared.client(1, "a").await;
    let lost = stranger(&shared.back, "connector-9").await;
    let uids = ["a", "b"].map(Arc::from);
    shared.presence.add("connector-9", &uids).await.unwrap();
    shared.is_on("b", &["connector-9"]).await;
    drop(lost);
    shared.is_on("b", &[]).await;
    shared.is_on("a", &["connector-1"]).await;
}

/// Passes on what comes to it to a server, while it is let.
struct Line {
    to: SocketAddr,
    listener: Option<TcpListener>,
    at: SocketAddr,
}

impl Line {
    /// Its other end is not there yet.
    async fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let at = listener.local_addr().unwrap();
        Self {
            to: at,
            listener: Some(listener),
            at,
        }
    }

    /// Passes on while `during` runs; then all connections over it end, and there are no new ones.
    async fn while_it_stands(&mut self, during: impl Future<Output = ()>) {
        let listener = match self.listener.take() {
            Some(listener) => listener,
            None => TcpListener::bind(self.at).await.unwrap(),
        };
        let mut passed = JoinSet::new();
        let pass = async {
            loop {
                let (mut come, _) = listener.accept().await.unwrap();
                let mut goes = connect(self.to).await;
                passed.spawn(async move { copy_bidirectional(&mut come, &mut goes).await });
            }
        };
        tokio::select! {
            () = pass => {}
            () = during => {}
        }
    }
}

#[tokio::test]
async fn a_front_end_that_was_only_lost_for_a_while_has_its_users_again() {
    use tangelo::server::{GlobalChannelStore, MemoryGlobalChannels, MemoryPresence};

    use crate::{
        stores::entry,
        world::{World, back, chat, connector, front},
    };
    let mut line = Line::new().await;
    let mut place = back("chat-1");
    place.port = Some(line.at.port());
    let door = front("connector-1");
    let world = World::fixed(&[&place, &door]);
    let presence: Arc<dyn PresenceStore> = Arc::new(MemoryPresence::new());
    let channels: Arc<dyn GlobalChannelStore> = Arc::new(MemoryGlobalChannels::new());
    let share = |blueprint: Blueprint| {
        let blueprint = blueprint.presence(Arc::clone(&presence));
        blueprint.global_channels(Arc::clone(&channels))
    };
    let back = world.start(share(chat(Handlers::new())), back("chat-1"));
    let back = back.await;
    line.to = back.rpc_address().unwrap();
    let front = world
        .start(share(connector(entry(Handlers::new()))), door)
        .await;
    let mut client = crate::world::client(&front, Door::Tcp).await;
    let is = async |online: bool| {
        let (presence, channels) = (back.context().presence(), back.context().global_channels());
        soon("it is known", async {
            while presence.is_online("a").await.unwrap() != online
                || channels.members("all").await.unwrap().is_empty() == online
            {
                tokio::task::yield_now().await;
            }
        })
        .await;
    };
    line.while_it_stands(async {
        soon("the servers meet", front.connected()).await;
        client.ask("connector.main.bind", &json!("a")).await;
        let all = back.context().global_channels();
        assert!(all.add("all", "a", "connector-1").await.unwrap());
        is(true).await;
    })
    .await;
    is(false).await;
    client.was_ignored("connector.main.echo").await;
    line.while_it_stands(is(true)).await;
}

#[tokio::test]
async fn what_a_front_end_left_behind_that_was_killed_is_gone_when_it_is_started_again() {
    use crate::{
        stores::entry,
        world::{World, connector, front},
    };
    let store = Arc::new(tangelo::server::MemoryPresence::new());
    let uids = ["a", "b"].map(Arc::from);
    store.add("connector-1", &uids).await.unwrap();
    store.add("connector-2", &uids).await.unwrap();
    let blueprint = connector(entry(Handlers::new()));
    let blueprint = blueprint.presence(Arc::clone(&store) as Arc<dyn PresenceStore>);
    let front = World::new().start(blueprint, front("connector-1")).await;
    let mut client = crate::world::client(&front, Door::Tcp).await;
    client.ask("connector.main.bind", &json!("a")).await;
    let presence = front.context().presence();
    soon("it is known who is here", async {
        let now = [vec!["connector-2", "connector-1"], vec!["connector-2"]];
        loop {
            let a = presence.frontends_of("a").await.unwrap();
            let b = presence.frontends_of("b").await.unwrap();
            if b == now[1] && a.len() == now[0].len() {
                break;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn while_the_store_fails_the_caller_hears_of_it_and_nothing_else_does() {
    let shared = Shared::new().await;
    let mut before = shared.client(1, "a").await;
    let gone = shared.client(1, "gone").await;
    shared.is_on("gone", &["connector-1"]).await;
    shared.presence.fails.store(true, Ordering::SeqCst);
    let failed = shared.presence().frontends_of("a").await;
    assert_eq!(failed, Err(StoreError::Failed("no connection".into())));
    shared.presence().is_online("a").await.unwrap_err();
    shared.presence().are_online(&["a"]).await.unwrap_err();
    let pushed = shared.presence().push_by_uids(&["a"], "on", &1).await;
    pushed.unwrap_err();
    before.is_refused("chat.main.where", &json!("a"), 500).await;
    // Clients come, are bound and go as ever.
    let mut during = shared.client(1, "b").await;
    drop(gone);
    for client in [&mut before, &mut during] {
        client.was_ignored("connector.main.echo").await;
    }
    shared.presence.fails.store(false, Ordering::SeqCst);
    shared.is_on("b", &["connector-1"]).await;
    shared.is_on("gone", &[]).await;
    shared.is_on("a", &["connector-1"]).await;
}

fn config(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    let servers = json!({
        "connector": [{"id": "connector-1", "clientPort": 0, "frontend": true}],
        "chat": [{"id": "chat-1", "port": 0}]
    });
    fs::write(folder.join("servers.json"), servers.to_string()).unwrap();
    folder
}

fn app(name: &str) -> App {
    use crate::stores::entry;
    App::new()
        .config(config(name))
        .server("connector", |server| {
            server.handler("main", entry(Handlers::new()))
        })
        .server("chat", |server| server)
}

#[tokio::test]
async fn an_application_whose_servers_run_in_one_process_needs_no_store_of_its_own() {
    let running = app("presence-one").start().await.unwrap();
    let front = running.server("connector-1").unwrap();
    let mut client = crate::world::client(front, Door::Tcp).await;
    // This front end has heartbeats.
    client.request("connector.main.bind", &json!("a")).await;
    let back = running.server("chat-1").unwrap().context();
    let (presence, channels) = (back.presence(), back.global_channels());
    soon("it is known where he is", async {
        while presence.frontends_of("a").await.unwrap() != ["connector-1"] {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(channels.add("all", "a", "connector-1").await.unwrap());
    let members = channels.members_at("all", "connector-1").await.unwrap();
    assert_eq!(members, ["a"]);
    running.shutdown(DEADLINE).await;
}

#[tokio::test]
async fn where_they_run_in_several_it_is_an_error_to_ask_without_one() {
    let running = app("presence-several")
        .only("chat-1")
        .start()
        .await
        .unwrap();
    let back = running.server("chat-1").unwrap().context();
    let unknown = back.presence().is_online("a").await;
    assert_eq!(unknown, Err(StoreError::None));
    let unknown = back.global_channels().members("all").await;
    assert_eq!(unknown, Err(StoreError::None));
    running.shutdown(DEADLINE).await;

    let shared = tangelo::server::MemoryPresence::new();
    let app = app("presence-several").presence(shared).only("chat-1");
    let running = app.start().await.unwrap();
    let back = running.server("chat-1").unwrap().context();
    assert_eq!(back.presence().is_online("a").await, Ok(false));
    running.shutdown(DEADLINE).await;
}
