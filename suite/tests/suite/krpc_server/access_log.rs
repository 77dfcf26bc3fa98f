//! One line for every request and call that has ended.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use parking_lot::Mutex;
use tangelo::{
    Bootstrap, RpcApp,
    rpc::{
        Code, ServerContext, Status,
        access_log::{Kind, LogFormatter, LogSink, Record},
        codegen::prost::Message as _,
        config::{MethodConfig, MonitorConfig, RefererConfig, ServerConfig, ServiceConfig},
    },
};
use tangelo_wire::krpc::meta::Meta;

use super::{
    desk::{
        BellClient, BellServer, CHECK, Card, CheckReq, Clerk, DESK, DeskClient, ECHO, EchoReq,
        FAIL, FailReq, HOLD, HoldReq, LoginReq, LoginRes, RingReq, RingRes, UpdateProfileReq,
        UpdateProfileRes, UserService, UserServiceClient, UserServiceServer, ask, at, listener,
        local, start, stops,
    },
    log::Log,
};
use crate::{
    krpc::{Peer, call},
    world::{Heard, soon, until},
};

type Lines = Heard<(Kind, String)>;

/// Hands lines to the test.
fn sink(lines: &Lines) -> Arc<dyn LogSink> {
    let tell = lines.teller();
    Arc::new(move |record: &Record, line: &str| tell((record.kind, line.to_owned())))
}

/// The fields of the next line, which is a server's.
async fn served(lines: &mut Lines) -> Vec<String> {
    let (kind, line) = lines.next("a line").await;
    assert_eq!(kind, Kind::Server, "{line}");
    fields(&line)
}

/// The same of a client's.
async fn called(lines: &mut Lines) -> Vec<String> {
    let (kind, line) = lines.next("a line").await;
    assert_eq!(kind, Kind::Client, "{line}");
    fields(&line)
}

fn fields(line: &str) -> Vec<String> {
    let fields: Vec<_> = line.split(",   ").map(str::to_owned).collect();
    assert_eq!(fields.len(), 13, "{line}");
    fields
}

/// Sequence, service, message, name and code of a line.
fn who(fields: &[String]) -> [&str; 5] {
    [2, 5, 6, 7, 8].map(|field| fields[field].as_str())
}

/// A server that logs, and a connection to it.
async fn logging(
    lines: &Lines,
    service: ServiceConfig,
    monitor: impl FnOnce(MonitorConfig) -> MonitorConfig,
) -> (RpcApp, Peer) {
    let app = Bootstrap::new("desk").server(local()).service(service);
    let app = start(app.monitor(monitor).log_sink(sink(lines))).await;
    let peer = Peer::at(at(&app)).await;
    (app, peer)
}

fn as_it_is(monitor: MonitorConfig) -> MonitorConfig {
    monitor
}

/// Users as the recorded server had them; who logs in goes to the log.
struct Users;

impl UserService for Users {
    async fn login(&self, request: LoginReq) -> Result<LoginRes, Status> {
        let context = ServerContext::current().unwrap();
        context.log_variable("user", &request.user_name);
        context.log_variable("seats", 4);
        Ok(LoginRes {
            ret_code: 0,
            ret_msg: format!("u={},p={}", request.user_name, request.password),
            user_id: "u1".to_owned(),
        })
    }

    async fn update_profile(&self, _: UpdateProfileReq) -> Result<UpdateProfileRes, Status> {
        Ok(UpdateProfileRes::default())
    }
}

