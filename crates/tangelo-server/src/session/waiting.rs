//! What waits in a session's queue, in its order.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use super::{Item, Taken};

/// Places that replaced pushes may leave empty before the others move up.
const GAPS: usize = 32;

/// What waits in a session's queue, in its order. A push that is replaced leaves its place empty.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    items: VecDeque<Option<Item>>,
    /// The bodies of those that are answered, in the same order.
    bodies: Vec<u8>,
    bytes: usize,
    /// None until something replaceable comes.
    replaceable: Option<Box<Places>>,
}

/// Where the pushes are that can be replaced.
#[derive(Debug, Default)]
struct Places {
    by_key: HashMap<Arc<str>, u64>,
    /// The number of the first place there is now.
    first: u64,
    empty: usize,
}

impl Waiting {
    /// Bytes that all of it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Adds something, in place of what it replaces.
    #[inline(always)]
    pub(super) fn push(&mut self, item: Item) {
        if let Item::Replaceable { key, .. } = &item {
            self.make_way(Arc::clone(key));
        }
        self.bytes += item.size();
        self.items.push_back(Some(item));
    }

    /// The body of the answer that is added next.
    #[inline(always)]
    pub(super) fn push_body(&mut self, body: &[u8]) {
        self.bodies.extend_from_slice(body);
    }

    /// The next thing replaces what has this key.
    fn make_way(&mut self, key: Arc<str>) {
        let places = self.replaceable.get_or_insert_default();
        if let Some(place) = places.by_key.get(&key) {
            let older = self.items.get_mut((place - places.first) as usize);
            if let Some(older) = older.and_then(Option::take) {
                self.bytes -= older.size();
                places.empty += 1;
            }
            if places.empty > GAPS && places.empty * 2 > self.items.len() {
                places.move_up(&mut self.items);
            }
        }
        let place = places.first + self.items.len() as u64;
        places.by_key.insert(key, place);
    }

    /// Takes what is in the first `most` places.
    pub(super) fn take(&mut self, into: &mut Taken, most: usize) {
        into.bodies.clear();
        let mut bodies = 0;
        let count = self.items.len().min(most);
        for item in self.items.drain(..count) {
            let places = self.replaceable.as_mut();
            match item {
                Some(item) => {
                    self.bytes -= item.size();
                    if let (Item::Replaceable { key, .. }, Some(places)) = (&item, places) {
                        places.by_key.remove(key);
                    }
                    if let Item::Answered { length, .. } = &item {
                        bodies += length;
                    }
                    into.items.push(item);
                }
                None => {
                    if let Some(places) = places {
                        places.empty -= 1;
                    }
                }
            }
        }
        if let Some(places) = &mut self.replaceable {
            places.first += count as u64;
        }
        if bodies == self.bodies.len() {
            std::mem::swap(&mut self.bodies, &mut into.bodies);
        } else {
            into.bodies.extend(self.bodies.drain(..bodies));
        }
    }

    /// Gives back room that nothing is in.
    pub(super) fn shrink(&mut self) {
        self.items.shrink_to_fit();
        self.bodies.shrink_to_fit();
        if self.items.is_empty() {
            self.replaceable = None;
        }
    }
}

