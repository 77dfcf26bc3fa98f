//! What many say at the same time is written together.
//!
//! Whoever speaks first wakes the connection's task, which the runtime runs next, before all the others who
//! are about to speak as well: then each of them would have a write of his own. So the task lets those have
//! their turn who are ready to run by now, as long as that brings anything.

/// Writes that are not put off after one that was, and hardly anybody else had anything to say meanwhile.
const AT_ONCE: u8 = 15;
/// Others have to speak meanwhile so often that it was worth while to put a write off: what few say is told later
/// for it, as it stands behind all that is ready to run.
const WORTH_IT: usize = 8;

/// Whether a write is put off until others have spoken, who would need one of their own.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// How often others had spoken when the write was put off.
    put_off_at: Option<usize>,
    /// Writes that go at once.
    at_once: u8,
}

impl Gathering {
    /// Whether something is still to be written that was put off.
    pub(super) fn has_put_off(&self) -> bool {
        self.put_off_at.is_some()
    }

    /// Asked before each write: whether it is put off to the task's next turn, behind whoever is ready to
    /// run. `said` is how often others have spoken since the last one.
    pub(super) fn lets_others_speak_first(&mut self, said: usize) -> bool {
        if let Some(before) = self.put_off_at.take() {
            if said < before + WORTH_IT {
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
    fn where_few_speak_most_writes_go_at_once() {
        for others in [0, 1, WORTH_IT - 1] {
            let mut gathering = Gathering::default();
            let (mut put_off, mut writes) = (0, 0);
            while writes < 10 * u32::from(AT_ONCE + 1) {
                if gathering.lets_others_speak_first(1) {
                    put_off += 1;
                    assert!(!gathering.lets_others_speak_first(1 + others));
                }
                writes += 1;
            }
            assert_eq!(put_off, 10, "{others}");
        }
    }
}
