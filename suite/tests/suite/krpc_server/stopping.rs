//! How a server ends.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, OnceLock},
    time::Duration,
};

use tangelo::{
    Bootstrap, RpcApp,
    rpc::{Code, Status, client::RetryLevel, config::RefererConfig},
};
use tokio::{net::TcpStream, time::Instant};

use super::desk::{
    Bell, BellClient, BellServer, Clerk, DESK, DeskClient, ECHO, EchoReq, HOLD, HoldReq, RingReq,
    RingRes, at, local, serve, start, stops,
};
use crate::{
    krpc::{Peer, call},
    world::{DEADLINE, soon, until},
};

async fn lets_nobody_in(address: SocketAddr) {
    soon("the door closes", async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A client whose calls go to these servers.
async fn caller_of(apps: [&RpcApp; 2], level: RetryLevel) -> (RpcApp, DeskClient) {
    let [first, second] = apps.map(at);
    let referer = RefererConfig::new::<DeskClient>("desk")
        .to(&format!("{first},{second}"))
        .timeout(DEADLINE)
        .retry_level(level)
        .retry_count(1_u32);
    let app = start(Bootstrap::new("caller").referer_with(referer)).await;
    let both = || app.client("default").unwrap().connections().len() == 2;
    until("it is connected to both", both).await;
    let desk = app.referer("desk").unwrap();
    (app, desk)
}

async fn echoes(desk: &DeskClient) -> Result<(), Status> {
    let text = "hello".to_owned();
    let answer = desk.echo(EchoReq { text }).await?;
    assert_eq!(answer.text, "hello");
    Ok(())
}

#[tokio::test]
async fn what_was_taken_is_answered_and_what_comes_is_refused() {
    let clerk = Clerk::new();
    let app = serve(clerk.service().threads(200)).await;
    let mut peers = Vec::new();
    for _ in 0..3 {
        let mut peer = Peer::at(at(&app)).await;
        peer.holds(HOLD, 1..=100).await;
        peer.beats().await;
        peers.push(peer);
    }
    // The second and the third leave some places to whoever comes.
    assert_eq!(clerk.begun().len(), 194, "the others wait for their turn");
    let ((), ()) = tokio::join!(stops(&app), async {
        lets_nobody_in(at(&app)).await;
        for peer in &mut peers {
            peer.is_refused(call(DESK, ECHO), -622).await;
            peer.beats().await;
        }
        clerk.hold.release(300);
        for peer in &mut peers {
            let mut heard = Vec::new();
            for _ in 0..100 {
                let (sequence, code) = peer.answer().await;
                assert_eq!(code, 0);
                heard.push(sequence);
            }
            heard.sort_unstable();
            assert!(heard.into_iter().eq(1..=100));
            peer.is_closed().await;
        }
    });
    assert_eq!(clerk.begun().len(), 300);
    TcpListener::bind(at(&app)).unwrap();
}

#[tokio::test]
async fn clients_of_ours_go_elsewhere_and_lose_no_call() {
    let (leaving, staying) = (Clerk::new(), Clerk::new());
    let (first, second) = (
        serve(leaving.service()).await,
        serve(staying.service()).await,
    );
    let (caller, desk) = caller_of([&first, &second], RetryLevel::NotAvailable).await;
    let held: Vec<_> = (1..=400)
        .map(|id| desk.hold(HoldReq { id }).start())
        .collect();
    until("all have begun", || {
        leaving.begun().len() == 200 && staying.begun().len() == 200
    })
    .await;
    let ((), ()) = tokio::join!(stops(&first), async {
        for _ in 0..100 {
            echoes(&desk).await.unwrap();
        }
        leaving.hold.release(200);
        staying.hold.release(200);
        for (id, held) in (1..).zip(held) {
            let answer = soon("an answer", held).await.unwrap();
            assert_eq!(answer.id, id);
        }
    });
    for _ in 0..10 {
        echoes(&desk).await.unwrap();
    }
    stops(&caller).await;
    stops(&second).await;
}

#[tokio::test]
async fn a_client_that_does_not_try_again_hears_of_it_once() {
    let (leaving, staying) = (Clerk::new(), Clerk::new());
    let (first, second) = (
        serve(leaving.service()).await,
        serve(staying.service()).await,
    );
    let (_caller, desk) = caller_of([&first, &second], RetryLevel::NoRetry).await;
    // It stays for as long as this one is not answered.
    let held: Vec<_> = (1..=2)
        .map(|id| desk.hold(HoldReq { id }).start())
        .collect();
    leaving.hold.entered(1).await;
    let ((), failed) = tokio::join!(stops(&first), async {
        let mut failed = 0;
        for _ in 0..100 {
            if let Err(status) = echoes(&desk).await {
                assert_eq!(status.code(), Code::SERVER_SHUTDOWN);
                failed += 1;
            }
        }
        leaving.hold.release(1);
        staying.hold.release(1);
        for held in held {
            soon("an answer", held).await.unwrap();
        }
        failed
    });
    assert_eq!(failed, 1);
}

#[tokio::test]
async fn an_idle_client_hears_of_it_without_a_call() {
    let (first, second) = (
        serve(Clerk::new().service()).await,
        serve(Clerk::new().service()).await,
    );
    let (caller, desk) = caller_of([&first, &second], RetryLevel::NoRetry).await;
    stops(&first).await;
    let client = caller.client("default").unwrap();
    until("it has noticed", || client.connections().len() == 1).await;
    for _ in 0..10 {
        echoes(&desk).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_method_that_hangs_is_cut_off_when_the_time_is_up() {
    let clerk = Clerk::new();
    let app = serve(clerk.service()).await;
    let mut peer = Peer::at(at(&app)).await;
    let mut idle = Peer::at(at(&app)).await;
    peer.holds(HOLD, [1]).await;
    clerk.hold.entered(1).await;
    let (patience, since) = (Duration::from_secs(3), Instant::now());
    assert_eq!(soon("the end", app.stop(patience)).await, 1);
    assert!(since.elapsed() < patience + Duration::from_secs(1));
    peer.is_closed().await;
    idle.is_closed().await;
    assert_eq!(
        soon("it is over", app.stop(DEADLINE)).await,
        0,
        "and nothing is left"
    );
}

// By the true clock: a paused one runs ahead of the thread that closes the access log.
#[tokio::test]
async fn what_runs_for_callers_who_have_gone_holds_up_no_end() {
    let clerk = Clerk::new();
    let app = serve(clerk.service()).await;
    let mut peer = Peer::at(at(&app)).await;
    peer.holds(HOLD, 1..=20).await;
    peer.beats().await;
    drop(peer);
    let server = app.server("default").unwrap();
    until("it has gone", || server.connections().is_empty()).await;
    let since = Instant::now();
    stops(&app).await;
    let took = since.elapsed();
    assert!(took < Duration::from_secs(8), "of ten: {took:?}");
}

/// Asks a server elsewhere, with the application's own referer.
struct Through(Arc<OnceLock<DeskClient>>);

impl Bell for Through {
    async fn ring(&self, RingReq { times }: RingReq) -> Result<RingRes, Status> {
        let desk = self.0.get().unwrap();
        let rung = desk.hold(HoldReq { id: times }).await?.id;
        desk.echo(EchoReq::default()).await?;
        Ok(RingRes { ret_code: 0, rung })
    }
}

#[tokio::test]
async fn what_runs_may_still_call_others() {
    let clerk = Clerk::new();
    let behind = serve(clerk.service()).await;
    let desk = Arc::new(OnceLock::new());
    let front = Bootstrap::new("front")
        .server(local())
        .service(BellServer::new(Through(Arc::clone(&desk))))
        .referer::<DeskClient>("desk", &at(&behind).to_string());
    let front = start(front).await;
    desk.set(front.referer("desk").unwrap()).unwrap();
    let app = Bootstrap::new("caller").referer::<BellClient>("bell", &at(&front).to_string());
    let app = start(app).await;
    let bell: BellClient = app.referer("bell").unwrap();
    let rung = bell.ring(RingReq { times: 7 }).start();
    clerk.hold.entered(1).await;
    let ((), rung) = tokio::join!(stops(&front), async {
        lets_nobody_in(at(&front)).await;
        clerk.hold.release(1);
        soon("an answer", rung).await.unwrap()
    });
    assert_eq!(rung.rung, 7);
}
