//! What the framework logs while a test runs.

use std::{
    io,
    sync::{Arc, OnceLock},
};

use parking_lot::Mutex;
use tracing::{Dispatch, subscriber::DefaultGuard};

/// Keeps the lines logged in this thread, where all of the test's tasks are.
pub(crate) struct Log {
    text: Text,
    _here: DefaultGuard,
}

#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn keep() -> Self {
        OTHERS.get_or_init(|| [sink(), sink()]);
        let text = Text::default();
        let writer = text.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        Self {
            text,
            _here: tracing::subscriber::set_default(subscriber),
        }
    }

    /// The lines that have all of these words.
    pub(crate) fn lines(&self, words: &[&str]) -> Vec<String> {
        let text = String::from_utf8(self.text.0.lock().clone()).unwrap();
        let lines = text.lines().map(str::to_owned);
        let has_all = |line: &String| words.iter().all(|word| line.contains(word));
        lines.filter(has_all).collect()
    }
}

/// While there is one subscriber alone, `tracing` asks that of the thread which comes by first, and where that has
/// none, nobody's lines are written from there.
static OTHERS: OnceLock<[Dispatch; 2]> = OnceLock::new();

fn sink() -> Dispatch {
    Dispatch::new(tracing_subscriber::fmt().with_writer(io::sink).finish())
}

impl io::Write for Text {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
