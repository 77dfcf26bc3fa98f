//! Servers that are found, come and go.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use futures_util::future::join_all;
use parking_lot::Mutex;
use tangelo::{
    RpcApp,
    registry::{Instance, Instances, Memory, Registry},
    rpc::{
        Code,
        config::{RefererConfig, RegistryConfig},
    },
};
use tangelo_wire::krpc::{frame, layout::Layout, meta::Meta};
use tokio::{sync::watch, task::yield_now};

use super::{
    WorkerClient, connected, held,
    local::{calling_by, holding, named, serving},
    server, spread, work,
};
use crate::world::{Hold, soon, until};

/// How long what runs may take when a server stops.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server of this name that is announced under this group.
async fn announced(name: &str, registry: &Memory, group: &str) -> RpcApp {
    let bootstrap = serving(named(name).group(group));
    let bootstrap = bootstrap.own_registry("registry", Arc::new(registry.clone()));
    bootstrap.start().await.unwrap()
}

async fn caller(registry: &Memory, group: &str, servers: usize) -> (RpcApp, WorkerClient) {
    let app = calling_by(registry, group).start().await.unwrap();
    connected(&app, servers).await;
    let client = app.referer("worker").unwrap();
    (app, client)
}

#[tokio::test]
async fn a_referer_sees_the_servers_of_its_own_group_alone() {
    let registry = Memory::new();
    let _servers = [
        announced("a", &registry, "default").await,
        announced("b", &registry, "default").await,
        announced("c", &registry, "blue").await,
    ];
    let (_app, client) = caller(&registry, "default", 2).await;
    let both = BTreeMap::from([("a".to_owned(), 5), ("b".to_owned(), 5)]);
    assert_eq!(spread(&client, 10).await, both);
    let (_blue_app, blue) = caller(&registry, "blue", 1).await;
    assert_eq!(
        spread(&blue, 10).await,
        BTreeMap::from([("c".to_owned(), 10)])
    );
    let (_green_app, green) = caller(&registry, "green", 0).await;
    let status = green.work(work(1)).await.unwrap_err();
    assert_eq!(status.code(), Code::NO_CONNECTION);
    let reason = status.reason().to_string();
    assert!(reason.contains("no address is known"), "{reason}");
}

#[tokio::test]
async fn weights_are_announced_with_the_servers() {
    let registry = Memory::new();
    let mut servers = Vec::new();
    for (name, weight) in [("a", 100_u32), ("b", 300)] {
        let app = serving(named(name).weight(weight));
        let app = app.own_registry("registry", Arc::new(registry.clone()));
        servers.push(app.start().await.unwrap());
    }
    let (_app, client) = caller(&registry, "default", 2).await;
    let shares = BTreeMap::from([("a".to_owned(), 10), ("b".to_owned(), 30)]);
    assert_eq!(spread(&client, 40).await, shares);
}

#[tokio::test]
async fn a_server_may_be_found_in_the_application_that_calls_it() {
    let app = serving(named("a"))
        .registry(RegistryConfig::default().id("memory"))
        .referer_with(RefererConfig::new::<WorkerClient>("worker"))
        .start()
        .await
        .unwrap();
    connected(&app, 1).await;
    let client: WorkerClient = app.referer("worker").unwrap();
    assert_eq!(server(client.work(work(1)).await), "a");
}

#[tokio::test]
async fn what_is_not_to_be_announced_is_not() {
    let registry = Memory::new();
    let silent = serving(named("a"))
        .own_registry("registry", Arc::new(registry.clone()))
        .set("registry.registry.enable_regist", false);
    let _silent = silent.start().await.unwrap();
    assert!(registry.watch().borrow().is_empty());
    let _loud = announced("b", &registry, "default").await;
    assert_eq!(registry.watch().borrow().len(), 1);
}

