use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Instant, UNIX_EPOCH},
};

use super::*;

/// A record of nothing in particular.
pub(super) fn record(sequence: i32) -> Record {
    Record {
        kind: Kind::Server,
        completed: UNIX_EPOCH,
        connection: NO_CONNECTION.into(),
        sequence,
        trace_id: LogText::default(),
        span_id: LogText::default(),
        service_id: 100,
        msg_id: 1,
        ret_code: 0,
        took: Duration::ZERO,
        request: Excerpt::default(),
        response: Excerpt::default(),
        extra: Extra::default(),
    }
}

const LONG: Duration = Duration::from_secs(60);

/// Formats a record as its sequence.
struct Sequences;

impl LogFormatter for Sequences {
    fn line(&self, record: &Record, out: &mut String) {
        assert!(out.is_empty());
        assert_ne!(record.sequence, 13, "on purpose");
        out.push_str(&record.sequence.to_string());
    }
}

fn log(threads: usize, queue_size: usize, sink: impl LogSink) -> AccessLog {
    let config = AccessLogConfig {
        threads,
        queue_size,
    };
    AccessLog::new(config, Arc::new(Sequences), Arc::new(sink)).unwrap()
}

/// A log whose lines come through a channel.
fn to_channel(threads: usize, queue_size: usize) -> (AccessLog, mpsc::Receiver<String>) {
    let (lines, written) = mpsc::channel();
    let log = log(threads, queue_size, move |_: &Record, line: &str| {
        lines.send(line.to_owned()).unwrap();
    });
    (log, written)
}

/// A log whose sink takes a line and waits, until its gate is dropped.
fn with_a_hanging_sink(queue_size: usize) -> (AccessLog, mpsc::Receiver<String>, mpsc::Sender<()>) {
    let (lines, written) = mpsc::channel();
    let (gate, closed) = mpsc::channel();
    let closed = Mutex::new(closed);
    let log = log(1, queue_size, move |_: &Record, line: &str| {
        lines.send(line.to_owned()).unwrap();
        let _ = closed.lock().unwrap().recv();
    });
    (log, written, gate)
}

#[test]
fn lines_are_written_in_order() {
    let (log, written) = to_channel(1, 100);
    for sequence in 100..200 {
        log.record(record(sequence));
    }
    let lines: Vec<_> = written.iter().take(100).collect();
    let expected: Vec<_> = (100..200).map(|sequence| sequence.to_string()).collect();
    assert_eq!(lines, expected);
    assert_eq!(log.left_out(), 0);
}

#[test]
fn lines_go_on_coming_after_a_pause() {
    let (log, written) = to_channel(1, 100);
    for sequence in 100..110 {
        log.record(record(sequence));
        assert_eq!(written.recv().unwrap(), sequence.to_string());
    }
}

#[test]
fn a_slow_sink_makes_nobody_wait_and_what_overflows_is_counted() {
    let (log, written, gate) = with_a_hanging_sink(5);
    log.record(record(100));
    assert_eq!(written.recv().unwrap(), "100");

    // The sink hangs now. Were anybody made to wait for it, this would never end.
    for sequence in 101..=105 {
        log.record(record(sequence));
    }
    assert_eq!((log.waiting(), log.left_out()), (5, 0));
    for sequence in 106..1_000 {
        log.record(record(sequence));
    }
    assert_eq!((log.waiting(), log.left_out()), (5, 894));

    drop(gate);
    let lines: Vec<_> = written.iter().take(5).collect();
    assert_eq!(lines, ["101", "102", "103", "104", "105"]);
}

#[test]
fn the_default_queue_holds_10_000() {
    let (log, written, _gate) = with_a_hanging_sink(AccessLogConfig::default().queue_size);
    log.record(record(100));
    written.recv().unwrap();
    for _ in 0..10_000 {
        log.record(record(1));
    }
    assert_eq!((log.waiting(), log.left_out()), (10_000, 0));
    log.record(record(1));
    assert_eq!((log.waiting(), log.left_out()), (10_000, 1));
}

