//! Other frameworks as sides of the benchmark: each as its own documentation says to run it fast.
//!
//! `serve` is one server process, which prints `listening ADDR`; `load` calls it over many
//! connections and prints one line of JSON. The arguments are those of `bench-server` and
//! `bench-load`.

mod load;
mod over_axum;
mod over_tarpc;
mod over_tonic;

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// Serves or loads another framework.
#[derive(Parser)]
struct Arguments {
    /// Worker threads; 1 means a current-thread runtime. As many as cores unless given.
    #[arg(long, global = true)]
    threads: Option<usize>,
    #[command(subcommand)]
    role: Role,
}

/// What the process is.
#[derive(Subcommand)]
enum Role {
    /// A server that echoes.
    Serve {
        /// What it is built with.
        #[arg(value_enum)]
        peer: Peer,
        /// The server ends by itself after this time, so that none is left behind.
        #[arg(long, default_value_t = 600)]
        seconds: u64,
    },
    /// Calls such a server and measures how fast it answers.
    Load {
        /// What the server is built with; axum is loaded by wrk.
        #[arg(value_enum)]
        peer: Peer,
        #[command(flatten)]
        load: load::Arguments,
    },
}

/// The frameworks.
#[derive(Clone, Copy, ValueEnum)]
enum Peer {
    /// gRPC: Protobuf over HTTP/2.
    Tonic,
    /// bincode in frames over TCP.
    Tarpc,
    /// JSON over HTTP/1.1: `POST /echo`.
    Axum,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let runtime = runtime(arguments.threads)?;
    match arguments.role {
        Role::Serve { peer, seconds } => {
            let lifetime = Duration::from_secs(seconds);
            match runtime.block_on(async { tokio::time::timeout(lifetime, serve(peer)).await }) {
                Ok(served) => served,
                Err(_) => Err(format!("ended after {lifetime:?}").into()),
            }
        }
        Role::Load { peer, load } => runtime.block_on(async {
            match peer {
                Peer::Tonic => load::run(&load, over_tonic::connect).await,
                Peer::Tarpc => load::run(&load, over_tarpc::connect).await,
                Peer::Axum => Err("axum is loaded by wrk: see the README".into()),
            }
        }),
    }
}

fn runtime(threads: Option<usize>) -> io::Result<Runtime> {
    let mut builder = match threads {
        Some(1) => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if let Some(threads) = threads {
        builder.worker_threads(threads);
    }
    builder.enable_all().build()
}

/// Listens on a free port of the loopback until the process ends.
async fn serve(peer: Peer) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(listener.local_addr()?)?;
    match peer {
        Peer::Tonic => over_tonic::serve(listener).await,
        Peer::Tarpc => over_tarpc::serve(listener).await,
        Peer::Axum => over_axum::serve(listener).await,
    }
}

/// Tells whoever started the process where its clients are awaited: they may come already.
fn announce(address: SocketAddr) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening {address}")?;
    stdout.flush()
}
