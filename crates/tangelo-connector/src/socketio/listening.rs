//! The port, and the tasks that speak HTTP over it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::BytesMut;
use engineioxide::{config::EngineIoConfig, service::EngineIoService};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tangelo_runtime::{Stop, Tasks};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{
        Semaphore,
        mpsc::{self, Receiver},
    },
    time::timeout,
};
use tracing::{Span, debug};

use super::{
    SocketIo,
    backlog::Backlog,
    client::Client,
    door::Door,
    engine::{Begun, Engine, From},
    stream::{Stream, Tie},
};
use crate::{
    Connection, Error, Limits, Listener, Opening, Place,
    entrance::{Entered, Socket},
    hybrid::bind_first,
    listener::Boxed,
};

/// Where socket.io's clients ask.
const PATH: &str = "/socket.io";
/// Sessions that may wait to be accepted.
const BACKLOG: usize = 1024;
/// TCP connections that are no WebSockets: of clients that poll, and of who has not said yet what it wants.
const HTTP_CONNECTIONS: usize = 16_384;
/// How long to wait when accepting fails.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a client may take for its first byte, with all that lies before it.
const OPENING: Duration = Duration::from_secs(10);
/// How long it may take for the head of a request, or until it asks again.
const REQUEST_HEAD: Duration = Duration::from_secs(30);
/// How long what is under way may take when nobody is there any more.
const GOODBYE: Duration = Duration::from_secs(2);
/// What a message holds beside a body, at the most: route, id, brackets.
const AROUND: usize = 1 << 10;
/// Bytes kept for reading, also by an idle connection.
const READ_BUFFER: usize = 4 << 10;
/// Bytes of a request's head.
const REQUEST: usize = Limits::UPGRADE_REQUEST;

/// The port and its tasks. They run until this is dropped: by the listener and all clients.
#[derive(Debug)]
pub(super) struct Running {
    tasks: Tasks,
}

struct Listening {
    running: Arc<Running>,
    begun: Receiver<Begun>,
    address: SocketAddr,
    limits: Limits,
}

/// Listens, and begins to accept.
pub(super) async fn listen(
    place: Place<'_>,
    connector: &SocketIo,
) -> io::Result<Box<dyn Listener>> {
    connector.entrance.prepare()?;
    let listener = bind_first(place).await?;
    let address = listener.local_addr()?;
    let (begin, begun) = mpsc::channel(BACKLOG);
    let entrance = connector.entrance.clone();
    let engine = Arc::new(Engine::new(begin));
    let service = EngineIoService::with_config(Arc::clone(&engine), config(connector));
    let door = Arc::new(Door::new(service, engine, entrance));
    let running = Arc::new(Running {
        tasks: Tasks::new(Stop::new()),
    });
    running.accept(listener, door);
    Ok(Box::new(Listening {
        running,
        begun,
        address,
        limits: connector.limits,
    }))
}

fn config(connector: &SocketIo) -> EngineIoConfig {
    // Pomelo's form quotes a body, which makes two characters of many a one.
    let longest = connector
        .limits
        .package
        .saturating_mul(2)
        .saturating_add(AROUND);
    EngineIoConfig::builder()
        .req_path(PATH)
        .ping_interval(connector.heartbeat.interval)
        .ping_timeout(connector.heartbeat.timeout)
        .max_buffer_size(Backlog::CHANNEL)
        .max_payload(longest.max(64 << 10) as u64)
        .ws_read_buffer_size(READ_BUFFER)
        .ws_max_message_size(longest)
        .ws_max_frame_size(longest)
        .build()
}

impl Running {
    fn accept(&self, listener: TcpListener, door: Arc<Door>) {
        let (tasks, stop) = (self.tasks.clone(), self.tasks.stop().clone());
        let places = Arc::new(Semaphore::new(HTTP_CONNECTIONS));
        self.tasks.spawn(Span::current(), async move {
            let accept = async {
                loop {
                    let Ok((stream, peer)) = listener.accept().await else {
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    };
                    // Who has no place is closed.
                    if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                        let (door, stop) = (Arc::clone(&door), tasks.stop().clone());
                        tasks.spawn(Span::current(), async move {
                            serve(stream, peer, door, stop).await;
                            drop(place);
                        });
                    }
                }
            };
            tokio::select! {
                () = accept => {}
                () = stop.draining() => {}
            }
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.stop().drain();
    }
}

/// Speaks HTTP until the connection ends, or becomes a WebSocket.
async fn serve(stream: TcpStream, peer: SocketAddr, door: Arc<Door>, stop: Stop) {
    let entered = async {
        stream.set_nodelay(true)?;
        door.entrance().pass(stream, peer).await
    };
    let outcome = tokio::select! {
        entered = timeout(OPENING, entered) => entered,
        () = stop.draining() => return,
    };
    match outcome {
        Ok(Ok((Entered::Plain { stream, .. }, peer))) => {
            speak(stream, BytesMut::new(), peer, door, stop).await;
        }
        #[cfg(feature = "tls")]
        Ok(Ok((
            Entered::Safe {
                stream,
                read_already,
                ..
            },
            peer,
        ))) => speak(*stream, read_already, peer, door, stop).await,
        Ok(Err(error)) => debug!(%peer, %error, "client refused"),
        Err(_) => debug!(%peer, "said nothing"),
    }
}

async fn speak(
    stream: impl Socket,
    read_already: BytesMut,
    peer: SocketAddr,
    door: Arc<Door>,
    stop: Stop,
) {
    let tie = Tie::default();
    let from = From {
        peer,
        tie: tie.clone(),
    };
    let service = service_fn(move |request| {
        let (door, from) = (Arc::clone(&door), from.clone());
        async move { door.answer(request, from).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_HEAD)
        .max_buf_size(REQUEST)
        .max_headers(Limits::UPGRADE_HEADERS)
        .serve_connection(
            TokioIo::new(Stream::new(stream, read_already, tie)),
            service,
        )
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.draining() => {
            connection.as_mut().graceful_shutdown();
            timeout(GOODBYE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "HTTP ended");
    }
}

impl Listener for Listening {
    fn address(&self) -> Option<SocketAddr> {
        Some(self.address)
    }

    fn accept(&mut self) -> Boxed<'_, io::Result<Opening>> {
        Box::pin(async move {
            let begun = self.begun.recv().await.ok_or(io::ErrorKind::NotConnected)?;
            let peer = begun.peer;
            let client = Client::new(begun, Arc::clone(&self.running), self.limits);
            let connection: Result<Box<dyn Connection>, Error> = Ok(Box::new(client));
            Ok(Opening {
                peer,
                connection: Box::pin(std::future::ready(connection)),
            })
        })
    }

    fn stop(&mut self) -> Boxed<'_, ()> {
        // Those who are connected go on to be answered, polling or not.
        self.begun.close();
        while let Ok(begun) = self.begun.try_recv() {
            drop(Client::new(begun, Arc::clone(&self.running), self.limits));
        }
        Box::pin(std::future::ready(()))
    }
}
