//! What many say at the same time is written together.
//!
//! Whoever speaks first wakes the connection's task, which the runtime runs next, before all the others who
//! are about to speak as well: then each of them would have a write of his own. So the task lets those have
//! their turn who are ready to run by now, as long as that brings anything.

/// Writes that are not put off after one that was, and nobody else had anything to say meanwhile.
const AT_ONCE: u8 = 15;

/// Whether a write is put off until others have spoken, who would need one of their own.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// How often others had spoken when the write was put off.
    put_off_at: Option<usize>,
    /// Writes that go at once.
    at_once: u8,
}

impl Gathering {
    /// Asked before each write: whether it is put off to the task's next turn, behind whoever is ready to
    /// run. `said` is how often others have spoken since the last one.
    pub(super) fn lets_others_speak_first(&mut self, said: usize) -> bool {
        if let Some(before) = self.put_off_at.take() {
            if said <= before {
                self.at_once = AT_ONCE;
            }
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_waits_once_for_what_they_will_have_said_by_then() {
        let mut gathering = Gathering::default();
        for _ in 0..3 {
            assert!(gathering.lets_others_speak_first(1));
            assert!(!gathering.lets_others_speak_first(20), "never twice");
        }
    }

    #[test]
    fn own_words_wait_for_nobody() {
        let mut gathering = Gathering::default();
        for _ in 0..3 {
            assert!(!gathering.lets_others_speak_first(0));
        }
    }

    #[test]
    fn where_nobody_else_speaks_most_writes_go_at_once() {
        let mut gathering = Gathering::default();
        let put_off = (0..10 * u32::from(AT_ONCE) + 20)
            .filter(|_| gathering.lets_others_speak_first(1))
            .count();
        assert_eq!(put_off, 10);
    }
}
