use std::sync::{
    Arc, Barrier,
    atomic::{AtomicUsize, Ordering},
};

use super::*;

fn on() -> BreakerConfig {
    BreakerConfig {
        enabled: true,
        ..BreakerConfig::default()
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A breaker that was opened at the time returned.
fn opened(config: BreakerConfig) -> (Breaker, Instant) {
    let (breaker, now) = (Breaker::new(config), Instant::now());
    for _ in 0..20 {
        breaker.heard(now, now, Outcome::Timeout);
    }
    assert!(breaker.is_open());
    (breaker, now)
}

/// Lets `count` calls end like this.
fn hear(breaker: &Breaker, now: Instant, count: usize, outcome: Outcome) {
    for _ in 0..count {
        breaker.heard(now, now, outcome);
    }
}

#[test]
fn it_opens_with_the_last_of_the_least_requests_and_not_before() {
    let (breaker, now) = (Breaker::new(on()), Instant::now());
    hear(&breaker, now, 19, Outcome::Failed);
    assert!(breaker.allows(now));
    hear(&breaker, now, 1, Outcome::Failed);
    assert!(!breaker.allows(now));
}

#[test]
fn it_opens_at_the_rate_and_not_below() {
    let (breaker, now) = (Breaker::new(on()), Instant::now());
    hear(&breaker, now, 51, Outcome::Ok);
    hear(&breaker, now, 50, Outcome::Failed);
    assert!(breaker.allows(now), "50 of 101 is below 50 %");
    hear(&breaker, now, 1, Outcome::Failed);
    assert!(!breaker.allows(now), "51 of 102 is 50 %");
}

#[test]
fn what_left_the_window_does_not_count() {
    let (breaker, now) = (Breaker::new(on()), Instant::now());
    hear(&breaker, now, 19, Outcome::Failed);
    hear(&breaker, now + ms(5_000), 19, Outcome::Failed);
    assert!(!breaker.is_open());
    hear(&breaker, now + ms(9_999), 1, Outcome::Failed);
    assert!(breaker.is_open());
}

#[test]
fn by_1_business_errors_count_and_by_2_only_timeouts_do() {
    let now = Instant::now();
    let any = Breaker::new(on());
    hear(&any, now, 20, Outcome::BusinessError);
    assert!(any.is_open());

    let timeouts = Breaker::new(BreakerConfig {
        close_by: CloseBy::Timeouts,
        ..on()
    });
    hear(&timeouts, now, 10, Outcome::BusinessError);
    hear(&timeouts, now, 10, Outcome::Failed);
    hear(&timeouts, now, 19, Outcome::Timeout);
    assert!(!timeouts.is_open());
    hear(&timeouts, now, 1, Outcome::Timeout);
    assert!(timeouts.is_open());
}

#[test]
fn after_the_sleep_one_probe_passes_in_each_period() {
    let (breaker, now) = opened(on());
    assert!(!breaker.allows(now + ms(4_999)));
    assert!(breaker.allows(now + ms(5_000)));
    assert!(!breaker.allows(now + ms(5_000)));
    assert!(!breaker.allows(now + ms(9_999)));
    assert!(breaker.allows(now + ms(10_000)));
    assert!(!breaker.allows(now + ms(10_000)));
}

#[test]
fn probes_are_not_saved_up() {
    let (breaker, now) = opened(on());
    assert!(breaker.allows(now + ms(25_000)));
    assert!(!breaker.allows(now + ms(25_000)));
    assert!(breaker.allows(now + ms(30_000)));
}

#[test]
fn a_probe_that_succeeds_in_time_lets_the_address_back_in() {
    let (breaker, now) = opened(on());
    let probe = now + ms(5_000);
    assert!(breaker.allows(probe));
    breaker.heard(probe, probe + ms(500), Outcome::Ok);
    assert!(breaker.is_open(), "500 ms is not less than 500 ms");
    let probe = now + ms(10_000);
    assert!(breaker.allows(probe));
    breaker.heard(probe, probe + ms(499), Outcome::Ok);
    assert!(!breaker.is_open());
    assert!(breaker.allows(probe) && breaker.allows(probe));
}

#[test]
fn a_probe_that_fails_leaves_it_open_until_the_next() {
    let (breaker, now) = opened(on());
    for (period, outcome) in [
        (1, Outcome::Failed),
        (2, Outcome::Timeout),
        (3, Outcome::BusinessError),
    ] {
        let probe = now + ms(5_000 * period);
        assert!(breaker.allows(probe));
        breaker.heard(probe, probe + ms(1), outcome);
        assert!(!breaker.allows(probe + ms(1)));
    }
    assert!(breaker.allows(now + ms(20_000)));
}

#[test]
fn a_probe_that_is_never_heard_of_again_costs_its_period_only() {
    let (breaker, now) = opened(on());
    assert!(breaker.allows(now + ms(5_000)));
    let probe = now + ms(10_000);
    assert!(breaker.allows(probe));
    breaker.heard(probe, probe + ms(1), Outcome::Ok);
    assert!(!breaker.is_open());
}

#[test]
fn an_answer_to_a_call_from_before_does_not_let_it_back_in() {
    let (breaker, now) = opened(on());
    breaker.heard(now + ms(4_999), now + ms(5_100), Outcome::Ok);
    assert!(breaker.is_open());
    breaker.heard(now + ms(5_000), now + ms(5_100), Outcome::Ok);
    assert!(!breaker.is_open());
}

#[test]
fn back_in_the_address_starts_with_a_clean_window() {
    let config = BreakerConfig {
        sleep_seconds: 1,
        ..on()
    };
    let (breaker, now) = opened(config);
    let probe = now + ms(1_000);
    assert!(breaker.allows(probe));
    breaker.heard(probe, probe, Outcome::Ok);
    hear(&breaker, probe, 19, Outcome::Failed);
    assert!(!breaker.is_open());
    hear(&breaker, probe, 1, Outcome::Failed);
    assert!(breaker.is_open());
}

#[test]
fn a_late_answer_to_a_call_from_before_does_not_count_when_the_address_is_back() {
    let (breaker, now) = opened(on());
    let probe = now + ms(5_000);
    assert!(breaker.allows(probe));
    let back = probe + ms(10);
    breaker.heard(probe, back, Outcome::Ok);
    for _ in 0..100 {
        breaker.heard(now, back, Outcome::Timeout);
        breaker.heard(probe + ms(9), back, Outcome::Timeout);
    }
    assert!(!breaker.is_open());
    hear(&breaker, back, 19, Outcome::Timeout);
    assert!(!breaker.is_open());
    hear(&breaker, back, 1, Outcome::Timeout);
    assert!(breaker.is_open());
}

#[test]
fn forced_it_is_open_for_good() {
    let breaker = Breaker::new(BreakerConfig {
        force_close: true,
        ..on()
    });
    let now = Instant::now();
    assert!(!breaker.allows(now));
    let later = now + ms(3_600_000);
    breaker.heard(later, later, Outcome::Ok);
    assert!(!breaker.allows(later));
    assert!(breaker.is_open());
}

#[test]
fn a_rate_of_0_still_needs_an_error_and_one_above_100_never_comes() {
    let now = Instant::now();
    let eager = Breaker::new(BreakerConfig {
        close_rate: 0,
        ..on()
    });
    hear(&eager, now, 1_000, Outcome::Ok);
    assert!(!eager.is_open());
    hear(&eager, now, 1, Outcome::Failed);
    assert!(eager.is_open());

    let never = Breaker::new(BreakerConfig {
        close_rate: 101,
        ..on()
    });
    hear(&never, now, 1_000, Outcome::Failed);
    assert!(!never.is_open());
}

#[test]
fn zeros_and_huge_numbers_in_the_configuration_do_no_harm() {
    let zeros = BreakerConfig {
        window_seconds: 0,
        window_min_reqs: 0,
        sleep_seconds: 0,
        succ_mills: 0,
        ..on()
    };
    let (breaker, now) = (Breaker::new(zeros), Instant::now());
    hear(&breaker, now, 1, Outcome::Failed);
    assert!(!breaker.allows(now + ms(999)));
    assert!(breaker.allows(now + ms(1_000)));

    let huge = BreakerConfig {
        window_seconds: u32::MAX,
        sleep_seconds: u32::MAX,
        succ_mills: u32::MAX,
        close_rate: u32::MAX,
        ..on()
    };
    let breaker = Breaker::new(huge);
    hear(&breaker, now, 100, Outcome::Failed);
    assert!(breaker.allows(now));
}

#[test]
fn no_outcome_is_lost_and_no_probe_given_twice_between_threads() {
    const THREADS: usize = 8;
    const EACH: usize = 200;
    let config = BreakerConfig {
        window_min_reqs: (THREADS * EACH) as u32,
        ..on()
    };
    let (breaker, now) = (Arc::new(Breaker::new(config)), Instant::now());
    let (barrier, probes) = (Barrier::new(THREADS), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                barrier.wait();
                hear(&breaker, now, EACH, Outcome::Failed);
                barrier.wait();
                assert!(breaker.is_open(), "one outcome was lost");
                for period in 1..=EACH as u64 {
                    let probe = breaker.allows(now + ms(5_000 * period));
                    probes.fetch_add(usize::from(probe), Ordering::Relaxed);
                    barrier.wait();
                }
            });
        }
    });
    assert_eq!(probes.into_inner(), EACH);
}

#[test]
fn configuration_has_krpcs_defaults_and_numbers() {
    let read = |text: &str| serde_json::from_str::<BreakerConfig>(text);
    assert_eq!(read("{}").unwrap(), BreakerConfig::default());
    let config = read(r#"{"enabled": true, "close_by": 2, "close_rate": 30}"#).unwrap();
    assert_eq!(
        (config.close_by, config.close_rate),
        (CloseBy::Timeouts, 30)
    );
    assert!(read(r#"{"close_by": 3}"#).is_err());
    assert!(read(r#"{"closerate": 3}"#).is_err());
}
