//! Panics in the log: each in one line, and not more of them than somebody reads.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic::{self, PanicHookInfo},
    thread,
};

use parking_lot::Mutex;
use tangelo_runtime::LogLines;
use tokio::time::Instant;
use tracing::error;

/// Panics that are told in a second; the rest is counted.
const LINES_PER_SECOND: u32 = 5;

/// Has panics told in the log. What they say may be a client's words, and a client may cause many.
pub(super) fn log() {
    let lines = Mutex::new(LogLines::default());
    panic::set_hook(Box::new(move |panicked| {
        let line = lines.lock().line(Instant::now(), LINES_PER_SECOND);
        let Some(left_out) = line else { return };
        let words = words(panicked).escape_debug();
        let at = panicked.location().map(tracing::field::display);
        let thread = thread::current();
        let thread = thread.name();
        // As RUST_BACKTRACE says.
        let trace = Backtrace::capture();
        match trace.status() {
            BacktraceStatus::Captured => error!(at, thread, left_out, "panicked: {words}\n{trace}"),
            _ => error!(at, thread, left_out, "panicked: {words}"),
        }
    }));
}

fn words<'a>(panicked: &'a PanicHookInfo<'_>) -> &'a str {
    let payload = panicked.payload();
    let owned = || payload.downcast_ref::<String>().map(String::as_str);
    let words = payload.downcast_ref::<&str>().copied().or_else(owned);
    words.unwrap_or("it says nothing")
}
