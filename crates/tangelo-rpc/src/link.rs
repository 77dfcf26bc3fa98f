//! What Tangelo's servers say to each other about the connection itself.
//!
//! The dialing side says hello first, with its name and which of its connections this is. Whoever
//! leaves says goaway. A peer that never says hello is a plain krpc client.

use std::{sync::Arc, time::Duration};

use crate::{
    Answer, Code, Connection, Definition, Reply, Request, Service, Services, Status, Waiter,
    generated::tangelo_link::{HelloReq, HelloRes},
};
use bytes::BytesMut;
use parking_lot::Mutex;
use prost::Message as _;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

/// Service and message of krpc's heartbeat.
pub(crate) const HEARTBEAT: (i32, i32) = (1, 1);
const SERVICE: i32 = 10;
const HELLO: (i32, i32) = (SERVICE, 1);
/// One-way: the sender is to be asked nothing new.
pub(crate) const GOAWAY: (i32, i32) = (SERVICE, 2);
/// How long the other side may take to answer a hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(3);
/// Connections one server may keep to another.
const MAX_LANES: u32 = 256;

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its name, such as `connector-server-1`.
    pub server_id: String,
    /// Its type, such as `connector`.
    pub server_type: String,
    /// Changes whenever it starts.
    pub epoch: u32,
    /// Whether clients connect to it.
    pub frontend: bool,
}

/// What the other side of a connection said of itself, and which of its connections this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Who it is.
    pub identity: Identity,
    /// Which of its connections to this server, from 0.
    pub lane: u32,
    /// How many it keeps. What concerns session `s` travels over connection `s % lanes`.
    pub lanes: u32,
}

impl Hello {
    /// Whether what concerns this session travels over the connection.
    pub fn carries(&self, session: u64) -> bool {
        session.checked_rem(self.lanes.into()) == Some(self.lane.into())
    }
}

/// Is told who comes and goes.
pub trait Peers: Send + Sync + 'static {
    /// A server of ours stands behind this connection; see [`Connection::hello`]. On the dialing
    /// side nothing of the application has been sent over it yet.
    fn arrived(&self, connection: &Connection);

    /// The server behind this connection has said that it leaves.
    fn leaves(&self, connection: &Connection) {
        let _ = connection;
    }

    /// The connection has ended.
    fn left(&self, connection: &Connection);
}

/// Whether a service is Tangelo's own, which goes on while a server leaves.
pub(crate) fn is_system(service_id: i32) -> bool {
    service_id < Services::FIRST_APPLICATION_ID && !CARRIERS.contains(&service_id)
}

/// Forward and Remote are system services in name; what they carry is the application's.
const CARRIERS: [i32; 2] = [11, 14];

/// Answers hello and goaway.
pub(crate) struct Link {
    pub(crate) identity: Arc<Identity>,
    pub(crate) peers: Arc<dyn Peers>,
}

impl Definition for Link {
    const SERVICE_ID: i32 = SERVICE;
    const NAME: &'static str = "Link";
}

impl Service for Link {
    fn call(&self, request: Request) -> Answer {
        let outcome = match (request.service_id, request.msg_id) {
            HELLO => self.hello(&request),
            GOAWAY => {
                if let Some(connection) = &request.connection {
                    connection.set_peer_leaves();
                    self.peers.leaves(connection);
                }
                Ok(Reply::default())
            }
            _ => Err(Code::NOT_FOUND.into()),
        };
        Box::pin(std::future::ready(outcome))
    }
}

impl Link {
    fn hello(&self, request: &Request) -> Result<Reply, Status> {
        let hello = HelloReq::decode(request.body.clone())
            .map_err(|error| Status::from(Code::DECODE_REQ_ERROR).with_cause(error))?;
        let Some(connection) = &request.connection else {
            return Err(Code::DECODE_REQ_ERROR.into());
        };
        if hello.lanes == 0 || hello.lanes > MAX_LANES || hello.lane >= hello.lanes {
            return Err(Status::new(Code::DECODE_REQ_ERROR, "lane out of range"));
        }
        let first = connection.set_hello(Hello {
            identity: Identity {
                server_id: hello.server_id,
                server_type: hello.server_type,
                epoch: hello.epoch,
                frontend: hello.frontend,
            },
            lane: hello.lane,
            lanes: hello.lanes,
        });
        if !first {
            return Err(Status::new(
                Code::DECODE_REQ_ERROR,
                "hello was said already",
            ));
        }
        // Once the answer is on its way: what is said of those who have arrived comes behind it.
        let (peers, arrived) = (Arc::clone(&self.peers), connection.clone());
        let deadline = Instant::now() + HELLO_TIMEOUT;
        let tell = async move {
            peers.arrived(&arrived);
            Ok(Reply::default())
        };
        connection.afterwards(HELLO, deadline, Box::pin(tell));
        let answer = HelloRes {
            server_id: self.identity.server_id.clone(),
            epoch: self.identity.epoch,
            ..HelloRes::default()
        };
        Ok(Reply::protobuf(0, answer.encode_to_vec()))
    }
}

/// Says hello over a fresh connection to the server of this name.
pub(crate) async fn say_hello(
    connection: &Connection,
    own: &Identity,
    (lane, lanes): (u32, u32),
    expected: (&str, &str),
) -> Result<(), Status> {
    let hello = HelloReq {
        server_id: own.server_id.clone(),
        server_type: own.server_type.clone(),
        epoch: own.epoch,
        lane,
        lanes,
        frontend: own.frontend,
    };
    let (told, answer) = oneshot::channel();
    let (server_id, server_type) = expected;
    let greeting = Greeting {
        connection: connection.clone(),
        server_id: server_id.to_owned(),
        server_type: server_type.to_owned(),
        lane,
        lanes,
        told: Mutex::new(Some(told)),
    };
    let write = |out: &mut BytesMut| hello.encode_raw(out);
    connection.request(HELLO, HELLO_TIMEOUT, write, Arc::new(greeting), 0)?;
    let answer = timeout(HELLO_TIMEOUT, answer).await;
    let answer = answer.map_err(|_| Code::RPC_TIMEOUT)?;
    answer.unwrap_or_else(|_| Err(Code::CONNECTION_BROKEN.into()))
}

/// Hears the answer to a hello in the connection's task, so that what the other side says right behind it
/// is a known server's.
struct Greeting {
    connection: Connection,
    server_id: String,
    server_type: String,
    lane: u32,
    lanes: u32,
    told: Mutex<Option<oneshot::Sender<Result<(), Status>>>>,
}

impl Greeting {
    fn hear(&self, outcome: Result<Reply, Status>) -> Result<(), Status> {
        let answer = HelloRes::decode(outcome?.body)
            .map_err(|error| Status::from(Code::DECODE_RES_ERROR).with_cause(error))?;
        if answer.server_id != self.server_id {
            let problem = format!("expected {}, found {}", self.server_id, answer.server_id);
            return Err(Status::new(Code::NO_CONNECTION, problem));
        }
        self.connection.set_hello(Hello {
            identity: Identity {
                server_id: answer.server_id,
                server_type: self.server_type.clone(),
                epoch: answer.epoch,
                frontend: false,
            },
            lane: self.lane,
            lanes: self.lanes,
        });
        Ok(())
    }
}

impl Waiter for Greeting {
    fn answer(&self, _: u64, outcome: Result<Reply, Status>) {
        let heard = self.hear(outcome);
        if let Some(told) = self.told.lock().take() {
            // Whoever has given up waiting closes the connection.
            let _ = told.send(heard);
        }
    }
}
