//! Definitions that change while the server runs.

use std::{fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tangelo_runtime::guard;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{error, info, warn};

use super::{ClientDefinitions, Encodings, Manner};
use crate::{Blueprint, Context, Error, Limits};

/// What clients that come are offered: it may be exchanged.
#[derive(Debug, Default)]
pub(crate) struct Current {
    pub(super) manner: Manner,
    pub(super) now: Mutex<Arc<Encodings>>,
    pub(super) source: Option<Source>,
}

/// Reads definitions anew, if they may have changed.
#[derive(Clone)]
pub(crate) struct Source(Arc<Read>);

type Read = dyn Fn() -> Result<Option<ClientDefinitions>, Error> + Send + Sync;

/// Why definitions were not exchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadDefinitions(String);

impl Blueprint {
    /// Where a front end's dictionary and definitions come from, besides: they are read again every
    /// [10 s](Limits::REREAD_DEFINITIONS), in a thread where that may block, and [exchanged](Context::redefine) if they
    /// are others. `None` says that nothing has changed. What cannot be read or used is told in the log, and
    /// changes nothing. An `App` reads the files of Pomelo's folder so.
    #[must_use]
    pub fn definitions_from(
        mut self,
        read: impl Fn() -> Result<Option<ClientDefinitions>, Error> + Send + Sync + 'static,
    ) -> Self {
        self.encodings.source = Some(Source(Arc::new(read)));
        self
    }
}

impl Context {
    /// Exchanges the dictionary and the definitions: clients that come from now on are told these, in place of
    /// what the blueprint said. Who is connected goes on with what he was told. Whether they are others than
    /// before.
    ///
    /// The routes of handlers keep their place in the dictionary. A server that started without a dictionary has
    /// none later.
    ///
    /// # Errors
    /// There is a mistake in them; nothing has changed then.
    pub fn redefine(&self, definitions: &ClientDefinitions) -> Result<bool, BadDefinitions> {
        let mistakes = definitions.mistakes();
        if !mistakes.is_empty() {
            return Err(BadDefinitions(mistakes.join("; ")));
        }
        let made = self.encodings.manner.make(definitions);
        let made = made.map_err(|error| BadDefinitions(error.to_string()))?;
        let mut now = self.encodings.now.lock();
        let is_other = !now.is_as(&made);
        if is_other {
            // What is encoded once for all goes on being so where nothing has changed.
            *now = Arc::new(made);
        }
        Ok(is_other)
    }
}

impl Current {
    /// Where they come from besides.
    pub(crate) fn source(&self) -> Option<Source> {
        self.source.clone()
    }

    pub(crate) fn now(&self) -> Arc<Encodings> {
        Arc::clone(&self.now.lock())
    }
}

/// Follows the changes of where definitions come from, until it is dropped.
pub(crate) async fn follow(Source(read): Source, context: Arc<Context>) {
    let (first, every) = (Instant::now(), Limits::REREAD_DEFINITIONS);
    // They have just been read.
    let mut due = tokio::time::interval_at(first + every, every);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = None;
    loop {
        due.tick().await;
        let read = Arc::clone(&read);
        let read = move || guard::catch(|| read());
        // It fails only when the runtime ends.
        let Ok(read) = tokio::task::spawn_blocking(read).await else {
            return;
        };
        let problem = match read {
            Ok(Ok(None)) => continue,
            Ok(Ok(Some(definitions))) => match context.redefine(&definitions) {
                Ok(is_other) => {
                    if is_other {
                        info!("clients to come have a new dictionary or new definitions");
                    }
                    told = None;
                    continue;
                }
                Err(error) => error.to_string(),
            },
            Ok(Err(error)) => error.why(),
            Err(panicked) => {
                error!(%panicked, "definitions_from");
                continue;
            }
        };
        if told.as_ref() != Some(&problem) {
            warn!(%problem, "the definitions for clients stay as they were");
            told = Some(problem);
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Source")
    }
}

impl Limits {
    /// How often [`Blueprint::definitions_from`] is read.
    pub const REREAD_DEFINITIONS: Duration = Duration::from_secs(10);
}
