//! Sessions in this process.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Looked, Session, SessionStore, StoreError, Stored};

/// How much [`MemorySessions`] remember, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimits {
    /// Sessions at once. Where there are as many, a new one takes the place of the one that nobody has asked for the
    /// longest: of those in which there is nothing, as long as there are some, then of those without a login. So whoever
    /// comes without a cookie again and again logs nobody out. Default: 100,000.
    pub sessions: usize,
    /// Bytes of names and values in one session. Default: 16 KiB.
    pub session_bytes: usize,
    /// How long a session is remembered that nobody asks for. Default: 10 minutes.
    pub idle: Duration,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self {
            sessions: 100_000,
            session_bytes: 16 << 10,
            idle: Duration::from_secs(600),
        }
    }
}

/// For how long a secret is known that was exchanged for another.
const EXCHANGED: Duration = Duration::from_secs(10);

/// Sessions in this process: a restart forgets them. What is asked of them costs the same however many there are.
pub struct MemorySessions {
    limits: MemoryLimits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    by_secret: HashMap<String, Entry, foldhash::fast::RandomState>,
    /// Those with nothing in them, those without a login, and those with one: by when they were asked for last. Secrets that
    /// were exchanged are among the first.
    empty: BTreeMap<u64, String>,
    anonymous: BTreeMap<u64, String>,
    logged_in: BTreeMap<u64, String>,
    /// Counts what is asked, so that two times are never the same.
    clock: u64,
}

struct Entry {
    /// None: exchanged for another.
    session: Option<Session>,
    asked: u64,
    until: Instant,
}

impl MemorySessions {
    /// None yet.
    pub fn new(limits: MemoryLimits) -> Self {
        Self {
            limits,
            state: Mutex::default(),
        }
    }

    /// How many there are, those among them whose time is up and whom nobody has needed the place of.
    pub fn len(&self) -> usize {
        self.state.lock().by_secret.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn check(&self, session: &Session) -> Result<(), StoreError> {
        let (size, limit) = (session.size(), self.limits.session_bytes);
        if size > limit {
            return Err(StoreError::TooLarge { size, limit });
        }
        Ok(())
    }

    fn look(&self, secret: &str) -> Looked {
        let now = Instant::now();
        let mut state = self.state.lock();
        let Some(entry) = state.take(secret, now) else {
            return Looked::Nothing;
        };
        let looked = match &entry.session {
            Some(session) => Looked::Found(session.clone()),
            None => Looked::Exchanged,
        };
        let until = match looked {
            Looked::Found(_) => now + self.limits.idle,
            _ => entry.until,
        };
        state.put(secret.to_owned(), entry.session, until);
        looked
    }

    fn put(&self, state: &mut State, secret: &str, session: Option<Session>, life: Duration) {
        let now = Instant::now();
        drop(state.take(secret, now));
        state.make_room(self.limits.sessions.max(1), now);
        state.put(secret.to_owned(), session, now + life);
    }
}

impl State {
    /// Takes a session out, if its time is not up.
    fn take(&mut self, secret: &str, now: Instant) -> Option<Entry> {
        let entry = self.by_secret.remove(secret)?;
        // It is in one of them.
        for shelf in self.shelves() {
            drop(shelf.remove(&entry.asked));
        }
        (now < entry.until).then_some(entry)
    }

    fn put(&mut self, secret: String, session: Option<Session>, until: Instant) {
        self.clock += 1;
        let asked = self.clock;
        let shelf = match &session {
            Some(session) if session.is_logged_in() => &mut self.logged_in,
            Some(session) if !session.values.is_empty() => &mut self.anonymous,
            _ => &mut self.empty,
        };
        shelf.insert(asked, secret.clone());
        let entry = Entry {
            session,
            asked,
            until,
        };
        self.by_secret.insert(secret, entry);
    }

