//! So many requests in a time.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tangelo_rpc::{Code, Status};
use tokio::time::Instant;

use crate::{Filter, Request, Result, Session, SessionId, limits::FOREVER};

/// So many requests in a time, of each session, user or address; what is more is refused with 429, and a
/// notify dropped.
///
/// Each has a bucket of so many tokens, which fills evenly: all may be used at once, and then as many as come
/// in. A bucket that is full again is forgotten. When there are as many buckets as may be, requests that would
/// need another are refused as well.
#[derive(Debug)]
pub struct RateLimit {
    requests: u32,
    per: Duration,
    by: By,
    most: usize,
    buckets: Mutex<Buckets>,
}

#[derive(Clone, Copy, Debug)]
enum By {
    Session,
    Uid,
    Address,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Session(SessionId),
    Uid(Arc<str>),
    Address(IpAddr),
}

#[derive(Debug, Default)]
struct Buckets {
    /// When each will be full again.
    full_at: HashMap<Key, Instant>,
    /// How many there are when those that are full are looked for.
    look_at: usize,
    looked: Option<Instant>,
}

/// Below that full ones do not matter.
const FEW: usize = 1024;
/// How long not to look again where there are as many as may be.
const PAUSE: Duration = Duration::from_secs(1);

impl RateLimit {
    /// So many requests in this time, of each session; at least one.
    pub fn new(requests: u32, per: Duration) -> Self {
        Self {
            requests: requests.max(1),
            per: per.min(FOREVER),
            by: By::Session,
            most: 100_000,
            buckets: Mutex::default(),
        }
    }

    /// Of each user, however many sessions are bound to it; of the session where none is.
    #[must_use]
    pub fn by_uid(mut self) -> Self {
        self.by = By::Uid;
        self
    }

    /// Of each address clients come from: of IPv6, each network of 64 bits. Of the session where the address
    /// is not known.
    #[must_use]
    pub fn by_address(mut self) -> Self {
        self.by = By::Address;
        self
    }

    /// So many buckets at once. Default 100 000.
    #[must_use]
    pub fn most(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    fn key(&self, session: &Session) -> Key {
        let key = match self.by {
            By::Session => None,
            By::Uid => session.bound_uid().map(Key::Uid),
            By::Address => session.client_address().map(|ip| Key::Address(network(ip))),
        };
        key.unwrap_or_else(|| Key::Session(session.id()))
    }

    /// Takes a token; `false` if there is none.
    fn take(&self, key: Key, now: Instant) -> bool {
        let mut buckets = self.buckets.lock();
        let token = self.per / self.requests;
        if let Some(full_at) = buckets.full_at.get_mut(&key) {
            let then = (*full_at).max(now) + token;
            // Rounded: a token is a fraction of the time.
            let allowed = then <= now + token * self.requests;
            if allowed {
                *full_at = then;
            }
            return allowed;
        }
        if !buckets.make_room(self.most, now) {
            return false;
        }
        buckets.full_at.insert(key, now + token);
        true
    }
}

impl Buckets {
    /// Whether there is room for another.
    fn make_room(&mut self, most: usize, now: Instant) -> bool {
        let lately = self.looked.is_some_and(|looked| now < looked + PAUSE);
        let count = self.full_at.len();
        if count < most && count < self.look_at.max(FEW) || count >= most && lately {
            return count < most;
        }
        self.full_at.retain(|_, full_at| *full_at > now);
        self.look_at = 2 * self.full_at.len();
        self.looked = Some(now);
        self.full_at.len() < most
    }
}

impl Filter for RateLimit {
    async fn before(&self, request: &mut Request) -> Result<()> {
        if self.take(self.key(request.session()), Instant::now()) {
            return Ok(());
        }
        let (requests, per) = (self.requests, self.per);
        let message = format!("no more than {requests} requests in {per:?}");
        Err(Status::new(Code::FLOW_LIMIT, message).into())
    }
}

/// What one who has an address has all of.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn of(session: u64) -> Key {
        Key::Session(SessionId(session))
    }

    #[test]
    fn as_many_as_are_allowed_may_come_at_once_and_then_as_many_as_come_in() {
        let limit = RateLimit::new(4, SECOND);
        let start = Instant::now();
        let allowed = |at| (0..9).filter(|_| limit.take(of(1), at)).count();
        assert_eq!(allowed(start), 4);
        assert_eq!(allowed(start + SECOND / 4 - Duration::from_nanos(1)), 0);
        assert_eq!(allowed(start + SECOND / 4), 1);
        assert_eq!(allowed(start + SECOND), 3);
        assert_eq!(
            allowed(start + 10 * SECOND),
            4,
            "no more than a bucket holds"
        );
        assert!(limit.take(of(2), start), "each has its own");
    }

    #[test]
    fn a_bucket_that_is_full_again_is_forgotten() {
        let limit = RateLimit::new(4, SECOND);
        let mut now = Instant::now();
        for session in 0..20 * FEW as u64 {
            assert!(limit.take(of(session), now));
            now += SECOND / 1000;
        }
        assert!(limit.buckets.lock().full_at.len() <= 2 * FEW);
    }

    #[test]
    fn as_many_buckets_as_may_be_and_whoever_has_none_waits_for_one() {
        let limit = RateLimit::new(4, 4 * SECOND).most(3);
        let now = Instant::now();
        let allowed = |at| (10..20).filter(|id| limit.take(of(*id), at)).count();
        assert_eq!(allowed(now), 3);
        assert_eq!(limit.buckets.lock().full_at.len(), 3);
        assert!(limit.take(of(10), now), "whoever has one is served");
        // Two are full again.
        assert_eq!(allowed(now + SECOND), 3);
    }

    #[test]
    fn an_address_of_ipv6_is_as_good_as_another_of_its_network() {
        let network = |address: &str| network(address.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::2:3"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_ne!(network("10.0.0.1"), network("10.0.0.2"));
        assert_eq!(network("::ffff:10.0.0.1"), network("10.0.0.1"));
    }
}
