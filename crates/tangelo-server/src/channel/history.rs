//! What was pushed, for who joins later.

use std::{collections::VecDeque, sync::Arc};

use tangelo_connector::Push;

use super::ChannelOptions;

/// The last pushes of some routes, bounded in count and bytes.
#[derive(Debug)]
pub(super) struct History {
    routes: Vec<Kept>,
    bytes: usize,
    most_bytes: usize,
    /// The number of the newest.
    last: u64,
}

#[derive(Debug)]
struct Kept {
    route: Box<str>,
    count: usize,
    pushes: VecDeque<(u64, Arc<Push>)>,
}

impl History {
    /// None if nothing is to be kept.
    pub(super) fn of(options: &ChannelOptions) -> Option<Box<Self>> {
        let kept = options.history.iter().filter(|(_, count)| *count > 0);
        let routes: Vec<_> = kept
            .map(|(route, count)| Kept {
                route: route.clone(),
                count: *count,
                pushes: VecDeque::new(),
            })
            .collect();
        (!routes.is_empty()).then(|| {
            Box::new(Self {
                routes,
                bytes: 0,
                most_bytes: options.history_bytes,
                last: 0,
            })
        })
    }

    /// Keeps a push, if its route is one that is kept.
    pub(super) fn add(&mut self, push: &Arc<Push>) {
        let most_bytes = self.most_bytes;
        let Some(kept) = self
            .routes
            .iter_mut()
            .find(|kept| *kept.route == *push.route())
        else {
            return;
        };
        let size = size(push);
        if size > most_bytes {
            // What came before it would pass for the newest.
            self.bytes -= kept
                .pushes
                .drain(..)
                .map(|(_, old)| self::size(&old))
                .sum::<usize>();
            return;
        }
        if kept.pushes.len() == kept.count
            && let Some((_, oldest)) = kept.pushes.pop_front()
        {
            self.bytes -= self::size(&oldest);
        }
        self.last += 1;
        kept.pushes.push_back((self.last, Arc::clone(push)));
        self.bytes += size;
        while self.bytes > most_bytes {
            self.drop_oldest();
        }
    }

    /// All of it, in order.
    pub(super) fn kept(&self) -> Vec<Arc<Push>> {
        let pushes = self.routes.iter().flat_map(|kept| &kept.pushes);
        let mut pushes: Vec<_> = pushes.collect();
        pushes.sort_unstable_by_key(|(number, _)| *number);
        let pushes = pushes.into_iter().map(|(_, push)| Arc::clone(push));
        pushes.collect()
    }

    fn drop_oldest(&mut self) {
        let first = |kept: &&mut Kept| kept.pushes.front().map_or(u64::MAX, |(first, _)| *first);
        let oldest = self.routes.iter_mut().min_by_key(first);
        match oldest.and_then(|kept| kept.pushes.pop_front()) {
            Some((_, push)) => self.bytes -= size(&push),
            None => self.bytes = 0,
        }
    }
}

fn size(push: &Push) -> usize {
    push.route().len() + push.body().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(route: &str, body: &str) -> Arc<Push> {
        Arc::new(Push::new(route, body.as_bytes().to_vec()).unwrap())
    }

    fn kept(history: &History) -> Vec<String> {
        let pushes = history.kept();
        let bodies = pushes.iter().map(|push| push.body().to_vec());
        bodies
            .map(|body| String::from_utf8(body).unwrap())
            .collect()
    }

    fn history(options: &ChannelOptions) -> Box<History> {
        History::of(options).unwrap()
    }

    #[test]
    fn as_many_are_kept_of_a_route_as_is_said_and_none_of_others() {
        let mut history = history(&ChannelOptions::new().history("chat", 2).last_value("price"));
        for (route, body) in [
            ("price", "1"),
            ("chat", "a"),
            ("gone", "x"),
            ("chat", "b"),
            ("price", "2"),
            ("chat", "c"),
        ] {
            history.add(&push(route, body));
        }
        assert_eq!(kept(&history), ["b", "2", "c"]);
    }

    #[test]
    fn the_bytes_are_bounded_and_the_oldest_go() {
        let options = ChannelOptions::new().history("a", 9).history("b", 9);
        // Three of them fit: a letter of route, nine of body.
        let mut history = history(&options.history_bytes(30));
        for (route, body) in [("a", "111111111"), ("b", "222222222"), ("a", "333333333")] {
            history.add(&push(route, body));
        }
        assert_eq!(kept(&history).len(), 3);
        history.add(&push("b", ""));
        assert_eq!(kept(&history), ["222222222", "333333333", ""]);
        assert_eq!(history.bytes, 21);
    }

    #[test]
    fn what_is_too_long_is_not_kept_and_nothing_older_of_its_route_passes_for_the_newest() {
        let options = ChannelOptions::new().last_value("a").last_value("b");
        let mut history = history(&options.history_bytes(10));
        history.add(&push("a", "1234"));
        history.add(&push("b", "1234"));
        history.add(&push("a", "123456789"));
        assert_eq!(kept(&history), ["123456789"]);
        history.add(&push("a", "1234567890"));
        assert_eq!(kept(&history), [""; 0]);
        assert_eq!(history.bytes, 0);
    }

    #[test]
    fn nothing_costs_nothing() {
        assert!(History::of(&ChannelOptions::new()).is_none());
        assert!(History::of(&ChannelOptions::new().history("a", 0)).is_none());
    }

    #[test]
    fn counts_and_bytes_have_limits_of_their_own() {
        let options = ChannelOptions::new()
            .history("a", usize::MAX)
            .history_bytes(usize::MAX);
        assert_eq!(
            options.history,
            [("a".into(), ChannelOptions::MOST_HISTORY)]
        );
        assert_eq!(options.history_bytes, ChannelOptions::MOST_HISTORY_BYTES);
    }
}
