//! Tasks with an owner.

use std::time::Duration;

use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span, error};

use crate::{Stop, guard::Guarded};

/// A group of tasks that end together.
///
/// Clones share the group. Dropping it ends nothing: whoever owns a group calls [`close`](Self::close).
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: Stop,
}

impl Tasks {
    /// A group that is asked to stop by `stop`.
    pub fn new(stop: Stop) -> Self {
        Self {
            tracker: TaskTracker::new(),
            stop,
        }
    }

    /// What asks this group's tasks to stop.
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// How many tasks run.
    pub fn len(&self) -> usize {
        self.tracker.len()
    }

    /// Whether none runs.
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Runs a task until it ends, or until the group must end.
    ///
    /// `span` names it in the log. A task that panics is logged; the others go on.
    pub fn spawn<F>(&self, span: Span, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let ended = self.stop.ended();
        let task = async move {
            tokio::select! {
                () = ended => {}
                () = task => {}
            }
        };
        let task = Guarded::new(Box::pin(task.instrument(span)));
        self.tracker.spawn(async move {
            if let Err(panicked) = task.await {
                error!(%panicked, "a task ended early");
            }
        });
    }

    /// Asks every task to drain, gives them `patience`, then drops the rest. Returns how many had
    /// to be dropped.
    pub async fn close(&self, patience: Duration) -> usize {
        self.tracker.close();
        self.stop.drain();
        let finished = tokio::time::timeout(patience, self.tracker.wait())
            .await
            .is_ok();
        let left = if finished { 0 } else { self.tracker.len() };
        self.stop.now();
        self.tracker.wait().await;
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_drains_in_time_is_not_dropped() {
        let tasks = Tasks::new(Stop::new());
        let stop = tasks.stop().clone();
        tasks.spawn(Span::none(), async move {
            stop.draining().await;
            tokio::time::sleep(Duration::from_secs(9)).await;
        });
        assert_eq!(tasks.close(Duration::from_secs(10)).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_is_dropped_at_the_deadline_and_counted() {
        let tasks = Tasks::new(Stop::new());
        tasks.spawn(Span::none(), std::future::pending());
        assert_eq!(tasks.close(Duration::from_secs(10)).await, 1);
        assert!(tasks.is_empty());
    }

    #[tokio::test]
    async fn a_panic_ends_its_task_alone() {
        let tasks = Tasks::new(Stop::new());
        let (alive, seen) = tokio::sync::oneshot::channel();
        tasks.spawn(Span::none(), async { panic!("on purpose") });
        tasks.spawn(Span::none(), async move {
            alive.send(()).unwrap();
        });
        seen.await.unwrap();
        tasks.close(Duration::from_secs(1)).await;
    }
}
