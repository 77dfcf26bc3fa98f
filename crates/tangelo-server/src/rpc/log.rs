//! A line for each call.

use std::fmt;

use tangelo_rpc::{Reply, Status};
use tokio::time::Instant;
use tracing::info;

use super::{RpcCall, RpcFilter};
use crate::{Result, answer::Shown, filters::milliseconds};

/// Bytes of the arguments that a line shows.
const SHOWN_ARGS: usize = 512;

/// Writes a line for each call that has ended: Pomelo's `rpcLog`. What, with which arguments (those of
/// remotes, the first 512 bytes), to which server, how long it took in milliseconds, and the code it ended
/// with; at level info, target `rpc-log`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RpcLog;

impl RpcFilter for RpcLog {
    fn after(&self, call: &RpcCall, outcome: &Result<Reply, Status>) {
        let args = call.is_remote().then(|| Args(call.args()));
        let args = args.as_ref().map(tracing::field::display);
        let time_used_ms = milliseconds(Instant::now() - call.begun());
        let code = match outcome {
            Ok(reply) => reply.ret_code,
            Err(status) => status.code().0,
        };
        let (route, server) = (call.name(), call.server_id());
        info!(target: "rpc-log", %route, args, server, time_used_ms, code);
    }
}

/// Arguments on one line.
struct Args<'a>(&'a [u8]);

impl fmt::Display for Args<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get(..SHOWN_ARGS) {
            Some(begin) if begin.len() < self.0.len() => write!(formatter, "{}…", Shown(begin)),
            _ => Shown(self.0).fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_bytes_of_the_arguments_are_shown_on_one_line() {
        let shown = |length| Args(&vec![b'x'; length]).to_string();
        assert_eq!(shown(SHOWN_ARGS), "x".repeat(SHOWN_ARGS));
        assert_eq!(shown(SHOWN_ARGS + 1), "x".repeat(SHOWN_ARGS) + "…");
        assert_eq!(Args(b"a\n\xff").to_string(), r"a\n\xff");
    }
}