#[tokio::test]
async fn a_line_has_krpcs_fields_in_krpcs_order() {
    let mut lines = Lines::new();
    let service = UserServiceServer::new(Users).into();
    let (app, mut peer) = logging(&lines, service, as_it_is).await;
    // krpc's own request, with a trace.
    peer.says(&super::recorded("v2.req.login.trace")).await;
    peer.hear().await;
    let fields = served(&mut lines).await;
    let connection = app.server("default").unwrap().connections().remove(0);

    // 2026-11-20 23:35:15.932
    let digits: String = fields[0]
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(digits, "0000-00-00 00:00:00.000");
    assert_eq!(fields[1], **connection.name());
    assert_eq!(fields[3], "8c859500563a478d88dbed531e221413");
    assert_eq!(fields[4], "0.1.1");
    assert_eq!(who(&fields), ["2", "100", "1", "UserService.login", "0"]);
    let micros: u64 = fields[9].parse().unwrap();
    assert!(micros < 20_000_000, "{micros}");
    assert_eq!(fields[10], "userName:abc^password:mmm");
    assert_eq!(fields[11], "retMsg:u=abc,p=mmm^userId:u1");
    assert_eq!(fields[12], "user:abc^seats:4");
}

#[tokio::test]
async fn what_is_to_be_masked_is_masked_in_all_bodies_at_any_depth() {
    let mut lines = Lines::new();
    let masked = |monitor: MonitorConfig| {
        monitor.mask_fields(["password", "userId", "number"].map(str::to_owned))
    };
    let app = Bootstrap::new("desk")
        .server(local())
        .service(UserServiceServer::new(Users))
        .service(Clerk::new().service())
        .monitor(masked)
        .log_sink(sink(&lines));
    let app = start(app).await;
    let caller = Bootstrap::new("caller")
        .referer::<UserServiceClient>("users", &at(&app).to_string())
        .referer::<DeskClient>("desk", &at(&app).to_string())
        .monitor(masked)
        .log_sink(sink(&lines));
    let caller = start(caller).await;
    let users: UserServiceClient = caller.referer("users").unwrap();
    let request = LoginReq {
        user_name: "abc".to_owned(),
        password: "mmm".to_owned(),
    };
    users.login(request).await.unwrap();
    for _ in 0..2 {
        let fields = fields(&lines.next("a line").await.1);
        assert_eq!(fields[10], "userName:abc^password:***");
        assert_eq!(fields[11], "retMsg:u=abc,p=mmm^userId:***");
    }
    let desk: DeskClient = caller.referer("desk").unwrap();
    let request = CheckReq {
        name: "a".to_owned(),
        card: Some(Card {
            number: "4711".to_owned(),
            owner: "anna".to_owned(),
        }),
        ..CheckReq::default()
    };
    desk.check(request).await.unwrap();
    for _ in 0..2 {
        let fields = fields(&lines.next("a line").await.1);
        assert_eq!(fields[10], "name:a^card:{number:***,owner:anna}");
    }
}

#[tokio::test]
async fn of_a_repeated_field_and_of_a_long_text_so_much_is_shown() {
    let request = CheckReq {
        name: "abcdefghij".to_owned(),
        notes: ["x", "y", "z"].map(str::to_owned).to_vec(),
        ..CheckReq::default()
    };
    let request = request.encode_to_vec();
    for (elements, length, shown) in [
        (1, 500, "name:abcdefghij^notesSize:3^notes:x"),
        (2, 5, "name:abcde...^notesSize:3^notes:x^notes:y"),
        (0, 500, "name:abcdefghij^notesSize:3"),
    ] {
        let mut lines = Lines::new();
        let monitor = |monitor: MonitorConfig| {
            let monitor = monitor.max_repeated_size_to_log(elements as usize);
            monitor.max_field_size_to_log(length as usize)
        };
        let (_app, mut peer) = logging(&lines, Clerk::new().service(), monitor).await;
        peer.ask(call(DESK, CHECK), &request).await;
        assert_eq!(served(&mut lines).await[10], shown);
    }
}

#[tokio::test]
async fn what_a_peer_writes_does_not_make_another_line_or_field() {
    let mut lines = Lines::new();
    let (_app, mut peer) = logging(&lines, Clerk::new().service(), as_it_is).await;
    let text = "a,   b\n2026-01-01 00:00:00.000,   forged^c";
    let request = EchoReq {
        text: text.to_owned(),
    };
    peer.ask(call(DESK, ECHO), &request.encode_to_vec()).await;
    let fields = served(&mut lines).await;
    assert_eq!(fields[10], "text:a,b 2026-01-01 00:00:00.000,forged c");
}

