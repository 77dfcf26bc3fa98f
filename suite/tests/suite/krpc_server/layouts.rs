//! Peers of krpc's first version: other field numbers, other codes.

use std::sync::Arc;

use bytes::BytesMut;
use parking_lot::Mutex;
use tangelo::{
    Bootstrap, RpcApp,
    rpc::{
        Code, ServerContext, Status,
        client::RetryLevel,
        config::{ClientConfig, RefererConfig, ServerConfig, ServiceConfig},
        server::FlowLimits,
    },
};
use tangelo_wire::krpc::{
    frame::{self, DEFAULT_MAX_FRAME},
    layout::Layout,
    meta::Meta,
};

use super::{
    desk::{
        BellClient, CHECK, Clerk, DESK, DeskClient, ECHO, EchoReq, FAIL, FailReq, HOLD, HoldReq,
        LoginReq, LoginRes, RingReq, UpdateProfileReq, UpdateProfileRes, UserService,
        UserServiceClient, UserServiceServer, accepted, answer_to, ask, at, listener, local, serve,
        start, stops,
    },
    recorded,
};
use crate::{
    krpc::{Peer, call},
    world::{DEADLINE, Hold, soon, until},
};

impl Peer {
    /// Says it as a peer of the first version does, with a trace id if it has one.
    async fn says_v1(&mut self, meta: &Meta, body: &[u8]) {
        let mut out = BytesMut::new();
        frame::encode(meta, body, Layout::V1, DEFAULT_MAX_FRAME, &mut out).unwrap();
        self.says(&out).await;
    }

    /// The code and the body of what is answered to a request of the first version.
    async fn asks_v1(&mut self, meta: Meta, body: &[u8]) -> (i32, Vec<u8>) {
        self.says_v1(&meta, body).await;
        let frame = self.hear().await;
        assert_eq!(frame.meta.sequence, meta.sequence);
        (frame.meta.ret_code, frame.body.to_vec())
    }
}

/// What a method saw of its request.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    request: LoginReq,
    attachment: String,
    trace_id: String,
    span_id: String,
    peers: String,
}

/// Answers as the recorded server of that time did.
#[derive(Clone)]
struct Users {
    seen: Arc<Mutex<Vec<Seen>>>,
    hold: Hold,
}

impl Users {
    fn new() -> Self {
        Self {
            seen: Arc::default(),
            hold: Hold::new(),
        }
    }

    fn service(&self) -> ServiceConfig {
        UserServiceServer::new(self.clone()).into()
    }
}

impl UserService for Users {
    async fn login(&self, request: LoginReq) -> Result<LoginRes, Status> {
        let context = ServerContext::current().unwrap();
        let trace = context.trace();
        let name = request.user_name.clone();
        self.seen.lock().push(Seen {
            request,
            attachment: context.attachment().to_owned(),
            trace_id: trace.trace_id.clone(),
            span_id: trace.span_id.clone(),
            peers: context.peers().to_owned(),
        });
        match name.as_str() {
            "err" => Ok(LoginRes {
                ret_code: -100_002,
                ret_msg: "no such user".to_owned(),
                ..LoginRes::default()
            }),
            "slow" => {
                self.hold.pass().await;
                Ok(LoginRes::default())
            }
            _ => Ok(LoginRes {
                ret_msg: "hello".to_owned(),
                user_id: "u1".to_owned(),
                ..LoginRes::default()
            }),
        }
    }

    async fn update_profile(&self, _: UpdateProfileReq) -> Result<UpdateProfileRes, Status> {
        Ok(UpdateProfileRes::default())
    }
}

async fn users(server: ServerConfig, service: ServiceConfig) -> (RpcApp, Peer) {
    let app = Bootstrap::new("users").server(server).service(service);
    let app = start(app.application(|application| application.flow_control("memory"))).await;
    let peer = Peer::at(at(&app)).await;
    (app, peer)
}

/// A request to `login`, by its sequence.
fn login(sequence: i32) -> Meta {
    Meta {
        sequence,
        ..call(UserServiceClient::SERVICE_ID, 1)
    }
}

#[tokio::test]
async fn requests_of_the_first_version_are_read_with_all_that_travels_beside_them() {
    let users_of = Users::new();
    let (_app, mut peer) = users(local(), users_of.service()).await;
    let own = peer.stream.local_addr().unwrap();
    for name in ["second_hop", "emptybody", "zlib", "snappy"] {
        let name = match name {
            "second_hop" => "v1.req.login.second_hop".to_owned(),
            name => format!("v1.req.{name}"),
        };
        peer.says(&recorded(&name)).await;
        let frame = peer.hear().await;
        assert_eq!(
            (frame.meta.ret_code, &*frame.body),
            (0, &b"\x12\x05hello\x1a\x02u1"[..])
        );
    }
    let seen = |user_name: &str, password: &str| Seen {
        request: LoginReq {
            user_name: user_name.to_owned(),
            password: password.to_owned(),
        },
        attachment: String::new(),
        trace_id: "8c859500563a478d88dbed531e221413".to_owned(),
        span_id: "1".to_owned(),
        peers: own.to_string(),
    };
    let long = "abcdefghij".repeat(40);
    let expected = [
        Seen {
            attachment: "oob=1".to_owned(),
            span_id: "1:1".to_owned(),
            peers: format!("10.1.2.3:0,127.0.0.1:51000,{own}"),
            ..seen("abc", "mmm")
        },
        seen("", ""),
        seen(&long, "p"),
        seen(&long, "p"),
    ];
    assert_eq!(*users_of.seen.lock(), expected);
}

