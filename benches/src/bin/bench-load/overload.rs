//! More than a server can do: what it does at its best first, then so many times as much is offered.
//!
//! At its best it is asked by as many as wait for their answers. What is offered then does not wait: it comes at its
//! rate, whatever has become of what came before.

mod client;
mod krpc;

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::client::Plan;
use crate::measured::Measured;
use crate::{Arguments, Kind, Window, echo};

/// How often what is due is sent: often enough to be a stream, seldom enough to cost little.
const TICK: Duration = Duration::from_millis(5);
/// How long the last answers are awaited. What is missing then is an error.
const DRAIN: Duration = Duration::from_secs(3);

/// What was seen while more was offered than could be done.
pub(crate) struct Offered {
    /// What was done, and what came to nothing without being refused.
    pub(crate) done: Measured,
    /// Requests that became due while it was measured.
    pub(crate) due: u64,
    pub(crate) refused: Refused,
}

/// What was refused while it was measured.
pub(crate) struct Refused {
    /// Microseconds from a request to its refusal.
    pub(crate) latency: Histogram<u64>,
    /// How many by their codes.
    pub(crate) codes: BTreeMap<i64, u64>,
}

/// What a server did of what was offered.
pub(crate) struct Overload {
    /// Answers in a second to those who wait for them.
    pub(crate) peak: f64,
    /// Requests in a second that were sent all the same.
    pub(crate) offered: f64,
    pub(crate) refused: Refused,
}

impl Offered {
    fn new(to_us: u64) -> io::Result<Self> {
        let Measured { latency, .. } = Measured::new(0)?;
        Ok(Self {
            done: Measured::new(to_us)?,
            due: 0,
            refused: Refused {
                latency,
                codes: BTreeMap::new(),
            },
        })
    }

    /// An answer that says `code` instead of what was asked for.
    fn refused(&mut self, code: i64, took: Duration) {
        let latency = &mut self.refused.latency;
        latency.saturating_record(took.as_micros() as u64);
        *self.refused.codes.entry(code).or_default() += 1;
    }

    fn add(&mut self, other: Self) -> Result<(), Box<dyn Error>> {
        self.done.add(other.done)?;
        self.due += other.due;
        self.refused.latency.add(other.refused.latency)?;
        for (code, count) in other.refused.codes {
            *self.refused.codes.entry(code).or_default() += count;
        }
        Ok(())
    }
}

/// How much is due by now.
struct Stream {
    begin: Instant,
    per_second: f64,
    sent: u64,
}

impl Stream {
    fn begin(per_second: f64) -> Self {
        Self {
            begin: Instant::now(),
            per_second,
            sent: 0,
        }
    }

    /// How many have become due since it was asked last.
    fn due(&mut self, now: Instant) -> u64 {
        let all = (now - self.begin).as_secs_f64() * self.per_second;
        let due = (all as u64).saturating_sub(self.sent);
        self.sent += due;
        due
    }
}

/// Finds what the server does at its best, and offers it `times` as much.
pub(crate) async fn run(arguments: &Arguments, plan: Plan) -> Result<Measured, Box<dyn Error>> {
    let seconds = arguments.measure_ms as f64 / 1000.0;
    let plan = Arc::new(plan);
    let best = match arguments.kind {
        Kind::Krpc => krpc::at_best(arguments).await?,
        _ => echo(arguments, Arc::clone(&plan)).await?,
    };
    let peak = best.latency.len() as f64 / seconds;
    let rate = peak * arguments.times;
    let window = Window::after(arguments);
    let mut offered = match arguments.kind {
        Kind::Krpc => krpc::offer(arguments, rate, &window).await?,
        _ => client::offer(arguments, plan, rate, &window).await?,
    };
    offered.done.errors += best.errors;
    offered.done.first_error = best.first_error.or(offered.done.first_error);
    let mut measured = offered.done;
    measured.overload = Some(Overload {
        peak,
        offered: offered.due as f64 / seconds,
        refused: offered.refused,
    });
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_due_once() {
        let mut stream = Stream::begin(1000.0);
        let begin = stream.begin;
        for (ms, due) in [(10, 10), (10, 0), (25, 15)] {
            assert_eq!(stream.due(begin + Duration::from_millis(ms)), due);
        }
    }
}
