//! What krpc 0.2.51's own server answered to these very bytes, Tangelo answers too.

use tangelo::{
    Bootstrap, RpcApp,
    rpc::{Code, Status},
};

use super::{
    desk::{
        LoginReq, LoginRes, UpdateProfileReq, UpdateProfileRes, UserService, UserServiceServer, at,
        file, local, start,
    },
    recorded, vectors,
};
use crate::{
    krpc::{Peer, call},
    world::Hold,
};

/// The service that the recorded server had.
struct Users(Hold);

impl UserService for Users {
    async fn login(&self, request: LoginReq) -> Result<LoginRes, Status> {
        match request.user_name.as_str() {
            "boom" => Err(Code::BUSINESS_ERROR.into()),
            "bang" => panic!("on purpose"),
            "err" => Ok(LoginRes {
                ret_code: -100_002,
                ..LoginRes::default()
            }),
            "slow" => {
                self.0.pass().await;
                Ok(LoginRes::default())
            }
            name => Ok(LoginRes {
                ret_msg: format!("u={name},p={}", request.password),
                user_id: "u1".to_owned(),
                ..LoginRes::default()
            }),
        }
    }

    async fn update_profile(&self, _: UpdateProfileReq) -> Result<UpdateProfileRes, Status> {
        Ok(UpdateProfileRes::default())
    }
}

/// A server as it was then: two calls at a time, and words for a code.
async fn users() -> (RpcApp, Hold) {
    let hold = Hold::new();
    let words = file("exchanges.properties", "-100002=用户 missing\n");
    let app = Bootstrap::new("users")
        .application(|application| application.error_msg_converter(words.to_str().unwrap()))
        .server(local().threads(2))
        .service(UserServiceServer::new(Users(hold.clone())));
    (start(app).await, hold)
}

#[tokio::test]
async fn recorded_requests_have_the_recorded_answers() {
    let (app, _hold) = users().await;
    let mut peer = Peer::at(at(&app)).await;
    for name in [
        "business_exception",
        "error_properties_lookup",
        "undecodable_body",
        // After these three krpc's own closes; here the connection stays.
        "unknown_service",
        "unknown_message",
        "service1_msg2",
        "encrypted_without_key",
    ] {
        let of = |part| recorded(&format!("v2.exchange.{name}.{part}"));
        peer.says(&of("request")).await;
        peer.hears(&of("response")).await;
        peer.beats().await;
    }
}

#[tokio::test]
async fn the_same_answers_come_when_all_is_said_at_once_or_byte_by_byte() {
    let (app, _hold) = users().await;
    let names = [
        "business_exception",
        "unknown_service",
        "error_properties_lookup",
        "undecodable_body",
    ];
    let all = |part| {
        names
            .map(|name| recorded(&format!("v2.exchange.{name}.{part}")))
            .concat()
    };
    let mut peer = Peer::at(at(&app)).await;
    peer.says(&all("request")).await;
    peer.hears(&all("response")).await;
    for byte in all("request") {
        peer.says(&[byte]).await;
        tokio::task::yield_now().await;
    }
    peer.hears(&all("response")).await;
    peer.beats().await;
}

#[tokio::test]
async fn a_successful_login_is_answered_as_recorded() {
    let (app, _hold) = users().await;
    let mut peer = Peer::at(at(&app)).await;
    for request in [
        "v2.req.login.basic",
        "v2.req.login.trace",
        "v2.req.login.trace_full",
    ] {
        let vector = vectors::named(vectors::krpc_frames(), request);
        peer.says(&vector.bytes()).await;
        let frame = peer.hear().await;
        assert_eq!(frame.meta.sequence, vector.number("sequence"));
        assert_eq!(&*frame.body, b"\x12\x0bu=abc,p=mmm\x1a\x02u1");
        peer.beats().await;
    }
}

#[tokio::test]
async fn a_compression_nobody_knows_is_refused_where_krpc_takes_it_for_none() {
    let (app, _hold) = users().await;
    let mut peer = Peer::at(at(&app)).await;
    peer.says(&recorded(
        "v2.exchange.unknown_compress_value_is_plain.request",
    ))
    .await;
    let frame = peer.hear().await;
    assert_eq!((frame.meta.ret_code, frame.meta.sequence), (-625, 5));
    assert!(frame.body.is_empty());
    peer.beats().await;
}

#[tokio::test]
async fn what_waited_too_long_for_its_turn_is_answered_as_recorded() {
    let (app, hold) = users().await;
    let mut peer = Peer::at(at(&app)).await;
    for sequence in [1, 2] {
        let meta = tangelo_wire::krpc::meta::Meta {
            sequence,
            ..call(100, 1)
        };
        peer.send(&meta, b"\x0a\x04slow").await;
    }
    hold.entered(2).await;
    peer.says(&recorded("v2.exchange.queue_timeout.request"))
        .await;
    peer.hears(&recorded("v2.exchange.queue_timeout.response"))
        .await;
    hold.release(2);
    for _ in 0..2 {
        assert_eq!(peer.hear().await.meta.ret_code, 0);
    }
    peer.beats().await;
}

#[tokio::test]
async fn a_response_to_a_server_that_never_asks_is_dropped() {
    let (app, _hold) = users().await;
    let mut peer = Peer::at(at(&app)).await;
    for _ in 0..100 {
        peer.says(&recorded("v2.res.login.ok")).await;
    }
    peer.beats().await;
}

#[tokio::test]
async fn a_panic_is_told_as_a_business_exception_is() {
    let (app, _hold) = users().await;
    let mut peer = Peer::at(at(&app)).await;
    let request = tangelo_wire::krpc::meta::Meta {
        sequence: 1,
        timeout_ms: 3000,
        ..call(100, 1)
    };
    peer.send(&request, b"\x0a\x04bang").await;
    peer.hears(&recorded("v2.exchange.business_exception.response"))
        .await;
    peer.beats().await;
}
