use std::{
    panic,
    sync::atomic::{AtomicU32, Ordering},
    task,
    time::Duration,
};

use tokio::task::JoinSet;

use super::*;

fn executor(threads: i32, max_threads: u32, queue_size: u32) -> Executor {
    Executor::new(ExecutorConfig {
        threads,
        max_threads,
        queue_size,
    })
    .unwrap()
}

fn entered(executor: &Executor) -> Permit {
    match executor.try_enter() {
        Entry::Entered(permit) => permit,
        other => panic!("expected to run, but {other:?}"),
    }
}

fn waits(executor: &Executor) -> Waiting {
    match executor.try_enter() {
        Entry::Wait(waiting) => waiting,
        other => panic!("expected to wait, but {other:?}"),
    }
}

fn is_full(executor: &Executor) -> bool {
    matches!(executor.try_enter(), Entry::Full)
}

fn poll(waiting: &mut Waiting) -> Option<Permit> {
    let mut context = Context::from_waker(Waker::noop());
    match Pin::new(waiting).poll(&mut context) {
        Poll::Ready(permit) => Some(permit),
        Poll::Pending => None,
    }
}

fn counts(executor: &Executor) -> (usize, usize) {
    (executor.running(), executor.waiting())
}

#[test]
fn as_many_run_as_there_are_threads_and_the_next_one_waits() {
    let executor = executor(3, 0, 10);
    let _running = [(); 3].map(|()| entered(&executor));
    let mut fourth = waits(&executor);
    assert!(poll(&mut fourth).is_none());
    assert_eq!(counts(&executor), (3, 1));
}

#[test]
fn a_full_queue_refuses_and_one_that_leaves_makes_room_for_one() {
    let executor = executor(1, 0, 2);
    let _running = entered(&executor);
    let (first, _second) = (waits(&executor), waits(&executor));
    assert!(is_full(&executor));
    drop(first);
    let _third = waits(&executor);
    assert!(is_full(&executor));
    assert_eq!(counts(&executor), (1, 2));
}

#[test]
fn without_a_queue_one_too_many_is_refused_at_once() {
    let executor = executor(2, 0, 0);
    let running = [entered(&executor), entered(&executor)];
    assert!(is_full(&executor));
    drop(running);
    drop(entered(&executor));
    assert_eq!(counts(&executor), (0, 0));
}

#[test]
fn zero_threads_are_1024_at_once() {
    let executor = executor(0, 0, 0);
    let running: Vec<_> = (0..1024).map(|_| entered(&executor)).collect();
    assert!(is_full(&executor));
    assert_eq!(executor.running(), running.len());
}

#[test]
fn the_default_queue_holds_10_000() {
    let executor = Executor::new(ExecutorConfig {
        threads: 1,
        ..ExecutorConfig::default()
    });
    let executor = executor.unwrap();
    let _running = entered(&executor);
    let waiting: Vec<_> = (0..10_000).map(|_| waits(&executor)).collect();
    assert!(is_full(&executor));
    drop(waiting);
    assert_eq!(counts(&executor), (1, 0));
}

#[test]
fn minus_one_lets_everything_run() {
    let executor = executor(-1, 5, 0);
    let running: Vec<_> = (0..5_000).map(|_| entered(&executor)).collect();
    assert_eq!(counts(&executor), (running.len(), 0));
}

#[test]
fn fewer_than_minus_one_is_a_mistake() {
    let config = |threads| ExecutorConfig {
        threads,
        ..ExecutorConfig::default()
    };
    assert!(Executor::new(config(-1)).is_ok());
    let problem = Executor::new(config(-2)).unwrap_err();
    assert!(problem.to_string().starts_with("threads = -2: expected -1"));
    assert!(Executor::new(config(i32::MIN)).is_err());
}

#[test]
fn turns_come_in_the_order_of_asking() {
    let executor = executor(1, 0, 10);
    let mut running = entered(&executor);
    let mut waiting: Vec<_> = (0..10).map(|_| waits(&executor)).collect();
    while !waiting.is_empty() {
        assert!(waiting.iter_mut().all(|waiting| poll(waiting).is_none()));
        drop(running);
        // Asked last first: whoever polls first must not overtake.
        let mut turns: Vec<_> = waiting.iter_mut().rev().filter_map(poll).collect();
        assert_eq!(turns.len(), 1);
        running = turns.remove(0);
        drop(waiting.remove(0));
    }
    assert_eq!(counts(&executor), (1, 0));
}

