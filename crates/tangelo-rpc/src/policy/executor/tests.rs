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

fn waits_for(executor: &Executor, sender: &Sender) -> Waiting {
    match executor.try_enter_for(sender) {
        Entry::Wait(waiting) => waiting,
        other => panic!("expected to wait, but {other:?}"),
    }
}

fn refuses(executor: &Executor, sender: &Sender) -> bool {
    matches!(executor.try_enter_for(sender), Entry::Full)
}

/// As many as this sender gets places for; the next one has none.
fn all_for(executor: &Executor, sender: &Sender) -> Vec<Permit> {
    std::iter::from_fn(|| match executor.try_enter_for(sender) {
        Entry::Entered(permit) => Some(permit),
        _ => None,
    })
    .collect()
}

/// So many senders, with nobody beside them.
fn senders<const N: usize>() -> [Sender; N] {
    let all = Senders::new();
    let mut number = 0;
    [(); N].map(|()| {
        number += 1;
        all.enter(number)
    })
}

#[test]
fn lines_take_turns_and_keep_their_order() {
    let executor = executor(1, 0, 100);
    let [one, two, three] = &senders();
    let running = entered(&executor);
    let mut waiting: Vec<_> = [
        (one, "a"),
        (one, "b"),
        (one, "c"),
        (two, "d"),
        (three, "e"),
        (three, "f"),
    ]
    .into_iter()
    .map(|(sender, name)| (name, waits_for(&executor, sender)))
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
    let [one, two, three] = &senders();
    let _running = entered(&executor);
    let first: Vec<_> = (0..80).map(|_| waits_for(&executor, one)).collect();
    assert!(refuses(&executor, one));
    let _second: Vec<_> = (0..8).map(|_| waits_for(&executor, two)).collect();
    let _third = waits_for(&executor, three);
    drop(first);
    let _again = waits_for(&executor, one);
}

#[test]
fn a_line_may_take_all_of_a_queue_that_is_short() {
    let executor = executor(1, 0, 8);
    let [one] = &senders();
    let _running = entered(&executor);
    let _waiting: Vec<_> = (0..8).map(|_| waits_for(&executor, one)).collect();
    assert!(is_full(&executor));
}

#[test]
fn a_line_that_all_have_left_keeps_no_turn() {
    let executor = executor(1, 0, 10);
    let [one, two] = &senders();
    let running = entered(&executor);
    for _ in 0..100 {
        drop(waits_for(&executor, one));
    }
    let (mut other, mut late) = (waits_for(&executor, two), waits_for(&executor, one));
    drop(running);
    let permit = poll(&mut other).expect("its turn");
    assert!(poll(&mut late).is_none());
    drop(permit);
    assert!(poll(&mut late).is_some());
}

#[test]
fn beside_others_one_runs_three_quarters_the_next_three_quarters_of_the_rest_and_so_on() {
    for queue_size in [0, 10] {
        let executor = executor(1024, 0, queue_size);
        let [one, two, three, four] = &senders();
        let running = [one, two, three].map(|sender| all_for(&executor, sender));
        assert_eq!(running.each_ref().map(Vec::len), [768, 192, 48]);
        drop(running);
        // What nobody keeps, anybody gets.
        assert_eq!(all_for(&executor, four).len(), 768);
        assert_eq!(counts(&executor), (0, 0));
    }
}

#[test]
fn of_up_to_three_places_one_may_have_all() {
    for threads in 1..=4 {
        let executor = executor(threads, 0, 0);
        let [one, two] = &senders();
        let running = all_for(&executor, one);
        assert_eq!(running.len(), threads.min(3) as usize);
        assert_eq!(refuses(&executor, two), threads < 4);
    }
}

#[test]
fn one_that_is_alone_has_all_places_and_the_next_that_come_a_quarter_beyond_them() {
    let executor = executor(1024, 0, 0);
    let all = Senders::new();
    let one = all.enter(1);
    let mut first = all_for(&executor, &one);
    assert_eq!(first.len(), 1024);
    let (two, three) = (all.enter(2), all.enter(3));
    let second = all_for(&executor, &two);
    let third = all_for(&executor, &three);
    assert_eq!((second.len(), third.len()), (192, 48));
    assert!(refuses(&executor, &one));
    // What ends first is what was borrowed: nobody gains by it.
    first.truncate(768);
    assert!(refuses(&executor, &one));
    assert_eq!(executor.running(), 768 + 192 + 48);
    drop((first, second));
    assert_eq!(all_for(&executor, &one).len(), 732);
    drop(third);
}

#[test]
fn what_one_has_borrowed_and_gives_back_leaves_nothing_behind() {
    let executor = executor(100, 0, 0);
    let all = Senders::new();
    let one = all.enter(1);
    for _ in 0..3 {
        assert_eq!(all_for(&executor, &one).len(), 100);
    }
    assert_eq!(counts(&executor), (0, 0));
    let two = all.enter(2);
    let running = [&one, &two].map(|sender| all_for(&executor, sender).len());
    assert_eq!(running, [75, 75]);
}

