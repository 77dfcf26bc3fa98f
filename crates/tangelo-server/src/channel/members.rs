//! Who is in a channel.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{Member, Road};
use crate::session::SessionId;

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// The members of one channel: in the order they came, by user, and by the way to their clients.
///
/// Adding and removing one takes no longer in a large channel than in a small one, and what is said
/// to all finds the sessions of each connection side by side.
#[derive(Debug, Default)]
pub(super) struct Members {
    in_order: BTreeMap<u64, Placed>,
    by_uid: Map<Arc<str>, BTreeSet<u64>>,
    by_frontend: Map<Arc<str>, Frontend>,
    /// The number the next one gets.
    next: u64,
}

#[derive(Debug)]
struct Placed {
    member: Member,
    /// The road it is on, and its place there.
    road: u64,
    at: usize,
}

/// The members whose clients are on one front end.
#[derive(Debug, Default)]
struct Frontend {
    numbers: Map<SessionId, u64>,
    /// As many as there are connections to it: a few.
    lanes: Vec<Lane>,
}

/// The members on one road.
#[derive(Debug)]
struct Lane {
    road: Road,
    sessions: Vec<Place>,
}

/// A session and its number.
pub(super) type Place = (SessionId, u64);

/// Some of the members.
#[derive(Debug)]
pub(super) enum Chosen<'a> {
    Except(&'a str),
    Uids(&'a [&'a str]),
    /// As far as they are in it still.
    These(Vec<Member>),
}

impl Members {
    pub(super) fn is_empty(&self) -> bool {
        self.in_order.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.in_order.len()
    }

