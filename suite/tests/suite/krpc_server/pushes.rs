//! Calls from a server to its clients.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use parking_lot::Mutex;
use tangelo::{
    Bootstrap, RpcApp,
    rpc::{
        Code, Connection, ConnectionListener, ServerContext, Status,
        codegen::prost::Message as _,
        config::{ClientConfig, ServiceConfig},
    },
};
use tangelo_wire::krpc::meta::{Direction, Meta};

use super::desk::{
    Bell, BellClient, BellServer, Clerk, DeskClient, LoginReq, LoginRes, RingReq, RingRes,
    UpdateProfileReq, UpdateProfileRes, UserService, UserServiceClient, UserServiceServer, at,
    local, start, stops,
};
use crate::{
    krpc::{Peer, call},
    world::{Heard, Hold, soon, until},
};

/// A server that calls its clients' bells.
async fn server() -> RpcApp {
    let app = Bootstrap::new("server").server(local());
    let app = app.service(Clerk::new().service());
    start(app.reverse_referer::<BellClient>("bell")).await
}

/// A client of it, with this bell.
async fn client(server: &RpcApp, bell: impl Into<ServiceConfig>) -> RpcApp {
    let app = Bootstrap::new("client").referer::<DeskClient>("desk", &at(server).to_string());
    start(app.reverse_service(bell)).await
}

/// The server's connections, once there are so many.
async fn connections(server: &RpcApp, count: usize) -> Vec<Connection> {
    let server = server.server("default").unwrap();
    until("they are connected", || server.connections().len() == count).await;
    server.connections()
}

/// The bell behind the server's only connection.
async fn bell(server: &RpcApp) -> BellClient {
    let connections = connections(server, 1).await;
    server.push("bell", connections[0].name()).unwrap()
}

/// Answers with its number added to how often it is to ring.
struct Numbered(i32);

impl Bell for Numbered {
    async fn ring(&self, RingReq { times }: RingReq) -> Result<RingRes, Status> {
        let rung = times + self.0;
        Ok(RingRes { ret_code: 0, rung })
    }
}

/// Rings for as long as it is held.
#[derive(Clone)]
struct Held(Hold);

impl Bell for Held {
    async fn ring(&self, RingReq { times }: RingReq) -> Result<RingRes, Status> {
        self.0.pass().await;
        let rung = times;
        Ok(RingRes { ret_code: 0, rung })
    }
}

const THRICE: RingReq = RingReq { times: 3 };

#[tokio::test]
async fn every_client_is_called_by_the_name_of_its_connection() {
    let server = server().await;
    let mut clients = Vec::new();
    for number in [10, 20] {
        clients.push(client(&server, BellServer::new(Numbered(number))).await);
    }
    let mut rung = Vec::new();
    for connection in connections(&server, 2).await {
        let (name, peer) = (connection.name(), connection.peer().to_string());
        let mark = name.strip_prefix(&format!("{peer}:")).unwrap();
        assert!(
            mark.len() == 8 && mark.bytes().all(|digit| digit.is_ascii_hexdigit()),
            "{name}"
        );
        let known = server.server("default").unwrap().connection(name).unwrap();
        assert_eq!(known.id(), connection.id());
        let bell: BellClient = server.push("bell", name).unwrap();
        rung.push(bell.ring(THRICE).await.unwrap().rung);
    }
    rung.sort_unstable();
    assert_eq!(rung, [13, 23]);
}

/// Calls whoever logs in, before it answers.
struct Greeter(Arc<OnceLock<RpcApp>>);

impl UserService for Greeter {
    async fn login(&self, _: LoginReq) -> Result<LoginRes, Status> {
        let context = ServerContext::current().unwrap();
        let name = context.connection().unwrap().name();
        let bell: BellClient = self.0.get().unwrap().push("bell", name)?;
        let rung = bell.ring(THRICE).await?.rung;
        Ok(LoginRes {
            user_id: rung.to_string(),
            ..LoginRes::default()
        })
    }

