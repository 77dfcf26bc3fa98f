//! How many calls run at once, who waits, and who is refused.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tangelo::{
    Bootstrap, RpcApp,
    rpc::{
        Answer, Code, Request, Status,
        config::{MethodConfig, ServerConfig, ServiceConfig},
        server::{Execute, Work},
    },
};
use tangelo_wire::krpc::meta::Meta;
use tokio::{sync::oneshot, time::Instant};

use super::desk::{
    Clerk, DESK, ECHO, HOLD, HOLD_TOO, UserService, UserServiceClient, UserServiceServer, ask, at,
    local, serve, start,
};
use crate::{
    krpc::{Peer, call},
    world::until,
};

async fn on(server: ServerConfig, service: ServiceConfig) -> (RpcApp, Peer) {
    let app = start(Bootstrap::new("desk").server(server).service(service)).await;
    let peer = Peer::at(at(&app)).await;
    (app, peer)
}

/// So much at once, so much with a full queue, so many wait.
fn server((threads, max_threads, queue_size): (i32, u32, u32)) -> ServerConfig {
    local()
        .threads(threads)
        .max_threads(max_threads)
        .queue_size(queue_size)
}

fn method(pattern: &str) -> MethodConfig {
    MethodConfig::new(pattern).unwrap()
}

#[tokio::test]
async fn past_those_that_run_and_wait_calls_are_refused_and_the_others_run_in_their_order() {
    let clerk = Clerk::new();
    let (_app, mut peer) = on(server((2, 0, 3)), clerk.service()).await;
    peer.holds(HOLD, 1..=6).await;
    assert_eq!(peer.answer().await, (6, -623), "2 run, 3 wait");
    peer.beats().await;
    assert_eq!(clerk.begun(), [1, 2]);
    clerk.hold.release(1);
    peer.answer().await;
    // A place is free: one more may wait, and the next may not.
    peer.holds(HOLD, 7..=8).await;
    assert_eq!(peer.answer().await, (8, -623));
    clerk.hold.release(6);
    for _ in 0..5 {
        assert_eq!(peer.answer().await.1, 0);
    }
    peer.beats().await;
    assert_eq!(clerk.begun(), [1, 2, 3, 4, 5, 7]);
}

