use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use super::*;
use crate::{GlobalChannelStore, GlobalChannels, PresenceStore, Stored};

/// Says what it knows as `user` and `user@channel`. It may do what it is asked and then fail, or not answer.
#[derive(Default)]
struct Store {
    says: Mutex<BTreeSet<String>>,
    calls: AtomicUsize,
    fails: AtomicBool,
    hangs: AtomicBool,
    /// What it is asked is done though it fails.
    obeys: AtomicBool,
}

impl Store {
    fn change(&self, change: impl FnOnce(&mut BTreeSet<String>)) -> Stored<'_, ()> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let (fails, hangs) = (
            self.fails.load(Ordering::SeqCst),
            self.hangs.load(Ordering::SeqCst),
        );
        if !(fails || hangs) || self.obeys.load(Ordering::SeqCst) {
            change(&mut self.says.lock());
        }
        Box::pin(async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            if fails { Err("broken".into()) } else { Ok(()) }
        })
    }

    fn says(&self) -> Vec<String> {
        self.says.lock().iter().cloned().collect()
    }
}

fn members(pairs: &[(Arc<str>, Arc<str>)]) -> impl Iterator<Item = String> {
    pairs
        .iter()
        .map(|(channel, uid)| format!("{uid}@{channel}"))
}

impl PresenceStore for Store {
    fn add<'a>(&'a self, _: &'a str, uids: &'a [Arc<str>]) -> Stored<'a, ()> {
        self.change(|says| says.extend(uids.iter().map(ToString::to_string)))
    }

    fn remove<'a>(&'a self, _: &'a str, uids: &'a [Arc<str>]) -> Stored<'a, ()> {
        self.change(|says| says.retain(|said| !uids.iter().any(|uid| **uid == **said)))
    }

    fn frontends<'a>(&'a self, _: &'a [&'a str]) -> Stored<'a, Vec<Vec<String>>> {
        unreachable!()
    }

    fn remove_frontend<'a>(&'a self, _: &'a str) -> Stored<'a, ()> {
        self.change(|says| says.retain(|said| said.contains('@')))
    }
}

impl GlobalChannelStore for Store {
    fn add<'a>(&'a self, _: &'a str, pairs: &'a [(Arc<str>, Arc<str>)]) -> Stored<'a, ()> {
        self.change(|says| says.extend(members(pairs)))
    }

    fn remove<'a>(&'a self, _: &'a str, pairs: &'a [(Arc<str>, Arc<str>)]) -> Stored<'a, ()> {
        self.change(|says| says.retain(|said| !members(pairs).any(|member| member == *said)))
    }

    fn members<'a>(&'a self, _: &'a str) -> Stored<'a, Vec<(String, Vec<String>)>> {
        unreachable!()
    }

    fn members_at<'a>(&'a self, _: &'a str, _: &'a str) -> Stored<'a, Vec<String>> {
        unreachable!()
    }

    fn remove_frontend<'a>(&'a self, _: &'a str) -> Stored<'a, ()> {
        self.change(|says| says.retain(|said| !said.contains('@')))
    }
}

fn roster() -> (Arc<Roster>, Arc<Store>) {
    let store = Arc::new(Store::default());
    let stores = Stores {
        presence: Some(Arc::clone(&store) as Arc<dyn PresenceStore>),
        channels: Some(Arc::clone(&store) as Arc<dyn GlobalChannelStore>),
    };
    (Roster::new("connector-1", stores), store)
}

/// Keeps the store up to date while `test` runs.
async fn kept(roster: &Arc<Roster>, test: impl Future<Output = ()>) {
    tokio::select! {
        () = Arc::clone(roster).run() => unreachable!(),
        () = test => {}
    }
}

/// All is said that can be.
async fn in_a_while() {
    tokio::time::sleep(LONGEST_PAUSE * 4).await;
}

const FIRST: SessionId = SessionId(1);
const SECOND: SessionId = SessionId(2);

