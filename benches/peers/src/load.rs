//! The load generator: connections with a fixed number of callers each, every answer checked.

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::task::JoinSet;

/// A server that cannot be reached within this time is not there.
const CONNECT: Duration = Duration::from_secs(10);
/// How long answers are awaited after the measurement. What is missing then is an error.
const DRAIN: Duration = Duration::from_secs(3);

/// How to load; the same words and defaults as those of `bench-load`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where the server listens.
    #[arg(long)]
    addr: SocketAddr,
    /// Connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Callers that share a connection, each with one request under way.
    #[arg(long, default_value_t = 16)]
    in_flight: usize,
    /// Bytes of a request's payload.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    payload: u32,
    /// Time before the measurement, in milliseconds.
    #[arg(long, default_value_t = 1000)]
    warm_up_ms: u64,
    /// Time of the measurement, in milliseconds.
    #[arg(long, default_value_t = 3000)]
    measure_ms: u64,
}

/// A client of a framework. Its clones share its connection.
pub(crate) trait Caller: Clone + Send + 'static {
    /// Sends a payload and returns the one that comes back.
    fn call(&mut self, payload: &str) -> impl Future<Output = Result<String, String>> + Send;
}

/// What the callers of a connection saw.
struct Measured {
    /// Microseconds of each call that was answered while the measurement lasted.
    latency: Histogram<u64>,
    errors: u64,
    first_error: Option<String>,
}

impl Measured {
    fn new() -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            latency: Histogram::new_with_bounds(1, 60_000_000, 2)?,
            errors: 0,
            first_error: None,
        })
    }

    fn error(&mut self, count: u64, reason: String) {
        self.errors += count;
        self.first_error.get_or_insert(reason);
    }

    fn add(&mut self, other: &Self) -> Result<(), Box<dyn Error>> {
        self.latency.add(&other.latency)?;
        if let Some(reason) = &other.first_error {
            self.error(other.errors, reason.clone());
        }
        Ok(())
    }
}

/// Connects, lets all callers start at once, and prints what they saw.
pub(crate) async fn run<C: Caller, F>(
    arguments: &Arguments,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<(), Box<dyn Error>>
where
    F: Future<Output = Result<C, Box<dyn Error>>>,
{
    let mut clients = Vec::new();
    for _ in 0..arguments.connections {
        let client = tokio::time::timeout(CONNECT, connect(arguments.addr)).await;
        clients.push(client.map_err(|_| format!("not connected within {CONNECT:?}"))??);
    }

    let warm_up = Duration::from_millis(arguments.warm_up_ms);
    let start = Instant::now() + warm_up;
    let from = SystemTime::now().duration_since(UNIX_EPOCH)? + warm_up;
    let measurement = start..start + Duration::from_millis(arguments.measure_ms);
    let mut callers = JoinSet::new();
    let mut connections = Vec::new();
    for (number, client) in clients.into_iter().enumerate() {
        let measured = Arc::new(Mutex::new(Measured::new()?));
        for caller in 0..arguments.in_flight {
            callers.spawn(calls(
                client.clone(),
                format!("{number}.{caller}."),
                arguments.payload as usize,
                measurement.clone(),
                Arc::clone(&measured),
            ));
        }
        connections.push(measured);
    }

    let mut total = Measured::new()?;
    let deadline = (measurement.end + DRAIN).into();
    while let Ok(Some(ended)) = tokio::time::timeout_at(deadline, callers.join_next()).await {
        ended?;
    }
    if !callers.is_empty() {
        let missing = callers.len();
        total.error(missing as u64, format!("{missing} calls got no answer"));
        callers.abort_all();
    }
    for measured in connections {
        total.add(&measured.lock())?;
    }
    print(&total, from, Duration::from_millis(arguments.measure_ms))
}

/// One caller: a call, its answer, the next call, until the measurement ends.
async fn calls(
    mut client: impl Caller,
    name: String,
    payload: usize,
    measurement: Range<Instant>,
    measured: Arc<Mutex<Measured>>,
) {
    let mut number: u64 = 0;
    let mut text = String::new();
    loop {
        let sent = Instant::now();
        if sent >= measurement.end {
            return;
        }
        // No two calls are alike, so that an answer to another one is seen.
        number += 1;
        write_payload(&mut text, &name, number, payload);
        let answer = client.call(&text).await;
        let now = Instant::now();
        match answer {
            Ok(answer) if answer != text => measured
                .lock()
                .error(1, format!("{text:?} was answered by {answer:?}")),
            Ok(_) if measurement.contains(&now) => measured
                .lock()
                .latency
                .saturating_record((now - sent).as_micros() as u64),
            Ok(_) => {}
            Err(error) => {
                // What fails once would mostly fail for ever, and quickly.
                measured.lock().error(1, error);
                return;
            }
        }
    }
}

/// A text of so many bytes that begins with its number, and at the end with the caller's name.
fn write_payload(text: &mut String, name: &str, mut number: u64, length: usize) {
    text.clear();
    // The last digit first: what a short payload cuts off is what changes least.
    while number > 0 {
        text.push(char::from(b'0' + (number % 10) as u8));
        number /= 10;
    }
    text.push('.');
    text.push_str(name);
    while text.len() < length {
        text.push('x');
    }
    text.truncate(length);
}

/// The line of JSON; `from` is when the measurement began, so that others can look at the same time.
fn print(total: &Measured, from: Duration, took: Duration) -> Result<(), Box<dyn Error>> {
    let requests = total.latency.len();
    let result = serde_json::json!({
        "requests": requests,
        "seconds": took.as_secs_f64(),
        "per_second": (requests as f64 / took.as_secs_f64()).round(),
        "p50_us": total.latency.value_at_quantile(0.5),
        "p99_us": total.latency.value_at_quantile(0.99),
        "errors": total.errors,
        "from_us": from.as_micros() as u64,
        "to_us": (from + took).as_micros() as u64,
    });
    writeln!(io::stdout(), "{result}")?;
    if let Some(error) = &total.first_error {
        eprintln!("the first of {} errors: {error}", total.errors);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::write_payload;

    #[test]
    fn payloads_have_their_length_and_differ() {
        let mut seen = std::collections::HashSet::new();
        for name in ["0.0.", "63.15."] {
            for number in 1..2000 {
                let mut text = String::new();
                write_payload(&mut text, name, number, 64);
                assert_eq!(text.len(), 64);
                assert!(seen.insert(text));
            }
        }
        let mut text = String::new();
        write_payload(&mut text, "63.15.", u64::MAX, 10);
        assert_eq!(text.len(), 10);
    }
}
