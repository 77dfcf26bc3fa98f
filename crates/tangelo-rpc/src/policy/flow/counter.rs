//! Counts the calls of one caller.

use std::time::Duration;

use tokio::time::Instant;

use super::{FlowLimits, window::Window};

/// Counts the calls of one caller, or of anything else that has limits of its own.
///
/// The seconds slide, as those of [`MemoryFlowControl`](super::MemoryFlowControl).
#[derive(Debug)]
pub struct FlowCounter(Vec<Window>);

impl FlowCounter {
    /// One that has counted nothing.
    pub fn new(limits: &FlowLimits) -> Self {
        Self(limits.iter().map(Window::new).collect())
    }

    /// Counts a call, if all limits have room for it.
    ///
    /// # Errors
    /// They do not; after this time they will, if nobody calls in between. The call is not counted.
    pub fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        let full = self.0.iter_mut();
        let full = full.filter_map(|window| (!window.has_room(now)).then(|| window.wait(now)));
        if let Some(wait) = full.max() {
            return Err(wait);
        }
        for window in &mut self.0 {
            window.count(now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_limits_hold_and_tell_when_there_is_room_again() {
        let mut counter = FlowCounter::new(&"1=2;10=3".parse().unwrap());
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!(counter.admit(at(0)), Ok(()));
        assert_eq!(counter.admit(at(500)), Ok(()));
        assert_eq!(counter.admit(at(600)), Err(Duration::from_millis(400)));
        assert_eq!(counter.admit(at(1000)), Ok(()));
        assert_eq!(counter.admit(at(2000)), Err(Duration::from_secs(8)));
        assert_eq!(counter.admit(at(10_000)), Ok(()));
        let mut none = FlowCounter::new(&"5=0".parse().unwrap());
        assert_eq!(none.admit(at(0)), Err(Duration::from_secs(5)));
    }
}
