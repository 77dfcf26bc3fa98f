//! Two applications in one process share nothing.

use std::{fs, path::PathBuf, time::Duration};

use tangelo::{
    Bootstrap, RpcApp,
    rpc::{
        Code,
        config::{MethodConfig, RefererConfig, RegistryConfig, ServiceConfig},
    },
};

use super::{
    WorkerClient, connected, held,
    local::{holding, named, serving},
    server, work,
};
use crate::world::Hold;

/// An application that offers a service and calls its own, found in a registry of its own. Everything in it
/// has the same names as in any other.
fn own_world(service: ServiceConfig) -> Bootstrap {
    serving(service)
        .registry(RegistryConfig::default().id("memory"))
        .referer_with(RefererConfig::new::<WorkerClient>("worker"))
}

async fn started(bootstrap: Bootstrap) -> (RpcApp, WorkerClient) {
    let app = bootstrap.start().await.unwrap();
    connected(&app, 1).await;
    let client = app.referer("worker").unwrap();
    (app, client)
}

#[tokio::test]
async fn each_finds_and_calls_its_own_servers_under_the_same_names() {
    let (one, of_one) = started(own_world(named("one"))).await;
    let (two, of_two) = started(own_world(named("two"))).await;
    for id in 0..10 {
        assert_eq!(server(of_one.work(work(id)).await), "one");
        assert_eq!(server(of_two.work(work(id)).await), "two");
    }
    assert_eq!(one.servers()[0].connections().len(), 1);
    // One that stops is nothing to the other.
    one.stop(Duration::from_secs(10)).await;
    let status = of_one.work(work(1)).await.unwrap_err();
    assert_eq!(status.code(), Code::NO_CONNECTION);
    assert_eq!(server(of_two.work(work(1)).await), "two");
    drop((one, of_one));
    assert_eq!(server(of_two.work(work(1)).await), "two");
    assert_eq!(two.stop(Duration::from_secs(10)).await, 0);
}

#[tokio::test]
async fn each_counts_queues_and_limits_for_itself() {
    let (hold_one, hold_two) = (Hold::new(), Hold::new());
    let limited = |name, hold| {
        let rarely = MethodConfig::new("relay").unwrap();
        let rarely = rarely.flow_control(Some("600=1".parse().unwrap()));
        let service = holding(name, hold).threads(1).queue_size(0_u32);
        own_world(service.method(rarely)).application(|app| app.flow_control("memory"))
    };
    let (_one, of_one) = started(limited("one", &hold_one)).await;
    let (_two, of_two) = started(limited("two", &hold_two)).await;

    let first = of_one.work(held(1)).start();
    hold_one.entered(1).await;
    let full = of_one.work(work(2)).await.unwrap_err();
    assert_eq!(full.code(), Code::QUEUE_FULL);
    assert_eq!(server(of_two.work(work(2)).await), "two");
    hold_one.release(1);
    assert_eq!(server(first.await), "one");

    assert!(of_one.relay(super::RelayReq::default()).await.is_ok());
    let limited = of_one.relay(super::RelayReq::default()).await.unwrap_err();
    assert_eq!(limited.code(), Code::FLOW_LIMIT);
    assert!(of_two.relay(super::RelayReq::default()).await.is_ok());
}

#[tokio::test]
async fn each_has_its_own_canned_answers_and_breakers() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("apps.toml");
    let answer = "[[fallback]]\nfor = \"worker.work\"\nresults = { server = \"canned\" }\n";
    fs::write(&file, answer).unwrap();
    let file = file.to_str().unwrap();
    let forced = own_world(named("one"))
        .application(|app| app.fallback_file(file))
        .set("referer.worker.breaker_force_close", true);
    let (_one, of_one) = started(forced).await;
    let (_two, of_two) = started(own_world(named("two"))).await;
    assert_eq!(server(of_one.work(work(1)).await), "canned");
    assert_eq!(server(of_two.work(work(1)).await), "two");
}

#[tokio::test]
async fn one_of_them_may_be_in_a_runtime_that_ends() {
    let (_two, of_two) = started(own_world(named("two"))).await;
    let other = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            let (_one, of_one) = started(own_world(named("one"))).await;
            assert_eq!(server(of_one.work(work(1)).await), "one");
            of_one
        })
    });
    let of_one = other.join().unwrap();
    // Its calls end, rather than hang.
    assert!(of_one.work(work(2)).await.is_err());
    assert_eq!(server(of_two.work(work(1)).await), "two");
}
