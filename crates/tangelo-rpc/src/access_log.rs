//! One line for every request a server finished and every call a client made; of requests that a server
//! refused, 100 in a second at the most.
//!
//! A [`Record`] goes into a queue, which never makes a call wait: when it is full the line is left
//! out and counted. Threads of the log's own turn records into lines with a [`LogFormatter`] and
//! hand those to a [`LogSink`].

use std::{fmt, io, sync::Arc, thread, time::Duration};

use parking_lot::Mutex;
use tangelo_runtime::{LogLines, guard};
use tokio::{sync::watch, time::Instant};
use tracing::warn;

mod extra;
mod formatter;
mod queue;
mod record;
mod sink;
#[cfg(test)]
mod tests;

pub use extra::Extra;
pub use formatter::{BodySizes, BodyText, LogFormatter, Part, PlainFormatter};
pub use record::{Excerpt, Kind, LogText, NO_CONNECTION, Record};
pub use sink::{CLIENT_TARGET, LogSink, SERVER_TARGET, TracingSink};

use queue::{Next, Queue};

/// krpc's `logThreads` and `logQueueSize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessLogConfig {
    /// Threads that write lines; with more than one, lines may change places. 0 counts as 1.
    /// Default 1.
    pub threads: usize,
    /// Lines that wait to be written. Each keeps up to 8 KiB of bodies. Default 10,000.
    pub queue_size: usize,
}

impl Default for AccessLogConfig {
    fn default() -> Self {
        Self {
            threads: 1,
            queue_size: 10_000,
        }
    }
}

/// Writes a line for every finished request or call, without making any of them wait.
///
/// Clones share the log. [`close`](Self::close) writes what still waits; when the last clone is
/// dropped its threads do so too, for up to three seconds, but nobody waits for them then.
#[derive(Clone)]
pub struct AccessLog {
    handle: Arc<Handle>,
}

/// Closes the log with its last clone.
struct Handle {
    shared: Arc<Shared>,
    /// Every thread keeps a receiver until it ends.
    writers: watch::Sender<()>,
}

/// What a record goes through to become a line somewhere.
struct Shared {
    queue: Queue,
    formatter: Arc<dyn LogFormatter>,
    sink: Arc<dyn LogSink>,
    refused: Mutex<LogLines>,
}

/// Lines in a second of requests that did not run; the rest is counted. They cost their sender little, and
/// must not push out those of what ran.
const REFUSED_LINES_PER_SECOND: u32 = 100;

/// How long threads go on writing when nobody waits for them.
const DRAIN: Duration = Duration::from_secs(3);

impl AccessLog {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn new(
        config: AccessLogConfig,
        formatter: Arc<dyn LogFormatter>,
        sink: Arc<dyn LogSink>,
    ) -> io::Result<Self> {
        let shared = Shared {
            queue: Queue::new(config.queue_size),
            formatter,
            sink,
            refused: Mutex::default(),
        };
        let handle = Handle {
            shared: Arc::new(shared),
            writers: watch::Sender::new(()),
        };
        for _ in 0..config.threads.max(1) {
            let shared = Arc::clone(&handle.shared);
            let alive = handle.writers.subscribe();
            let thread = thread::Builder::new().name("krpc-log".to_owned());
            thread.spawn(move || {
                shared.write_lines();
                // What `close` waits for.
                drop(alive);
            })?;
        }
        Ok(Self {
            handle: Arc::new(handle),
        })
    }

    /// Whether anybody reads such lines. If not, there is no need to make a record.
    pub fn wants(&self, kind: Kind) -> bool {
        self.handle.shared.sink.wants(kind)
    }

    /// Whether a request that did not run has a line now: of many in a second only some have.
    pub(crate) fn wants_refused(&self) -> bool {
        if !self.wants(Kind::Server) {
            return false;
        }
        let mut refused = self.handle.shared.refused.lock();
        let line = refused.line(Instant::now(), REFUSED_LINES_PER_SECOND);
        drop(refused);
        if let Some(Some(lines)) = line {
            warn!(
                lines,
                "lines of requests that did not run were left out of the access log"
            );
        }
        line.is_some()
    }

    /// Has a line written, or leaves it out if as many wait as may or the log is closed.
    pub fn record(&self, record: Record) {
        self.handle.shared.queue.push(record);
    }

    /// How many lines wait to be written.
    pub fn waiting(&self) -> usize {
        self.handle.shared.queue.waiting()
    }

    /// How many lines were left out since the start.
    pub fn left_out(&self) -> u64 {
        self.handle.shared.queue.left_out()
    }

    /// Takes nothing more, and writes what waits for up to `patience`. Returns how many lines were
    /// given up. Needs a Tokio runtime with time.
    ///
    /// A sink that hangs is not waited for beyond that; its thread ends when the sink returns.
    /// Cancel safe: when dropped the threads go on until their time is up.
    pub async fn close(&self, patience: Duration) -> usize {
        self.handle.shared.queue.close(patience);
        let ended = self.handle.writers.closed();
        // Out of patience or not, what is left is given up.
        let _ = tokio::time::timeout(patience, ended).await;
        self.handle.shared.queue.give_up()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.queue.close(DRAIN);
    }
}

impl Shared {
    /// A line's buffer is given back beyond this.
    const LINE_KEPT: usize = 16 << 10;

    /// One thread's work, until the queue is closed.
    fn write_lines(&self) {
        let mut line = String::new();
        let mut panics = LogLines::default();
        while let Some(Next { record, left_out }) = self.queue.next() {
            tell(left_out);
            let written = guard::catch(|| {
                self.formatter.line(&record, &mut line);
                self.sink.write(&record, &line);
            });
            if let Err(panicked) = written {
                self.queue.leave_out();
                if panics.line(Instant::now(), PANICS_TOLD).is_some() {
                    warn!(%panicked, "cannot write a line of the access log");
                }
            }
            line.clear();
            line.shrink_to(Self::LINE_KEPT);
        }
        tell(self.queue.untold());
    }
}

/// Panics in a second that are told one by one; all of them are counted.
const PANICS_TOLD: u32 = 1;

fn tell(left_out: Option<u64>) {
    if let Some(lines) = left_out {
        warn!(lines, "lines were left out of the access log");
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AccessLog")
            .field("waiting", &self.waiting())
            .field("left_out", &self.left_out())
            .finish_non_exhaustive()
    }
}
