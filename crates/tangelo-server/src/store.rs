//! Stores: where servers keep what all of them know.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use tangelo_runtime::guard::{self, Guarded};
use tokio::time::timeout;

use crate::{GlobalChannelStore, PresenceStore};

/// How long a store may take to answer.
const DEADLINE: Duration = Duration::from_secs(3);

/// What a store answers, when it does. It is dropped when that takes longer than 3 s.
pub type Stored<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, Box<dyn std::error::Error + Send + Sync>>> + Send + 'a>>;

/// Why a store is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is none.
    #[error(
        "the application has no store for this: one of its own is needed where its servers run in several processes"
    )]
    None,
    /// It has not answered within 3 s.
    #[error("the store has not answered in time")]
    Late,
    /// It has failed, and said this.
    #[error("the store has failed: {0}")]
    Failed(String),
}

/// The stores of an application.
#[derive(Clone, Default)]
pub(crate) struct Stores {
    pub(crate) presence: Option<Arc<dyn PresenceStore>>,
    pub(crate) channels: Option<Arc<dyn GlobalChannelStore>>,
}

impl Stores {
    pub(crate) fn is_empty(&self) -> bool {
        self.presence.is_none() && self.channels.is_none()
    }

    /// Nobody is on this front end any more.
    pub(crate) async fn remove_frontend(&self, frontend_id: &str) -> Result<(), StoreError> {
        let presence = async {
            match &self.presence {
                Some(store) => ask(|| store.remove_frontend(frontend_id)).await,
                None => Ok(()),
            }
        };
        let channels = async {
            match &self.channels {
                Some(store) => ask(|| store.remove_frontend(frontend_id)).await,
                None => Ok(()),
            }
        };
        let (presence, channels) = tokio::join!(presence, channels);
        presence.and(channels)
    }
}

/// Asks a store, for as long as it may take. A panic is its failure.
pub(crate) async fn ask<'a, T>(call: impl FnOnce() -> Stored<'a, T>) -> Result<T, StoreError> {
    let failed = |error: &dyn fmt::Display| StoreError::Failed(error.to_string());
    let answer = guard::catch(call).map_err(|panicked| failed(&panicked))?;
    let answer = timeout(DEADLINE, Guarded::new(answer)).await;
    let answer = answer.map_err(|_| StoreError::Late)?;
    let answer = answer.map_err(|panicked| failed(&panicked))?;
    answer.map_err(|error| failed(&error))
}

impl fmt::Debug for Stores {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Stores")
            .field("presence", &self.presence.is_some())
            .field("channels", &self.channels.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_answer_is_waited_for_as_long_as_is_said() {
        let begun = tokio::time::Instant::now();
        let answer = ask::<()>(|| Box::pin(std::future::pending())).await;
        assert_eq!((answer, begun.elapsed()), (Err(StoreError::Late), DEADLINE));
        let just_in_time = || -> Stored<'_, u8> {
            Box::pin(async {
                tokio::time::sleep(DEADLINE - Duration::from_millis(1)).await;
                Ok(7)
            })
        };
        assert_eq!(ask(just_in_time).await, Ok(7));
    }

    #[tokio::test]
    async fn a_store_that_fails_or_panics_has_failed() {
        let failed = |words: &str| Err(StoreError::Failed(words.to_owned()));
        let answer = ask::<()>(|| Box::pin(async { Err("no disk".into()) })).await;
        assert_eq!(answer, failed("no disk"));
        let answer = ask::<()>(|| Box::pin(async { panic!("at work") })).await;
        assert_eq!(answer, failed("panicked: at work"));
        let answer = ask::<()>(|| panic!("at once")).await;
        assert_eq!(answer, failed("panicked: at once"));
    }
}
