//! Tasks with an owner.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use slab::Slab;
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span, error};

use crate::{Stop, guard::Guarded};

/// A group of tasks that end together.
///
/// Clones share the group. Dropping it ends nothing: whoever owns a group calls [`close`](Self::close).
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    /// Work on threads of its own, which cannot be dropped.
    blocking: TaskTracker,
    stop: Stop,
    handles: Arc<Handles>,
}

/// What ends tasks that do not end by themselves. Looked at when a task begins or ends, and never
/// while it runs.
#[derive(Debug, Default)]
struct Handles(Mutex<Slab<Place>>);

/// A task's place among the handles.
#[derive(Debug)]
enum Place {
    /// It is about to begin.
    Begins,
    Runs(AbortHandle),
    /// It has ended while it began.
    Ended,
}

impl Tasks {
    /// A group that is asked to stop by `stop`.
    pub fn new(stop: Stop) -> Self {
        Self {
            stop,
            ..Self::default()
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
        let task = Guarded::new(Box::pin(task.instrument(span)));
        let place = self.handles.lock().insert(Place::Begins);
        let registered = Registered(Arc::clone(&self.handles), place);
        // Not under the lock: where the runtime ends the task is dropped before this returns.
        let handle = self.tracker.spawn(async move {
            let _registered = registered;
            if let Err(panicked) = task.await {
                error!(%panicked, "a task ended early");
            }
        });
        let mut handles = self.handles.lock();
        match handles.get_mut(place) {
            Some(begins @ Place::Begins) => *begins = Place::Runs(handle.abort_handle()),
            _ => drop(handles.try_remove(place)),
        }
    }

    /// Runs work that blocks on a thread of its own. It cannot be dropped before it ends:
    /// [`close`](Self::close) counts it, and does not wait for it beyond its patience.
    pub fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        self.blocking.spawn_blocking(move || {
            if let Err(panicked) = crate::guard::catch(work) {
                error!(%panicked, "blocking work ended early");
            }
        });
    }

    /// Asks every task to drain, gives them `patience`, then drops the rest. Returns how many had
    /// to be dropped.
    pub async fn close(&self, patience: Duration) -> usize {
        self.tracker.close();
        self.blocking.close();
        self.stop.drain();
        let all = async {
            self.tracker.wait().await;
            self.blocking.wait().await;
        };
        let _ = tokio::time::timeout(patience, all).await;
        let left = self.tracker.len() + self.blocking.len();
        // A task that runs on may still begin another, which has to end as well.
        while !self.tracker.is_empty() {
            self.handles.abort_all();
            tokio::select! {
                () = self.tracker.wait() => {}
                () = tokio::time::sleep(ABORT_AGAIN) => {}
            }
        }
        left
    }
}

/// How long to wait for tasks to be dropped before looking for new ones.
const ABORT_AGAIN: Duration = Duration::from_millis(10);

impl Handles {
    fn lock(&self) -> MutexGuard<'_, Slab<Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn abort_all(&self) {
        for (_, place) in self.lock().iter() {
            if let Place::Runs(handle) = place {
                handle.abort();
            }
        }
    }
}

/// A task's place among the handles; left when the task ends, however it does.
struct Registered(Arc<Handles>, usize);

impl Drop for Registered {
    fn drop(&mut self) {
        let Self(handles, place) = self;
        let mut handles = handles.lock();
        match handles.get_mut(*place) {
            Some(begins @ Place::Begins) => *begins = Place::Ended,
            _ => drop(handles.try_remove(*place)),
        }
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

    #[test]
    fn a_task_that_begins_as_its_runtime_ends_is_dropped() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let handle = runtime.handle().clone();
        drop(runtime);
        let tasks = Tasks::new(Stop::new());
        let _entered = handle.enter();
        for _ in 0..2 {
            tasks.spawn(Span::none(), std::future::pending());
        }
        assert!(tasks.is_empty());
        assert!(tasks.handles.lock().is_empty());
    }

    #[tokio::test]
    async fn work_that_blocks_is_waited_for_and_counted() {
        let tasks = Tasks::new(Stop::new());
        tasks.spawn_blocking(|| {});
        assert_eq!(tasks.close(Duration::from_secs(10)).await, 0);

        let tasks = Tasks::new(Stop::new());
        let (go_on, blocked) = std::sync::mpsc::channel::<()>();
        tasks.spawn_blocking(move || {
            let _ = blocked.recv();
        });
        assert_eq!(tasks.close(Duration::ZERO).await, 1);
        drop(go_on);
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