#[tokio::test]
async fn a_registry_that_is_not_to_be_looked_in_is_no_registry_of_a_referer() {
    let off = calling_by(&Memory::new(), "default")
        .set("registry.registry.enable_discover", false)
        .set("referer.worker.registry_name", "registry");
    let mistakes = off.start().await.unwrap_err().to_string();
    assert!(
        mistakes.contains("worker") && mistakes.contains("enable_discover"),
        "{mistakes}"
    );
}

/// Calls without a pause, and tells how many calls were answered; each must be.
async fn call_until(client: &WorkerClient, is_over: &AtomicBool) -> u32 {
    let mut calls = 0;
    while !is_over.load(Ordering::Relaxed) {
        server(client.work(work(calls.into())).await);
        calls += 1;
    }
    calls
}

#[tokio::test]
async fn a_list_that_changes_loses_no_call() {
    let registry = Memory::new();
    let servers = join_all(["a", "b", "c"].map(|name| announced(name, &registry, "default"))).await;
    let (app, client) = caller(&registry, "default", 3).await;
    let all = registry.watch().borrow().clone();
    let is_over = AtomicBool::new(false);
    let callers = join_all((0..4).map(|_| call_until(&client, &is_over)));
    let changes = async {
        for round in 0..30 {
            // All but one go, the last in its turn, and come back; they are there all the time.
            let stays = round % all.len();
            for (at, instance) in all.iter().enumerate() {
                if at == stays {
                    registry.register(Instance::clone(instance));
                } else {
                    registry.deregister(&instance.id);
                }
            }
            connected(&app, 1).await;
            for instance in all.iter() {
                registry.register(Instance::clone(instance));
            }
            connected(&app, 3).await;
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let (calls, ()) = tokio::join!(callers, changes);
    assert!(calls.iter().all(|calls| *calls > 0), "{calls:?}");
    assert!(servers.iter().all(|app| app.servers().len() == 1));
}

#[tokio::test]
async fn a_list_that_is_replaced_loses_no_call_either() {
    let (named, all) = (Memory::new(), Memory::new());
    let _servers = join_all(["a", "b"].map(|name| announced(name, &all, "default"))).await;
    // To look a name up takes longer than to connect.
    let all = all.watch().borrow().clone();
    let all = all.iter().map(|instance| Instance {
        host: "localhost".to_owned(),
        ..Instance::clone(instance)
    });
    let all: Vec<_> = all.collect();
    named.register(all[0].clone());
    let (app, client) = caller(&named, "default", 1).await;
    let is_over = AtomicBool::new(false);
    let callers = join_all((0..4).map(|_| call_until(&client, &is_over)));
    let changes = async {
        for round in 0..50 {
            // At this moment nothing is connected to the one that comes.
            let (goes, comes) = (&all[round % 2], &all[(round + 1) % 2]);
            named.register(comes.clone());
            named.deregister(&goes.id);
            let port = comes.port.unwrap();
            let client = app.client("default").unwrap();
            until("it alone is connected", || {
                let connections = client.connections();
                connections.len() == 1 && connections[0].peer().port() == port
            })
            .await;
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let (calls, ()) = tokio::join!(callers, changes);
    assert!(calls.iter().all(|calls| *calls > 0), "{calls:?}");
}

fn only(registry: &Memory) -> Instance {
    Instance::clone(&registry.watch().borrow()[0])
}

#[tokio::test]
async fn servers_that_stop_and_others_that_start_are_followed_without_losing_a_call() {
    let registry = Memory::new();
    let mut servers = vec![
        announced("0", &registry, "default").await,
        announced("1", &registry, "default").await,
    ];
    let app = calling_by(&registry, "default")
        .set("referer.worker.retry_level", "not_available")
        .set("referer.worker.retry_count", 2);
    let app = app.start().await.unwrap();
    connected(&app, 2).await;
    let client: WorkerClient = app.referer("worker").unwrap();
    let (is_over, seen) = (AtomicBool::new(false), Mutex::new(BTreeSet::new()));
    let call = async || {
        while !is_over.load(Ordering::Relaxed) {
            let server = server(client.work(work(1)).await);
            seen.lock().insert(server);
        }
    };
    let changes = async {
        for round in 2..10 {
            let name = round.to_string();
            servers.push(announced(&name, &registry, "default").await);
            soon("the new one is called", async {
                while !seen.lock().contains(&name) {
                    yield_now().await;
                }
            })
            .await;
            assert_eq!(servers.remove(0).stop(PATIENCE).await, 0, "answers all");
        }
        is_over.store(true, Ordering::Relaxed);
    };
    tokio::join!(call(), call(), call(), changes);
    assert_eq!(seen.lock().len(), 10);
}

#[tokio::test]
async fn calls_under_way_are_answered_by_a_server_that_is_no_longer_named() {
    let (registry, hold) = (Memory::new(), Hold::new());
    let bootstrap = serving(holding("a", &hold));
    let bootstrap = bootstrap.own_registry("registry", Arc::new(registry.clone()));
    let _a = bootstrap.start().await.unwrap();
    let (app, client) = caller(&registry, "default", 1).await;
    let call = client.work(held(1)).start();
    hold.entered(1).await;
    registry.deregister(&only(&registry).id);
    let none = async || {
        let outcome = client.work(work(2)).await;
        outcome.is_err_and(|status| status.code() == Code::NO_CONNECTION)
    };
    soon("nobody is there", async { while !none().await {} }).await;
    hold.release(1);
    assert_eq!(server(call.await), "a");
    connected(&app, 0).await;
}

/// Looks at a server at the moment when it is taken back.
#[derive(Clone, Debug, Default)]
struct Looks {
    inner: Memory,
    codes: Arc<Mutex<Vec<i32>>>,
}

impl Registry for Looks {
    fn watch(&self) -> watch::Receiver<Instances> {
        self.inner.watch()
    }

    fn register(&self, instance: Instance) {
        self.inner.register(instance);
    }

    fn deregister(&self, id: &str) {
        let port = only(&self.inner).port.unwrap();
        self.codes.lock().push(code_of_a_call(port));
        self.inner.deregister(id);
    }
}

/// Calls without the help of a runtime.
fn code_of_a_call(port: u16) -> i32 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let meta = Meta {
        service_id: WorkerClient::SERVICE_ID,
        msg_id: WorkerClient::WORK_MSG_ID,
        sequence: 1,
        ..Meta::default()
    };
    let mut bytes = BytesMut::new();
    frame::encode(&meta, b"", Layout::V2, frame::DEFAULT_MAX_FRAME, &mut bytes).unwrap();
    stream.write_all(&bytes).unwrap();
    bytes.clear();
    let mut read = [0; 1024];
    loop {
        let frame = frame::decode(&mut bytes, Layout::V2, frame::DEFAULT_MAX_FRAME).unwrap();
        if let Some(frame) = frame {
            return frame.meta.ret_code;
        }
        let length = stream.read(&mut read).unwrap();
        assert_ne!(length, 0, "closed");
        bytes.extend_from_slice(&read[..length]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_is_taken_back_while_it_still_answers() {
    let registry = Looks::default();
    let bootstrap = serving(named("a"));
    let bootstrap = bootstrap.own_registry("registry", Arc::new(registry.clone()));
    let app = bootstrap.start().await.unwrap();
    app.stop(PATIENCE).await;
    assert_eq!(*registry.codes.lock(), [0]);
    assert!(registry.watch().borrow().is_empty());
}

#[tokio::test]
async fn an_application_that_is_dropped_is_taken_back_too() {
    let registry = Memory::new();
    let app = announced("a", &registry, "default").await;
    let (calling, client) = caller(&registry, "default", 1).await;
    drop(app);
    assert!(registry.watch().borrow().is_empty());
    connected(&calling, 0).await;
    let status = client.work(work(1)).await.unwrap_err();
    assert_eq!(status.code(), Code::NO_CONNECTION);
}
