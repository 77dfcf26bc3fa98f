//! Lines of the log that clients can bring about.

use std::fmt::{self, Display, Write};

use parking_lot::Mutex;
use tangelo_runtime::LogLines;
use tokio::time::Instant;

/// Lines of the log in a second that clients can bring about.
const LINES_PER_SECOND: u32 = 10;

/// Bytes that each of them may have of what clients, services and files decide on.
const LONGEST: usize = 512;

/// So many lines a second, of a gateway and its plugins together.
#[derive(Debug, Default)]
pub(crate) struct Lines(Mutex<LogLines>);

impl Lines {
    /// Whether a line may be written now that clients can bring about; if so, how many were left out before it.
    pub(crate) fn line(&self) -> Option<u32> {
        let line = self.0.lock().line(Instant::now(), LINES_PER_SECOND);
        line.map(Option::unwrap_or_default)
    }
}

/// A text on one line, and no longer than a line's part may be.
pub(crate) fn cut(text: impl Display) -> String {
    let mut cut = Cut(String::new());
    // It fails where it is cut.
    if write!(cut, "{text}").is_err() {
        cut.0.push_str("...");
    }
    cut.0
}

struct Cut(String);

impl Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            if self.0.len() + letter.len_utf8() > LONGEST {
                return Err(fmt::Error);
            }
            self.0.push(if letter.is_control() { ' ' } else { letter });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_and_ends_no_line() {
        assert_eq!(cut("a\r\nb"), "a  b");
        assert_eq!(cut("x".repeat(LONGEST)), "x".repeat(LONGEST));
        let long = cut("用".repeat(LONGEST));
        assert!(long.len() <= LONGEST + 3 && long.ends_with("用..."));
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_lines_are_written_in_a_second() {
        let lines = Lines::default();
        let written = (0..100).filter(|_| lines.line().is_some()).count();
        assert_eq!(written, LINES_PER_SECOND as usize);
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        assert_eq!(lines.line(), Some(100 - LINES_PER_SECOND));
    }
}
