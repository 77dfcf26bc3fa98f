//! Counts the calls of the last so many seconds.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::limits::Limit;

/// Calls that come within this part of the window's length are remembered as one.
const GRAINS: u32 = 64;

/// A window that slides: at any moment it is the time just past, of one length.
///
/// Each call is remembered until it is as old as the window is long. Calls that come close
/// together are remembered together, until the last of them is that old; so memory has a limit,
/// and no stretch of time of the window's length ever has more calls than are allowed. The price:
/// where calls come close together, room comes back late, by a 64th of the length at the most.
#[derive(Debug)]
pub(super) struct Window {
    length: Duration,
    allowed: u32,
    counted: VecDeque<Calls>,
    /// All of `counted` together.
    total: u32,
}

/// Calls remembered as one.
#[derive(Debug)]
struct Calls {
    first: Instant,
    last: Instant,
    count: u32,
}

impl Window {
    pub(super) fn new(limit: Limit) -> Self {
        Self {
            length: limit.time(),
            allowed: limit.allowed,
            counted: VecDeque::new(),
            total: 0,
        }
    }

    /// Whether one more call is allowed now.
    pub(super) fn has_room(&mut self, now: Instant) -> bool {
        while let Some(oldest) = self.counted.front()
            && now.saturating_duration_since(oldest.last) >= self.length
        {
            self.total -= oldest.count;
            self.counted.pop_front();
        }
        self.total < self.allowed
    }

    /// How long until one more call is allowed, if none comes before it.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let free = self.counted.front().map(|oldest| oldest.last + self.length);
        // With none allowed there is never any room.
        free.map_or(self.length, |free| free.saturating_duration_since(now))
    }

    /// Counts a call there was room for.
    pub(super) fn count(&mut self, now: Instant) {
        self.total += 1;
        // Another thread's clock may have been read earlier and be counted later: such a call
        // belongs to the newest too.
        match self.counted.back_mut() {
            Some(newest) if now.saturating_duration_since(newest.first) < self.length / GRAINS => {
                newest.last = newest.last.max(now);
                newest.count += 1;
            }
            _ => self.counted.push_back(Calls {
                first: now,
                last: now,
                count: 1,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(seconds: u32, allowed: u32) -> Window {
        Window::new(Limit { seconds, allowed })
    }

    fn call(window: &mut Window, now: Instant) -> bool {
        let room = window.has_room(now);
        if room {
            window.count(now);
        }
        room
    }

    const SECOND: Duration = Duration::from_secs(1);
    const INSTANT: Duration = Duration::from_nanos(1);

    #[test]
    fn as_many_as_allowed_and_not_one_more() {
        let (mut window, start) = (window(1, 5), Instant::now());
        let admitted = (0..10).filter(|_| call(&mut window, start)).count();
        assert_eq!(admitted, 5);
    }

    #[test]
    fn calls_at_one_moment_leave_room_exactly_a_length_later() {
        let (mut window, start) = (window(1, 2), Instant::now());
        assert!(call(&mut window, start) && call(&mut window, start));
        assert!(!call(&mut window, start + SECOND - INSTANT));
        assert!(call(&mut window, start + SECOND));
    }

    #[test]
    fn a_boundary_between_seconds_lets_no_double_burst_pass() {
        let (mut window, start) = (window(1, 5), Instant::now());
        let late = start + SECOND - Duration::from_millis(1);
        let soon = start + SECOND + Duration::from_millis(1);
        let admitted = [late, soon].map(|now| (0..5).filter(|_| call(&mut window, now)).count());
        assert_eq!(admitted, [5, 0]);
    }

    #[test]
    fn what_was_refused_does_not_count() {
        let (mut window, start) = (window(1, 1), Instant::now());
        assert!(call(&mut window, start));
        for milliseconds in 1..1000 {
            assert!(!call(
                &mut window,
                start + Duration::from_millis(milliseconds)
            ));
        }
        assert!(call(&mut window, start + SECOND));
    }

    #[test]
    fn none_allowed_is_none() {
        let (mut window, start) = (window(1, 0), Instant::now());
        assert!(!call(&mut window, start));
        assert!(!call(&mut window, start + 9 * SECOND));
    }

    #[test]
    fn a_clock_that_was_read_earlier_is_no_matter() {
        let (mut window, start) = (window(1, 2), Instant::now() + SECOND);
        assert!(call(&mut window, start));
        assert!(call(&mut window, start - SECOND / 2));
        assert!(!call(&mut window, start + SECOND / 2));
        assert!(call(&mut window, start + SECOND));
    }

    #[test]
    fn what_is_remembered_has_a_limit() {
        let (mut window, start) = (window(1, u32::MAX), Instant::now());
        let mut most = 0;
        for step in 0..100_000 {
            assert!(call(&mut window, start + step * Duration::from_micros(37)));
            most = most.max(window.counted.len());
        }
        assert!(most <= GRAINS as usize + 2, "{most}");
    }

    proptest! {
        /// Against a list of all calls: never more than allowed in any second, and never fewer
        /// than would be allowed in a second and a 64th.
        #[test]
        fn any_second_has_no_more_than_allowed_and_room_comes_back_within_a_64th(
            allowed in 0..20_u32,
            pauses in prop::collection::vec(0..200_u64, 1..300),
        ) {
            let mut window = window(1, allowed);
            let mut now = Instant::now();
            let mut admitted: Vec<Instant> = Vec::new();
            for pause in pauses {
                now += Duration::from_millis(pause * pause / 100);
                let within = |length: Duration| {
                    let young = |then: &&Instant| now - **then < length;
                    admitted.iter().filter(young).count() as u32
                };
                let (exact, longer) = (within(SECOND), within(SECOND + SECOND / GRAINS));
                if call(&mut window, now) {
                    prop_assert!(exact < allowed);
                    admitted.push(now);
                } else {
                    prop_assert!(longer >= allowed);
                }
            }
        }
    }
}