#[test]
fn one_that_has_left_counts_for_nobody_though_what_it_runs_does() {
    let executor = executor(100, 0, 0);
    let all = Senders::new();
    let (one, two) = (all.enter(1), all.enter(2));
    let running = all_for(&executor, &one);
    assert_eq!(running.len(), 75);
    one.leave();
    one.leave();
    assert_eq!(all_for(&executor, &two).len(), 25);
}

#[test]
fn while_one_has_its_share_others_get_what_ends() {
    let executor = executor(4, 0, 100);
    let all = Senders::new();
    let (one, two) = (all.enter(1), all.enter(2));
    let mut running = all_for(&executor, &one);
    assert_eq!((running.len(), counts(&executor)), (3, (3, 0)));
    let mut mine = [(); 2].map(|()| waits_for(&executor, &one));
    // The free place is not for those that wait, so nobody is overtaken.
    let theirs = all_for(&executor, &two);
    assert_eq!(theirs.len(), 1);
    let mut behind = waits_for(&executor, &two);
    drop(running.pop());
    // Three had ended as it began to wait, so it is first.
    assert!(poll(&mut mine[0]).is_some_and(|permit| {
        running.push(permit);
        true
    }));
    drop(running.pop());
    assert!(poll(&mut mine[1]).is_none());
    let permit = poll(&mut behind).expect("its turn");
    drop((permit, theirs));
    assert!(poll(&mut mine[1]).is_some());
}

#[test]
fn one_that_waits_for_its_share_alone_goes_on_when_the_others_leave() {
    let executor = executor(8, 0, 100);
    let all = Senders::new();
    let (one, two) = (all.enter(1), all.enter(2));
    let mut running = all_for(&executor, &one);
    assert_eq!(running.len(), 6);
    let mut waiting: Vec<_> = (0..4).map(|_| waits_for(&executor, &one)).collect();
    two.leave();
    assert!(waiting.iter_mut().all(|waiting| poll(waiting).is_none()));
    // It is seen when one comes, or ends.
    let mut last = waits_for(&executor, &one);
    running.extend(waiting.iter_mut().filter_map(poll));
    assert_eq!(counts(&executor), (8, 3));
    drop(running);
    assert!(poll(&mut last).is_some());
}

#[test]
fn without_a_limit_nobody_has_a_share() {
    let executor = executor(-1, 0, 0);
    let [one, _two] = &senders();
    let running: Vec<_> = (0..5_000).map(|_| executor.try_enter_for(one)).collect();
    assert_eq!(counts(&executor), (running.len(), 0));
}

#[test]
fn with_a_full_queue_one_has_three_quarters_of_max_threads() {
    let executor = executor(4, 100, 8);
    let [one, two] = &senders();
    let mut running = Vec::new();
    let mut waiting = Vec::new();
    loop {
        match executor.try_enter_for(one) {
            Entry::Entered(permit) => running.push(permit),
            Entry::Wait(one) => waiting.push(one),
            Entry::Full => break,
        }
        running.extend(waiting.iter_mut().filter_map(poll));
    }
    assert!(executor.running() <= 75, "{executor:?}");
    let before = executor.running();
    assert!(!refuses(&executor, two), "{executor:?}");
    assert!(executor.running() <= before + 1);
    drop((running, waiting));
    assert_eq!(counts(&executor), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn senders_that_come_and_go_leave_nothing_behind() {
    let executor = executor(16, 0, 64);
    let all = Senders::new();
    let mut tasks = JoinSet::new();
    for number in 1..=32 {
        let (executor, all) = (executor.clone(), Arc::clone(&all));
        tasks.spawn(async move {
            for call in 0..200 {
                let sender = all.enter(number);
                let mut running = Vec::new();
                for entry in (0..number % 7).map(|_| executor.try_enter_for(&sender)) {
                    match entry {
                        Entry::Entered(permit) => running.push(permit),
                        Entry::Wait(mut waiting) if call % 3 == 0 => drop(poll(&mut waiting)),
                        Entry::Wait(waiting) if running.is_empty() => running.push(waiting.await),
                        Entry::Wait(_) | Entry::Full => {}
                    }
                    assert!(executor.running() <= 16 + 4 + 8, "{executor:?}");
                }
                tokio::task::yield_now().await;
            }
        });
    }
    let all_end = async { while tasks.join_next().await.transpose().unwrap().is_some() {} };
    tokio::time::timeout(Duration::from_secs(60), all_end)
        .await
        .expect("nobody is forgotten");
    assert_eq!(counts(&executor), (0, 0));
    let [one, _two] = &senders();
    assert_eq!(all_for(&executor, one).len(), 12);
}
