//! How many calls there may be in a time. These tests run on a clock of their own where time matters.

use std::{future::pending, sync::Arc, time::Duration};

use tangelo::{
    Bootstrap, RpcApp,
    rpc::{
        Code,
        config::{MethodConfig, ServiceConfig},
        server::{FlowControl, FlowLimits, Verdict},
    },
};
use tangelo_wire::krpc::meta::Meta;
use tokio::time::{Instant, advance};

use super::desk::{CHECK, Clerk, DESK, ECHO, FAIL, HOLD, HOLD_TOO, ask, at, local, start};
use crate::krpc::{Peer, call};

fn limits(text: &str) -> FlowLimits {
    text.parse().unwrap()
}

fn counting() -> Bootstrap {
    let bootstrap = Bootstrap::new("desk").server(local());
    bootstrap.application(|application| application.flow_control("memory"))
}

async fn peer(bootstrap: Bootstrap, service: ServiceConfig) -> (RpcApp, Peer) {
    let app = start(bootstrap.service(service)).await;
    let peer = Peer::at(at(&app)).await;
    (app, peer)
}

impl Peer {
    /// How many of these calls are answered, and not refused.
    async fn admitted(&mut self, msg_id: i32, calls: usize) -> usize {
        let mut admitted = 0;
        for _ in 0..calls {
            let code = self.ask(call(DESK, msg_id), b"").await.meta.ret_code;
            assert!([0, -628].contains(&code), "{code}");
            admitted += usize::from(code == 0);
        }
        admitted
    }
}

#[tokio::test(start_paused = true)]
async fn all_windows_of_a_service_hold_and_room_comes_back() {
    let service = Clerk::new().service().flow_control(limits("1=5;3=12"));
    let (_app, mut peer) = peer(counting(), service).await;
    let mut by_second = Vec::new();
    for _ in 0..5 {
        by_second.push(peer.admitted(ECHO, 9).await);
        advance(Duration::from_secs(1)).await;
    }
    assert_eq!(by_second, [5, 5, 2, 5, 5]);
}

#[tokio::test]
async fn connections_and_methods_share_a_services_windows() {
    let service = Clerk::new().service().flow_control(limits("3600=5"));
    let app = start(counting().service(service)).await;
    let mut peers = [Peer::at(at(&app)).await, Peer::at(at(&app)).await];
    assert_eq!(peers[0].admitted(ECHO, 3).await, 3);
    assert_eq!(peers[1].admitted(FAIL, 3).await, 2);
    assert_eq!(peers[0].admitted(ECHO, 1).await, 0);
}

#[tokio::test]
async fn each_method_of_a_pattern_has_windows_of_its_own_beside_its_services() {
    let own = MethodConfig::new("1,4").unwrap();
    let own = own.flow_control(limits("3600=2"));
    let service = Clerk::new().service().flow_control(limits("3600=6"));
    let (_app, mut peer) = peer(counting(), service.method(own)).await;
    assert_eq!(peer.admitted(ECHO, 5).await, 2);
    assert_eq!(peer.admitted(FAIL, 5).await, 2);
    // The service's six; what was refused did not count. A request without a name breaks a rule.
    for _ in 0..2 {
        let code = peer.ask(call(DESK, CHECK), b"").await.meta.ret_code;
        assert_eq!(code, -621);
    }
    assert_eq!(peer.admitted(CHECK, 1).await, 0);
}

#[tokio::test]
async fn what_is_refused_neither_waits_nor_runs() {
    let clerk = Clerk::new();
    let service = clerk.service().flow_control(limits("3600=2")).threads(1);
    let (_app, mut peer) = peer(counting(), service).await;
    peer.holds(HOLD, 1..=3).await;
    assert_eq!(peer.answer().await, (3, -628));
    clerk.hold.release(2);
    assert_eq!(peer.answer().await, (1, 0));
    assert_eq!(peer.answer().await, (2, 0));
    assert_eq!(clerk.begun(), [1, 2]);
}

#[tokio::test]
async fn limits_that_would_not_count_are_told_at_the_start() {
    let service = Clerk::new().service().flow_control(limits("1=5"));
    let bootstrap = Bootstrap::new("desk").server(local()).service(service);
    let mistakes = bootstrap.start().await.unwrap_err().to_string();
    assert!(
        mistakes.contains("flow_control: counts only if"),
        "{mistakes}"
    );
}

/// Judges by the message's number.
#[derive(Debug)]
struct Judge;

impl FlowControl for Judge {
    fn check(&self, service_id: i32, msg_id: i32, _: Instant) -> Verdict {
        assert_eq!(service_id, DESK);
        match msg_id {
            ECHO => Verdict::Admitted,
            HOLD => Verdict::Refused(Code::DIST_FLOW_LIMIT),
            HOLD_TOO => Verdict::Pending(Box::pin(pending())),
            FAIL => Verdict::Pending(Box::pin(async {
                tokio::task::yield_now().await;
                Ok(())
            })),
            CHECK => Verdict::Pending(Box::pin(async {
                tokio::task::yield_now().await;
                Err(Code(-101_009))
            })),
            _ => panic!("on purpose, in a flow control"),
        }
    }
}

#[tokio::test]
async fn a_flow_control_of_ones_own_may_take_its_time_and_has_its_own_codes() {
    let clerk = Clerk::new();
    let bootstrap = Bootstrap::new("desk").server(local());
    let bootstrap = bootstrap.flow_control(Arc::new(Judge));
    let (_app, mut peer) = peer(bootstrap, clerk.service()).await;
    peer.echoes().await;
    peer.is_refused(call(DESK, HOLD), -629).await;
    peer.is_refused(call(DESK, CHECK), -101_009).await;
    assert_eq!(peer.admitted(FAIL, 1).await, 1);
    let impatient = Meta {
        timeout_ms: 20,
        ..ask(HOLD_TOO, 9)
    };
    peer.send(&impatient, b"").await;
    assert_eq!(peer.answer().await, (9, -602), "undecided for too long");
    peer.is_refused(call(DESK, 99), -620).await;
    peer.echoes().await;
    assert_eq!(clerk.begun(), [0; 0]);
}
