//! Services that do as they are told, and applications that offer them.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tangelo::{
    Bootstrap, RpcApp,
    rpc::{
        Code, Status,
        codegen::prost::Message as _,
        config::{ServerConfig, ServiceConfig},
    },
};
use tangelo_wire::krpc::{frame, meta::Meta};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

pub(crate) use crate::krpc::answer_to;
use crate::{
    krpc::{Peer, call},
    world::{Hold, soon},
};

tangelo::include_proto!("desk");

/// Numbers of the service and of its messages.
pub(crate) const DESK: i32 = DeskClient::SERVICE_ID;
pub(crate) const ECHO: i32 = DeskClient::ECHO_MSG_ID;
pub(crate) const HOLD: i32 = DeskClient::HOLD_MSG_ID;
pub(crate) const HOLD_TOO: i32 = DeskClient::HOLD_TOO_MSG_ID;
pub(crate) const FAIL: i32 = DeskClient::FAIL_MSG_ID;
pub(crate) const CHECK: i32 = DeskClient::CHECK_MSG_ID;

/// The implementation of [`Desk`]. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Clerk {
    pub(crate) hold: Hold,
    begun: Arc<Mutex<Vec<i32>>>,
}

impl Clerk {
    pub(crate) fn new() -> Self {
        Self {
            hold: Hold::new(),
            begun: Arc::default(),
        }
    }

    /// Which of the methods that hold have begun, in their order.
    pub(crate) fn begun(&self) -> Vec<i32> {
        self.begun.lock().clone()
    }

    /// The service, for [`Bootstrap::service`].
    pub(crate) fn service(&self) -> ServiceConfig {
        DeskServer::new(self.clone()).into()
    }

    async fn pass(&self, id: i32) {
        self.begun.lock().push(id);
        self.hold.pass().await;
    }
}

impl Desk for Clerk {
    async fn echo(&self, request: EchoReq) -> Result<EchoRes, Status> {
        Ok(EchoRes {
            ret_code: 0,
            text: request.text,
        })
    }

    async fn hold(&self, HoldReq { id }: HoldReq) -> Result<HoldRes, Status> {
        self.pass(id).await;
        Ok(HoldRes { ret_code: 0, id })
    }

    async fn hold_too(&self, HoldTooReq { id }: HoldTooReq) -> Result<HoldTooRes, Status> {
        self.pass(id).await;
        Ok(HoldTooRes { ret_code: 0, id })
    }

    async fn fail(&self, FailReq { how }: FailReq) -> Result<FailRes, Status> {
        let told = |ret_code, ret_msg: &str| {
            Ok(FailRes {
                ret_code,
                ret_msg: ret_msg.to_owned(),
            })
        };
        match how.as_str() {
            "panic" => panic!("on purpose, in a method"),
            "panic later" => {
                tokio::task::yield_now().await;
                panic!("on purpose, in a method that waited")
            }
            "words" => Err(Status::new(Code::BUSINESS_ERROR, "the till is empty")),
            "refused" => Err(Code::QUEUE_FULL.into()),
            "positive" => told(7, ""),
            "code" => told(-101_007, ""),
            "code and words" => told(-101_007, "not today"),
            _ => told(0, ""),
        }
    }

    async fn check(&self, _: CheckReq) -> Result<CheckRes, Status> {
        Ok(CheckRes::default())
    }
}

/// A server of this machine alone, at any port.
pub(crate) fn local() -> ServerConfig {
    ServerConfig::default().host("127.0.0.1").port(0_u16)
}

/// Runs what was built.
pub(crate) async fn start(bootstrap: Bootstrap) -> RpcApp {
    soon("the start", bootstrap.start()).await.unwrap()
}

/// A server with this service.
pub(crate) async fn serve(service: impl Into<ServiceConfig>) -> RpcApp {
    start(Bootstrap::new("desk").server(local()).service(service)).await
}

/// Where its server listens.
pub(crate) fn at(app: &RpcApp) -> SocketAddr {
    app.server("default").unwrap().address()
}

/// An application that calls a service there, and its client of it.
pub(crate) async fn caller(of: SocketAddr) -> (RpcApp, DeskClient) {
    let app = Bootstrap::new("caller").referer::<DeskClient>("desk", &of.to_string());
    let app = start(app).await;
    let desk = app.referer("desk").unwrap();
    (app, desk)
}

/// Stops it, and nothing had to be cut off.
pub(crate) async fn stops(app: &RpcApp) {
    let cut_off = soon("the end", app.stop(Duration::from_secs(10))).await;
    assert_eq!(cut_off, 0);
}

/// The meta of a request of this sequence.
pub(crate) fn ask(msg_id: i32, sequence: i32) -> Meta {
    Meta {
        sequence,
        ..call(DESK, msg_id)
    }
}

/// The body of a request of `hold`, by its id.
fn held(id: i32) -> Vec<u8> {
    HoldReq { id }.encode_to_vec()
}

impl Peer {
    pub(crate) async fn says(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next bytes are these.
    pub(crate) async fn hears(&mut self, bytes: &[u8]) {
        let mut heard = vec![0; bytes.len()];
        soon("an answer", self.stream.read_exact(&mut heard))
            .await
            .unwrap();
        let (heard, bytes) = (heard.escape_ascii(), bytes.escape_ascii());
        assert_eq!(heard.to_string(), bytes.to_string());
    }

    /// All that was said so far has been looked at, and had no other answer than those heard: a
    /// heartbeat is answered next.
    pub(crate) async fn beats(&mut self) {
        self.says(&frame::HEARTBEAT_REQUEST).await;
        self.hears(&frame::HEARTBEAT_RESPONSE).await;
    }

    /// Says something to the desk and hears the same.
    pub(crate) async fn echoes(&mut self) {
        let frame = self.ask(call(DESK, ECHO), b"\x0a\x02hi").await;
        assert_eq!((frame.meta.ret_code, &*frame.body), (0, &b"\x12\x02hi"[..]));
    }

    /// Asks for methods that hold, under the sequences that are their ids.
    pub(crate) async fn holds(&mut self, msg_id: i32, ids: impl IntoIterator<Item = i32>) {
        for id in ids {
            self.send(&ask(msg_id, id), &held(id)).await;
        }
    }

    /// The next answer: its sequence and its code.
    pub(crate) async fn answer(&mut self) -> (i32, i32) {
        let meta = self.hear().await.meta;
        (meta.sequence, meta.ret_code)
    }
}

/// A listener that is no server of ours, and where it listens.
pub(crate) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Whoever has connected.
pub(crate) async fn accepted(listener: &TcpListener) -> Peer {
    Peer::over(soon("a client", listener.accept()).await.unwrap().0)
}

/// A new file in the tests' own folder, with this text.
pub(crate) fn file(name: &str, text: &str) -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{number}-{name}"));
    fs::write(&file, text).unwrap();
    file
}