    /// All of them, in the order they came.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.in_order.values().map(|placed| &placed.member)
    }

    /// The users, each once, in the order they came.
    pub(super) fn uids(&self) -> Vec<Arc<str>> {
        let is_first = |number: &u64, uid: &Arc<str>| {
            let numbers = self.by_uid.get(uid);
            numbers.is_some_and(|numbers| numbers.first() == Some(number))
        };
        let users = self.in_order.iter();
        let users = users.map(|(number, placed)| (number, &placed.member.uid));
        let firsts = users.filter(|(number, uid)| is_first(number, uid));
        firsts.map(|(_, uid)| Arc::clone(uid)).collect()
    }

    /// A user's sessions, in the order they came.
    pub(super) fn of_uid(&self, uid: &str) -> impl DoubleEndedIterator<Item = &Member> {
        let numbers = self.by_uid.get(uid).into_iter().flatten();
        numbers.filter_map(|number| Some(&self.in_order.get(number)?.member))
    }

    pub(super) fn has(&self, frontend_id: &str, session: SessionId) -> bool {
        self.number(frontend_id, session).is_some()
    }

    /// Adds a session that is not in yet.
    pub(super) fn add(&mut self, mut member: Member, road: &Road) {
        let number = self.next;
        self.next += 1;
        if let Some((known, _)) = self.by_frontend.get_key_value(&member.frontend_id) {
            member.frontend_id = Arc::clone(known);
        }
        let of_uid = self.by_uid.entry(Arc::clone(&member.uid)).or_default();
        of_uid.insert(number);
        let frontend = self
            .by_frontend
            .entry(Arc::clone(&member.frontend_id))
            .or_default();
        frontend.numbers.insert(member.session, number);
        let at = frontend.take_place(member.session, number, road);
        let road = road.id();
        let placed = Placed { member, road, at };
        self.in_order.insert(number, placed);
    }

    /// Takes a session out; who it was, and the road it was on.
    pub(super) fn remove(
        &mut self,
        frontend_id: &str,
        session: SessionId,
    ) -> Option<(Member, Road)> {
        let frontend = self.by_frontend.get_mut(frontend_id)?;
        let number = frontend.numbers.remove(&session)?;
        let placed = self.in_order.remove(&number)?;
        let (road, moved) = frontend.give_place(placed.road, placed.at)?;
        if frontend.numbers.is_empty() {
            self.by_frontend.remove(frontend_id);
        }
        self.moved(moved, placed.at);
        let member = placed.member;
        if let Some(numbers) = self.by_uid.get_mut(&member.uid) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_uid.remove(&member.uid);
            }
        }
        Some((member, road))
    }

    /// A session is on this road from now on; `false` if it is not in.
    pub(super) fn take_road(&mut self, frontend_id: &str, session: SessionId, road: &Road) -> bool {
        let Some(number) = self.number(frontend_id, session) else {
            return false;
        };
        let (Some(frontend), Some(placed)) = (
            self.by_frontend.get_mut(frontend_id),
            self.in_order.get_mut(&number),
        ) else {
            return false;
        };
        if placed.road == road.id() {
            return true;
        }
        let left = placed.at;
        let gave = frontend.give_place(placed.road, left);
        placed.at = frontend.take_place(session, number, road);
        placed.road = road.id();
        if let Some((_, moved)) = gave {
            self.moved(moved, left);
        }
        true
    }

    /// A session of the front end `from` is one of another, and on this road, from now on. It keeps its place
    /// in the order. `false` if it is not in.
    pub(super) fn change_frontend(&mut self, from: &str, to: &Member, road: &Road) -> bool {
        if self.has(&to.frontend_id, to.session) {
            return false;
        }
        let Some(old) = self.by_frontend.get_mut(from) else {
            return false;
        };
        let Some(number) = old.numbers.remove(&to.session) else {
            return false;
        };
        let Some(mut placed) = self.in_order.remove(&number) else {
            return false;
        };
        let gave = old.give_place(placed.road, placed.at);
        if old.numbers.is_empty() {
            self.by_frontend.remove(from);
        }
        if let Some((_, moved)) = gave {
            self.moved(moved, placed.at);
        }
        let frontend_id = match self.by_frontend.get_key_value(&to.frontend_id) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::clone(&to.frontend_id),
        };
        let new = self
            .by_frontend
            .entry(Arc::clone(&frontend_id))
            .or_default();
        new.numbers.insert(to.session, number);
        placed.at = new.take_place(to.session, number, road);
        placed.road = road.id();
        placed.member.frontend_id = frontend_id;
        self.in_order.insert(number, placed);
        true
    }

    /// Members on the road of this number.
    pub(super) fn on_road(&self, road: u64) -> impl Iterator<Item = &Member> {
        let lanes = self
            .by_frontend
            .values()
            .flat_map(|frontend| &frontend.lanes);
        let sessions = lanes
            .filter(move |lane| lane.road.id() == road)
            .flat_map(|lane| &lane.sessions);
        sessions.filter_map(|(_, number)| Some(&self.in_order.get(number)?.member))
    }

    /// Whether this session is in, and on the road of this number.
    pub(super) fn is_on_road(&self, frontend_id: &str, session: SessionId, road: u64) -> bool {
        let number = self.number(frontend_id, session);
        let placed = number.and_then(|number| self.in_order.get(&number));
        placed.is_some_and(|placed| placed.road == road)
    }

    /// All sessions, road by road.
    pub(super) fn roads(&self) -> impl Iterator<Item = (&Road, &[Place])> {
        let lanes = self
            .by_frontend
            .values()
            .flat_map(|frontend| &frontend.lanes);
        lanes.map(|lane| (&lane.road, &*lane.sessions))
    }

    /// Some of them, road by road.
    pub(super) fn roads_of(&self, chosen: &Chosen<'_>) -> Vec<(&Road, Vec<Place>)> {
        let mut roads = Vec::new();
        let mut index = Map::default();
        let mut add = |number: u64| {
            let Some((road, session)) = self.placed(number) else {
                return;
            };
            let at = *index.entry(road.id()).or_insert_with(|| {
                roads.push((road, Vec::new()));
                roads.len() - 1
            });
            if let Some((_, places)) = roads.get_mut(at) {
                places.push((session, number));
            }
        };
        match chosen {
            Chosen::Except(uid) => {
                let theirs = self.by_uid.get(*uid);
                let is_theirs = |number| theirs.is_some_and(|theirs| theirs.contains(number));
                let others = self.in_order.keys().filter(|number| !is_theirs(number));
                others.copied().for_each(add);
            }
            Chosen::Uids(uids) => {
                let mut once: Vec<_> = uids.to_vec();
                once.sort_unstable();
                once.dedup();
                let found = once.iter().filter_map(|uid| self.by_uid.get(*uid));
                found.flatten().copied().for_each(add);
            }
            Chosen::These(members) => {
                let numbers = members
                    .iter()
                    .filter_map(|member| self.number(&member.frontend_id, member.session));
                numbers.for_each(&mut add);
            }
        }
        roads
    }

    /// Who is in this place.
    pub(super) fn at(&self, (_, number): Place) -> Option<&Member> {
        Some(&self.in_order.get(&number)?.member)
    }

    /// Who is in with this session.
    pub(super) fn member(&self, frontend_id: &str, session: SessionId) -> Option<&Member> {
        self.at((session, self.number(frontend_id, session)?))
    }

    fn placed(&self, number: u64) -> Option<(&Road, SessionId)> {
        let placed = self.in_order.get(&number)?;
        let frontend = self.by_frontend.get(&placed.member.frontend_id)?;
        let lane = frontend.lanes.get(frontend.lane(placed.road)?)?;
        Some((&lane.road, placed.member.session))
    }

    fn number(&self, frontend_id: &str, session: SessionId) -> Option<u64> {
        let frontend = self.by_frontend.get(frontend_id)?;
        frontend.numbers.get(&session).copied()
    }

    /// The last one on a road has taken the place of one who left it.
    fn moved(&mut self, number: Option<u64>, at: usize) {
        if let Some(placed) = number.and_then(|number| self.in_order.get_mut(&number)) {
            placed.at = at;
        }
    }
}