    /// Forgets some whose time is up, and one more if that is not enough.
    fn make_room(&mut self, limit: usize, now: Instant) {
        // Two for each that comes: so all are gone in time, and none has to wait for many.
        for _ in 0..2 {
            self.forget_old(now);
        }
        while self.by_secret.len() >= limit {
            let first = self.shelves().into_iter().find_map(BTreeMap::pop_first);
            let Some((_, secret)) = first else { return };
            self.by_secret.remove(&secret);
        }
    }

    fn forget_old(&mut self, now: Instant) {
        let Self {
            by_secret,
            empty,
            anonymous,
            logged_in,
            ..
        } = self;
        for shelf in [empty, anonymous, logged_in] {
            let Some(first) = shelf.first_entry() else {
                continue;
            };
            let until = by_secret.get(first.get()).map(|entry| entry.until);
            if until.is_none_or(|until| until <= now) {
                by_secret.remove(&first.remove());
            }
        }
    }

    /// Those that go first are first.
    fn shelves(&mut self) -> [&mut BTreeMap<u64, String>; 3] {
        [&mut self.empty, &mut self.anonymous, &mut self.logged_in]
    }
}

impl SessionStore for MemorySessions {
    fn find<'a>(&'a self, secret: &'a str) -> Stored<'a, Looked> {
        let looked = self.look(secret);
        Box::pin(std::future::ready(Ok(looked)))
    }

    fn create<'a>(&'a self, secret: &'a str, session: Session) -> Stored<'a, ()> {
        let done = self.check(&session).map(|()| {
            let mut state = self.state.lock();
            self.put(&mut state, secret, Some(session), self.limits.idle);
        });
        Box::pin(std::future::ready(done))
    }

    fn merge<'a>(&'a self, secret: &'a str, values: BTreeMap<String, String>) -> Stored<'a, bool> {
        let merge = || {
            let mut state = self.state.lock();
            let now = Instant::now();
            let Some(entry) = state.take(secret, now) else {
                return Ok(false);
            };
            let Some(session) = entry.session else {
                state.put(secret.to_owned(), None, entry.until);
                return Ok(false);
            };
            let mut changed = session.clone();
            changed.values.extend(values);
            let done = self.check(&changed);
            let session = if done.is_ok() { changed } else { session };
            state.put(secret.to_owned(), Some(session), now + self.limits.idle);
            done.map(|()| true)
        };
        Box::pin(std::future::ready(merge()))
    }

    fn exchange<'a>(&'a self, old: &'a str, new: &'a str, session: Session) -> Stored<'a, ()> {
        let done = self.check(&session).map(|()| {
            let mut state = self.state.lock();
            self.put(&mut state, old, None, EXCHANGED);
            self.put(&mut state, new, Some(session), self.limits.idle);
        });
        Box::pin(std::future::ready(done))
    }

    fn remove<'a>(&'a self, secret: &'a str) -> Stored<'a, ()> {
        drop(self.state.lock().take(secret, Instant::now()));
        Box::pin(std::future::ready(Ok(())))
    }
}

