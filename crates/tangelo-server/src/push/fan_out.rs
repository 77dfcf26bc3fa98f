//! Many sessions are told something, and woken by turns.
//!
//! All woken at once, their tasks are more than a thread of the runtime keeps in order: those woken last run first
//! and write again for the next push, while for the others push after push gathers that one write could take.
//! And whoever else has something to do waits behind all of them.

use std::{
    collections::VecDeque,
    future, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use parking_lot::Mutex;
use tangelo_runtime::Tasks;
use tokio::runtime::Handle;
use tracing::{Span, info_span};

use crate::session::{FrontSession, Item, Wake};

/// Sessions that are woken by whoever tells them something.
const AT_ONCE: usize = 16;
/// Sessions that are woken in a turn, before other tasks have theirs: few enough for a thread's own list of tasks,
/// which has room for 256.
const PER_TURN: usize = 64;
/// However long a line is, it is over after so many turns and one: each waits for all else that is ready to run.
const TURNS: usize = 16;
/// Places that an empty line keeps.
const KEPT: usize = 1024;

/// The sessions of a server that have been told something, and are not woken yet.
#[derive(Debug)]
pub(super) struct FanOut {
    tasks: Tasks,
    runtime: Handle,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    /// Each once.
    waiting: VecDeque<Arc<Wake>>,
    /// Whether a task wakes them.
    moves: bool,
}

/// Tells one session after another. Those beyond the first few are woken by turns.
#[derive(Debug)]
pub(super) struct Waking<'a> {
    fan_out: &'a Arc<FanOut>,
    /// How many more are woken at once.
    at_once: usize,
}

impl FanOut {
    /// `tasks` own whoever wakes them. To be called within the runtime they run in.
    pub(super) fn new(tasks: &Tasks) -> Arc<Self> {
        Arc::new(Self {
            tasks: tasks.clone(),
            runtime: Handle::current(),
            line: Mutex::default(),
        })
    }

    /// Runs something beside whoever speaks to a client, who need not do so from within the runtime.
    pub(super) fn spawn(&self, span: Span, task: impl Future<Output = ()> + Send + 'static) {
        let _entered = self.runtime.enter();
        self.tasks.spawn(span, task);
    }

    pub(super) fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    pub(super) fn begin(self: &Arc<Self>) -> Waking<'_> {
        Waking {
            fan_out: self,
            at_once: AT_ONCE,
        }
    }

    fn line_up(self: &Arc<Self>, wake: &Arc<Wake>) {
        if !wake.lines_up() {
            return;
        }
        let mut line = self.line.lock();
        line.waiting.push_back(Arc::clone(wake));
        if mem::replace(&mut line.moves, true) {
            return;
        }
        drop(line);
        // From here on it wakes them whatever fails.
        let turns = Turns::new(self);
        self.spawn(info_span!(parent: None, "fan-out"), turns);
        // The task begun last is the one that no other thread can take over, however long this one is busy.
        self.spawn(Span::none(), future::ready(()));
    }
}

impl Waking<'_> {
    /// Tells this session; `false` if it has closed, or its client is too far behind.
    pub(super) fn tell(&mut self, session: &FrontSession, item: Item) -> bool {
        self.tell_all(session, [item])
    }

    /// Its task finds them all at once.
    pub(super) fn tell_all(
        &mut self,
        session: &FrontSession,
        items: impl IntoIterator<Item = Item>,
    ) -> bool {
        let put = match self.at_once {
            0 => session.queue().put_for_line(items),
            _ => session.queue().put_all(items),
        };
        if put.wakes {
            self.wake(session.wake());
        }
        put.taken
    }

    fn wake(&mut self, wake: &Arc<Wake>) {
        match self.at_once.checked_sub(1) {
            Some(rest) => {
                self.at_once = rest;
                wake.wake();
            }
            None => self.fan_out.line_up(wake),
        }
    }
}

/// Wakes those in the line until nobody is left; however it ends, nobody is.
struct Turns {
    fan_out: Arc<FanOut>,
    per_turn: usize,
    done: bool,
}

impl Turns {
    fn new(fan_out: &Arc<FanOut>) -> Self {
        Self {
            fan_out: Arc::clone(fan_out),
            per_turn: PER_TURN,
            done: false,
        }
    }

    /// Wakes up to so many, from the first on.
    fn wake(&mut self, most: usize) {
        let mut line = self.fan_out.line.lock();
        let length = line.waiting.len();
        let count = most.min(length);
        self.per_turn = self.per_turn.max(length.div_ceil(TURNS));
        let first: Vec<_> = line.waiting.drain(..count).collect();
        self.done = line.waiting.is_empty();
        line.moves = !self.done;
        if self.done {
            line.waiting.shrink_to(KEPT);
        }
        drop(line);
        first.iter().for_each(|wake| wake.wake_from_line());
    }
}

