//! Keeps peers from filling the log.

use std::time::Duration;

use tokio::time::Instant;

/// Counts log lines, so that peers cannot fill the log.
#[derive(Debug, Default)]
pub struct LogLines {
    since: Option<Instant>,
    lines: u32,
    left_out: u32,
}

impl LogLines {
    /// Whether a line may be written now; if so, how many were left out before it, if any.
    pub fn line(&mut self, now: Instant, per_second: u32) -> Option<Option<u32>> {
        if self
            .since
            .is_none_or(|since| now >= since + Duration::from_secs(1))
        {
            self.since = Some(now);
            self.lines = 0;
        }
        if self.lines >= per_second {
            self.left_out += 1;
            return None;
        }
        self.lines += 1;
        let left_out = std::mem::take(&mut self.left_out);
        Some((left_out > 0).then_some(left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_lines_a_second_and_the_rest_is_counted() {
        let (mut lines, start) = (LogLines::default(), Instant::now());
        let written = (0..10).filter(|_| lines.line(start, 3).is_some()).count();
        assert_eq!(written, 3);
        let later = start + Duration::from_secs(1);
        assert_eq!(lines.line(later, 3), Some(Some(7)));
        assert_eq!(lines.line(later, 3), Some(None));
    }
}