impl fmt::Debug for MemorySessions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MemorySessions")
            .field("limits", &self.limits)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(sessions: usize) -> MemorySessions {
        MemorySessions::new(MemoryLimits {
            sessions,
            session_bytes: 10,
            idle: Duration::from_secs(60),
        })
    }

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    async fn is_there(store: &MemorySessions, secret: &str) -> bool {
        store.find(secret).await.unwrap() != Looked::Nothing
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_forgotten_when_nobody_has_asked_for_it_in_its_time() {
        let store = store(10);
        store.create("a", Session::new("1")).await.unwrap();
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(is_there(&store, "a").await);
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(is_there(&store, "a").await);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(!is_there(&store, "a").await);
        assert!(store.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn those_whose_time_is_up_go_when_others_come() {
        let store = store(1000);
        for one in 0..10 {
            store
                .create(&one.to_string(), Session::new("old"))
                .await
                .unwrap();
        }
        tokio::time::advance(Duration::from_secs(60)).await;
        for one in 10..15 {
            store
                .create(&one.to_string(), Session::new("new"))
                .await
                .unwrap();
        }
        assert_eq!(store.len(), 5);
    }

    #[tokio::test]
    async fn where_there_are_as_many_as_may_be_the_one_goes_that_nobody_has_asked_for_the_longest()
    {
        let store = store(2);
        for secret in ["a", "b"] {
            store.create(secret, Session::new(secret)).await.unwrap();
        }
        assert!(is_there(&store, "a").await);
        store.create("c", Session::new("c")).await.unwrap();
        assert_eq!(store.len(), 2);
        assert!(is_there(&store, "a").await && !is_there(&store, "b").await);
    }

    #[tokio::test]
    async fn sessions_with_nothing_in_them_go_before_those_of_somebody() {
        let store = store(3);
        store.create("login", Session::new("1")).await.unwrap();
        assert!(
            store
                .merge("login", values(&[("user", "7")]))
                .await
                .unwrap()
        );
        for flood in 0..100 {
            store
                .create(&flood.to_string(), Session::new("x"))
                .await
                .unwrap();
        }
        assert_eq!(store.len(), 3);
        assert!(is_there(&store, "login").await);
    }

    #[tokio::test]
    async fn sessions_without_a_login_go_before_those_with_one() {
        let store = store(3);
        store.create("login", Session::new("1")).await.unwrap();
        let flag = values(&[("loginFlag", "1")]);
        assert!(store.merge("login", flag).await.unwrap());
        for flood in 0..100 {
            let session = Session {
                id: "x".to_owned(),
                values: values(&[("cart", "1")]),
            };
            store.create(&flood.to_string(), session).await.unwrap();
        }
        assert_eq!(store.len(), 3);
        assert!(is_there(&store, "login").await && is_there(&store, "99").await);
    }

    #[tokio::test]
    async fn what_is_merged_takes_the_place_of_what_has_the_same_name() {
        let store = store(3);
        store.create("a", Session::new("1")).await.unwrap();
        store
            .merge("a", values(&[("x", "1"), ("y", "2")]))
            .await
            .unwrap();
        store.merge("a", values(&[("y", "3")])).await.unwrap();
        let session = Session {
            id: "1".to_owned(),
            values: values(&[("x", "1"), ("y", "3")]),
        };
        assert_eq!(store.find("a").await, Ok(Looked::Found(session)));
        assert_eq!(store.merge("b", values(&[("x", "1")])).await, Ok(false));
    }

    #[tokio::test]
    async fn a_session_is_as_large_as_its_limit_and_no_larger() {
        let store = store(3);
        store.create("a", Session::new("1")).await.unwrap();
        assert!(
            store
                .merge("a", values(&[("x", "123456789")]))
                .await
                .unwrap()
        );
        let error = store.merge("a", values(&[("y", "")])).await;
        assert_eq!(
            error,
            Err(StoreError::TooLarge {
                size: 11,
                limit: 10
            })
        );
        let session = Session {
            id: "1".to_owned(),
            values: values(&[("x", "123456789")]),
        };
        assert_eq!(store.find("a").await, Ok(Looked::Found(session)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_that_was_exchanged_is_known_as_that_for_a_moment_and_opens_nothing() {
        let store = store(10);
        store.create("old", Session::new("1")).await.unwrap();
        store
            .exchange("old", "new", Session::new("1"))
            .await
            .unwrap();
        assert_eq!(
            store.find("new").await,
            Ok(Looked::Found(Session::new("1")))
        );
        for _ in 0..2 {
            assert_eq!(store.find("old").await, Ok(Looked::Exchanged));
            assert_eq!(store.merge("old", values(&[("x", "1")])).await, Ok(false));
            tokio::time::advance(EXCHANGED / 2).await;
        }
        assert_eq!(store.find("old").await, Ok(Looked::Nothing));
    }

    #[tokio::test]
    async fn what_was_removed_is_gone() {
        let store = store(10);
        store.create("a", Session::new("1")).await.unwrap();
        store.remove("a").await.unwrap();
        assert_eq!(store.find("a").await, Ok(Looked::Nothing));
    }
}
