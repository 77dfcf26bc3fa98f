//! Servers for a test, and what it holds their handlers with.

use std::{
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tangelo::{
    connector::{self, Hybrid},
    registry::{Fixed, Instance, Memory, Registry},
    server::{Blueprint, Handlers, Json, Limits, Routes, Server, StartError},
};
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::Semaphore,
};

use crate::client::{Client, Door};

/// Only failures wait that long.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for what must happen.
pub(crate) async fn soon<F: Future>(what: &str, event: F) -> F::Output {
    tokio::time::timeout(DEADLINE, event)
        .await
        .unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {what}"))
}

/// Waits for what nobody tells of.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    soon(what, async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A front end without heartbeats. Among the servers its type is `connector`, and
/// `connector.main.echo` answers with what it is told.
pub(crate) fn connector(handlers: Handlers) -> Blueprint {
    Blueprint::new("connector")
        .heartbeat(None)
        .handler("main", handlers.add("echo", echo))
}

/// A back end of type `chat`; `chat.main.echo` answers with what it is told.
pub(crate) fn chat(handlers: Handlers) -> Blueprint {
    Blueprint::new("chat").handler("main", handlers.add("echo", echo))
}

/// Answers with what it is told.
pub(crate) async fn echo(Json(body): Json<Value>) -> Json<Value> {
    Json(body)
}

/// Servers that know each other.
#[derive(Clone, Debug)]
pub(crate) struct World {
    registry: Arc<dyn Registry>,
    routes: Routes,
}

impl World {
    /// Servers that say themselves when they come and go.
    pub(crate) fn new() -> Self {
        Self::with(Memory::new())
    }

    /// Servers of a list that never changes.
    pub(crate) fn fixed(servers: &[&Instance]) -> Self {
        Self::with(Fixed::new(servers.iter().copied().cloned()))
    }

    fn with(registry: impl Registry) -> Self {
        Self {
            registry: Arc::new(registry),
            routes: Routes::new(),
        }
    }

    pub(crate) fn routes(mut self, routes: Routes) -> Self {
        self.routes = routes;
        self
    }

    /// Starts a server.
    pub(crate) async fn start(&self, blueprint: Blueprint, instance: Instance) -> Server {
        let (registry, routes) = (Arc::clone(&self.registry), self.routes.clone());
        Server::start(blueprint, instance, registry, routes)
            .await
            .unwrap()
    }

    /// Starts a back end, or fails to.
    pub(crate) async fn try_back(
        &self,
        id: &str,
        blueprint: Blueprint,
    ) -> Result<Server, StartError> {
        let (registry, routes) = (Arc::clone(&self.registry), self.routes.clone());
        Server::start(blueprint, back(id), registry, routes).await
    }

    /// Starts a front end, or fails to.
    pub(crate) async fn try_front(
        &self,
        id: &str,
        blueprint: Blueprint,
    ) -> Result<Server, StartError> {
        let (registry, routes) = (Arc::clone(&self.registry), self.routes.clone());
        Server::start(blueprint, front(id), registry, routes).await
    }

    /// Starts a front end.
    pub(crate) async fn front(&self, id: &str, blueprint: Blueprint) -> Server {
        self.start(blueprint, front(id)).await
    }

    /// Starts a back end.
    pub(crate) async fn back(&self, id: &str, blueprint: Blueprint) -> Server {
        self.start(blueprint, back(id)).await
    }
}

/// One front end, alone.
pub(crate) async fn alone(blueprint: Blueprint) -> Server {
    World::new().front("connector-1", blueprint).await
}

/// A front end and a back end that have met.
pub(crate) async fn pair(connector: Blueprint, chat: Blueprint) -> (Server, Server) {
    let world = World::new();
    let back = world.back("chat-1", chat).await;
    let front = world.front("connector-1", connector).await;
    soon("the servers meet", front.connected()).await;
    (front, back)
}

/// A front end and a back end that have met, both with these handlers, and made more of by `make`.
pub(crate) async fn both(
    handlers: impl Fn() -> Handlers,
    make: impl Fn(Blueprint) -> Blueprint,
) -> (Server, Server) {
    pair(make(connector(handlers())), make(chat(handlers()))).await
}

/// The types of those two, which routes begin with.
pub(crate) const PLACES: [&str; 2] = ["connector", "chat"];