#[tokio::test]
async fn every_request_has_its_line_however_it_ends() {
    let mut lines = Lines::new();
    let clerk = Clerk::new();
    let limited = tangelo::rpc::config::MethodConfig::new("holdToo").unwrap();
    let limited = limited.flow_control(
        "3600=1"
            .parse::<tangelo::rpc::server::FlowLimits>()
            .unwrap(),
    );
    let service = clerk.service().threads(1).queue_size(1_u32).method(limited);
    let app = Bootstrap::new("desk")
        .application(|application| application.flow_control("memory"))
        .server(local())
        .server(ServerConfig::new("other").host("127.0.0.1").port(0_u16))
        .service(service.on("default"))
        .service(ServiceConfig::new(UserServiceServer::new(Users)).on("other"))
        .log_sink(sink(&lines));
    let app = start(app).await;
    let mut peer = Peer::at(at(&app)).await;
    let fails = |how: &str| {
        FailReq {
            how: how.to_owned(),
        }
        .encode_to_vec()
    };
    for (meta, body, code, name) in [
        (call(DESK, ECHO), Vec::new(), "0", "Desk.echo"),
        (call(DESK, FAIL), fails("panic"), "-620", "Desk.fail"),
        (call(DESK, FAIL), fails("panic later"), "-620", "Desk.fail"),
        (call(DESK, FAIL), fails("words"), "-620", "Desk.fail"),
        (call(DESK, FAIL), fails("code"), "-101007", "Desk.fail"),
        (call(DESK, CHECK), Vec::new(), "-621", "Desk.check"),
        (call(DESK, ECHO), vec![0xff], "-625", "Desk.echo"),
        (call(DESK, 99), Vec::new(), "-627", "101.99"),
        // What no service is asked for.
        (call(999, 1), Vec::new(), "-627", "999.1"),
        (call(100, 1), Vec::new(), "-630", "UserService.login"),
        (
            Meta {
                compress: 7,
                ..call(DESK, ECHO)
            },
            Vec::new(),
            "0",
            "Desk.echo",
        ),
        (
            Meta {
                compress: 7,
                ..call(DESK, ECHO)
            },
            vec![1],
            "-625",
            "Desk.echo",
        ),
    ] {
        peer.ask(meta.clone(), &body).await;
        let fields = served(&mut lines).await;
        let (service, message) = (meta.service_id.to_string(), meta.msg_id.to_string());
        assert_eq!(who(&fields), ["77", &service, &message, name, code]);
    }
    // One runs, one waits, one finds no place.
    peer.holds(HOLD, 1..=3).await;
    assert_eq!(who(&served(&mut lines).await)[4], "-623");
    clerk.hold.release(2);
    for sequence in ["1", "2"] {
        let fields = served(&mut lines).await;
        assert_eq!(who(&fields), [sequence, "101", "2", "Desk.hold", "0"]);
    }
    // One runs, and another's time is up while it waits; then while it runs.
    let impatient = |sequence| Meta {
        timeout_ms: 20,
        ..ask(HOLD, sequence)
    };
    peer.holds(HOLD, [4]).await;
    peer.send(&impatient(5), b"").await;
    assert_eq!(served(&mut lines).await[8], "-624");
    clerk.hold.release(1);
    assert_eq!(served(&mut lines).await[8], "0");
    peer.send(&impatient(6), b"").await;
    assert_eq!(served(&mut lines).await[8], "-602");
    for (sequence, code) in [(3, -623), (1, 0), (2, 0), (5, -624), (4, 0), (6, -602)] {
        assert_eq!(peer.answer().await, (sequence, code));
    }
    clerk.hold.release(1);
    for (sequence, code) in [(7, "0"), (8, "-628")] {
        peer.ask(ask(3, sequence), b"").await;
        assert_eq!(served(&mut lines).await[8], code);
    }
    lines.is_silent();
}

