//! Callers of a krpc service, through its generated client.

use std::error::Error;
use std::time::{Duration, Instant};

use tangelo::Bootstrap;
use tangelo::rpc::config::ClientConfig;
use tangelo_bench::service::{BenchServiceClient, EchoReq};
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
    for _ in 0..arguments.connections * usize::from(arguments.in_flight) {
        let payload = "x".repeat(arguments.payload as usize);
        callers.spawn(call(client.clone(), payload, window.measurement.clone()));
    }
    let mut total = Measured::new(window.to_us)?;
    for measured in callers.join_all().await {
        total.add(measured?)?;
    }
    app.stop(Duration::from_secs(1)).await;
    Ok(total)
}

async fn call(
    client: BenchServiceClient,
    payload: String,
    measurement: std::ops::Range<Instant>,
) -> std::io::Result<Measured> {
    let mut measured = Measured::new(0)?;
    let mut sent = Instant::now();
    while sent < measurement.end {
        let request = EchoReq {
            payload: payload.clone(),
            ..EchoReq::default()
        };
        let answer = client.echo(request).await;
        let now = Instant::now();
        match answer {
            Ok(answer) if answer.ret_code == 0 && answer.payload == payload => {
                if measurement.contains(&now) {
                    let took = (now - sent).as_micros() as u64;
                    measured.latency.saturating_record(took);
                }
            }
            Ok(answer) => measured.error(1, || format!("a call was answered by {answer:?}")),
            Err(status) => measured.error(1, || status.to_string()),
        }
        sent = now;
    }
    Ok(measured)
}
