use super::*;
use crate::Code;

fn node() -> Arc<Node> {
    Arc::new(Node::new("10.0.0.1:5600".into(), None))
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A call that took this long, ended at `now`.
fn call(node: &Arc<Node>, now: Instant, took: Duration, outcome: Outcome) {
    node.enter(now - took).finish(now, outcome);
}

#[test]
fn a_call_is_active_from_its_beginning_to_its_end_or_drop() {
    let (node, now) = (node(), Instant::now());
    let (first, second) = (node.enter(now), node.enter(now));
    assert_eq!(node.active(), 2);
    first.finish(now, Outcome::Ok);
    assert_eq!(node.active(), 1);
    drop(second);
    assert_eq!(node.active(), 0);
}

#[test]
fn a_cancelled_call_leaves_no_time() {
    let (node, now) = (node(), Instant::now());
    drop(node.enter(now));
    assert_eq!(node.response_time(now), None);
}

#[test]
fn the_response_time_is_the_mean_of_the_last_three_seconds() {
    let (node, now) = (node(), Instant::now());
    assert_eq!(node.response_time(now), None);
    call(&node, now, ms(10), Outcome::Ok);
    call(&node, now + ms(1_000), ms(30), Outcome::BusinessError);
    assert_eq!(node.response_time(now + ms(2_999)), Some(ms(20)));
    assert_eq!(node.response_time(now + ms(3_000)), Some(ms(30)));
    assert_eq!(node.response_time(now + ms(4_000)), None);
}

#[test]
fn failing_fast_is_not_being_fast() {
    let (node, now) = (node(), Instant::now());
    call(&node, now, ms(1), Outcome::Failed);
    assert_eq!(node.response_time(now), Some(ms(1_000)));
    let slow = Arc::new(Node::new("10.0.0.2:5600".into(), None));
    call(&slow, now, ms(2_000), Outcome::Failed);
    assert_eq!(slow.response_time(now), Some(ms(2_000)));
}

#[test]
fn its_breaker_hears_what_is_finished_and_nothing_of_what_is_dropped() {
    let config = BreakerConfig {
        enabled: true,
        ..BreakerConfig::default()
    };
    let (node, now) = (
        Arc::new(Node::new("10.0.0.1:5600".into(), Some(config))),
        Instant::now(),
    );
    for _ in 0..19 {
        call(&node, now, ms(1), Outcome::Failed);
    }
    for _ in 0..20 {
        drop(node.enter(now));
    }
    assert!(node.allows(now) && !node.is_open());
    call(&node, now, ms(1), Outcome::Failed);
    assert!(!node.allows(now) && node.is_open());

    let probe = now + ms(5_000);
    assert!(node.allows(probe));
    drop(node.enter(probe));
    let probe = now + ms(10_000);
    assert!(node.allows(probe));
    node.enter(probe).finish(probe + ms(1), Outcome::Ok);
    assert!(node.allows(probe) && !node.is_open());
}

#[test]
fn a_breaker_that_is_not_enabled_is_none() {
    let now = Instant::now();
    let off = Arc::new(Node::new("a:1".into(), Some(BreakerConfig::default())));
    for _ in 0..100 {
        call(&off, now, ms(1), Outcome::Failed);
    }
    assert!(off.allows(now));
    let forced = BreakerConfig {
        force_close: true,
        ..BreakerConfig::default()
    };
    assert!(!Node::new("a:1".into(), Some(forced)).allows(now));
}

#[test]
fn counts_stay_right_between_threads() {
    let (node, now) = (node(), Instant::now());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let node = &node;
            scope.spawn(move || {
                for turn in 0..1_000 {
                    let pass = node.enter(now);
                    if (thread + turn) % 2 == 0 {
                        pass.finish(now + ms(4), Outcome::Ok);
                    }
                }
            });
        }
    });
    assert_eq!(node.active(), 0);
    assert_eq!(node.times.lock().totals(now).count, 4_000);
    assert_eq!(node.response_time(now), Some(ms(4)));
}

#[test]
fn codes_become_outcomes_as_krpc_counts_them() {
    for code in [-602, -624, -802] {
        assert_eq!(Outcome::from(Code(code)), Outcome::Timeout, "{code}");
    }
    for code in [-620, -621, -599, -700, -1, -100_001, 3] {
        assert_eq!(Outcome::from(Code(code)), Outcome::BusinessError, "{code}");
    }
    for code in [-600, -601, -604, -622, -623, -628, -699] {
        assert_eq!(Outcome::from(Code(code)), Outcome::Failed, "{code}");
    }
    assert_eq!(Outcome::from(Code(0)), Outcome::Ok);
}