impl Frontend {
    fn lane(&self, road: u64) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.road.id() == road)
    }

    /// Puts a session last on a road; its place there.
    fn take_place(&mut self, session: SessionId, number: u64, road: &Road) -> usize {
        match self
            .lanes
            .iter_mut()
            .find(|lane| lane.road.id() == road.id())
        {
            Some(lane) => {
                lane.sessions.push((session, number));
                lane.sessions.len() - 1
            }
            None => {
                self.lanes.push(Lane {
                    road: road.clone(),
                    sessions: vec![(session, number)],
                });
                0
            }
        }
    }

    /// Frees a place on a road. The last one there moves to it: the number of that one, if it is another.
    fn give_place(&mut self, road: u64, at: usize) -> Option<(Road, Option<u64>)> {
        let index = self.lane(road)?;
        let lane = self.lanes.get_mut(index)?;
        if at >= lane.sessions.len() {
            return None;
        }
        lane.sessions.swap_remove(at);
        let moved = lane.sessions.get(at).map(|(_, number)| *number);
        let road = lane.road.clone();
        if lane.sessions.is_empty() {
            self.lanes.swap_remove(index);
        }
        Some((road, moved))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn member(uid: &str, session: u64, frontend_id: &str) -> Member {
        Member {
            uid: Arc::from(uid),
            session: SessionId(session),
            frontend_id: Arc::from(frontend_id),
        }
    }

    /// What is said to all goes to these.
    fn told(members: &Members) -> BTreeSet<u64> {
        let places = members.roads().flat_map(|(_, places)| places);
        let told: Vec<_> = places.copied().collect();
        for place in &told {
            assert_eq!(members.at(*place).unwrap().session, place.0);
        }
        told.iter().map(|(session, _)| session.0).collect()
    }

    #[test]
    fn whoever_leaves_is_told_nothing_and_the_others_keep_their_order() {
        let mut members = Members::default();
        for session in 0..10 {
            let uid = (session % 3).to_string();
            members.add(member(&uid, session, "connector-1"), &Road::Here);
        }
        for (left, amount) in [(0, 9), (9, 8), (4, 7), (5, 6), (1, 5)] {
            let (who, _) = members.remove("connector-1", SessionId(left)).unwrap();
            assert_eq!(who.session.0, left);
            assert!(members.remove("connector-1", SessionId(left)).is_none());
            assert!(!told(&members).contains(&left));
            assert_eq!((members.len(), told(&members).len()), (amount, amount));
        }
        let sessions: Vec<_> = members.iter().map(|member| member.session.0).collect();
        assert_eq!(sessions, [2, 3, 6, 7, 8]);
        assert_eq!(members.uids(), ["2".into(), "0".into(), "1".into()]);
        let of_uid = members.of_uid("2").map(|member| member.session.0);
        assert_eq!(of_uid.collect::<Vec<_>>(), [2, 8]);
        for session in [2, 3, 6, 7, 8] {
            members.remove("connector-1", SessionId(session)).unwrap();
        }
        assert!(members.is_empty() && told(&members).is_empty());
        assert!(members.by_uid.is_empty() && members.by_frontend.is_empty());
    }

    #[test]
    fn sessions_of_two_front_ends_may_have_the_same_number() {
        let mut members = Members::default();
        for frontend_id in ["connector-1", "connector-2"] {
            members.add(member(frontend_id, 1, frontend_id), &Road::Here);
        }
        let (left, _) = members.remove("connector-1", SessionId(1)).unwrap();
        assert_eq!(&*left.uid, "connector-1");
        let left: Vec<_> = members.iter().map(|member| &*member.uid).collect();
        assert_eq!(left, ["connector-2"]);
    }

    #[test]
    fn who_changes_the_front_end_keeps_the_place_in_the_order() {
        let mut members = Members::default();
        for session in 0..6 {
            let uid = (session % 2).to_string();
            members.add(member(&uid, session, "connector-1"), &Road::Here);
        }
        let mut change = |session, from: &str, to: &str| {
            members.change_frontend(from, &member("", session, to), &Road::Here)
        };
        assert!(change(2, "connector-1", "connector-2") && change(5, "connector-1", "connector-2"));
        assert!(
            !change(2, "connector-1", "connector-2"),
            "it is there already"
        );
        assert!(!change(9, "connector-1", "connector-2") && !change(1, "x", "connector-2"));
        assert!(change(5, "connector-2", "connector-1"));
        let order: Vec<_> = members.iter().map(|member| member.session.0).collect();
        assert_eq!(order, [0, 1, 2, 3, 4, 5]);
        assert_eq!(told(&members).len(), 6);
        assert_eq!(
            &*members.member("connector-2", SessionId(2)).unwrap().uid,
            "0"
        );
        assert!(members.remove("connector-1", SessionId(2)).is_none());
        members.remove("connector-2", SessionId(2)).unwrap();
        for session in [0, 1, 3, 4, 5] {
            members.remove("connector-1", SessionId(session)).unwrap();
        }
        assert!(members.by_uid.is_empty() && members.by_frontend.is_empty());
    }

    /// Looking at all for each would take minutes.
    #[test]
    fn a_hundred_thousand_come_and_go_in_a_moment() {
        const MEMBERS: u64 = 100_000;
        let begun = Instant::now();
        let mut members = Members::default();
        for session in 0..MEMBERS {
            // Many sessions of few users, and one of each of many.
            let uid = if session % 2 == 0 { 0 } else { session };
            members.add(
                member(&uid.to_string(), session, "connector-1"),
                &Road::Here,
            );
        }
        for session in 0..MEMBERS {
            assert!(members.has("connector-1", SessionId(session)));
            members.remove("connector-1", SessionId(session)).unwrap();
        }
        assert!(members.is_empty());
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(20), "{took:?}");
    }
}
