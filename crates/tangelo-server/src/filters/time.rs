//! How long requests take.

use std::time::Duration;

use tokio::time::Instant;
use tracing::info;

use crate::{Answered, Filter, Request, Result, answer::Shown, request::Owner};

/// So many milliseconds, to the thousandth: `time_used_ms` of a line.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}

/// Writes a line for each request, of target `con-log` as in Pomelo: session, route, the code it failed with
/// if it did, and the milliseconds from this filter's turn until the answer had been handed on.
///
/// What the request says is not in it: it may be a password.
#[derive(Debug)]
pub struct Time {
    owner: Owner,
}

impl Time {
    /// The filter.
    pub fn new() -> Self {
        Self {
            owner: Owner::new(),
        }
    }
}

impl Default for Time {
    fn default() -> Self {
        Self::new()
    }
}

impl Filter for Time {
    async fn before(&self, request: &mut Request) -> Result<()> {
        request.insert_for(self.owner, Instant::now());
        Ok(())
    }

    async fn after(&self, answered: &Answered) -> Result<()> {
        // It may never have come here before.
        let begun = answered.request().get_for::<Instant>(self.owner);
        let used = begun.map_or(0.0, |begun| milliseconds(begun.elapsed()));
        let code = answered.error().map(crate::Error::code);
        let session = answered.session().id();
        let route = Shown(answered.request().route());
        info!(target: "con-log", %session, %route, code, time_used_ms = used, "request");
        Ok(())
    }
}
