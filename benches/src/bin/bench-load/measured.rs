//! What was seen of answers.

use std::io;

use hdrhistogram::{Histogram, errors::AdditionError};

use crate::overload::Overload;

/// What a client saw, or all of them.
pub(crate) struct Measured {
    /// Microseconds from the write that carried a request to the read that carried its answer.
    pub(crate) latency: Histogram<u64>,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    /// When the measurement ended, in microseconds since 1970; of the sum alone.
    pub(crate) to_us: u64,
    /// Where more was offered than could be done.
    pub(crate) overload: Option<Overload>,
}

impl Measured {
    pub(crate) fn new(to_us: u64) -> io::Result<Self> {
        // Two digits are plenty for a benchmark and keep the buckets in the cache.
        let latency = Histogram::new_with_bounds(1, 60_000_000, 2).map_err(io::Error::other)?;
        Ok(Self {
            latency,
            errors: 0,
            first_error: None,
            to_us,
            overload: None,
        })
    }

    pub(crate) fn add(&mut self, other: Self) -> Result<(), AdditionError> {
        self.latency.add(other.latency)?;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
        Ok(())
    }

    pub(crate) fn error(&mut self, count: u64, reason: impl FnOnce() -> String) {
        self.errors += count;
        self.first_error.get_or_insert_with(reason);
    }
}
