//! Lines on their way to stderr: whoever reads it, or does not, a log makes no server wait.

use std::{
    io::{self, IsTerminal, Write},
    sync::Arc,
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use tangelo_rpc::access_log::{CLIENT_TARGET, SERVER_TARGET};
use tracing::{Metadata, dispatcher, warn};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// Bytes of lines that wait to be written; what comes beyond that is left out and counted.
const MOST_WAITING: usize = 4 << 20;
/// A buffer larger than this is given back when it is empty.
const KEPT_BUFFER: usize = 64 << 10;
/// How long the end of a process waits for its last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Shows events on stderr as `RUST_LOG` says, `info` by default; none if the application has set up its
/// own log already.
pub(super) fn show() -> Option<LogEnd> {
    if dispatcher::has_been_set() {
        return None;
    }
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal());
    match Log::start(MOST_WAITING, io::stderr()) {
        Ok(log) => {
            let _ = subscriber.with_writer(log.clone()).try_init();
            Some(LogEnd(log))
        }
        // Without a thread of its own it has to be written at once.
        Err(_) => {
            let _ = subscriber.with_writer(io::stderr).try_init();
            None
        }
    }
}

/// What waits is written when this is dropped, unless that takes too long. Lines that come later are
/// waited for, as the process may end after each.
pub(super) struct LogEnd(Log);

/// Where lines wait for the thread that writes them, which lives as long as the process. Clones are the
/// same one.
#[derive(Clone)]
struct Log(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// There is something to write.
    filled: Condvar,
    /// What waited is being written, or all is.
    taken: Condvar,
    most: usize,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    left_out: u64,
    /// What was taken has not been written yet.
    writes: bool,
    ends: bool,
}

impl Log {
    fn start(most: usize, out: impl Write + Send + 'static) -> io::Result<Self> {
        let log = Self(Arc::new(Shared {
            state: Mutex::default(),
            filled: Condvar::new(),
            taken: Condvar::new(),
            most,
        }));
        let shared = Arc::clone(&log.0);
        let thread = thread::Builder::new().name("log".to_owned());
        thread.spawn(move || shared.write_lines(out))?;
        Ok(log)
    }
}

impl Shared {
    fn write_lines(&self, mut out: impl Write) {
        let mut lines = Vec::new();
        loop {
            let mut state = self.state.lock();
            state.writes = false;
            self.taken.notify_all();
            self.filled
                .wait_while(&mut state, |state| state.lines.is_empty());
            state.writes = true;
            std::mem::swap(&mut lines, &mut state.lines);
            let left_out = std::mem::take(&mut state.left_out);
            drop(state);
            self.taken.notify_all();
            // If nobody can read them there is nobody to tell.
            let _ = out.write_all(&lines).and_then(|()| out.flush());
            lines.clear();
            lines.shrink_to(KEPT_BUFFER);
            if left_out > 0 {
                warn!(
                    left_out,
                    "lines were left out of the log: it is read too slowly"
                );
            }
        }
    }

    /// Has a line written, or leaves it out where there is no room; `patient` ones wait for that.
    fn put(&self, line: &[u8], patient: bool) {
        let mut state = self.state.lock();
        let has_room =
            |state: &State| state.lines.is_empty() || state.lines.len() + line.len() <= self.most;
        if patient {
            self.taken.wait_while(&mut state, |state| !has_room(state));
        } else if !has_room(&state) {
            state.left_out += 1;
            return;
        }
        state.lines.extend_from_slice(line);
        self.filled.notify_one();
        if state.ends {
            drop(state);
            self.wait_for_all();
        }
    }

    fn wait_for_all(&self) {
        let mut state = self.state.lock();
        let is_busy = |state: &mut State| state.writes || !state.lines.is_empty();
        self.taken.wait_while_for(&mut state, is_busy, LAST_LINES);
    }
}

impl Drop for LogEnd {
    fn drop(&mut self) {
        let Self(Log(shared)) = self;
        shared.state.lock().ends = true;
        shared.wait_for_all();
    }
}

/// Takes a line, which comes in one piece.
struct Line<'a> {
    log: &'a Shared,
    patient: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.log.put(line, self.patient);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            log: &self.0,
            patient: false,
        }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Line<'a> {
        // The access log has threads of its own, and a queue that is longer.
        let patient = [SERVER_TARGET, CLIENT_TARGET].contains(&meta.target());
        Line {
            log: &self.0,
            patient,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Writes when the test takes what is written.
    struct Slow(mpsc::SyncSender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
            let gone = |_| io::ErrorKind::BrokenPipe.into();
            self.0
                .send(lines.to_vec())
                .map_err(gone)
                .map(|()| lines.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow(most: usize) -> (Log, mpsc::Receiver<Vec<u8>>) {
        let (sender, written) = mpsc::sync_channel(0);
        (Log::start(most, Slow(sender)).unwrap(), written)
    }

    /// The first line, which the thread has taken to write.
    fn stuck(log: &Log) {
        log.0.put(b"first\n", false);
        let mut state = log.0.state.lock();
        let taken = |state: &mut State| !state.lines.is_empty();
        log.0.taken.wait_while(&mut state, taken);
    }

    #[test]
    fn lines_wait_up_to_the_limit_and_what_is_beyond_it_is_left_out_whole_and_counted() {
        let (log, written) = slow(10);
        stuck(&log);
        for line in ["12345\n", "67890\n", "678\n", "6\n"] {
            log.0.put(line.as_bytes(), false);
        }
        assert_eq!(log.0.state.lock().left_out, 2);
        assert_eq!(written.recv().unwrap(), b"first\n");
        assert_eq!(written.recv().unwrap(), b"12345\n678\n");
        log.0.put(b"again\n", false);
        assert_eq!(written.recv().unwrap(), b"again\n");
        assert_eq!(log.0.state.lock().left_out, 0);
    }

    #[test]
    fn lines_of_the_access_log_wait_for_room() {
        let (log, written) = slow(10);
        stuck(&log);
        log.0.put(b"12345\n", false);
        let waits = thread::spawn(move || log.0.put(b"67890\n", true));
        assert_eq!(written.recv().unwrap(), b"first\n");
        assert_eq!(written.recv().unwrap(), b"12345\n");
        assert_eq!(written.recv().unwrap(), b"67890\n");
        waits.join().unwrap();
    }

    #[test]
    fn the_end_waits_for_the_last_lines_and_not_for_ever() {
        let (log, written) = slow(100);
        stuck(&log);
        log.0.put(b"last\n", false);
        let reads = thread::spawn(move || [written.recv().unwrap(), written.recv().unwrap()]);
        drop(LogEnd(log.clone()));
        assert!(!log.0.state.lock().writes);
        assert_eq!(reads.join().unwrap(), [&b"first\n"[..], b"last\n"]);

        let (log, _unread) = slow(100);
        stuck(&log);
        drop(LogEnd(log));
    }

    #[test]
    fn a_reader_that_is_gone_holds_up_nothing() {
        let (log, written) = slow(10);
        drop(written);
        for _ in 0..100 {
            log.0.put(b"12345\n", true);
        }
        drop(LogEnd(log));
    }
}