#[tokio::test]
async fn with_a_full_queue_more_run_the_longest_waiting_first() {
    let clerk = Clerk::new();
    let (_app, mut peer) = on(server((1, 3, 2)), clerk.service()).await;
    peer.holds(HOLD, 1..=3).await;
    peer.beats().await;
    assert_eq!(clerk.begun(), [1]);
    peer.holds(HOLD, 4..=5).await;
    peer.beats().await;
    assert_eq!(clerk.begun(), [1, 2, 3]);
    peer.holds(HOLD, [6]).await;
    assert_eq!(peer.answer().await, (6, -623), "3 run, 2 wait");
    clerk.hold.release(5);
    for _ in 0..5 {
        assert_eq!(peer.answer().await.1, 0);
    }
    assert_eq!(clerk.begun(), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn without_a_queue_nobody_waits() {
    let clerk = Clerk::new();
    let (_app, mut peer) = on(server((1, 0, 0)), clerk.service()).await;
    peer.holds(HOLD, 1..=2).await;
    assert_eq!(peer.answer().await, (2, -623));
    clerk.hold.release(1);
    assert_eq!(peer.answer().await, (1, 0));
    peer.echoes().await;
}

#[tokio::test]
async fn unless_configured_1024_run_at_once() {
    let clerk = Clerk::new();
    let app = serve(clerk.service()).await;
    let mut peer = Peer::at(at(&app)).await;
    peer.holds(HOLD, 1..=1025).await;
    peer.beats().await;
    assert_eq!(clerk.begun().len(), 1024);
    clerk.hold.release(1025);
    for _ in 0..1025 {
        assert_eq!(peer.answer().await.1, 0);
    }
}

#[tokio::test]
async fn without_a_limit_as_many_run_as_come() {
    let clerk = Clerk::new();
    let (_app, mut peer) = on(server((-1, 0, 0)), clerk.service()).await;
    peer.holds(HOLD, 1..=1100).await;
    peer.beats().await;
    assert_eq!(clerk.begun().len(), 1100);
}

#[tokio::test]
async fn what_expires_in_the_queue_is_told_so_and_does_not_run() {
    let clerk = Clerk::new();
    let (_app, mut peer) = on(server((1, 0, 9)), clerk.service()).await;
    peer.holds(HOLD, [1]).await;
    let impatient = Meta {
        timeout_ms: 20,
        ..ask(HOLD, 2)
    };
    peer.send(&impatient, b"\x08\x02").await;
    peer.holds(HOLD, [3]).await;
    assert_eq!(peer.answer().await, (2, -624));
    clerk.hold.release(2);
    assert_eq!(peer.answer().await, (1, 0));
    assert_eq!(peer.answer().await, (3, 0));
    assert_eq!(clerk.begun(), [1, 3]);
}

#[tokio::test]
async fn whose_caller_has_gone_while_it_waited_does_not_run() {
    let clerk = Clerk::new();
    let (app, mut first) = on(server((1, 0, 9)), clerk.service()).await;
    first.holds(HOLD, [1]).await;
    first.beats().await;
    let mut second = Peer::at(at(&app)).await;
    second.holds(HOLD, [2]).await;
    second.beats().await;
    first.holds(HOLD, [3]).await;
    first.beats().await;
    drop(second);
    let server = app.server("default").unwrap().clone();
    until("it has gone", || server.connections().len() == 1).await;
    clerk.hold.release(2);
    assert_eq!(first.answer().await, (1, 0));
    assert_eq!(first.answer().await, (3, 0));
    assert_eq!(clerk.begun(), [1, 3]);
}

#[tokio::test]
async fn whose_caller_has_gone_gives_his_place_in_the_queue_back_at_once() {
    let clerk = Clerk::new();
    let (app, mut first) = on(server((1, 0, 3)), clerk.service()).await;
    first.holds(HOLD, [1]).await;
    first.beats().await;
    let mut second = Peer::at(at(&app)).await;
    let endless = |sequence| Meta {
        timeout_ms: i32::MAX,
        ..ask(HOLD, sequence)
    };
    for sequence in 2..=4 {
        second.send(&endless(sequence), b"\x08\x02").await;
    }
    second.beats().await;
    first.holds(HOLD, [5]).await;
    assert_eq!(first.answer().await, (5, -623));
    drop(second);
    let server = app.server("default").unwrap().clone();
    until("it has gone", || server.connections().len() == 1).await;
    // What runs still runs; nobody has handed a place on.
    first.holds(HOLD, [6, 7, 8]).await;
    clerk.hold.release(4);
    for sequence in [1, 6, 7, 8] {
        assert_eq!(first.answer().await, (sequence, 0));
    }
}

#[tokio::test]
async fn one_connection_leaves_places_in_the_queue_to_others_and_takes_turns_with_them() {
    let clerk = Clerk::new();
    let (app, mut greedy) = on(server((1, 0, 90)), clerk.service()).await;
    greedy.holds(HOLD, 1..=100).await;
    for refused in 82..=100 {
        assert_eq!(greedy.answer().await, (refused, -623));
    }
    let mut modest = Peer::at(at(&app)).await;
    modest.holds(HOLD, [101, 102]).await;
    modest.beats().await;
    clerk.hold.release(5);
    assert_eq!(modest.answer().await, (101, 0));
    assert_eq!(modest.answer().await, (102, 0));
    assert_eq!(clerk.begun().get(..5), Some(&[1, 2, 101, 3, 102][..]));
}

#[tokio::test(start_paused = true)]
async fn whose_caller_has_gone_gives_his_place_back_within_a_second_when_others_wait() {
    let clerk = Clerk::new();
    let (app, mut greedy) = on(server((2, 0, 90)), clerk.service()).await;
    let endless = |sequence| Meta {
        timeout_ms: i32::MAX,
        ..ask(HOLD, sequence)
    };
    for sequence in 1..=2 {
        greedy.send(&endless(sequence), b"").await;
    }
    greedy.beats().await;
    let mut modest = Peer::at(at(&app)).await;
    modest.send(&endless(3), b"").await;
    drop(greedy);
    let server = app.server("default").unwrap().clone();
    until("it has gone", || server.connections().len() == 1).await;
    let since = Instant::now();
    clerk.hold.entered(3).await;
    let took = since.elapsed().as_millis();
    assert!(took < 1_500, "{took} ms");
    clerk.hold.release(1);
    assert_eq!(modest.answer().await, (3, 0));
    // The other place was not wanted.
    assert_eq!(clerk.begun().len(), 3);
}

#[tokio::test]
async fn one_connection_that_is_alone_runs_all_and_others_run_beside_it_all_the_same() {
    let clerk = Clerk::new();
    let app = serve(clerk.service()).await;
    let mut greedy = Peer::at(at(&app)).await;
    greedy.holds(HOLD, 1..=3000).await;
    greedy.beats().await;
    assert_eq!(clerk.begun().len(), 1024);
    let mut modest = Peer::at(at(&app)).await;
    for _ in 0..100 {
        modest.echoes().await;
    }
    modest.holds(HOLD, 5001..=5192).await;
    modest.beats().await;
    assert_eq!(clerk.begun().len(), 1024 + 192);
    Peer::at(at(&app)).await.echoes().await;
}

#[tokio::test]
async fn a_connection_beside_others_leaves_a_quarter_of_the_places_to_them() {
    let clerk = Clerk::new();
    let (app, mut greedy) = on(server((8, 0, 90)), clerk.service()).await;
    let mut modest = Peer::at(at(&app)).await;
    modest.echoes().await;
    greedy.holds(HOLD, 1..=20).await;
    greedy.beats().await;
    assert_eq!(clerk.begun().len(), 6);
    modest.echoes().await;
    modest.holds(HOLD, 101..=103).await;
    modest.beats().await;
    assert_eq!(clerk.begun().len(), 8);
    assert_eq!(clerk.begun().get(6..), Some(&[101, 102][..]));
    clerk.hold.release(23);
    for _ in 0..20 {
        assert_eq!(greedy.answer().await.1, 0);
    }
}

#[tokio::test]
async fn no_request_runs_longer_than_its_server_lets_it() {
    let clerk = Clerk::new();
    let server = local().max_timeout(std::time::Duration::from_millis(30));
    let (_app, mut peer) = on(server, clerk.service()).await;
    let endless = Meta {
        timeout_ms: i32::MAX,
        ..ask(HOLD, 1)
    };
    peer.send(&endless, b"\x08\x01").await;
    assert_eq!(peer.answer().await, (1, Code::RPC_TIMEOUT.0));
}

#[tokio::test]
async fn a_service_with_places_of_its_own_keeps_no_other_from_running() {
    let clerk = Clerk::new();
    let own = clerk.service().threads(1).queue_size(1_u32);
    let users = UserServiceServer::new(Nobody);
    let bootstrap = Bootstrap::new("desk").server(server((1, 0, 0)));
    let app = start(bootstrap.service(own).service(users)).await;
    let mut peer = Peer::at(at(&app)).await;
    peer.holds(HOLD, 1..=3).await;
    assert_eq!(peer.answer().await, (3, -623), "of the service's own queue");
    let login = UserServiceClient::LOGIN_MSG_ID;
    let frame = peer
        .ask(call(UserServiceClient::SERVICE_ID, login), b"")
        .await;
    assert_eq!(frame.meta.ret_code, 0, "on the server's one place");
    clerk.hold.release(2);
}

#[tokio::test]
async fn a_method_with_places_of_its_own_neither_takes_nor_needs_its_services() {
    let clerk = Clerk::new();
    let service = clerk.service().threads(1).queue_size(0_u32);
    let own = method("holdToo").threads(2).queue_size(1_u32);
    let (_app, mut peer) = on(local(), service.method(own)).await;
    peer.holds(HOLD, [1]).await;
    peer.beats().await;
    peer.is_refused(call(DESK, ECHO), -623).await;
    peer.holds(HOLD_TOO, 2..=5).await;
    assert_eq!(peer.answer().await, (5, -623), "2 run, 1 waits");
    assert_eq!(clerk.begun(), [1, 2, 3]);
    clerk.hold.release(1);
    assert_eq!(peer.answer().await, (1, 0));
    peer.echoes().await;
    clerk.hold.release(3);
    for _ in 0..3 {
        assert_eq!(peer.answer().await.1, 0);
    }
}

#[tokio::test]
async fn methods_of_one_pattern_share_their_places() {
    let clerk = Clerk::new();
    let shared = method("2-3").threads(1).queue_size(1_u32);
    let (_app, mut peer) = on(local(), clerk.service().method(shared)).await;
    peer.holds(HOLD, [1]).await;
    peer.holds(HOLD_TOO, 2..=3).await;
    assert_eq!(peer.answer().await, (3, -623));
    peer.echoes().await;
    clerk.hold.release(2);
    assert_eq!(peer.answer().await, (1, 0));
    assert_eq!(peer.answer().await, (2, 0));
}

/// Users without anything to do.
struct Nobody;

impl UserService for Nobody {
    async fn login(&self, _: super::desk::LoginReq) -> Result<super::desk::LoginRes, Status> {
        Ok(super::desk::LoginRes::default())
    }

    async fn update_profile(
        &self,
        _: super::desk::UpdateProfileReq,
    ) -> Result<super::desk::UpdateProfileRes, Status> {
        Ok(super::desk::UpdateProfileRes::default())
    }
}

/// Runs calls when the test says so, the last one first; what panics, and what is refused.
#[derive(Clone, Default)]
struct Stack(Arc<Mutex<VecDeque<oneshot::Sender<()>>>>);

impl std::fmt::Debug for Stack {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Stack")
    }
}

impl Execute for Stack {
    fn execute(&self, request: &Request, work: Work) -> Answer {
        match request.msg_id {
            HOLD => {
                let (turn, come) = oneshot::channel();
                self.0.lock().push_front(turn);
                Box::pin(async move {
                    come.await.map_err(|_| Code::QUEUE_FULL)?;
                    work().await
                })
            }
            HOLD_TOO => panic!("on purpose, in an executor"),
            _ => work(),
        }
    }
}

#[tokio::test]
async fn an_executor_of_ones_own_decides_when_and_whether_a_call_runs() {
    let (clerk, stack) = (Clerk::new(), Stack::default());
    let bootstrap = Bootstrap::new("desk").server(local());
    let bootstrap = bootstrap.service(clerk.service().id("desk"));
    let app = start(bootstrap.executor("desk", Arc::new(stack.clone()))).await;
    let mut peer = Peer::at(at(&app)).await;
    clerk.hold.release(9);
    peer.holds(HOLD, 1..=3).await;
    peer.beats().await;
    for last in [3, 2] {
        assert_eq!(stack.0.lock().pop_front().unwrap().send(()), Ok(()));
        assert_eq!(peer.answer().await, (last, 0));
    }
    // The work is left out.
    stack.0.lock().clear();
    assert_eq!(peer.answer().await, (1, -623));
    assert_eq!(clerk.begun(), [3, 2]);
    peer.echoes().await;
}

#[tokio::test]
async fn a_panic_in_an_executor_of_ones_own_is_answered_as_one_in_the_method() {
    let bootstrap = Bootstrap::new("desk").server(local());
    let bootstrap = bootstrap.service(Clerk::new().service());
    let app = start(bootstrap.executor("Desk", Arc::new(Stack::default()))).await;
    let mut peer = Peer::at(at(&app)).await;
    let frame = peer.ask(call(DESK, HOLD_TOO), b"").await;
    assert_eq!(frame.meta.ret_code, -620);
    peer.echoes().await;
}

#[tokio::test]
async fn what_an_executor_of_ones_own_keeps_past_its_time_is_a_timeout() {
    let (clerk, stack) = (Clerk::new(), Stack::default());
    let bootstrap = Bootstrap::new("desk").server(local());
    let bootstrap = bootstrap.service(clerk.service());
    let app = start(bootstrap.executor("Desk", Arc::new(stack.clone()))).await;
    let mut peer = Peer::at(at(&app)).await;
    let impatient = Meta {
        timeout_ms: 20,
        ..ask(HOLD, 1)
    };
    peer.send(&impatient, b"\x08\x01").await;
    assert_eq!(peer.answer().await, (1, -602));
    let turn = stack.0.lock().pop_front().unwrap();
    assert_eq!(turn.send(()), Err(()), "the work is dropped");
    assert_eq!(clerk.begun(), [0; 0]);
}
