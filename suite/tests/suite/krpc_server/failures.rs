//! What goes wrong in a service, and what its callers hear of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tangelo::{
    Bootstrap,
    rpc::{
        Code, Status,
        client::RetryLevel,
        codegen::prost::Message as _,
        config::{MethodConfig, RefererConfig},
    },
};

use super::desk::{
    Bell, BellClient, BellServer, CHECK, CheckReq, CheckRes, Clerk, DESK, DeskClient, FAIL,
    FailReq, FailRes, HoldReq, RingReq, RingRes, at, caller, file, local, serve, start,
};
use crate::krpc::{Peer, call};

/// The answer to a request that fails in this manner: its code in the meta, and its message.
async fn fails(peer: &mut Peer, how: &str) -> (i32, FailRes) {
    let request = FailReq {
        how: how.to_owned(),
    };
    let frame = peer.ask(call(DESK, FAIL), &request.encode_to_vec()).await;
    let message = FailRes::decode(frame.body).unwrap();
    assert_eq!(message.ret_code, frame.meta.ret_code);
    (frame.meta.ret_code, message)
}

#[tokio::test]
async fn a_method_that_panics_or_fails_is_answered_and_the_connection_lives_on() {
    let app = serve(Clerk::new().service()).await;
    let mut peer = Peer::at(at(&app)).await;
    for (how, words) in [
        ("panic", "business exception in (101)"),
        ("panic later", "business exception in (101)"),
        ("words", "the till is empty in (101)"),
        (
            "positive",
            "the method answered with 7, and codes are negative",
        ),
        // What a call of its own was refused with says nothing of the method, which has run.
        ("refused", "queue is full in (101)"),
    ] {
        let (code, message) = fails(&mut peer, how).await;
        assert_eq!((code, message.ret_msg.as_str()), (-620, words), "{how}");
        peer.echoes().await;
    }
    assert_eq!(
        fails(&mut peer, "not at all").await,
        (0, FailRes::default())
    );
}

#[tokio::test]
async fn the_words_of_a_failure_reach_the_caller() {
    let app = serve(Clerk::new().service()).await;
    let (_caller, desk) = caller(at(&app)).await;
    let fail = |how: &str| {
        desk.fail(FailReq {
            how: how.to_owned(),
        })
    };
    let status = fail("words").await.unwrap_err();
    assert_eq!(status.code(), Code::BUSINESS_ERROR);
    assert_eq!(status.message(), "the till is empty in (101)");
    let answer = fail("code and words").await.unwrap();
    let expected = FailRes {
        ret_code: -101_007,
        ret_msg: "not today".to_owned(),
    };
    assert_eq!(answer, expected, "an application's code is a reply");
}

#[tokio::test]
async fn codes_without_words_get_those_of_the_file_and_others_keep_theirs() {
    let words = file("failures.properties", "-101007=shut \\\n  for today\n");
    let app = Bootstrap::new("desk")
        .application(|application| application.error_msg_converter(words.to_str().unwrap()))
        .server(local())
        .service(Clerk::new().service());
    let app = start(app).await;
    let mut peer = Peer::at(at(&app)).await;
    for (how, words) in [("code", "shut for today"), ("code and words", "not today")] {
        let (code, message) = fails(&mut peer, how).await;
        assert_eq!((code, message.ret_msg.as_str()), (-101_007, words));
    }
}

/// Asks the desk for what it has no place for.
struct Through(DeskClient, Arc<AtomicUsize>);

impl Bell for Through {
    async fn ring(&self, _: RingReq) -> Result<RingRes, Status> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.hold(HoldReq { id: 1 }).await?;
        Ok(RingRes::default())
    }
}

#[tokio::test]
async fn a_refused_call_of_a_method_does_not_make_the_method_run_again() {
    let clerk = Clerk::new();
    let busy = MethodConfig::new("hold").unwrap();
    let busy = clerk.service().method(busy.threads(1).queue_size(0_u32));
    let busy = serve(busy).await;
    let mut peer = Peer::at(at(&busy)).await;
    peer.holds(super::desk::HOLD, [1]).await;
    clerk.hold.entered(1).await;

    let (_caller, desk) = caller(at(&busy)).await;
    let rung = Arc::new(AtomicUsize::new(0));
    let mut middle = Vec::new();
    for _ in 0..2 {
        let through = Through(desk.clone(), Arc::clone(&rung));
        middle.push(serve(BellServer::new(through)).await);
    }
    let [first, second] = [0, 1].map(|index| at(&middle[index]));
    let referer = RefererConfig::new::<BellClient>("bell")
        .to(&format!("{first},{second}"))
        .retry_level(RetryLevel::NotAvailable)
        .retry_count(3_u32)
        .timeout(Duration::from_secs(20));
    let app = start(Bootstrap::new("caller").referer_with(referer)).await;
    let bell: BellClient = app.referer("bell").unwrap();
    let status = bell.ring(RingReq::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::BUSINESS_ERROR);
    assert_eq!(rung.load(Ordering::Relaxed), 1);
}

/// The answer to a request that is checked.
async fn checked(peer: &mut Peer, request: CheckReq) -> (i32, String) {
    let frame = peer.ask(call(DESK, CHECK), &request.encode_to_vec()).await;
    let message = CheckRes::decode(frame.body).unwrap();
    assert_eq!(message.ret_code, frame.meta.ret_code);
    (message.ret_code, message.ret_msg)
}

fn check(name: &str, age: i32, colour: &str) -> CheckReq {
    CheckReq {
        name: name.to_owned(),
        age,
        colour: colour.to_owned(),
        ..CheckReq::default()
    }
}

#[tokio::test]
async fn what_breaks_a_rule_of_the_proto_is_refused_with_its_code_and_words() {
    let words = file("rules.properties", "-101002=%s is no colour of ours\n");
    let app = Bootstrap::new("desk")
        .application(|application| application.error_msg_converter(words.to_str().unwrap()))
        .server(local())
        .service(Clerk::new().service());
    let app = start(app).await;
    let mut peer = Peer::at(at(&app)).await;
    let name = "validate error: desk.CheckReq.name";
    let age = "age is out of range: desk.CheckReq.age";
    let colour = "desk.CheckReq.colour is no colour of ours";
    for (request, code, words) in [
        (check("a", 0, ""), 0, ""),
        (check("a", 150, "green"), 0, ""),
        (check("", 0, ""), -621, name),
        (check("a", -1, ""), -101_001, age),
        (check("a", 151, ""), -101_001, age),
        (check("a", 1, "blue"), -101_002, colour),
        // The first that is broken is told.
        (check("", 151, "blue"), -621, name),
    ] {
        let told = checked(&mut peer, request.clone()).await;
        assert_eq!(told, (code, words.to_owned()), "{request:?}");
    }
    peer.echoes().await;
    let (_caller, desk) = caller(at(&app)).await;
    let status = desk.check(check("", 1, "")).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::VALIDATE_ERROR, name)
    );
    let answer = desk.check(check("a", 151, "")).await.unwrap();
    assert_eq!((answer.ret_code, answer.ret_msg.as_str()), (-101_001, age));
}

#[tokio::test]
async fn what_cannot_be_read_is_no_broken_rule() {
    let app = serve(Clerk::new().service()).await;
    let mut peer = Peer::at(at(&app)).await;
    let not_utf8 = b"\x0a\x02\xff\xfe";
    for body in [&b"\x0a\x05a"[..], not_utf8] {
        let frame = peer.ask(call(DESK, CHECK), body).await;
        assert_eq!((frame.meta.ret_code, &*frame.body), (-625, &b""[..]));
    }
    peer.echoes().await;
}
