//! The load generator: many connections, a fixed number of requests in flight on each, one line of
//! JSON as the result.

mod client;

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use tokio::task::JoinSet;

use client::{Client, Measured, Plan};

/// A server that does not greet within this time is not there.
const CONNECT: Duration = Duration::from_secs(10);

/// Sends requests to a server on the loopback and measures how fast they are answered.
#[derive(Parser)]
struct Arguments {
    /// Where the server listens.
    #[arg(long)]
    addr: SocketAddr,
    /// What the server speaks.
    #[arg(long, value_enum)]
    kind: Kind,
    /// Clients.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Requests that each client keeps waiting for an answer.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    in_flight: u16,
    /// Bytes of a request's body.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    payload: u32,
    /// The route of a Pomelo request; its handler must echo the body as it is.
    #[arg(long, default_value = "echo.echoHandler.echo")]
    route: String,
    /// Time before the measurement, in milliseconds.
    #[arg(long, default_value_t = 1000)]
    warm_up_ms: u64,
    /// Time of the measurement, in milliseconds.
    #[arg(long, default_value_t = 3000)]
    measure_ms: u64,
    /// Worker threads; as many as cores unless given.
    #[arg(long)]
    threads: Option<usize>,
}

/// The four languages that the servers speak.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Pomelo over TCP.
    Tcp,
    /// Pomelo over WebSocket.
    Ws,
    /// The same requests over TCP, to a server that sends each frame back.
    BareTcp,
    /// The same over WebSocket.
    BareWs,
}

fn main() -> ExitCode {
    match measure(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = arguments.threads {
        runtime.worker_threads(threads);
    }
    let measured = runtime.enable_all().build()?.block_on(run(arguments))?;

    let seconds = arguments.measure_ms as f64 / 1000.0;
    let result = serde_json::json!({
        "requests": measured.latency.len(),
        "seconds": seconds,
        "per_second": (measured.latency.len() as f64 / seconds).round(),
        "p50_us": measured.latency.value_at_quantile(0.5),
        "p99_us": measured.latency.value_at_quantile(0.99),
        "errors": measured.errors,
    });
    writeln!(io::stdout(), "{result}")?;
    if let Some(error) = measured.first_error {
        eprintln!("the first of {} errors: {error}", measured.errors);
    }
    Ok(())
}

/// Connects all clients, then lets all of them start at once.
async fn run(arguments: &Arguments) -> Result<Measured, Box<dyn Error>> {
    let plan = Arc::new(Plan {
        websocket: matches!(arguments.kind, Kind::Ws | Kind::BareWs),
        bare: matches!(arguments.kind, Kind::BareTcp | Kind::BareWs),
        route: arguments.route.clone(),
        in_flight: arguments.in_flight,
        payload: arguments.payload as usize,
    });
    let mut connecting = JoinSet::new();
    for _ in 0..arguments.connections {
        connecting.spawn(Client::connect(arguments.addr, Arc::clone(&plan)));
    }
    let connected = tokio::time::timeout(CONNECT, connecting.join_all())
        .await
        .map_err(|_| format!("not all clients were greeted within {CONNECT:?}"))?;

    let start = Instant::now() + Duration::from_millis(arguments.warm_up_ms);
    let end = start + Duration::from_millis(arguments.measure_ms);
    let mut running = JoinSet::new();
    for client in connected {
        running.spawn(client?.run(start..end));
    }
    let mut total = Measured::new()?;
    for measured in running.join_all().await {
        total.add(measured?)?;
    }
    Ok(total)
}
