//! Callers of a krpc service that do not wait for their answers.

use std::error::Error;
use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

use tangelo::rpc::{Status, config::ClientConfig};
use tangelo::{Bootstrap, RpcApp};
use tangelo_bench::service::{WorkReq, WorkServiceClient};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::{Offered, Stream, TICK};
use crate::measured::Measured;
use crate::{Arguments, Window};

/// A generated client that has connected.
async fn client(arguments: &Arguments) -> Result<(RpcApp, WorkServiceClient), Box<dyn Error>> {
    let app = Bootstrap::new("bench-load")
        .client(ClientConfig::new("default").connections(arguments.links))
        .referer::<WorkServiceClient>("work", &arguments.addr.to_string())
        .monitor(|monitor| monitor.access_log(false))
        .start()
        .await?;
    let client = app.referer("work")?;
    Ok((app, client))
}

/// As many callers as may be in flight, each of which waits for its answer.
pub(super) async fn at_best(arguments: &Arguments) -> Result<Measured, Box<dyn Error>> {
    let (app, client) = client(arguments).await?;
    let window = Window::after(arguments);
    let mut callers = JoinSet::new();
    for _ in 0..arguments.connections * usize::from(arguments.in_flight) {
        let caller = patient(
            client.clone(),
            arguments.payload,
            window.measurement.clone(),
        );
        callers.spawn(caller);
    }
    let mut total = Measured::new(window.to_us)?;
    for measured in callers.join_all().await {
        total.add(measured?)?;
    }
    app.stop(Duration::from_secs(1)).await;
    Ok(total)
}

async fn patient(
    client: WorkServiceClient,
    payload: u32,
    measurement: Range<Instant>,
) -> io::Result<Measured> {
    let mut seen = Offered::new(0)?;
    while Instant::now() < measurement.end {
        let answered = call(client.clone(), payload, Instant::now()).await;
        answered.note(&mut seen, &measurement);
    }
    let mut measured = seen.done;
    let refused = seen.refused.latency.len();
    if refused > 0 {
        measured.error(refused, || {
            format!("{refused} calls were refused at its best")
        });
    }
    Ok(measured)
}

/// Calls as they become due.
pub(super) async fn offer(
    arguments: &Arguments,
    rate: f64,
    window: &Window,
) -> Result<Offered, Box<dyn Error>> {
    let (app, client) = client(arguments).await?;
    let measurement = &window.measurement;
    let mut seen = Offered::new(window.to_us)?;
    let mut calls = JoinSet::new();
    let mut stream = Stream::begin(rate);
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while Instant::now() < measurement.end {
        tokio::select! {
            _ = tick.tick() => {
                let now = Instant::now();
                let due = stream.due(now);
                if measurement.contains(&now) {
                    seen.due += due;
                }
                for _ in 0..due {
                    calls.spawn(call(client.clone(), arguments.payload, now));
                }
            }
            Some(answered) = calls.join_next() => answered?.note(&mut seen, measurement),
        }
    }
    // A call ends by its own time.
    while let Some(answered) = calls.join_next().await {
        answered?.note(&mut seen, measurement);
    }
    app.stop(Duration::from_secs(1)).await;
    Ok(seen)
}

/// A call that has come to its end.
struct Answered {
    /// The code, where it is not what was asked for.
    outcome: Result<(), Status>,
    sent: Instant,
    at: Instant,
}

async fn call(client: WorkServiceClient, payload: u32, sent: Instant) -> Answered {
    let payload = "x".repeat(payload as usize);
    let request = WorkReq {
        payload: payload.clone(),
    };
    let outcome = match client.work(request).await {
        Ok(answer) if answer.ret_code == 0 && answer.payload == payload => Ok(()),
        Ok(answer) => Err(Status::new(0, format!("a call was answered by {answer:?}"))),
        Err(status) => Err(status),
    };
    Answered {
        outcome,
        sent,
        at: Instant::now(),
    }
}

impl Answered {
    fn note(self, seen: &mut Offered, measurement: &Range<Instant>) {
        let took = self.at - self.sent;
        let counts = measurement.contains(&self.at);
        match self.outcome {
            Ok(()) if counts => {
                let took = took.as_micros() as u64;
                seen.done.latency.saturating_record(took);
            }
            Err(status) if status.code().0 == 0 => seen.done.error(1, || status.to_string()),
            Err(status) if counts => seen.refused(status.code().0.into(), took),
            Ok(()) | Err(_) => {}
        }
    }
}
