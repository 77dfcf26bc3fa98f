use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

/// Retries that are allowed whatever else is called, for each second.
pub const RETRIES_PER_SECOND: u32 = 10;

/// Retries that each call earns, in percent.
pub const RETRY_PERCENT: u32 = 20;

/// Retries that can be saved up.
pub const MOST_SAVED: u32 = 100;

/// The time in which a retry is earned by waiting.
const RETRY: u64 = 1_000_000_000 / RETRIES_PER_SECOND as u64;

/// What a call earns, in the same money.
const DEPOSIT: u64 = RETRY * RETRY_PERCENT as u64 / 100;

const FULL: u64 = RETRY * MOST_SAVED as u64;

/// How many retries all callers of a referer may make together, so that they do not multiply an
/// outage: [`RETRIES_PER_SECOND`], and one in five calls. Up to [`MOST_SAVED`] are saved, for the
/// moment in which a connection with many calls breaks.
///
/// Lock-free. Where nothing is retried the budget is full, and a call only reads it.
#[derive(Debug)]
pub struct RetryBudget {
    origin: Instant,
    /// The budget as a point of time, in nanoseconds: what lies between it and now can be spent,
    /// [`RETRY`] for each retry. So it grows by itself, a deposit sets the point back, a withdrawal
    /// sets it forward.
    spent_until: AtomicU64,
}

impl RetryBudget {
    /// A budget of one second's retries.
    pub fn new(now: Instant) -> Self {
        Self {
            origin: now,
            spent_until: AtomicU64::new(FULL - u64::from(RETRIES_PER_SECOND) * RETRY),
        }
    }

    /// A call is made: it earns its share of a retry.
    pub fn deposit(&self, now: Instant) {
        let full = self.full(now);
        if self.spent_until.load(Ordering::Relaxed) > full {
            self.change(|spent_until| Some(spent_until.saturating_sub(DEPOSIT).max(full)));
        }
    }

    /// Takes one retry, if there is one.
    pub fn withdraw(&self, now: Instant) -> bool {
        let (now, full) = (self.nanos(now), self.full(now));
        self.change(|spent_until| {
            let spent_until = spent_until.max(full) + RETRY;
            (spent_until <= now).then_some(spent_until)
        })
    }

    fn change(&self, change: impl Fn(u64) -> Option<u64>) -> bool {
        self.spent_until
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change)
            .is_ok()
    }

    /// The point at which the budget is full: nothing before it can be spent.
    fn full(&self, now: Instant) -> u64 {
        self.nanos(now).saturating_sub(FULL)
    }

    /// The time, which begins late enough for a full budget to lie before it.
    fn nanos(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.origin).as_nanos();
        u64::try_from(elapsed).map_or(u64::MAX, |elapsed| elapsed.saturating_add(FULL))
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicUsize, time::Duration};

    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// How many retries there are at once.
    fn drain(budget: &RetryBudget, now: Instant) -> usize {
        (0..1_000).take_while(|_| budget.withdraw(now)).count()
    }

    #[test]
    fn it_begins_with_the_retries_of_a_second() {
        let now = Instant::now();
        assert_eq!(drain(&RetryBudget::new(now), now), 10);
    }

    #[test]
    fn ten_a_second_are_allowed_without_any_calls() {
        let now = Instant::now();
        let budget = RetryBudget::new(now);
        drain(&budget, now);
        assert!(!budget.withdraw(now + ms(99)));
        assert!(budget.withdraw(now + ms(100)));
        assert!(!budget.withdraw(now + ms(100)));
        assert_eq!(drain(&budget, now + ms(1_100)), 10);
    }

    #[test]
    fn five_calls_earn_a_retry() {
        let now = Instant::now();
        let budget = RetryBudget::new(now);
        drain(&budget, now);
        for _ in 0..4 {
            budget.deposit(now);
        }
        assert!(!budget.withdraw(now));
        budget.deposit(now);
        assert!(budget.withdraw(now));
        assert!(!budget.withdraw(now));
    }

    #[test]
    fn no_more_than_a_hundred_are_saved_however_long_and_however_many_the_calls() {
        let now = Instant::now();
        let budget = RetryBudget::new(now);
        for _ in 0..10_000 {
            budget.deposit(now);
        }
        assert_eq!(drain(&budget, now), 100);
        let later = now + Duration::from_secs(1_000_000);
        budget.deposit(later);
        assert_eq!(drain(&budget, later), 100);
    }

    #[test]
    fn in_an_outage_retries_stay_a_fifth_of_the_calls_and_ten_a_second() {
        let start = Instant::now();
        let budget = RetryBudget::new(start);
        drain(&budget, start);
        let mut retries = 0;
        // A thousand calls a second for ten seconds, each of which fails and wants to be retried.
        for call in 1..=10_000 {
            let now = start + ms(call);
            budget.deposit(now);
            retries += usize::from(budget.withdraw(now));
        }
        assert_eq!(retries, 2_100);
    }

    #[test]
    fn a_time_that_is_a_little_older_does_no_harm() {
        let now = Instant::now();
        let budget = RetryBudget::new(now);
        drain(&budget, now + ms(1_000));
        budget.deposit(now);
        assert!(!budget.withdraw(now));
    }

    #[test]
    fn no_retry_is_given_twice_and_no_deposit_lost_between_threads() {
        const THREADS: usize = 8;
        const CALLS: usize = 50;
        let now = Instant::now();
        let (budget, retries) = (RetryBudget::new(now), AtomicUsize::new(0));
        drain(&budget, now);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..CALLS {
                        budget.deposit(now);
                        retries.fetch_add(usize::from(budget.withdraw(now)), Ordering::Relaxed);
                    }
                });
            }
        });
        let retries = retries.into_inner() + drain(&budget, now);
        assert_eq!(retries, THREADS * CALLS / 5);
    }
}
