//! The encryption of krpc 0.2.51.

use tangelo::{
    Bootstrap, RpcApp,
    rpc::{
        Code, Connection, Key, ServerContext, Status,
        codegen::prost::Message as _,
        config::{ClientConfig, RefererConfig},
    },
};
use tangelo_wire::krpc::{
    compress::{Compression, compress},
    encrypt::AES,
    meta::Meta,
};

use super::desk::{
    BellClient, Clerk, DESK, DeskClient, ECHO, EchoReq, LoginReq, LoginRes, RingReq,
    UpdateProfileReq, UpdateProfileRes, UserService, UserServiceClient, UserServiceServer,
    accepted, answer_to, at, listener, local, start,
};
use crate::{
    krpc::{Peer, call},
    world::{soon, until},
};

const KEY: &str = "0123456789abcdef";

fn key() -> Key {
    Key::new(KEY).unwrap()
}

fn encrypted(body: &[u8]) -> Vec<u8> {
    let mut out = bytes::BytesMut::new();
    key().encrypt(body, &mut out);
    out.into()
}

/// Sets the key of whoever logs in with it, as its answer travels.
struct Doorkeeper;

impl UserService for Doorkeeper {
    async fn login(&self, request: LoginReq) -> Result<LoginRes, Status> {
        let context = ServerContext::current().unwrap();
        let key = Key::new(&request.password).unwrap();
        context.connection().unwrap().set_key(key)?;
        Ok(LoginRes::default())
    }

    async fn update_profile(&self, request: UpdateProfileReq) -> Result<UpdateProfileRes, Status> {
        Ok(UpdateProfileRes {
            ret_code: 0,
            ret_msg: request.mobile,
        })
    }
}

async fn server(enable_encrypt: bool) -> RpcApp {
    let app = Bootstrap::new("server")
        .server(local().enable_encrypt(enable_encrypt))
        .service(UserServiceServer::new(Doorkeeper))
        .service(Clerk::new().service())
        .reverse_referer::<BellClient>("bell");
    start(app).await
}

async fn client(to: &str, client: ClientConfig, zip: &str) -> RpcApp {
    let app = Bootstrap::new("client")
        .client(client)
        .referer::<UserServiceClient>("users", to)
        .referer_with(
            RefererConfig::new::<DeskClient>("desk")
                .to(to)
                .zip(zip)
                .min_size_to_zip(1_usize),
        );
    start(app).await
}

fn connection(app: &RpcApp) -> Connection {
    app.client("default").unwrap().connections().remove(0)
}

fn login() -> LoginReq {
    LoginReq {
        user_name: "abc".to_owned(),
        password: KEY.to_owned(),
    }
}

fn echo(text: &str) -> EchoReq {
    EchoReq {
        text: text.to_owned(),
    }
}

#[tokio::test]
async fn both_sides_set_the_key_and_go_on_encrypted() {
    let server = server(true).await;
    let enabled = ClientConfig::default().enable_encrypt(true);
    let app = client(&at(&server).to_string(), enabled, "none").await;
    let users: UserServiceClient = app.referer("users").unwrap();
    users.login(login()).await.unwrap();
    connection(&app).set_key(key()).unwrap();
    for mobile in ["123", ""] {
        let request = UpdateProfileReq {
            mobile: mobile.to_owned(),
            ..UpdateProfileReq::default()
        };
        let answer = users.update_profile(request).await.unwrap();
        assert_eq!(answer.ret_msg, mobile);
    }
}

#[tokio::test]
async fn what_travels_is_krpcs_encryption_and_an_answer_has_its_requests() {
    let server = server(true).await;
    let mut peer = Peer::at(at(&server)).await;
    peer.ask(
        call(UserServiceClient::SERVICE_ID, 1),
        &login().encode_to_vec(),
    )
    .await;
    // krpc's own bytes, for this key.
    let secret = Meta {
        encrypt: AES,
        ..call(DESK, ECHO)
    };
    let hello = echo("hello").encode_to_vec();
    peer.send(&secret, &encrypted(&hello)).await;
    let answer = peer.hear().await;
    assert_eq!((answer.meta.ret_code, answer.meta.encrypt), (0, AES));
    let plain = key().decrypt(&answer.body).unwrap();
    assert_eq!(&*plain, b"\x12\x05hello");
    // What comes plain is answered plain.
    peer.echoes().await;
    // Nothing is nothing, encrypted or not.
    let answer = peer.ask(secret.clone(), b"").await;
    assert_eq!((answer.meta.ret_code, &*answer.body), (0, &b""[..]));
    for body in [&b"short"[..], &[7; 32], &encrypted(&hello)[..8]] {
        let answer = peer.ask(secret.clone(), body).await;
        assert_eq!((answer.meta.ret_code, &*answer.body), (-625, &b""[..]));
    }
    peer.echoes().await;
}

