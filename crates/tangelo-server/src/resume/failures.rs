//! Who tries tokens that are none, or those of others.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// Wrong tokens from one address in a while; then its tokens are not looked at until that is over.
const MOST: u32 = 32;
/// How long a while is.
const WHILE: Duration = Duration::from_secs(10);
/// Addresses remembered. Where more fail, the others are not counted: guessing is hopeless anyway, and a
/// count is there to make it cheap.
const ADDRESSES: usize = 4096;

/// Who tries tokens that are none, or those of others, and how often.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    since: Option<Instant>,
    by_address: HashMap<IpAddr, u32>,
}

impl Failures {
    /// Whether a token from this address is looked at.
    pub(crate) fn allow(&self, address: IpAddr) -> bool {
        let mut state = self.0.lock();
        state.forget(Instant::now());
        state
            .by_address
            .get(&address)
            .is_none_or(|failed| *failed < MOST)
    }

    /// A token from this address was none, or its secret not that of the session it names.
    pub(crate) fn note(&self, address: IpAddr) {
        let mut state = self.0.lock();
        state.forget(Instant::now());
        let has_room = state.by_address.len() < ADDRESSES;
        if has_room || state.by_address.contains_key(&address) {
            *state.by_address.entry(address).or_default() += 1;
        }
    }
}

impl State {
    /// A new while begins when one is over.
    fn forget(&mut self, now: Instant) {
        if self.since.is_none_or(|since| now >= since + WHILE) {
            self.since = Some(now);
            self.by_address = HashMap::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_may_be_wrong_so_often_in_a_while() {
        let failures = Failures::default();
        let [one, other] = ["10.0.0.1", "::1"].map(|address| address.parse().unwrap());
        for _ in 0..MOST {
            assert!(failures.allow(one));
            failures.note(one);
        }
        assert!(!failures.allow(one) && failures.allow(other));
        tokio::time::advance(WHILE).await;
        assert!(failures.allow(one));
    }

    #[tokio::test(start_paused = true)]
    async fn it_remembers_so_many_addresses_and_not_one_more() {
        let failures = Failures::default();
        for number in 0..=ADDRESSES as u32 {
            failures.note(IpAddr::from(number.to_be_bytes()));
        }
        assert_eq!(failures.0.lock().by_address.len(), ADDRESSES);
    }
}
