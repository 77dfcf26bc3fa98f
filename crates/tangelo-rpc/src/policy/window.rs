//! What happened in the last seconds.

use tokio::time::Instant;

/// Counts and sums of the last seconds, by buckets of one second each. The second that is running is
/// one of them, so a window of five holds between four and five seconds.
///
/// Seconds are counted from the first thing added. Callers race each other to it, so one may bring
/// a time that is a little older than what is there: it counts as of now.
#[derive(Debug)]
pub(super) struct Window {
    buckets: Box<[Totals]>,
    origin: Option<Instant>,
    /// The second that is running.
    second: u64,
}

/// How many, and how much together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) count: u64,
    pub(super) sum: u64,
}

impl Window {
    /// A window over this many seconds, at least one.
    pub(super) fn new(seconds: u32) -> Self {
        Self {
            buckets: vec![Totals::default(); seconds.max(1) as usize].into(),
            origin: None,
            second: 0,
        }
    }

    /// Counts one.
    pub(super) fn add(&mut self, now: Instant, amount: u64) {
        self.advance(now);
        let running = self.bucket(self.second);
        running.count += 1;
        running.sum = running.sum.saturating_add(amount);
    }

    /// What there was within the window.
    pub(super) fn totals(&mut self, now: Instant) -> Totals {
        self.advance(now);
        let mut totals = Totals::default();
        for bucket in &self.buckets {
            totals.count += bucket.count;
            totals.sum = totals.sum.saturating_add(bucket.sum);
        }
        totals
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.buckets.fill(Totals::default());
    }

    /// Empties the buckets of the seconds that have begun since.
    fn advance(&mut self, now: Instant) {
        let origin = *self.origin.get_or_insert(now);
        let second = now.saturating_duration_since(origin).as_secs();
        if second <= self.second {
            return;
        }
        if second - self.second >= self.buckets.len() as u64 {
            self.clear();
        } else {
            for begun in self.second + 1..=second {
                *self.bucket(begun) = Totals::default();
            }
        }
        self.second = second;
    }

    fn bucket(&mut self, second: u64) -> &mut Totals {
        let index = second % self.buckets.len() as u64;
        &mut self.buckets[index as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn window_of_five() -> (Window, Instant) {
        let (mut window, start) = (Window::new(5), Instant::now());
        window.add(start, 7);
        (window, start)
    }

    #[test]
    fn what_was_added_counts_until_its_second_leaves_the_window() {
        let (mut window, start) = window_of_five();
        let last = start + Duration::from_nanos(4_999_999_999);
        assert_eq!(window.totals(last), Totals { count: 1, sum: 7 });
        let gone = start + Duration::from_secs(5);
        assert_eq!(window.totals(gone), Totals::default());
    }

    #[test]
    fn each_second_leaves_alone() {
        let (mut window, start) = window_of_five();
        for second in 1..5 {
            window.add(start + Duration::from_secs(second), 1);
        }
        assert_eq!(window.totals(start + Duration::from_secs(4)).sum, 11);
        assert_eq!(window.totals(start + Duration::from_secs(5)).sum, 4);
        assert_eq!(window.totals(start + Duration::from_secs(7)).sum, 2);
    }

    #[test]
    fn a_long_silence_leaves_nothing_behind() {
        let (mut window, start) = window_of_five();
        let later = start + Duration::from_secs(1_000_000_002);
        window.add(later, 1);
        assert_eq!(window.totals(later), Totals { count: 1, sum: 1 });
    }

    #[test]
    fn a_time_that_is_a_little_older_counts_as_of_now() {
        let (mut window, start) = window_of_five();
        window.add(start + Duration::from_secs(4), 1);
        window.add(start + Duration::from_secs(3), 1);
        assert_eq!(window.totals(start + Duration::from_secs(4)).count, 3);
        assert_eq!(window.totals(start + Duration::from_secs(8)).count, 2);
    }

    #[test]
    fn a_window_of_no_seconds_is_one_of_one_second() {
        let (mut window, start) = (Window::new(0), Instant::now());
        window.add(start, 1);
        assert_eq!(window.totals(start).count, 1);
        assert_eq!(window.totals(start + Duration::from_secs(1)).count, 0);
    }
}