impl Future for Turns {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<()> {
        let most = self.per_turn;
        self.wake(most);
        if self.done {
            return Poll::Ready(());
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        if !self.done {
            self.wake(usize::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        task::{self, Waker},
        thread,
        time::{Duration, Instant},
    };

    use tangelo_runtime::Stop;
    use tokio::{
        runtime::{Builder, Runtime},
        sync::oneshot,
    };

    use super::*;

    /// A session's task that counts how often it is woken.
    #[derive(Default)]
    struct Sleeper(AtomicUsize);

    impl task::Wake for Sleeper {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    struct Sleepers(Vec<(Arc<Wake>, Arc<Sleeper>)>);

    impl Sleepers {
        fn new(count: usize) -> Self {
            let sleepers = Self((0..count).map(|_| Default::default()).collect());
            sleepers.sleep();
            sleepers
        }

        fn sleep(&self) {
            for (wake, sleeper) in &self.0 {
                wake.register(&Waker::from(Arc::clone(sleeper)));
            }
        }

        fn told(&self, fan_out: &Arc<FanOut>) {
            let mut waking = fan_out.begin();
            self.0.iter().for_each(|(wake, _)| waking.wake(wake));
        }

        /// How many have been woken, from the first on, and each once.
        fn woken(&self) -> usize {
            let times = self
                .0
                .iter()
                .map(|(_, sleeper)| sleeper.0.load(Ordering::SeqCst));
            let times: Vec<_> = times.collect();
            let woken = times.iter().take_while(|times| **times == 1).count();
            assert!(times[woken..].iter().all(|times| *times == 0), "{times:?}");
            woken
        }
    }

    fn fan_out() -> (Arc<FanOut>, Tasks) {
        let tasks = Tasks::new(Stop::new());
        (FanOut::new(&tasks), tasks)
    }

    #[tokio::test]
    async fn a_few_are_woken_at_once_and_the_others_by_turns_in_their_order() {
        let (fan_out, tasks) = fan_out();
        let few = Sleepers::new(AT_ONCE);
        few.told(&fan_out);
        assert_eq!((few.woken(), tasks.len()), (AT_ONCE, 0));

        let many = Sleepers::new(AT_ONCE + 2 * PER_TURN + 1);
        many.told(&fan_out);
        assert_eq!((many.woken(), tasks.is_empty()), (AT_ONCE, false));
        let mut turns = Turns::new(&fan_out);
        let mut turn = || Pin::new(&mut turns).poll(&mut Context::from_waker(Waker::noop()));
        for woken in 1..=2 {
            assert!(turn().is_pending());
            assert_eq!(many.woken(), AT_ONCE + woken * PER_TURN);
        }
        assert!(turn().is_ready());
        assert_eq!(many.woken(), many.0.len());
    }

    #[tokio::test]
    async fn a_long_line_takes_no_more_turns_than_one_that_is_not() {
        let (fan_out, _tasks) = fan_out();
        let many = Sleepers::new(AT_ONCE + TURNS * PER_TURN * 10);
        many.told(&fan_out);
        let mut turns = Turns::new(&fan_out);
        let mut turn = || Pin::new(&mut turns).poll(&mut Context::from_waker(Waker::noop()));
        assert!((0..=TURNS).any(|_| turn().is_ready()));
        assert_eq!(many.woken(), many.0.len());
        assert!(fan_out.line.lock().waiting.capacity() <= KEPT);
    }

    #[tokio::test]
    async fn who_waits_is_told_what_comes_meanwhile_and_woken_once() {
        let (fan_out, tasks) = fan_out();
        let many = Sleepers::new(AT_ONCE + 3 * PER_TURN);
        many.told(&fan_out);
        for _ in 0..100 {
            let mut waking = fan_out.begin();
            waking.at_once = 0;
            many.0[AT_ONCE..]
                .iter()
                .for_each(|(wake, _)| waking.wake(wake));
        }
        assert_eq!(fan_out.line.lock().waiting.len(), 3 * PER_TURN);
        tasks.close(Duration::from_secs(10)).await;
        assert_eq!(many.woken(), many.0.len());

        // Who has been woken may wait again.
        let again = Sleepers(
            many.0
                .iter()
                .map(|(wake, _)| (Arc::clone(wake), Arc::default()))
                .collect(),
        );
        again.sleep();
        again.told(&fan_out);
        tasks.close(Duration::from_secs(10)).await;
        assert_eq!(again.woken(), again.0.len());
    }

    /// They are no tasks of the runtime, which would make room by being woken.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_tells_them_may_be_busy_after_it() {
        let (fan_out, tasks) = fan_out();
        let (done, all_woken) = oneshot::channel();
        tasks.spawn(Span::none(), async move {
            let many = Sleepers::new(AT_ONCE + 3 * PER_TURN);
            many.told(&fan_out);
            let begun = Instant::now();
            let all = loop {
                let all = many.woken() == many.0.len();
                if all || begun.elapsed() > Duration::from_secs(10) {
                    break all;
                }
                thread::yield_now();
            };
            let _ = done.send(all);
        });
        assert!(all_woken.await.unwrap());
    }

    #[test]
    fn nobody_sleeps_on_when_the_task_that_wakes_them_is_dropped() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let entered = runtime.enter();
        let (fan_out, _tasks) = fan_out();
        drop(entered);
        let many = Sleepers::new(AT_ONCE + 3 * PER_TURN);
        many.told(&fan_out);
        assert_eq!(many.woken(), AT_ONCE);
        drop(runtime);
        assert_eq!(many.woken(), many.0.len());
    }

    #[test]
    fn whoever_tells_them_may_be_outside_of_the_runtime() {
        let runtime = Runtime::new().unwrap();
        let entered = runtime.enter();
        let (fan_out, tasks) = fan_out();
        drop(entered);
        let many = Sleepers::new(AT_ONCE + 3 * PER_TURN);
        many.told(&fan_out);
        runtime.block_on(tasks.close(Duration::from_secs(10)));
        assert_eq!(many.woken(), many.0.len());
    }
}