    async fn update_profile(&self, _: UpdateProfileReq) -> Result<UpdateProfileRes, Status> {
        Ok(UpdateProfileRes::default())
    }
}

/// Waits for the bell of whoever logs in, and keeps the thread meanwhile.
struct Patient(Arc<OnceLock<RpcApp>>);

impl UserService for Patient {
    async fn login(&self, _: LoginReq) -> Result<LoginRes, Status> {
        let context = ServerContext::current().unwrap();
        let name = context.connection().unwrap().name();
        let bell: BellClient = self.0.get().unwrap().push("bell", name)?;
        let bell = bell.with_timeout(Duration::from_millis(50));
        let code = bell.ring(THRICE).wait().unwrap_err().code();
        Ok(LoginRes {
            user_id: code.0.to_string(),
            ..LoginRes::default()
        })
    }

    async fn update_profile(&self, _: UpdateProfileReq) -> Result<UpdateProfileRes, Status> {
        Ok(UpdateProfileRes::default())
    }
}

/// What answers cannot be read meanwhile: it is the task of that very connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_that_blocks_on_its_own_caller_goes_on_at_the_deadline() {
    let slot = Arc::new(OnceLock::new());
    let app = Bootstrap::new("server").server(local());
    let app = app.service(UserServiceServer::new(Patient(Arc::clone(&slot))));
    let app = start(app.reverse_referer::<BellClient>("bell")).await;
    slot.set(app.clone()).unwrap();
    let mut peer = Peer::at(at(&app)).await;
    peer.send(&call(UserServiceClient::SERVICE_ID, 1), b"")
        .await;
    let mut heard = soon("what the server says", peer.hear()).await;
    while heard.meta.direction == Direction::Request {
        heard = soon("what the server says", peer.hear()).await;
    }
    let answer = LoginRes::decode(heard.body).unwrap();
    assert_eq!(answer.user_id, Code::RPC_TIMEOUT.0.to_string());
}

#[tokio::test]
async fn a_method_calls_its_caller_back_with_its_very_first_request() {
    let slot = Arc::new(OnceLock::new());
    let app = Bootstrap::new("server").server(local());
    let app = app.service(UserServiceServer::new(Greeter(Arc::clone(&slot))));
    let app = start(app.reverse_referer::<BellClient>("bell")).await;
    slot.set(app.clone()).unwrap();
    for _ in 0..20 {
        let mut peer = Peer::at(at(&app)).await;
        peer.send(&call(UserServiceClient::SERVICE_ID, 1), b"")
            .await;
        // It is asked before it is answered, over the same connection.
        let asked = peer.hear().await;
        assert_eq!(asked.meta.direction, Direction::Request);
        assert_eq!((asked.meta.service_id, asked.meta.msg_id), (102, 1));
        assert_eq!(RingReq::decode(asked.body).unwrap(), THRICE);
        let response = Meta {
            direction: Direction::Response,
            sequence: asked.meta.sequence,
            ..call(102, 1)
        };
        peer.send(&response, b"\x10\x2a").await;
        let answer = LoginRes::decode(peer.hear().await.body).unwrap();
        assert_eq!(answer.user_id, "42");
    }
}

#[tokio::test]
async fn a_name_nobody_has_is_a_call_that_was_not_sent() {
    let server = server().await;
    let client = client(&server, BellServer::new(Numbered(0))).await;
    let gone = connections(&server, 1).await.remove(0);
    stops(&client).await;
    soon("it ends", gone.closed()).await;
    connections(&server, 0).await;
    for name in ["127.0.0.1:1:00000000", "", gone.name()] {
        let bell: BellClient = server.push("bell", name).unwrap();
        let status = bell.ring(THRICE).await.unwrap_err();
        assert_eq!(status.code(), Code::SEND_FAILED, "{name}");
    }
    // One that is kept is no better than its name.
    let bell = BellClient::from(gone.service());
    let status = bell.ring(THRICE).await.unwrap_err();
    assert_eq!(status.code(), Code::SEND_FAILED);
}

