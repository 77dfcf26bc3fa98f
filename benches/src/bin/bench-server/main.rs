//! The servers that the benchmark compares: each subcommand is one process.
//!
//! Every server listens on a free port of the loopback and prints `listening ADDR`. The bare ones
//! do the least that any server of their kind must do, and answer what came in one read by one
//! write; they are the floor to hold Tangelo against.

mod bare;
mod gateway;
mod krpc;
mod push;
mod relay;
mod tangelo;
mod work;

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use rustix::process::{Resource, setrlimit};
use tangelo_bench::all_descriptors;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Starts one of the benchmark's servers.
#[derive(Parser)]
struct Arguments {
    /// Worker threads; 1 means a current-thread runtime. As many as cores unless given.
    #[arg(long)]
    threads: Option<usize>,
    /// The server ends by itself after this time, so that none is left behind.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    #[command(subcommand)]
    server: Server,
}

/// The servers, one line each.
#[derive(Subcommand)]
enum Server {
    /// Echoes frames over TCP.
    BareTcp,
    /// Echoes binary messages over WebSocket.
    BareWs,
    /// Forwards frames to a `bare-relay-back` over connections that all clients share.
    BareRelay {
        /// Where the `bare-relay-back` listens.
        #[arg(long)]
        upstream: SocketAddr,
        /// Connections to it.
        #[arg(long, default_value_t = 1)]
        links: usize,
    },
    /// Echoes the frames of a `bare-relay`.
    BareRelayBack,
    /// Pushes frames to all that have joined.
    BarePush,
    /// A Tangelo front end whose handlers echo, and push to a channel.
    Front {
        /// Lets clients speak TLS: puts a certificate of its own into this folder.
        #[arg(long)]
        tls: Option<PathBuf>,
    },
    /// A Tangelo back end whose handlers echo, one of them after some work.
    Back {
        /// So many of them in this process, each for itself.
        #[arg(long, default_value_t = 1)]
        servers: usize,
    },
    /// A Tangelo front end that forwards to `back`s.
    Forward {
        /// Where they listen, with commas between.
        #[arg(long, value_delimiter = ',')]
        back: Vec<SocketAddr>,
        /// Sends all sessions to the same of them.
        #[arg(long)]
        to_one: bool,
    },
    /// A krpc server whose methods echo, one of them after some work.
    Krpc {
        /// Requests that run at once.
        #[arg(long, default_value_t = 0)]
        at_once: i32,
        /// Requests that may wait for their turn.
        #[arg(long, default_value_t = 10_000)]
        waiting: u32,
    },
    /// A Tangelo HTTP gateway before a service that echoes.
    Gateway {
        /// Where a `krpc` listens that has the service. Without, the gateway has it itself.
        #[arg(long)]
        back: Option<SocketAddr>,
    },
}

impl Server {
    async fn serve(self) -> io::Result<()> {
        match self {
            Self::BareTcp => bare::serve_tcp().await,
            Self::BareWs => bare::serve_websocket().await,
            Self::BareRelay { upstream, links } => relay::serve(upstream, links).await,
            Self::BareRelayBack => relay::serve_back().await,
            Self::BarePush => push::serve().await,
            Self::Front { tls } => tangelo::front(tls.as_deref()).await,
            Self::Back { servers } => tangelo::back(servers).await,
            Self::Forward { back, to_one } => tangelo::forward(&back, to_one).await,
            Self::Krpc { at_once, waiting } => krpc::serve(at_once, waiting).await,
            Self::Gateway { back } => gateway::serve(back).await,
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let mut runtime = match arguments.threads {
        Some(1) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if let Some(threads) = arguments.threads {
        runtime.worker_threads(threads);
    }
    setrlimit(Resource::Nofile, all_descriptors())?;
    let lifetime = Duration::from_secs(arguments.seconds);
    let served = runtime
        .enable_all()
        .build()?
        .block_on(async { tokio::time::timeout(lifetime, arguments.server.serve()).await });
    match served {
        Ok(served) => Ok(served?),
        Err(_) => Err(format!("ended after {lifetime:?}").into()),
    }
}

/// Tells whoever started the process where its clients are awaited.
fn announce(address: SocketAddr) -> io::Result<()> {
    announce_all(&[address])
}

fn announce_all(addresses: &[SocketAddr]) -> io::Result<()> {
    let addresses: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening {}", addresses.join(","))?;
    stdout.flush()
}

/// Listens, and runs `connection` as a task for each client.
async fn listen<F>(connection: impl Fn(TcpStream) -> F) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(listener.local_addr()?)?;
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                clients.spawn(connection(accepted?.0));
            }
            Some(ended) = clients.join_next() => {
                if let Err(error) = ended? {
                    // A generator that ends resets its connections; anything else shows in its
                    // count of errors.
                    eprintln!("a client is gone: {error}");
                }
            }
        }
    }
}