#[tokio::test]
async fn answers_to_the_first_version_are_the_recorded_bytes() {
    let clerk = Users::new();
    let limits: FlowLimits = "3600=4".parse().unwrap();
    let service = clerk.service().threads(1).queue_size(0_u32);
    let (app, mut peer) = users(local(), service.flow_control(limits)).await;
    peer.says_v1(&login(1), b"\x0a\x03abc").await;
    peer.hears(&recorded("v1.res.login.ok")).await;
    peer.says_v1(&login(1), b"\x0a\x03err").await;
    peer.hears(&recorded("v1.res.bizerror")).await;
    peer.says_v1(&login(6), b"\x0a\x04slow").await;
    clerk.hold.entered(1).await;
    peer.says_v1(&login(7), b"").await;
    peer.hears(&recorded("v1.res.nobody.queue_full")).await;
    peer.says_v1(&login(9), b"").await;
    peer.hears(&recorded("v1.res.nobody.flow_limit")).await;
    tokio::join!(stops(&app), async {
        peer.says_v1(&login(8), b"").await;
        peer.hears(&recorded("v1.res.nobody.shutdown")).await;
        clerk.hold.release(1);
        assert_eq!(peer.answer().await, (6, 0));
    });
}

#[tokio::test]
async fn failures_of_the_framework_are_told_by_the_codes_of_that_time_and_without_a_body() {
    let clerk = Clerk::new();
    let app = Bootstrap::new("desk")
        .server(local())
        .server(ServerConfig::new("other").host("127.0.0.1").port(0_u16))
        .service(clerk.service().on("default"))
        .service(Users::new().service().on("other"));
    let app = start(app).await;
    let mut peer = Peer::at(at(&app)).await;
    let fails = |how: &str| {
        let mut body = vec![0x0a, u8::try_from(how.len()).unwrap()];
        body.extend_from_slice(how.as_bytes());
        body
    };
    for (meta, body, code) in [
        (call(DESK, FAIL), fails("panic"), -500),
        (call(DESK, FAIL), fails("words"), -500),
        (call(DESK, FAIL), fails("positive"), -500),
        // Rules came later.
        (call(DESK, CHECK), Vec::new(), -500),
        (call(DESK, ECHO), vec![0xff], -552),
        (call(DESK, 99), Vec::new(), -554),
        (call(999, 1), Vec::new(), -554),
        (call(UserServiceClient::SERVICE_ID, 1), Vec::new(), -556),
    ] {
        assert_eq!(peer.asks_v1(meta, &body).await, (code, Vec::new()));
    }
    let impatient = Meta {
        timeout_ms: 20,
        ..ask(HOLD, 9)
    };
    assert_eq!(peer.asks_v1(impatient, b"").await, (-450, Vec::new()));
    // An application's own code has its words, then as now.
    let (code, body) = peer
        .asks_v1(call(DESK, FAIL), &fails("code and words"))
        .await;
    assert_eq!(code, -101_007);
    assert!(body.ends_with(b"\x12\x09not today"));
}

#[tokio::test]
async fn what_tells_nothing_is_taken_for_what_the_server_is_set_to() {
    // Neither time nor trace: the same bytes in both.
    let plain = Meta {
        timeout_ms: 0,
        ..call(DESK, 99)
    };
    for (layout, code) in [("v1", -554), ("v2", -627)] {
        let server = local().layout(layout);
        let (_app, mut peer) = users(server, Clerk::new().service()).await;
        peer.is_refused(plain.clone(), code).await;
        // Until one tells.
        peer.is_refused(call(DESK, 99), -627).await;
        peer.is_refused(plain.clone(), -627).await;
        assert_eq!(peer.asks_v1(call(DESK, 99), b"").await.0, -627, "settled");
    }
}

#[tokio::test]
async fn peers_of_both_versions_are_served_side_by_side() {
    let (app, mut new) = users(local(), Clerk::new().service()).await;
    let mut old = Peer::at(at(&app)).await;
    for _ in 0..10 {
        new.is_refused(call(DESK, 99), -627).await;
        assert_eq!(old.asks_v1(call(DESK, 99), b"").await.0, -554);
        new.echoes().await;
        let echo = old.asks_v1(call(DESK, ECHO), b"\x0a\x02hi").await;
        assert_eq!(echo, (0, b"\x12\x02hi".to_vec()));
        for peer in [&mut old, &mut new] {
            peer.beats().await;
        }
    }
}

