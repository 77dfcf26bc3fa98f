//! What the stations of a front end cost without sockets: `cargo bench -p tangelo-server`.
//!
//! Clients come through a connector whose frames are values on a channel, on one thread: what is seen is the front
//! loop, the pipeline, sessions and channels, beside two hand-overs of such a channel and the tasks' wake-ups.

use std::{io, sync::Arc};

use bytes::Bytes;
use divan::{Bencher, counter::ItemsCount};
use tangelo_connector::custom::{
    BoxError, Codec, Custom, CustomConnector, Decoded, FrameReceiver, FrameSender, Socket,
};
use tangelo_registry::{Fixed, Instance};
use tangelo_server::{Blueprint, Body, Routes, Server, handlers};
use tokio::{
    runtime::Runtime,
    sync::mpsc::{Receiver, Sender, channel},
};

const BODY: &[u8] = &[b'x'; 64];
/// Frames under way: more than any bench has.
const ROOM: usize = 2048;

fn main() {
    divan::main();
}

/// One request at a time: in by the connector, through front loop and pipeline to the handler, and back.
#[divan::bench(args = [1, 16])]
fn requests_of_a_session(bencher: Bencher<'_, '_>, in_flight: u32) {
    let bench = Bench::new(1);
    bencher
        .counter(ItemsCount::new(in_flight))
        .bench_local(|| bench.ask(in_flight));
}

/// A push to a channel, until each of its members has got it.
#[divan::bench(args = [1, 10, 100, 1000])]
fn push_to_members(bencher: Bencher<'_, '_>, members: usize) {
    let bench = Bench::new(members);
    let channel = bench.server.context().channels().get_or_create("all");
    for (number, session) in bench.server.context().sessions().all().iter().enumerate() {
        let added = channel.add_by_id(&number.to_string(), session.id(), session.frontend_id());
        added.expect("a member more");
    }
    bencher.counter(ItemsCount::new(members)).bench_local(|| {
        channel.push("onPush", "x").expect("it can be encoded");
        bench.hear(members);
    });
}

/// A front end on one thread, and its clients.
struct Bench {
    runtime: Runtime,
    server: Server,
    clients: Vec<Sender<u32>>,
    /// What all of them hear: the id of what is answered, 0 for a push.
    heard: std::cell::RefCell<Receiver<u32>>,
}

impl Bench {
    fn new(count: usize) -> Self {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime");
        let (tell, heard) = channel(ROOM);
        let (mut clients, mut waiting) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (client, receiver) = channel(ROOM);
            clients.push(client);
            waiting.push(Socket::new(Ear(receiver), Mouth(tell.clone())));
        }
        let blueprint = Blueprint::new("echo")
            .handler("echoHandler", handlers! { echo })
            .connector(Custom::instance(Clients(waiting)));
        let own = Instance {
            id: "echo-1".to_owned(),
            server_type: "echo".to_owned(),
            client_port: Some(1),
            frontend: true,
            ..Instance::default()
        };
        let registry = Arc::new(Fixed::new([own.clone()]));
        let starting = Server::start(blueprint, own, registry, Routes::new());
        let server = runtime.block_on(starting).expect("it starts");
        let bench = Self {
            runtime,
            server,
            clients,
            heard: heard.into(),
        };
        // Who is answered is there.
        bench.ask(1);
        bench
    }

    /// Each client asks so often, and all is answered.
    fn ask(&self, each: u32) {
        for client in &self.clients {
            for id in 1..=each {
                client.try_send(id).expect("the server listens");
            }
        }
        self.hear(each as usize * self.clients.len());
    }

    fn hear(&self, count: usize) {
        let mut heard = self.heard.borrow_mut();
        self.runtime.block_on(async {
            for _ in 0..count {
                heard.recv().await.expect("the server speaks");
            }
        });
    }
}

async fn echo(body: Body) -> Body {
    body
}

/// Those that will come.
struct Clients(Vec<Socket<Ear, Mouth>>);
struct Ear(Receiver<u32>);
struct Mouth(Sender<u32>);

impl CustomConnector for Clients {
    type Frame = u32;
    type Receiver = Ear;
    type Sender = Mouth;

    fn codec(&self) -> Codec<u32> {
        Codec::new()
            .encode(|id: Option<u32>, _route: &str, _body: &[u8]| {
                Ok::<_, BoxError>(id.unwrap_or(0))
            })
            .decode(|id: u32| {
                let body = Bytes::from_static(BODY);
                Ok::<_, BoxError>(Decoded::request(id, "echo.echoHandler.echo", body))
            })
    }

    async fn start(&mut self) -> io::Result<()> {
        Ok(())
    }

    async fn accept(&mut self) -> io::Result<Socket<Ear, Mouth>> {
        match self.0.pop() {
            Some(client) => Ok(client),
            None => std::future::pending().await,
        }
    }
}

impl FrameReceiver<u32> for Ear {
    async fn receive(&mut self) -> io::Result<Option<u32>> {
        Ok(self.0.recv().await)
    }
}

impl FrameSender<u32> for Mouth {
    async fn send(&mut self, frame: u32) -> io::Result<()> {
        self.0.send(frame).await.map_err(io::Error::other)
    }
}