#[tokio::test]
async fn what_is_under_way_when_the_connection_goes_may_have_run() {
    let hold = Hold::new();
    let server = server().await;
    let _client = client(&server, BellServer::new(Held(hold.clone()))).await;
    let connection = connections(&server, 1).await.remove(0);
    let bell: BellClient = server.push("bell", connection.name()).unwrap();
    let rung = bell.ring(THRICE).start();
    hold.entered(1).await;
    connection.close();
    let status = soon("it is told", rung).await.unwrap_err();
    assert_eq!(status.code(), Code::CONNECTION_BROKEN);
}

#[tokio::test]
async fn a_client_without_the_service_says_so() {
    let server = server().await;
    let to = at(&server).to_string();
    let without = start(Bootstrap::new("client").referer::<DeskClient>("desk", &to)).await;
    let status = bell(&server).await.ring(THRICE).await.unwrap_err();
    assert_eq!(status.code(), Code::NOT_FOUND);
    stops(&without).await;
    connections(&server, 0).await;

    // It has one, but not for those it asks over this client.
    let elsewhere = ServiceConfig::new(BellServer::new(Numbered(0))).on("other");
    let referer = tangelo::rpc::config::RefererConfig::new::<DeskClient>("desk");
    let app = Bootstrap::new("client")
        .client(ClientConfig::new("this"))
        .client(ClientConfig::new("other"))
        .referer_with(referer.to(&to).transport("this"))
        .reverse_service(elsewhere);
    let _app = start(app).await;
    let status = bell(&server).await.ring(THRICE).await.unwrap_err();
    assert_eq!(status.code(), Code::SERVICE_NOT_ALLOWED);
}

#[tokio::test]
async fn a_client_answers_what_it_took_when_it_stops_and_refuses_the_rest() {
    let hold = Hold::new();
    let server = server().await;
    let client = client(&server, BellServer::new(Held(hold.clone()))).await;
    let bell = bell(&server).await;
    let rung = bell.ring(THRICE).start();
    hold.entered(1).await;
    let ((), ()) = tokio::join!(stops(&client), async {
        for _ in 0..3 {
            let status = bell.ring(THRICE).await.unwrap_err();
            assert_eq!(status.code(), Code::SERVER_SHUTDOWN);
        }
        hold.release(1);
        assert_eq!(soon("an answer", rung).await.unwrap().rung, 3);
    });
    connections(&server, 0).await;
}

#[tokio::test]
async fn a_server_that_stops_still_hears_its_clients_answers() {
    let hold = Hold::new();
    let server = server().await;
    let _client = client(&server, BellServer::new(Held(hold.clone()))).await;
    let bell = bell(&server).await;
    let rung = bell.ring(THRICE).start();
    hold.entered(1).await;
    let ((), rung) = tokio::join!(stops(&server), async {
        hold.release(1);
        soon("an answer", rung).await.unwrap().rung
    });
    assert_eq!(rung, 3);
}

/// Panics, or refuses by a code of its own.
struct Broken;

impl Bell for Broken {
    async fn ring(&self, RingReq { times }: RingReq) -> Result<RingRes, Status> {
        assert_ne!(times, 0, "on purpose, in a client");
        let ret_code = -102_001;
        Ok(RingRes { ret_code, rung: 0 })
    }
}

#[tokio::test]
async fn a_bell_that_breaks_is_answered_and_can_be_rung_again() {
    let server = server().await;
    let _client = client(&server, BellServer::new(Broken)).await;
    let bell = bell(&server).await;
    for _ in 0..3 {
        let status = bell.ring(RingReq { times: 0 }).await.unwrap_err();
        assert_eq!(status.code(), Code::BUSINESS_ERROR);
        assert_eq!(bell.ring(THRICE).await.unwrap().ret_code, -102_001);
    }
}

