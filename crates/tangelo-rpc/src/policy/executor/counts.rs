//! How many run and wait, and what that means for one that comes.

use super::{ExecutorConfig, InvalidThreads};

/// Calls that run at once if the configuration leaves it open.
const DEFAULT_AT_ONCE: u32 = 1024;

/// A configuration, in numbers that compare.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    at_once: u32,
    /// With a full queue; never less than `at_once`.
    at_most: u32,
    queue_size: u32,
}

/// What happens to a call that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It runs.
    Run,
    /// It waits.
    Wait,
    /// It waits, and the first of those that wait already runs.
    Grow,
    /// Neither.
    Refuse,
}

/// How many run and how many wait; one word, so that they change together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) running: u32,
    pub(super) waiting: u32,
}

impl Limits {
    pub(super) fn new(config: ExecutorConfig) -> Result<Self, InvalidThreads> {
        let at_once = match config.threads {
            -1 => u32::MAX,
            0 => DEFAULT_AT_ONCE,
            threads => u32::try_from(threads).map_err(|_| InvalidThreads(threads))?,
        };
        Ok(Self {
            at_once,
            at_most: config.max_threads.max(at_once),
            queue_size: config.queue_size,
        })
    }

    pub(super) fn step(self, counts: Counts) -> Step {
        // Who ends hands over to one that waits: while fewer than `at_once` run, nobody waits.
        if counts.running < self.at_once {
            Step::Run
        } else if counts.waiting < self.queue_size {
            Step::Wait
        } else if counts.running >= self.at_most {
            Step::Refuse
        } else if self.queue_size == 0 {
            Step::Run
        } else {
            Step::Grow
        }
    }

    /// Places in the queue that nobody has.
    pub(super) fn free(self, counts: Counts) -> usize {
        self.queue_size.saturating_sub(counts.waiting) as usize
    }
}

impl Counts {
    pub(super) const ONE_WAITS: u64 = 1;
    pub(super) const ONE_RUNS: u64 = 1 << 32;

    pub(super) fn pack(self) -> u64 {
        u64::from(self.running) << 32 | u64::from(self.waiting)
    }

    pub(super) fn unpack(packed: u64) -> Self {
        Self {
            running: (packed >> 32) as u32,
            waiting: packed as u32,
        }
    }

    pub(super) fn one_more_runs(self) -> Self {
        let running = self.running + 1;
        Self { running, ..self }
    }

    pub(super) fn one_less_runs(self) -> Self {
        let running = self.running - 1;
        Self { running, ..self }
    }

    pub(super) fn one_more_waits(self) -> Self {
        let waiting = self.waiting + 1;
        Self { waiting, ..self }
    }
}
