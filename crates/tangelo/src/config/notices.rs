//! What is told at the start and is no mistake.

/// So much that is odd is told; the rest is counted.
const MOST: usize = 20;

/// What is told at the start and is no mistake.
#[derive(Clone, Debug, Default)]
pub(super) struct Notices {
    /// What has no effect, and why.
    without_effect: Vec<(String, &'static str)>,
    others: Vec<String>,
    left_out: usize,
}

impl Notices {
    pub(super) fn add(&mut self, notice: impl Into<String>) {
        if self.others.len() < MOST {
            self.others.push(notice.into());
        } else {
            self.left_out += 1;
        }
    }

    /// Something is kept, but nothing comes of it.
    pub(super) fn no_effect(&mut self, what: impl Into<String>, why: &'static str) {
        let what = what.into();
        if !self.without_effect.iter().any(|(known, _)| *known == what) {
            self.without_effect.push((what, why));
        }
    }

    /// What has no effect first, all of it as one.
    pub(super) fn finish(self) -> Vec<String> {
        let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
        for (what, why) in self.without_effect {
            match reasons.iter_mut().find(|(reason, _)| *reason == why) {
                Some((_, all)) => all.push(what),
                None => reasons.push((why, vec![what])),
            }
        }
        let mut notices = Vec::new();
        if !reasons.is_empty() {
            let reasons = reasons.iter();
            let reasons = reasons.map(|(why, all)| format!("{} ({why})", all.join(", ")));
            let all: Vec<_> = reasons.collect();
            notices.push(format!("kept, but without effect: {}", all.join("; ")));
        }
        notices.extend(self.others);
        if self.left_out > 0 {
            notices.push(format!("and {} more that is odd", self.left_out));
        }
        notices
    }
}