#[tokio::test]
async fn a_client_runs_as_many_as_its_settings_say() {
    let hold = Hold::new();
    let server = server().await;
    let narrow = ClientConfig::default().threads(1).queue_size(0_u32);
    let app = Bootstrap::new("client")
        .client(narrow)
        .referer::<DeskClient>("desk", &at(&server).to_string())
        .reverse_service(BellServer::new(Held(hold.clone())));
    let _app = start(app).await;
    let bell = bell(&server).await;
    let rung = bell.ring(THRICE).start();
    hold.entered(1).await;
    let status = bell.ring(THRICE).await.unwrap_err();
    assert_eq!(status.code(), Code::QUEUE_FULL);
    hold.release(1);
    assert_eq!(soon("an answer", rung).await.unwrap().rung, 3);
}

#[tokio::test]
async fn one_that_takes_too_long_is_a_timeout() {
    let server = server().await;
    let _client = client(&server, BellServer::new(Held(Hold::new()))).await;
    let bell = bell(&server).await.with_timeout(Duration::from_millis(20));
    let status = bell.ring(THRICE).await.unwrap_err();
    assert_eq!(status.code(), Code::RPC_TIMEOUT);
}

#[tokio::test]
async fn one_that_nobody_waits_for_arrives_too() {
    let hold = Hold::new();
    let server = server().await;
    let _client = client(&server, BellServer::new(Held(hold.clone()))).await;
    let bell = bell(&server).await;
    bell.ring(THRICE).one_way().await.unwrap();
    hold.entered(1).await;
}

/// Tells what it is told: whether a connection has come, and its name.
struct Told(Box<dyn Fn((bool, String)) + Send + Sync>);

impl ConnectionListener for Told {
    fn connected(&self, connection: &Connection) {
        (self.0)((true, connection.name().to_string()));
    }

    fn disconnected(&self, connection: &Connection) {
        (self.0)((false, connection.name().to_string()));
        panic!("on purpose, in a listener");
    }
}

#[tokio::test]
async fn listeners_hear_who_comes_and_goes_on_both_sides() {
    let (mut at_server, mut at_client) = (Heard::new(), Heard::new());
    let told = |heard: &Heard<(bool, String)>| Arc::new(Told(Box::new(heard.teller())));
    let server = Bootstrap::new("server")
        .server(local())
        .service(Clerk::new().service())
        .on_connection("default", told(&at_server));
    let server = start(server).await;
    let to = at(&server).to_string();
    for _ in 0..2 {
        let client = Bootstrap::new("client")
            .referer::<DeskClient>("desk", &to)
            .on_connection("default", told(&at_client));
        let client = start(client).await;
        let (came, name) = at_server.next("it comes").await;
        assert!(came && name.starts_with("127.0.0.1:"));
        assert_eq!(at_client.next("it stands").await, (true, format!("{to}:1")));
        stops(&client).await;
        assert_eq!(at_server.next("it goes").await, (false, name));
        assert_eq!(at_client.next("it ends").await, (false, format!("{to}:1")));
    }
    at_server.is_silent();
    at_client.is_silent();
}

/// Notes what happens.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<&'static str>>>);

impl ConnectionListener for Notes {
    fn connected(&self, _: &Connection) {
        self.0.lock().push("connected");
    }

    fn disconnected(&self, _: &Connection) {}
}

impl Bell for Notes {
    async fn ring(&self, _: RingReq) -> Result<RingRes, Status> {
        self.0.lock().push("rung");
        Ok(RingRes::default())
    }
}

#[tokio::test]
async fn a_listener_hears_of_a_connection_before_its_first_request_runs() {
    let notes = Notes::default();
    let server = Bootstrap::new("server")
        .server(local())
        .service(BellServer::new(notes.clone()))
        .on_connection("default", Arc::new(notes.clone()));
    let server = start(server).await;
    for _ in 0..20 {
        let mut peer = Peer::at(at(&server)).await;
        peer.ask(call(BellClient::SERVICE_ID, 1), b"").await;
        assert_eq!(*notes.0.lock(), ["connected", "rung"]);
        notes.0.lock().clear();
    }
}