#[tokio::test]
async fn what_waited_says_how_long() {
    let mut lines = Lines::new();
    let clerk = Clerk::new();
    let (_app, mut peer) = logging(&lines, clerk.service().threads(1), as_it_is).await;
    peer.holds(HOLD, 1..=2).await;
    peer.beats().await;
    clerk.hold.release(2);
    let first = served(&mut lines).await;
    assert_eq!((first[2].as_str(), first[12].as_str()), ("1", ""));
    let second = served(&mut lines).await;
    let waited: u64 = second[12].strip_prefix("Q:").unwrap().parse().unwrap();
    let took: u64 = second[9].parse().unwrap();
    assert!(waited <= took, "{waited} of {took}");
}

#[tokio::test]
async fn what_comes_while_the_server_stops_has_its_line() {
    let mut lines = Lines::new();
    let clerk = Clerk::new();
    let (app, mut peer) = logging(&lines, clerk.service(), as_it_is).await;
    peer.holds(HOLD, [1]).await;
    clerk.hold.entered(1).await;
    tokio::join!(stops(&app), async {
        peer.holds(HOLD, [2]).await;
        assert_eq!(peer.answer().await, (2, -622));
        clerk.hold.release(1);
    });
    for (sequence, code) in [("2", "-622"), ("1", "0")] {
        let fields = served(&mut lines).await;
        assert_eq!(who(&fields), [sequence, "101", "2", "Desk.hold", code]);
    }
}

#[tokio::test]
async fn what_is_cut_off_has_its_line() {
    let mut lines = Lines::new();
    let clerk = Clerk::new();
    let (app, mut peer) = logging(&lines, clerk.service(), as_it_is).await;
    peer.holds(HOLD, [1]).await;
    clerk.hold.entered(1).await;
    soon("the end", app.stop(Duration::ZERO)).await;
    assert_eq!(served(&mut lines).await[8], "-603");
}

#[tokio::test]
async fn calls_have_their_lines_too_of_the_same_trace_as_the_requests() {
    let (mut requests, mut calls) = (Lines::new(), Lines::new());
    let clerk = Clerk::new();
    let (app, _peer) = logging(&requests, clerk.service(), as_it_is).await;
    let nobody = listener().await.1;
    let to = at(&app).to_string();
    let caller = Bootstrap::new("caller")
        .referer::<DeskClient>("desk", &to)
        .referer_with(
            RefererConfig::new::<DeskClient>("late")
                .to(&to)
                .timeout(Duration::from_millis(300)),
        )
        .referer::<BellClient>("nowhere", &nobody.to_string())
        .log_sink(sink(&calls));
    let caller = start(caller).await;
    let desk: DeskClient = caller.referer("desk").unwrap();
    let text = "hi".to_owned();
    desk.echo(EchoReq { text }).await.unwrap();
    let (server, client) = (served(&mut requests).await, called(&mut calls).await);
    assert_eq!(who(&server), who(&client));
    assert_eq!(server[3..5], client[3..5], "trace and span");
    assert_eq!(server[10..12], client[10..12], "bodies");
    assert_eq!(client[1], format!("{to}:1"));

    // One whose time is up, and one that is given up.
    let late: DeskClient = caller.referer("late").unwrap();
    late.hold(HoldReq { id: 1 }).await.unwrap_err();
    assert_eq!(served(&mut requests).await[8], "-602");
    let late = called(&mut calls).await;
    assert_eq!((&*late[1], &*late[8]), (&*format!("{to}:1"), "-602"));
    let mut given_up = Box::pin(desk.hold(HoldReq { id: 2 }));
    let pending = futures_util::poll!(&mut given_up);
    assert!(pending.is_pending());
    drop(given_up);
    let cancelled = called(&mut calls).await;
    assert_eq!(
        (&*cancelled[1], &*cancelled[8]),
        (&*format!("{to}:1"), "-603")
    );

    // One that has nowhere to go.
    let bell: BellClient = caller.referer("nowhere").unwrap();
    bell.ring(RingReq { times: 1 }).await.unwrap_err();
    let fields = called(&mut calls).await;
    assert_eq!(fields[1], "no_connection:0:0");
    assert_eq!(who(&fields), ["0", "102", "1", "Bell.ring", "-600"]);
}