#[tokio::test(start_paused = true)]
async fn a_user_is_here_while_a_session_is_bound_to_him() {
    let (roster, store) = roster();
    store.says.lock().insert("of an earlier life".into());
    kept(&roster, async {
        in_a_while().await;
        assert!(store.says().is_empty());
        for session in [FIRST, SECOND] {
            roster.came(session, "a");
            in_a_while().await;
            assert_eq!(store.says(), ["a"]);
        }
        roster.went(FIRST, "a");
        in_a_while().await;
        assert_eq!(store.says(), ["a"]);
        roster.went(SECOND, "a");
        in_a_while().await;
        assert!(store.says().is_empty());
        assert!(
            roster.state.lock().users.is_empty(),
            "nothing is left of him"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_joins_is_in_the_store_when_he_is_told_so_and_leaves_with_his_last_session() {
    let (roster, store) = roster();
    kept(&roster, async {
        let missing = roster.join("a", "one").await;
        assert_eq!(missing, Err(Refusal::NoSession));
        roster.came(FIRST, "a");
        roster.came(SECOND, "a");
        assert_eq!(roster.join("a", "one").await, Ok(true));
        assert_eq!(store.says(), ["a", "a@one"]);
        assert_eq!(roster.join("a", "one").await, Ok(false));
        assert_eq!(roster.join("a", "two").await, Ok(true));
        assert_eq!(roster.leave("a", "one").await, Ok(true));
        assert_eq!(roster.leave("a", "one").await, Ok(false));
        assert_eq!(store.says(), ["a", "a@two"]);
        roster.went(FIRST, "a");
        in_a_while().await;
        assert_eq!(store.says(), ["a", "a@two"]);
        roster.went(SECOND, "a");
        in_a_while().await;
        assert!(store.says().is_empty());
        // Coming again is not being in it again.
        roster.came(FIRST, "a");
        in_a_while().await;
        assert_eq!(store.says(), ["a"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn everybody_can_be_taken_out_at_once() {
    let (roster, store) = roster();
    kept(&roster, async {
        for uid in ["a", "b"] {
            roster.came(FIRST, uid);
            roster.join(uid, "one").await.unwrap();
            roster.join(uid, "two").await.unwrap();
        }
        assert_eq!(roster.leave_all("one").await, Ok(true));
        assert_eq!(store.says(), ["a", "a@two", "b", "b@two"]);
        assert_eq!(roster.leave_all("one").await, Ok(false));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn while_the_store_fails_who_joins_is_refused_and_the_rest_is_said_when_it_is_back() {
    for (hangs, obeys) in [(false, false), (false, true), (true, false), (true, true)] {
        let (roster, store) = roster();
        kept(&roster, async {
            for uid in ["stays", "goes"] {
                roster.came(FIRST, uid);
                roster.join(uid, "one").await.unwrap();
            }
            let broken = if hangs { &store.hangs } else { &store.fails };
            broken.store(true, Ordering::SeqCst);
            store.obeys.store(obeys, Ordering::SeqCst);
            roster.came(SECOND, "new");
            roster.came(SECOND, "short");
            roster.went(FIRST, "goes");
            let refused = roster.join("new", "one").await.unwrap_err();
            let late = Refusal::Store(StoreError::Late);
            let failed = Refusal::Store(StoreError::Failed("broken".into()));
            assert_eq!(refused, if hangs { late } else { failed });
            let refused = roster.leave("stays", "one").await.unwrap_err();
            assert!(matches!(refused, Refusal::Store(_)), "{refused:?}");
            in_a_while().await;
            roster.went(SECOND, "short");
            in_a_while().await;

            broken.store(false, Ordering::SeqCst);
            in_a_while().await;
            // Who was told that he is not in it is not, whatever the store has done.
            assert_eq!(store.says(), ["new", "stays"], "{hangs} {obeys}");
            assert_eq!(roster.join("new", "one").await, Ok(true));
            assert_eq!(store.says(), ["new", "new@one", "stays"]);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_has_forgotten_is_told_again() {
    let (roster, store) = roster();
    kept(&roster, async {
        for uid in ["a", "b"] {
            roster.came(FIRST, uid);
            roster.join(uid, "one").await.unwrap();
        }
        store.says.lock().clear();
        roster.went(FIRST, "b");
        roster.tell_again();
        in_a_while().await;
        assert_eq!(store.says(), ["a", "a@one"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn many_users_take_few_calls() {
    const USERS: usize = 1000;
    let (roster, store) = roster();
    for number in 0..USERS {
        roster.came(FIRST, &number.to_string());
    }
    kept(&roster, async {
        in_a_while().await;
        assert_eq!(store.says().len(), USERS);
        // Four, after two that clean up.
        assert_eq!(store.calls.load(Ordering::SeqCst), 6);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_user_is_in_as_many_channels_as_he_may_be_and_in_no_more() {
    let (roster, _store) = roster();
    roster.came(FIRST, "a");
    kept(&roster, async {
        for number in 0..GlobalChannels::MOST_PER_USER {
            assert_eq!(roster.join("a", &number.to_string()).await, Ok(true));
        }
        assert_eq!(roster.join("a", "more").await, Err(Refusal::TooMany));
        roster.leave("a", "0").await.unwrap();
        assert_eq!(roster.join("a", "more").await, Ok(true));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn two_who_bring_a_user_in_at_once_are_both_told_when_he_is() {
    let (roster, store) = roster();
    roster.came(FIRST, "a");
    kept(&roster, async {
        let both = tokio::join!(roster.join("a", "one"), roster.join("a", "one"));
        assert_eq!(both, (Ok(true), Ok(false)));
        assert_eq!(store.says(), ["a", "a@one"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn at_the_end_the_store_forgets_the_server_but_is_not_waited_for_long() {
    let (roster, store) = roster();
    store.says.lock().insert("a".into());
    roster.end().await;
    assert!(store.says().is_empty());
    store.hangs.store(true, Ordering::SeqCst);
    let begun = tokio::time::Instant::now();
    roster.end().await;
    assert_eq!(begun.elapsed(), FAREWELL);
}
