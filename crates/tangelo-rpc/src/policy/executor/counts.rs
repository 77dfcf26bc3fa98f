//! How many run and wait, and what that means for one that comes.

use super::{
    ExecutorConfig, InvalidThreads,
    queue::{Queue, Turn},
    senders::Seat,
};

/// Calls that run at once if the configuration leaves it open.
const DEFAULT_AT_ONCE: u32 = 1024;

/// How many times as many places as are free a sender may have, where there are others: one leaves a
/// quarter of all places, two a seventh, and so on, so that there is room for whoever comes beside them.
const PLACES_SHARE: u64 = 3;

/// A configuration, in numbers that compare.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    at_once: u32,
    /// With a full queue; never less than `at_once`.
    pub(super) at_most: u32,
    pub(super) queue_size: u32,
}

/// Places for calls that run, and who has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    /// How many there are.
    pub(super) all: u32,
    pub(super) running: u32,
    /// Those of senders who were alone, beyond their share. They do not count when others come.
    pub(super) borrowed: u32,
}

/// A place that somebody may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Own,
    /// He has his share, and nobody else is there.
    Borrowed,
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

    /// Whether as many run as come.
    pub(super) fn are_none(self) -> bool {
        self.at_once == u32::MAX
    }

    /// How many may run while there is room in the queue; without a queue there never is.
    pub(super) fn places(self) -> u32 {
        match self.queue_size {
            0 => self.at_most,
            _ => self.at_once,
        }
    }

    /// Whether there is room in the queue.
    pub(super) fn has_room(self, counts: Counts) -> bool {
        counts.waiting < self.queue_size
    }

    /// Places in the queue that nobody has.
    pub(super) fn free(self, counts: Counts) -> usize {
        self.queue_size.saturating_sub(counts.waiting) as usize
    }
}

impl Places {
    /// Whether there is one for a call of this sender; calls of nobody in particular may have all.
    pub(super) fn one_for(self, seat: Option<&Seat>) -> Option<Place> {
        let free = self.free();
        let Some(seat) = seat else {
            return (free > 0).then_some(Place::Own);
        };
        if u64::from(seat.running()) < PLACES_SHARE * free {
            Some(Place::Own)
        } else if self.running < self.all && seat.is_alone() {
            Some(Place::Borrowed)
        } else {
            None
        }
    }

    /// The next line that may go on, and to what place.
    pub(super) fn first_of(self, queue: &Queue) -> Option<(Turn, Place)> {
        // Who has three times what is free is passed over: few can have, unless nothing is.
        if self.free() == 0 {
            return None;
        }
        queue.first(|seat| self.one_for(seat))
    }

    fn free(self) -> u64 {
        let all = u64::from(self.all) + u64::from(self.borrowed);
        all.saturating_sub(u64::from(self.running))
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
