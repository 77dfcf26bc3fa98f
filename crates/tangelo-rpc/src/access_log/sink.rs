//! Where lines go.

use tracing::{Level, enabled, info};

use super::{Kind, Record};

/// The tracing target of a server's lines.
pub const SERVER_TARGET: &str = "krpc.serverlog";
/// The tracing target of a client's lines.
pub const CLIENT_TARGET: &str = "krpc.clientlog";

/// Takes the lines of an access log: a file, a socket, a channel.
///
/// A function of a record and its line is one.
pub trait LogSink: Send + Sync + 'static {
    /// Writes one line; it has no line break. It may block: it is called on the log's own threads,
    /// by several at once if there are several. A panic loses the line.
    fn write(&self, record: &Record, line: &str);

    /// Whether it takes such lines now. Asked on a call's own task, for every call.
    fn wants(&self, _kind: Kind) -> bool {
        true
    }
}

impl<F: Fn(&Record, &str) + Send + Sync + 'static> LogSink for F {
    fn write(&self, record: &Record, line: &str) {
        self(record, line);
    }
}

/// Hands lines to `tracing`, at level info, with the targets [`SERVER_TARGET`] and
/// [`CLIENT_TARGET`].
///
/// krpc's loggers also have the service and message in their names; a target is fixed when the
/// program is built, so those stand in the line alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingSink;

impl LogSink for TracingSink {
    fn write(&self, record: &Record, line: &str) {
        match record.kind {
            Kind::Server => info!(target: SERVER_TARGET, "{line}"),
            Kind::Client => info!(target: CLIENT_TARGET, "{line}"),
        }
    }

    fn wants(&self, kind: Kind) -> bool {
        match kind {
            Kind::Server => enabled!(target: SERVER_TARGET, Level::INFO),
            Kind::Client => enabled!(target: CLIENT_TARGET, Level::INFO),
        }
    }
}
