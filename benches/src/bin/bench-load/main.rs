//! The load generator: many connections, a fixed number of requests in flight on each, one line of
//! JSON as the result.

mod client;
mod idle;
mod krpc;
mod measured;
mod overload;
mod push;
mod tls;

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::{Parser, ValueEnum};
use futures_util::{StreamExt, TryStreamExt, stream};
use rustix::process::Resource;
use tangelo_bench::all_descriptors;
use tokio::task::JoinSet;

use client::{Client, Plan};
use measured::Measured;

/// Connections that are greeted at the same time: more than a port's backlog would wait a second to try again.
const AT_ONCE: usize = 64;
/// A server that does not greet all within this time is not there.
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
    /// What clients do.
    #[arg(long, value_enum, default_value_t = Work::Echo)]
    work: Work,
    /// Clients; members of the channel.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Requests that each client keeps waiting for an answer; publishes that not everybody has got.
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
    /// The server's certificate, where clients speak TLS.
    #[arg(long)]
    certificate: Option<PathBuf>,
    /// Connections that are there besides and do nothing, while the others ask.
    #[arg(long, default_value_t = 0)]
    beside: usize,
    /// How many times what the server does at its best is offered.
    #[arg(long, default_value_t = 3.0)]
    times: f64,
    /// Connections that all callers of a krpc service share; a referer has one unless told otherwise.
    #[arg(long, default_value_t = 1)]
    links: u32,
    /// Worker threads; as many as cores unless given.
    #[arg(long)]
    threads: Option<usize>,
}

/// What clients do.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Work {
    /// They ask, and have their words come back.
    Echo,
    /// They are members of a channel, to which one more publishes.
    Push,
    /// Nothing: the server's memory is looked at meanwhile.
    Idle,
    /// They ask for more than the server can do.
    Overload,
}

/// The languages that the servers speak.
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
    /// krpc, through a generated client.
    Krpc,
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
    let runtime = runtime.enable_all().build()?;
    rustix::process::setrlimit(Resource::Nofile, all_descriptors())?;
    let measured = runtime.block_on(run(arguments))?;

    let seconds = arguments.measure_ms as f64 / 1000.0;
    let to_us = measured.to_us;
    let mut result = serde_json::json!({
        "requests": measured.latency.len(),
        "seconds": seconds,
        "per_second": (measured.latency.len() as f64 / seconds).round(),
        "p50_us": measured.latency.value_at_quantile(0.5),
        "p99_us": measured.latency.value_at_quantile(0.99),
        "errors": measured.errors,
        "connections": arguments.connections,
        // When it was measured, by the clock of all processes.
        "from_us": to_us.saturating_sub(arguments.measure_ms * 1000),
        "to_us": to_us,
    });
    if let Some(overload) = measured.overload {
        let refused = overload.refused;
        result["peak"] = overload.peak.into();
        result["offered"] = overload.offered.into();
        result["refused"] = (refused.latency.len() as f64 / seconds).into();
        result["refused_p99_us"] = refused.latency.value_at_quantile(0.99).into();
        let codes = refused.codes.into_iter();
        result["codes"] = codes
            .map(|(code, count)| (code.to_string(), count.into()))
            .collect::<serde_json::Map<_, _>>()
            .into();
    }
    writeln!(io::stdout(), "{result}")?;
    if let Some(error) = measured.first_error {
        eprintln!("the first of {} errors: {error}", measured.errors);
    }
    Ok(())
}

async fn run(arguments: &Arguments) -> Result<Measured, Box<dyn Error>> {
    let plan = Plan {
        websocket: matches!(arguments.kind, Kind::Ws | Kind::BareWs),
        bare: matches!(arguments.kind, Kind::BareTcp | Kind::BareWs),
        route: arguments.route.clone(),
        in_flight: arguments.in_flight,
        payload: arguments.payload as usize,
    };
    let tls = arguments.certificate.as_deref().map(tls::trusting);
    match (arguments.work, arguments.kind) {
        (Work::Push, _) => push::run(arguments, plan).await,
        (Work::Idle, _) => idle::run(arguments, plan, tls.transpose()?).await,
        (Work::Overload, _) => overload::run(arguments, plan).await,
        (Work::Echo, Kind::Krpc) => krpc::run(arguments).await,
        (Work::Echo, _) => {
            let plan = Arc::new(plan);
            let _beside = idle::open(arguments, &plan, tls.transpose()?, arguments.beside).await?;
            echo(arguments, plan).await
        }
    }
}

/// All clients, greeted.
async fn connected(arguments: &Arguments, plan: &Arc<Plan>) -> Result<Vec<Client>, Box<dyn Error>> {
    let connecting = stream::iter(0..arguments.connections)
        .map(|_| Client::connect(arguments.addr, Arc::clone(plan)))
        .buffer_unordered(AT_ONCE);
    let connected = tokio::time::timeout(CONNECT, connecting.try_collect()).await;
    let clients = connected.map_err(|_| format!("not all were greeted within {CONNECT:?}"))?;
    Ok(clients?)
}

/// Connects all clients, then lets all of them start at once.
async fn echo(arguments: &Arguments, plan: Arc<Plan>) -> Result<Measured, Box<dyn Error>> {
    let clients = connected(arguments, &plan).await?;
    let window = Window::after(arguments);
    let mut running = JoinSet::new();
    for client in clients {
        running.spawn(client.run(window.measurement.clone()));
    }
    let mut total = Measured::new(window.to_us)?;
    for measured in running.join_all().await {
        total.add(measured?)?;
    }
    Ok(total)
}

/// When it is measured.
#[derive(Clone)]
struct Window {
    measurement: Range<Instant>,
    /// Its end in microseconds since 1970.
    to_us: u64,
}

impl Window {
    /// As soon as it is warm.
    fn after(arguments: &Arguments) -> Self {
        Self::begin(arguments, Duration::from_millis(arguments.warm_up_ms))
    }

    /// From now on.
    fn from_now(arguments: &Arguments) -> Self {
        Self::begin(arguments, Duration::ZERO)
    }

    fn begin(arguments: &Arguments, warm_up: Duration) -> Self {
        let measure = Duration::from_millis(arguments.measure_ms);
        let start = Instant::now() + warm_up;
        let to = (SystemTime::now() + warm_up + measure).duration_since(UNIX_EPOCH);
        Self {
            measurement: start..start + measure,
            to_us: to.map_or(0, |to| to.as_micros() as u64),
        }
    }
}