impl Places {
    /// Nothing is empty any more.
    fn move_up(&mut self, items: &mut VecDeque<Option<Item>>) {
        items.retain(Option::is_some);
        (self.first, self.empty) = (0, 0);
        for (number, item) in (0..).zip(&*items) {
            if let Some(Item::Replaceable { key, .. }) = item
                && let Some(place) = self.by_key.get_mut(key)
            {
                *place = number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tangelo_connector::Push;
    use tangelo_rpc::Encoding;

    use super::*;

    fn push(route: &str, number: u32) -> Item {
        let push = Arc::new(Push::new(route, number.to_string()).unwrap());
        let key = route.starts_with("on").then(|| Arc::from(route));
        Item::push(&push, key.as_ref())
    }

    fn response(number: u32) -> Item {
        let body = Bytes::from(number.to_string());
        Item::Response {
            id: number,
            body,
            failed: false,
        }
    }

    /// The body of a back end's answer, some of which have none.
    fn answer(token: u64) -> Vec<u8> {
        vec![token as u8; token as usize % 3]
    }

    /// Takes so many places, and tells what was in them.
    fn take(waiting: &mut Waiting, most: usize) -> Vec<String> {
        let mut taken = Taken::default();
        waiting.take(&mut taken, most);
        shown(&mut taken)
    }

    fn shown(taken: &mut Taken) -> Vec<String> {
        let shown = taken.drain().map(|(item, body)| match item {
            Item::Answered { token, .. } => {
                assert_eq!(body, answer(token), "its own body");
                format!("answer {token}")
            }
            Item::Push(push) | Item::Replaceable { push, .. } => {
                let number = String::from_utf8(push.body().to_vec()).unwrap();
                format!("{} {number}", push.route())
            }
            Item::Response { id, .. } => format!("response {id}"),
            other => panic!("{other:?}"),
        });
        shown.collect()
    }

    #[test]
    fn a_newer_push_replaces_the_older_one_and_the_rest_keeps_its_order() {
        let mut waiting = Waiting::default();
        for item in [
            push("chat", 1),
            push("onMove", 1),
            response(1),
            push("onTurn", 1),
            push("onMove", 2),
            push("chat", 2),
            push("onMove", 3),
            response(2),
        ] {
            waiting.push(item);
        }
        assert_eq!(
            take(&mut waiting, 100),
            [
                "chat 1",
                "response 1",
                "onTurn 1",
                "chat 2",
                "onMove 3",
                "response 2"
            ]
        );
        assert_eq!((waiting.bytes(), waiting.is_empty()), (0, true));
    }

    #[test]
    fn what_has_been_taken_is_not_replaced() {
        let mut waiting = Waiting::default();
        waiting.push(push("onMove", 1));
        waiting.push(push("onTurn", 1));
        assert_eq!(take(&mut waiting, 1), ["onMove 1"]);
        waiting.push(push("onMove", 2));
        waiting.push(push("onMove", 3));
        waiting.push(push("onTurn", 2));
        assert_eq!(take(&mut waiting, 100), ["onMove 3", "onTurn 2"]);
    }

    #[test]
    fn what_was_replaced_takes_no_room() {
        let mut waiting = Waiting::default();
        waiting.push(push("chat", 1));
        let before = waiting.bytes();
        waiting.push(push("onMove", 10_000));
        let with_one = waiting.bytes();
        for number in 10_000..20_000 {
            waiting.push(push("onMove", number));
            assert_eq!(waiting.bytes(), with_one);
            assert!(waiting.items.len() <= GAPS + 4, "{}", waiting.items.len());
        }
        assert_eq!(take(&mut waiting, 1), ["chat 1"]);
        assert_eq!(waiting.bytes(), with_one - before);
        assert_eq!(take(&mut waiting, 100), ["onMove 19999"]);
        waiting.shrink();
        assert!(waiting.replaceable.is_none());
    }

    proptest::proptest! {
        /// Against the plainest way to do it.
        #[test]
        fn it_is_a_list_from_which_the_older_one_is_removed(
            steps in proptest::collection::vec((0..7_u8, 0..4_usize), 0..400)
        ) {
            let (mut waiting, mut list) = (Waiting::default(), Vec::<(String, u32)>::new());
            let mut taken = Taken::default();
            for (number, (step, most)) in (0..).zip(steps) {
                let route = match step {
                    0 => "chat",
                    4 => {
                        let body = answer(number.into());
                        waiting.push_body(&body);
                        waiting.push(Item::Answered {
                            token: number.into(),
                            encoding: Encoding::Raw,
                            length: body.len(),
                        });
                        list.push(("answer".to_owned(), number));
                        continue;
                    }
                    1..=3 => ["onA", "onB", "onC"][step as usize - 1],
                    _ => {
                        waiting.take(&mut taken, most);
                        // Empty places count as well, so perhaps there is less.
                        let taken = shown(&mut taken);
                        let rest = list.split_off(taken.len());
                        let first = list.iter().map(|(route, number)| format!("{route} {number}"));
                        proptest::prop_assert_eq!(taken, first.collect::<Vec<_>>());
                        list = rest;
                        continue;
                    }
                };
                waiting.push(push(route, number));
                if route != "chat" {
                    list.retain(|(known, _)| known != route);
                }
                list.push((route.to_owned(), number));
            }
            let list: Vec<_> = list.iter().map(|(route, number)| format!("{route} {number}")).collect();
            proptest::prop_assert_eq!(take(&mut waiting, usize::MAX), list);
            proptest::prop_assert_eq!(waiting.bytes(), 0);
        }
    }
}