#[test]
fn whoever_comes_does_not_overtake_those_that_wait() {
    let executor = executor(1, 0, 10);
    let running = entered(&executor);
    let mut first = waits(&executor);
    drop(running);
    let mut second = waits(&executor);
    assert!(poll(&mut second).is_none());
    assert!(poll(&mut first).is_some());
    assert!(poll(&mut second).is_some());
}

#[test]
fn with_a_full_queue_up_to_max_threads_run_and_the_first_that_waits_is_next() {
    let executor = executor(1, 3, 2);
    let running = entered(&executor);
    let mut waiting: Vec<_> = (0..4).map(|_| waits(&executor)).collect();
    assert_eq!(counts(&executor), (3, 2));
    assert!(is_full(&executor));

    let turns: Vec<_> = waiting.iter_mut().map(poll).collect();
    let may_run: Vec<_> = turns.iter().map(Option::is_some).collect();
    assert_eq!(may_run, [true, true, false, false]);

    // The extra ones go on while somebody waits, and go when nobody does.
    drop(turns);
    assert_eq!(counts(&executor), (3, 0));
    drop(waiting);
    assert_eq!(counts(&executor), (1, 0));
    let _waits = waits(&executor);
    drop(running);
}

#[test]
fn without_a_queue_max_threads_run_at_once() {
    let executor = executor(1, 3, 0);
    let _running = [(); 3].map(|()| entered(&executor));
    assert!(is_full(&executor));
}

#[test]
fn max_threads_no_larger_than_threads_change_nothing() {
    for max_threads in [0, 1, 2] {
        let executor = executor(2, max_threads, 0);
        let _running = [entered(&executor), entered(&executor)];
        assert!(is_full(&executor), "{max_threads}");
    }
}

#[test]
fn a_turn_that_came_for_one_that_is_dropped_is_handed_on() {
    let executor = executor(1, 0, 10);
    let running = entered(&executor);
    let (first, mut second) = (waits(&executor), waits(&executor));
    drop(running);
    drop(first);
    assert!(poll(&mut second).is_some());
    drop(second);
    assert_eq!(counts(&executor), (0, 0));
}

#[test]
fn one_that_gave_up_keeps_nobody_behind_it() {
    let executor = executor(1, 0, 10);
    let running = entered(&executor);
    let (mut first, mut second) = (waits(&executor), waits(&executor));
    assert!(poll(&mut first).is_none() && poll(&mut second).is_none());
    drop(first);
    drop(running);
    assert!(poll(&mut second).is_some());
}

#[test]
fn one_that_has_run_stays_pending() {
    let executor = executor(1, 0, 10);
    let running = entered(&executor);
    let mut waiting = waits(&executor);
    drop(running);
    drop(poll(&mut waiting).unwrap());
    assert!(poll(&mut waiting).is_none());
    drop(waiting);
    assert_eq!(counts(&executor), (0, 0));
}