#[tokio::test]
async fn a_client_of_the_first_version_is_called_in_its_layout() {
    let app = Bootstrap::new("server").server(local());
    let app = app.service(Clerk::new().service());
    let app = start(app.reverse_referer::<BellClient>("bell")).await;
    let mut peer = Peer::at(at(&app)).await;
    peer.asks_v1(call(DESK, ECHO), b"").await;
    let server = app.server("default").unwrap();
    let name = server.connections()[0].name().to_string();
    let bell: BellClient = app.push("bell", &name).unwrap();
    for (code, expected) in [(-550, Code::QUEUE_FULL), (-554, Code::NOT_FOUND)] {
        let rung = bell.ring(RingReq { times: 1 }).start();
        let asked = peer.hear().await.meta;
        assert_eq!(asked.told, Some(Layout::V1));
        assert!((1..=3000).contains(&asked.timeout_ms));
        peer.says_v1(&answer_to(&asked, code), b"").await;
        let status = soon("the answer", rung).await.unwrap_err();
        assert_eq!(status.code(), expected);
    }
}

fn old() -> ClientConfig {
    ClientConfig::default().layout("v1")
}

/// A caller whose peers are of the first version.
async fn caller(referer: RefererConfig) -> (RpcApp, DeskClient) {
    let app = Bootstrap::new("caller").client(old()).referer_with(referer);
    let app = start(app).await;
    let desk = app.referer("desk").unwrap();
    (app, desk)
}

fn echo() -> EchoReq {
    EchoReq {
        text: "hi".to_owned(),
    }
}

#[tokio::test]
async fn a_client_set_to_the_first_version_speaks_it_and_understands_its_codes() {
    let (listener, address) = listener().await;
    let referer = RefererConfig::new::<DeskClient>("desk").to(&address.to_string());
    let (_app, desk) = caller(referer.zip("zlib").min_size_to_zip(3_usize)).await;
    let mut peer = accepted(&listener).await;
    let desk = desk.with_attachment("oob=1");
    for (code, body, expected) in [
        (0, &b"\x12\x02hi"[..], Ok(0)),
        (-101_001, b"", Ok(-101_001)),
        (-450, b"", Err(Code::RPC_TIMEOUT)),
        (-500, b"", Err(Code::BUSINESS_ERROR)),
        (-550, b"", Err(Code::QUEUE_FULL)),
        // After this one it calls there no more.
        (-503, b"", Err(Code::SERVER_SHUTDOWN)),
    ] {
        let answer = desk.echo(echo()).start();
        let asked = peer.hear().await.meta;
        assert_eq!((asked.told, asked.compress), (Some(Layout::V1), 1));
        assert!((1..=3000).contains(&asked.timeout_ms));
        assert_eq!(asked.attachment(), b"oob=1");
        let trace = asked.trace();
        let trace = trace.read().unwrap();
        assert_eq!((trace.trace_id.len(), trace.span_id), (32, "1"));
        peer.says_v1(&answer_to(&asked, code), body).await;
        let answer = soon("the answer", answer).await;
        let told = answer.map(|answer| answer.ret_code);
        assert_eq!(told.map_err(|status| status.code()), expected);
    }
}

#[tokio::test]
async fn what_a_server_of_the_first_version_refused_is_tried_elsewhere() {
    let (listener, address) = listener().await;
    let here = serve(Clerk::new().service()).await;
    let referer = RefererConfig::new::<DeskClient>("desk")
        .to(&format!("{address},{}", at(&here)))
        .retry_level(RetryLevel::NotAvailable)
        .retry_count(1_u32)
        .timeout(DEADLINE);
    let (app, desk) = caller(referer).await;
    let client = app.client("default").unwrap();
    until("both are there", || client.connections().len() == 2).await;
    let mut peer = accepted(&listener).await;
    for code in [-550, -555] {
        let answers = [(); 2].map(|()| desk.echo(echo()).start());
        let asked = peer.hear().await.meta;
        peer.says_v1(&answer_to(&asked, code), b"").await;
        for answer in answers {
            let answer = soon("an answer", answer).await.unwrap();
            assert_eq!(answer.text, "hi");
        }
    }
}

#[tokio::test]
async fn both_sides_of_ours_understand_each_other_in_the_layout_of_the_first_version() {
    let clerk = Clerk::new();
    let app = serve(clerk.service().threads(1).queue_size(0_u32)).await;
    let referer = RefererConfig::new::<DeskClient>("desk").to(&at(&app).to_string());
    let (_caller, desk) = caller(referer.zip("snappy").min_size_to_zip(1_usize)).await;
    assert_eq!(desk.echo(echo()).await.unwrap().text, "hi");
    let how = "code and words".to_owned();
    let answer = desk.fail(FailReq { how }).await.unwrap();
    assert_eq!(answer.ret_msg, "not today");
    let how = "words".to_owned();
    let status = desk.fail(FailReq { how }).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::BUSINESS_ERROR, "business exception")
    );
    let held = desk.hold(HoldReq { id: 1 }).start();
    clerk.hold.entered(1).await;
    let status = desk.echo(echo()).await.unwrap_err();
    assert_eq!(status.code(), Code::QUEUE_FULL);
    clerk.hold.release(1);
    soon("the answer", held).await.unwrap();
}
