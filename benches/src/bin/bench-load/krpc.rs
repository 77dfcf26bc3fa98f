//! Callers of a krpc service, through its generated client.

use std::error::Error;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tangelo::Bootstrap;
use tangelo::rpc::config::ClientConfig;
use tangelo_bench::service::{BenchServiceClient, EchoReq, EchoRes};
use tokio::task::JoinSet;

use crate::measured::Measured;
use crate::{Arguments, Window};

/// All callers share one client, and each waits for its answer before it calls again.
pub(crate) async fn run(arguments: &Arguments) -> Result<Measured, Box<dyn Error>> {
    let app = Bootstrap::new("bench-load")
        .client(ClientConfig::new("default").connections(arguments.links))
        .referer::<BenchServiceClient>("bench", &arguments.addr.to_string())
        // The others write none.
        .monitor(|monitor| monitor.access_log(false))
        .start()
        .await?;
    let client: BenchServiceClient = app.referer("bench")?;
    let window = Window::after(arguments);
    let mut callers = JoinSet::new();
    let mut groups = Vec::new();
    for group in 0..arguments.connections {
        let measured = Arc::new(Mutex::new(Measured::new(0)?));
        for caller in 0..usize::from(arguments.in_flight) {
            let name = format!("{group}.{caller}");
            callers.spawn(calls(
                client.clone(),
                (name, arguments.payload as usize),
                window.measurement.clone(),
                Arc::clone(&measured),
            ));
        }
        groups.push(measured);
    }
    callers.join_all().await;
    let mut total = Measured::new(window.to_us)?;
    for measured in groups {
        total.add(std::mem::replace(&mut *measured.lock(), Measured::new(0)?))?;
    }
    app.stop(Duration::from_secs(1)).await;
    Ok(total)
}

/// One caller: a call, its answer, the next call, until the measurement ends.
async fn calls(
    client: BenchServiceClient,
    (name, payload): (String, usize),
    measurement: Range<Instant>,
    measured: Arc<Mutex<Measured>>,
) {
    let payload = format!("{name:x<payload$}");
    let mut number = 0;
    let mut sent = Instant::now();
    while sent < measurement.end {
        // No two calls are alike, so that an answer to another one is seen.
        number += 1;
        let request = EchoReq {
            payload: payload.clone(),
            number,
            ..EchoReq::default()
        };
        let answer = client.echo(request).await;
        let now = Instant::now();
        let is_ours = |answer: &EchoRes| answer.number == number && answer.payload == payload;
        match answer {
            Ok(answer) if answer.ret_code == 0 && is_ours(&answer) => {
                if measurement.contains(&now) {
                    let took = (now - sent).as_micros() as u64;
                    measured.lock().latency.saturating_record(took);
                }
            }
            Ok(answer) => measured.lock().error(1, || {
                format!("call {number} of {name} was answered by {answer:?}")
            }),
            Err(status) => measured.lock().error(1, || status.to_string()),
        }
        sent = now;
    }
}