#[tokio::test]
async fn calls_to_clients_have_their_lines_on_both_sides() {
    let (mut requests, mut calls) = (Lines::new(), Lines::new());
    let server = Bootstrap::new("server")
        .server(local())
        .service(Clerk::new().service())
        .reverse_referer::<BellClient>("bell")
        .log_sink(sink(&calls));
    let server = start(server).await;
    let bell: BellClient = server.push("bell", "nobody").unwrap();
    bell.ring(RingReq { times: 1 }).await.unwrap_err();
    let nowhere = called(&mut calls).await;
    assert_eq!(nowhere[1], "no_connection:0:0");
    assert_eq!(who(&nowhere), ["0", "102", "1", "Bell.ring", "-604"]);

    struct Ding;
    impl super::desk::Bell for Ding {
        async fn ring(&self, request: RingReq) -> Result<RingRes, Status> {
            Ok(RingRes {
                ret_code: 0,
                rung: request.times,
            })
        }
    }
    let client = Bootstrap::new("client")
        .referer::<DeskClient>("desk", &at(&server).to_string())
        .reverse_service(BellServer::new(Ding))
        .log_sink(sink(&requests));
    let _client = start(client).await;
    let default = server.server("default").unwrap();
    until("it is connected", || default.connections().len() == 1).await;
    let name = default.connections()[0].name().to_string();
    let bell: BellClient = server.push("bell", &name).unwrap();
    bell.ring(RingReq { times: 3 }).await.unwrap();
    let answered = served(&mut requests).await;
    let call = called(&mut calls).await;
    assert_eq!(who(&answered), who(&call));
    assert_eq!(answered[3..5], call[3..5]);
    assert_eq!(call[1], name);
    assert_eq!([&call[10], &call[11]], ["times:3", "rung:3"]);
}

#[tokio::test]
async fn a_sink_that_hangs_holds_up_no_request_and_what_overflows_is_left_out() {
    let (lines, written) = mpsc::channel();
    let (gate, closed) = mpsc::channel::<()>();
    let closed = Mutex::new(closed);
    let hangs = move |record: &Record, _: &str| {
        lines.send(record.sequence).unwrap();
        let _ = closed.lock().recv();
    };
    let app = Bootstrap::new("desk")
        .server(local())
        .service(Clerk::new().service())
        .monitor(|monitor| monitor.log_queue_size(5_usize))
        .log_sink(Arc::new(hangs));
    let app = start(app).await;
    let mut peer = Peer::at(at(&app)).await;
    peer.send(&ask(ECHO, 1), b"").await;
    peer.answer().await;
    // It hangs with the first line.
    assert_eq!(written.recv().unwrap(), 1);
    for sequence in 2..=100 {
        peer.send(&ask(ECHO, sequence), b"").await;
        assert_eq!(peer.answer().await, (sequence, 0));
    }
    drop(gate);
    drop(peer);
    stops(&app).await;
    let kept: Vec<_> = written.try_iter().collect();
    assert_eq!(kept, [2, 3, 4, 5, 6]);
}

/// Numbers and codes alone.
struct Short;

impl LogFormatter for Short {
    fn line(&self, record: &Record, out: &mut String) {
        *out = format!("{} -> {}", record.sequence, record.ret_code);
    }
}