#[tokio::test]
async fn closing_writes_what_waits() {
    let (log, written) = to_channel(1, 1_000);
    for sequence in 100..1_000 {
        log.record(record(sequence));
    }
    assert_eq!(log.close(LONG).await, 0);
    log.record(record(1_000));
    assert_eq!(log.left_out(), 1);
    drop(log);
    assert_eq!(written.iter().count(), 900);
}

#[tokio::test]
async fn closing_gives_up_on_a_sink_that_hangs() {
    let (log, written, _gate) = with_a_hanging_sink(10);
    for sequence in 100..105 {
        log.record(record(sequence));
    }
    assert_eq!(written.recv().unwrap(), "100");
    let started = Instant::now();
    assert_eq!(log.close(Duration::ZERO).await, 4);
    assert!(started.elapsed() < LONG);
    assert_eq!((log.waiting(), log.left_out()), (0, 4));
}

#[test]
fn a_dropped_log_writes_what_waits_and_its_threads_end() {
    let (log, written) = to_channel(3, 1_000);
    let clone = log.clone();
    for sequence in 100..500 {
        log.record(record(sequence));
    }
    drop(log);
    for sequence in 500..900 {
        clone.record(record(sequence));
    }
    drop(clone);
    // The channel ends when every thread has dropped the sink.
    assert_eq!(written.iter().count(), 800);
}

#[test]
fn several_threads_lose_nothing() {
    let (log, written) = to_channel(4, 1_000);
    for sequence in 100..1_000 {
        log.record(record(sequence));
    }
    let mut lines: Vec<i32> = written
        .iter()
        .take(900)
        .map(|line| line.parse().unwrap())
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, (100..1_000).collect::<Vec<_>>());
}

#[test]
fn a_panic_loses_its_line_alone() {
    let (log, written) = to_channel(1, 100);
    for sequence in 12..=14 {
        log.record(record(sequence));
    }
    assert_eq!(written.recv().unwrap(), "12");
    assert_eq!(written.recv().unwrap(), "14");
    assert_eq!(log.left_out(), 1);
}

#[test]
fn what_the_sink_does_not_want_need_not_be_made() {
    struct ServersOnly;
    impl LogSink for ServersOnly {
        fn write(&self, _: &Record, _: &str) {}
        fn wants(&self, kind: Kind) -> bool {
            kind == Kind::Server
        }
    }
    let log = log(1, 1, ServersOnly);
    assert!(log.wants(Kind::Server) && !log.wants(Kind::Client));
}

#[test]
fn zero_threads_are_one() {
    let (log, written) = to_channel(0, 1);
    log.record(record(100));
    assert_eq!(written.recv().unwrap(), "100");
}

/// Counts what reaches tracing under each target.
#[derive(Default)]
struct Targets {
    server: AtomicUsize,
    client: AtomicUsize,
}

impl tracing::Subscriber for &'static Targets {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("krpc.") && *metadata.level() == tracing::Level::INFO
    }
    fn event(&self, event: &tracing::Event<'_>) {
        let count = match event.metadata().target() {
            "krpc.serverlog" => &self.server,
            "krpc.clientlog" => &self.client,
            other => panic!("{other}"),
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::Id {
        tracing::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}
    fn enter(&self, _: &tracing::Id) {}
    fn exit(&self, _: &tracing::Id) {}
}

#[test]
fn tracing_hears_lines_at_level_info_under_krpcs_names() {
    static TARGETS: Targets = Targets {
        server: AtomicUsize::new(0),
        client: AtomicUsize::new(0),
    };
    tracing::subscriber::with_default(&TARGETS, || {
        assert!(TracingSink.wants(Kind::Server) && TracingSink.wants(Kind::Client));
        TracingSink.write(&record(1), "a");
        let client = Record {
            kind: Kind::Client,
            ..record(2)
        };
        TracingSink.write(&client, "b");
        TracingSink.write(&client, "c");
    });
    let heard = [&TARGETS.server, &TARGETS.client].map(|count| count.load(Ordering::Relaxed));
    assert_eq!(heard, [1, 2]);
}