#[test]
fn only_the_waker_of_the_last_poll_is_woken_and_once() {
    #[derive(Default)]
    struct Woken(AtomicU32);
    impl task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    let executor = executor(1, 0, 10);
    let running = entered(&executor);
    let mut waiting = waits(&executor);
    let (old, new) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
    for woken in [&old, &new] {
        let waker = Waker::from(Arc::clone(woken));
        let polled = Pin::new(&mut waiting).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    drop(running);
    let times = [&old, &new].map(|woken| woken.0.load(Ordering::Relaxed));
    assert_eq!(times, [0, 1]);
}

/// Many tasks that run, wait, give up and panic; `most` is how many may run at once.
async fn crowd(executor: &Executor, most: u32) -> u32 {
    const TASKS: u32 = 64;
    const CALLS: u32 = 200;
    let running = Arc::new(AtomicU32::new(0));
    let highest = Arc::new(AtomicU32::new(0));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (running, highest) = (Arc::clone(&running), Arc::clone(&highest));
        let executor = executor.clone();
        tasks.spawn(async move {
            for call in 0..CALLS {
                let permit = match executor.try_enter() {
                    Entry::Entered(permit) => permit,
                    Entry::Wait(mut waiting) if (task + call) % 5 == 0 => {
                        // Gives up, some of them just when their turn comes.
                        drop(poll(&mut waiting));
                        tokio::task::yield_now().await;
                        continue;
                    }
                    Entry::Wait(waiting) => waiting.await,
                    Entry::Full => {
                        tokio::task::yield_now().await;
                        continue;
                    }
                };
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                highest.fetch_max(now, Ordering::SeqCst);
                assert!(now <= most, "{now} run, {most} may");
                if call % 3 == 0 {
                    tokio::task::yield_now().await;
                }
                running.fetch_sub(1, Ordering::SeqCst);
                if task % 8 == 0 && call == CALLS / 2 {
                    // As a panic unwinds, without its words.
                    panic::resume_unwind(Box::new("on purpose"));
                }
                drop(permit);
            }
        });
    }
    let patience = Duration::from_secs(60);
    while let Some(ended) = tokio::time::timeout(patience, tasks.join_next())
        .await
        .expect("nobody is forgotten")
    {
        if let Err(error) = ended {
            let said = error.into_panic();
            assert_eq!(said.downcast_ref(), Some(&"on purpose"));
        }
    }
    highest.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_never_exceeds_the_limit_and_leaves_nothing_behind() {
    let executor = executor(3, 0, 1_000);
    crowd(&executor, 3).await;
    assert_eq!(counts(&executor), (0, 0));
    let _all_places = [(); 3].map(|()| entered(&executor));
    let _queue = waits(&executor);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_before_a_short_queue_never_exceeds_max_threads() {
    let executor = executor(2, 5, 3);
    let highest = crowd(&executor, 5).await;
    assert!(highest > 2, "it did grow");
    assert_eq!(counts(&executor), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_come_together_exactly_those_run_or_wait_for_whom_there_is_room() {
    const ROOM: u32 = 7 + 20;
    for _ in 0..50 {
        let executor = executor(4, 7, 20);
        let mut tasks = JoinSet::new();
        for _ in 0..8 {
            let executor = executor.clone();
            tasks.spawn(async move { [(); 10].map(|()| executor.try_enter()) });
        }
        let entries: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
        let refused = entries
            .iter()
            .filter(|entry| matches!(entry, Entry::Full))
            .count();
        assert_eq!(refused, 80 - ROOM as usize);
        assert_eq!(counts(&executor), (7, 20));
        drop(entries);
        assert_eq!(counts(&executor), (0, 0));
    }
}

fn waits_in(executor: &Executor, line: u64) -> Waiting {
    match executor.try_enter_in(line) {
        Entry::Wait(waiting) => waiting,
        other => panic!("expected to wait, but {other:?}"),
    }
}

#[test]
fn lines_take_turns_and_keep_their_order() {
    let executor = executor(1, 0, 100);
    let running = entered(&executor);
    let mut waiting: Vec<_> = [(1, "a"), (1, "b"), (1, "c"), (2, "d"), (3, "e"), (3, "f")]
        .into_iter()
        .map(|(line, name)| (name, waits_in(&executor, line)))
        .collect();
    let mut order = String::new();
    drop(running);
    while !waiting.is_empty() {
        let mut came = None;
        waiting.retain_mut(|(name, waiting)| match poll(waiting) {
            Some(permit) => {
                came = Some((*name, permit));
                false
            }
            None => true,
        });
        let (name, permit) = came.expect("somebody's turn");
        order.push_str(name);
        drop(permit);
    }
    assert_eq!(order, "adebfc");
    assert_eq!(counts(&executor), (0, 0));
}

#[test]
fn one_line_leaves_a_ninth_of_the_queue_to_others_and_the_next_a_part_of_that() {
    let executor = executor(1, 0, 90);
    let _running = entered(&executor);
    let first: Vec<_> = (0..80).map(|_| waits_in(&executor, 1)).collect();
    assert!(matches!(executor.try_enter_in(1), Entry::Full));
    let _second: Vec<_> = (0..8).map(|_| waits_in(&executor, 2)).collect();
    let _third = waits_in(&executor, 3);
    drop(first);
    let _again = waits_in(&executor, 1);
}

#[test]
fn a_line_may_take_all_of_a_queue_that_is_short() {
    let executor = executor(1, 0, 8);
    let _running = entered(&executor);
    let _waiting: Vec<_> = (0..8).map(|_| waits_in(&executor, 1)).collect();
    assert!(is_full(&executor));
}

#[test]
fn a_line_that_all_have_left_keeps_no_turn() {
    let executor = executor(1, 0, 10);
    let running = entered(&executor);
    for _ in 0..100 {
        drop(waits_in(&executor, 1));
    }
    let (mut other, mut late) = (waits_in(&executor, 2), waits_in(&executor, 1));
    drop(running);
    let permit = poll(&mut other).expect("its turn");
    assert!(poll(&mut late).is_none());
    drop(permit);
    assert!(poll(&mut late).is_some());
}
