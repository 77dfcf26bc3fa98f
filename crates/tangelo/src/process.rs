//! The life of a process: its log, its runtime, its signals.

mod log;
mod panics;

use std::{fmt::Display, process::ExitCode, time::Duration};

use tracing::{error, info, warn};

/// How long draining may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Turns of tasks after which a busy thread looks for what has arrived: a turn may take half a
/// millisecond, and the runtime's own 61 of them too long.
const EVENT_INTERVAL: u32 = 16;

/// How long is waited at the very end for work on threads of its own.
const LAST: Duration = Duration::from_secs(1);

/// Starts something and lets it run until Ctrl-C or SIGTERM; then drains it, which a second one ends
/// at once. `drain` tells how much was cut off.
pub(crate) fn serve<R, E: Display>(
    start: impl Future<Output = Result<R, E>>,
    on_ready: impl FnOnce(&R),
    drain: impl AsyncFnOnce(&R) -> usize,
) -> ExitCode {
    // Dropped last, so that what is said at the end is written.
    let log = log::show();
    if log.is_some() {
        panics::log();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "cannot start the runtime");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async {
        // Heard from the first moment on, so that a start can be called off as well.
        let mut stop = std::pin::pin!(stop_signal());
        let started = tokio::select! {
            started = start => started,
            () = &mut stop => return ExitCode::SUCCESS,
        };
        let running = match started {
            Ok(running) => running,
            Err(error) => {
                error!("{error}");
                return ExitCode::FAILURE;
            }
        };
        info!("ready");
        on_ready(&running);
        stop.await;
        info!("draining");
        let cut_off = tokio::select! {
            cut_off = drain(&running) => cut_off,
            () = stop_signal() => {
                warn!("ended at once");
                return ExitCode::FAILURE;
            }
        };
        if cut_off > 0 {
            warn!(cut_off, "not everything was done in time");
        }
        info!("stopped");
        ExitCode::SUCCESS
    });
    // What runs on threads of its own has had its time, and keeps nobody from ending.
    runtime.shutdown_timeout(LAST);
    code
}

/// Resolves at the next Ctrl-C or SIGTERM.
async fn stop_signal() {
    #[cfg(unix)]
    let terminated = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    let interrupted = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            warn!(%error, "cannot hear Ctrl-C");
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = terminated => {}
        () = interrupted => {}
    }
}
