//! What Tangelo's servers say to each other about the connection itself.
//!
//! The dialing side says hello first, with its name and which of its connections this is. Whoever
//! leaves says goaway. A peer that never says hello is a plain krpc client.

use std::{sync::Arc, time::Duration};

use crate::{
    Answer, Code, Connection, Definition, Reply, Request, Service, Services, Status,
    generated::tangelo_link::{HelloReq, HelloRes},
};
use prost::Message as _;
use tokio::time::Instant;

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
        self.peers.arrived(connection);
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
    let deadline = Instant::now() + HELLO_TIMEOUT;
    let reply = connection
        .call(HELLO, deadline, hello.encode_to_vec().into())
        .await?;
    let answer = HelloRes::decode(reply.body)
        .map_err(|error| Status::from(Code::DECODE_RES_ERROR).with_cause(error))?;
    let (server_id, server_type) = expected;
    if answer.server_id != server_id {
        let problem = format!("expected {server_id}, found {}", answer.server_id);
        return Err(Status::new(Code::NO_CONNECTION, problem));
    }
    connection.set_hello(Hello {
        identity: Identity {
            server_id: answer.server_id,
            server_type: server_type.to_owned(),
            epoch: answer.epoch,
            frontend: false,
        },
        lane,
        lanes,
    });
    Ok(())
}