/// `connector-1` is a front end of type `connector`.
pub(crate) fn front(id: &str) -> Instance {
    Instance {
        client_port: Some(0),
        frontend: true,
        port: None,
        ..back(id)
    }
}

/// `chat-1` is a back end of type `chat`.
pub(crate) fn back(id: &str) -> Instance {
    Instance {
        id: id.to_owned(),
        server_type: id.split('-').next().unwrap().to_owned(),
        host: "127.0.0.1".to_owned(),
        port: Some(0),
        client_port: None,
        frontend: false,
        ..Instance::default()
    }
}

/// A back end at an address that no other test takes while it is down.
pub(crate) fn back_at_a_place_of_its_own(id: &str) -> Instance {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    // Linux has all of 127/8.
    let host = if cfg!(target_os = "linux") {
        Ipv4Addr::new(127, 77, high, low)
    } else {
        Ipv4Addr::LOCALHOST
    };
    // Free now; whoever takes it next does so on this host only if it is told to.
    let free = std::net::TcpListener::bind((host, 0)).unwrap();
    Instance {
        host: host.to_string(),
        port: Some(free.local_addr().unwrap().port()),
        ..back(id)
    }
}

/// Where clients connect.
pub(crate) fn door(server: &Server) -> SocketAddr {
    server.client_address().unwrap()
}

/// A client of this server.
pub(crate) async fn client(server: &Server, over: Door) -> Client {
    Client::connect(over, door(server)).await
}

/// A connection whose other side cannot write much before it is read.
pub(crate) async fn small_ears(server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(32 << 10).unwrap();
    socket.connect(door(server)).await.unwrap()
}

/// Its clients may be far behind with reading.
pub(crate) fn with_room(blueprint: Blueprint) -> Blueprint {
    let outgoing = connector::Limits {
        outgoing: 256 << 20,
        ..connector::Limits::default()
    };
    let limits = Limits {
        queue: 64 << 20,
        ..Limits::default()
    };
    blueprint
        .connector(Hybrid::new().limits(outgoing))
        .limits(limits)
}

/// Holds handlers until the test lets them go on.
#[derive(Clone, Debug)]
pub(crate) struct Hold {
    entered: Arc<Semaphore>,
    released: Arc<Semaphore>,
}

impl Hold {
    pub(crate) fn new() -> Self {
        Self {
            entered: Arc::new(Semaphore::new(0)),
            released: Arc::new(Semaphore::new(0)),
        }
    }

    /// In a handler: says that it is here, and waits.
    pub(crate) async fn pass(&self) {
        self.entered.add_permits(1);
        self.released.acquire().await.unwrap().forget();
    }

    /// A handler that waits here, and answers `{}`.
    pub(crate) fn handler(&self) -> impl Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + use<> {
        let hold = self.clone();
        move || {
            let hold = hold.clone();
            Box::pin(async move { hold.pass().await })
        }
    }

    /// So many handlers have come that were not waited for yet.
    pub(crate) async fn entered(&self, handlers: u32) {
        let entered = self.entered.acquire_many(handlers);
        soon("a handler begins", entered).await.unwrap().forget();
    }

    /// Takes back what nobody may have used.
    pub(crate) fn take_back(&self, handlers: usize) {
        self.released.forget_permits(handlers);
    }

    /// Lets so many go on.
    pub(crate) fn release(&self, handlers: usize) {
        self.released.add_permits(handlers);
    }
}

/// Something that happens in a server and is waited for here.
#[derive(Debug)]
pub(crate) struct Heard<T> {
    sender: tokio::sync::mpsc::Sender<T>,
    receiver: tokio::sync::mpsc::Receiver<T>,
}

impl<T: Send + std::fmt::Debug + 'static> Heard<T> {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = tokio::sync::mpsc::channel(1024);
        Self { sender, receiver }
    }

    /// What tells it, from anywhere.
    pub(crate) fn teller(&self) -> impl Fn(T) + Clone + Send + Sync + use<T> {
        let sender = self.sender.clone();
        move |heard| sender.try_send(heard).unwrap()
    }

    pub(crate) async fn next(&mut self, what: &str) -> T {
        soon(what, self.receiver.recv()).await.unwrap()
    }

    /// Nothing was told that has not been waited for.
    pub(crate) fn is_silent(&mut self) {
        let heard = self.receiver.try_recv();
        assert!(heard.is_err(), "{heard:?}");
    }
}