#[tokio::test]
async fn of_requests_that_are_refused_only_some_have_a_line_and_of_those_that_run_all() {
    const MANY: i32 = 600;
    let log = Log::keep();
    let (mut lines, clerk) = (Lines::new(), Clerk::new());
    let service = clerk.service().threads(1).queue_size(0_u32);
    let echo = MethodConfig::new("echo").unwrap().threads(10);
    let (_app, mut peer) = logging(&lines, service.method(echo), as_it_is).await;
    peer.holds(HOLD, [1]).await;
    let echo = EchoReq::default().encode_to_vec();
    for sequence in 0..MANY {
        peer.holds(HOLD, [2]).await;
        assert_eq!(peer.answer().await, (2, -623));
        peer.send(&call(999, 1), b"").await;
        peer.answer().await;
        if sequence % 10 == 0 {
            peer.send(&ask(ECHO, 3), &echo).await;
            assert_eq!(peer.answer().await, (3, 0));
        }
    }
    clerk.hold.release(1);
    peer.answer().await;
    let (mut ran, mut refused) = (0, 0);
    loop {
        let line = served(&mut lines).await;
        match who(&line)[4] {
            "0" if line[2] == "1" => break,
            "0" => ran += 1,
            _ => refused += 1,
        }
    }
    assert_eq!(ran, MANY / 10);
    assert!((100..MANY * 2).contains(&refused), "{refused}");
    // It is told when the next one has a line.
    soon("what was left out is told", async {
        while log.lines(&["did not run", "lines="]).is_empty() {
            peer.send(&call(999, 1), b"").await;
            peer.answer().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_formatter_of_ones_own_writes_the_lines() {
    let mut lines = Lines::new();
    let app = Bootstrap::new("desk")
        .server(local())
        .service(Clerk::new().service())
        .log_formatter(Arc::new(Short))
        .log_sink(sink(&lines));
    let app = start(app).await;
    let mut peer = Peer::at(at(&app)).await;
    peer.ask(ask(ECHO, 5), b"").await;
    peer.ask(ask(99, 6), b"").await;
    for line in ["5 -> 0", "6 -> -627"] {
        assert_eq!(lines.next("a line").await, (Kind::Server, line.to_owned()));
    }
}

#[tokio::test]
async fn messages_may_be_written_as_json() {
    let mut lines = Lines::new();
    let json = |monitor: MonitorConfig| monitor.log_formatter("json");
    let service = UserServiceServer::new(Users).into();
    let (_app, mut peer) = logging(&lines, service, json).await;
    peer.says(&super::recorded("v2.req.login.basic")).await;
    peer.hear().await;
    let fields = served(&mut lines).await;
    let request: serde_json::Value = serde_json::from_str(&fields[10]).unwrap();
    assert_eq!(
        request,
        serde_json::json!({"userName": "abc", "password": "mmm"})
    );
}

/// Wants nothing, and gets nothing.
struct Deaf;

impl LogSink for Deaf {
    fn write(&self, _: &Record, line: &str) {
        panic!("{line}");
    }

    fn wants(&self, _: Kind) -> bool {
        false
    }
}

#[tokio::test]
async fn without_an_access_log_nothing_is_written() {
    let log = Log::keep();
    let mut lines = Lines::new();
    let off = |monitor: MonitorConfig| monitor.access_log(false);
    let (app, mut peer) = logging(&lines, Clerk::new().service(), off).await;
    peer.echoes().await;
    drop(peer);
    stops(&app).await;
    lines.is_silent();
    let app = Bootstrap::new("desk")
        .server(local())
        .service(Clerk::new().service())
        .log_sink(Arc::new(Deaf));
    let app = start(app).await;
    let mut peer = Peer::at(at(&app)).await;
    peer.echoes().await;
    peer.is_refused(call(999, 1), Code::NOT_FOUND.0).await;
    drop(peer);
    stops(&app).await;
    assert!(log.lines(&["access log"]).is_empty());
}
