//! What many say at the same time is written together.
//!
//! Whoever speaks first wakes the connection's task, which the runtime runs next, before all the others who
//! are about to speak as well: then each of them would have a write of his own. So the task lets those have
//! their turn who are ready to run by now, as long as that brings enough: what is put off stands behind them all.

/// How often others have to speak meanwhile, so that it was worth while to put a write off.
const WORTH_IT: usize = 8;
/// Writes that go at once after one that was put off and was not worth it; twice as many after the next, up to
/// [`MOST_AT_ONCE`]: where few speak, one call in so many is answered later for it.
const AT_ONCE: u16 = 15;
const MOST_AT_ONCE: u16 = 255;

/// Whether a write is put off until others have spoken, who would need one of their own.
#[derive(Debug)]
pub(super) struct Gathering {
    /// How often others had spoken when the write was put off.
    put_off_at: Option<usize>,
    /// Writes that go at once.
    at_once: u16,
    /// The same, after the next that is not worth it.
    then_at_once: u16,
}

impl Default for Gathering {
    fn default() -> Self {
        Self {
            put_off_at: None,
            at_once: 0,
            then_at_once: AT_ONCE,
        }
    }
}

impl Gathering {
    /// Whether something is still to be written that was put off.
    pub(super) fn has_put_off(&self) -> bool {
        self.put_off_at.is_some()
    }

    /// Asked before each write: whether it is put off to the beginning of the task's next turn, behind whoever is
    /// ready to run. `said` is how often callers, or what runs here, have spoken since the last one.
    pub(super) fn lets_others_speak_first(&mut self, said: usize) -> bool {
        if self.has_put_off() {
            self.goes_now(said);
            return false;
        }
        if said == 0 {
            return false;
        }
        if self.at_once > 0 {
            self.at_once -= 1;
            return false;
        }
        self.put_off_at = Some(said);
        true
    }

    /// What was put off, if anything was, is written now.
    pub(super) fn goes_now(&mut self, said: usize) {
        if let Some(before) = self.put_off_at.take() {
            self.learn(said.saturating_sub(before));
        }
    }

    /// So often have others spoken while a write was put off.
    fn learn(&mut self, others: usize) {
        if others >= WORTH_IT {
            self.then_at_once = AT_ONCE;
        } else {
            self.at_once = self.then_at_once;
            self.then_at_once = (2 * self.then_at_once + 1).min(MOST_AT_ONCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many writes are put off, where so many others speak meanwhile.
    fn put_off(writes: u32, others: usize) -> u32 {
        let mut gathering = Gathering::default();
        let mut put_off = 0;
        for _ in 0..writes {
            if gathering.lets_others_speak_first(1) {
                put_off += 1;
                assert!(gathering.has_put_off());
                assert!(!gathering.lets_others_speak_first(1 + others), "once");
                assert!(!gathering.has_put_off());
            }
        }
        put_off
    }

    #[test]
    fn where_many_speak_each_write_waits_once_for_what_they_say() {
        assert_eq!(put_off(100, WORTH_IT), 100);
    }

    #[test]
    fn where_few_speak_hardly_a_write_is_put_off() {
        for others in [0, 1, WORTH_IT - 1] {
            let doubling = 1 + 15 + 1 + 31 + 1 + 63 + 1 + 127 + 1;
            assert_eq!(put_off(doubling, others), 5, "{others}");
            let writes = 10 * (u32::from(MOST_AT_ONCE) + 1);
            assert_eq!(put_off(doubling + writes, others), 15, "{others}");
        }
    }

    #[test]
    fn once_it_was_worth_it_it_is_tried_more_often_again() {
        let mut gathering = Gathering::default();
        let mut one = |others| {
            let mut at_once = 0;
            while !gathering.lets_others_speak_first(1) {
                at_once += 1;
            }
            gathering.lets_others_speak_first(1 + others);
            at_once
        };
        let waits = [0, 0, WORTH_IT, 0, 0].map(&mut one);
        assert_eq!(waits, [0, 15, 31, 0, 15]);
    }

    #[test]
    fn what_goes_now_is_not_put_off_again() {
        let mut gathering = Gathering::default();
        assert!(gathering.lets_others_speak_first(1));
        gathering.goes_now(1 + WORTH_IT);
        assert!(!gathering.has_put_off());
        gathering.goes_now(WORTH_IT);
        assert!(!gathering.has_put_off(), "nothing was");
        assert!(gathering.lets_others_speak_first(1), "it was worth it");
    }

    #[test]
    fn an_answer_alone_waits_for_nobody() {
        let mut gathering = Gathering::default();
        assert!((0..3).all(|_| !gathering.lets_others_speak_first(0)));
    }
}