#[tokio::test]
async fn requests_are_encrypted_and_not_compressed_once_there_is_a_key() {
    let (listener, address) = listener().await;
    let enabled = ClientConfig::default().enable_encrypt(true);
    let app = client(&address.to_string(), enabled, "zlib").await;
    let mut peer = accepted(&listener).await;
    let desk: DeskClient = app.referer("desk").unwrap();
    connection(&app).set_key(key()).unwrap();
    let answer = desk.echo(echo("hello, hello, hello")).start();
    let request = peer.hear().await;
    assert_eq!((request.meta.encrypt, request.meta.compress), (AES, 0));
    let body = echo("hello, hello, hello").encode_to_vec();
    assert_eq!(&*request.body, encrypted(&body));
    let meta = Meta {
        encrypt: AES,
        ..answer_to(&request.meta, 0)
    };
    peer.send(&meta, &encrypted(b"\x12\x02hi")).await;
    assert_eq!(soon("the answer", answer).await.unwrap().text, "hi");

    // An answer under another key, and one that is encrypted and compressed.
    let mut zipped = bytes::BytesMut::new();
    compress(Compression::Zlib, b"\x12\x02hi", &mut zipped).unwrap();
    for (compress, body) in [(0, vec![7; 16]), (1, encrypted(&zipped))] {
        let answer = desk.echo(echo("hello")).start();
        let request = peer.hear().await;
        let meta = Meta {
            encrypt: AES,
            compress,
            ..answer_to(&request.meta, 0)
        };
        peer.send(&meta, &body).await;
        let status = soon("the answer", answer).await.unwrap_err();
        assert_eq!(status.code(), Code::DECODE_RES_ERROR);
    }
}

#[tokio::test]
async fn a_key_is_refused_where_encryption_is_off() {
    let server = server(false).await;
    let app = client(&at(&server).to_string(), ClientConfig::default(), "none").await;
    let users: UserServiceClient = app.referer("users").unwrap();
    let status = users.login(login()).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (
            Code::EXEC_EXCEPTION,
            "enable_encrypt is off for this server or client"
        )
    );
    let status = connection(&app).set_key(key()).unwrap_err();
    assert_eq!(status.code(), Code::EXEC_EXCEPTION);
    let answer = app.referer::<DeskClient>("desk").unwrap();
    assert_eq!(answer.echo(echo("plain")).await.unwrap().text, "plain");
}

#[tokio::test]
async fn the_layout_of_krpcs_first_version_cannot_say_it_so_it_is_not_done() {
    let (listener, address) = listener().await;
    let old = ClientConfig::default().enable_encrypt(true).layout("v1");
    let app = client(&address.to_string(), old, "none").await;
    let _peer = accepted(&listener).await;
    let status = connection(&app).set_key(key()).unwrap_err();
    assert_eq!(status.code(), Code::EXEC_EXCEPTION);
    assert!(status.message().contains("first layout"), "{status}");
}

#[tokio::test]
async fn a_key_that_was_set_before_a_peer_told_its_layout_fails_calls_and_sends_nothing() {
    let server = server(true).await;
    let mut peer = Peer::at(at(&server)).await;
    let default = server.server("default").unwrap();
    until("it is connected", || default.connections().len() == 1).await;
    let connection = default.connections().remove(0);
    connection.set_key(key()).unwrap();
    // A request whose fifth field is a trace id.
    let old = b"KR\x00\x0d\x00\x00\x00\x11\x08\x01\x10\x65\x18\x01\x20\x4d\x2a\x03id1\x0a\x02hi";
    peer.says(old).await;
    let frame = peer.hear().await;
    assert_eq!((frame.meta.encrypt, &*frame.body), (0, &b"\x12\x02hi"[..]));
    let bell: BellClient = server.push("bell", connection.name()).unwrap();
    let status = bell.ring(RingReq { times: 1 }).await.unwrap_err();
    assert_eq!(status.code(), Code::ENCODE_REQ_ERROR);
    let status = connection.set_key(key()).unwrap_err();
    assert_eq!(status.code(), Code::EXEC_EXCEPTION);
    peer.beats().await;
}
