//! Which of several servers a key belongs to.

use std::sync::Arc;

use tangelo_registry::Instance;
use twox_hash::XxHash3_64;

/// Which of the servers of a type a key belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteRule {
    /// Each server draws a number for the key, and the highest wins (rendezvous hashing). So a server
    /// that goes gives away its own keys and no others, one that comes takes its share from all, and
    /// every process chooses alike, whatever the order of its list. The default.
    ///
    /// Whether a server is up does not count: one that has crashed keeps its keys, new ones too, until it is
    /// back, leaves, or is no longer on the list. What is for it fails meanwhile with
    /// [`Code::NO_CONNECTION`](tangelo_rpc::Code::NO_CONNECTION), 503 to a client. For another choice see
    /// [`Candidates::is_up`](crate::Candidates::is_up).
    #[default]
    ConsistentHash,
    /// Pomelo's: [`crc32`] of the key modulo the number of servers, in the registry's order. One server
    /// more or less moves nearly all keys.
    Crc32,
}

impl RouteRule {
    /// The server of this key among those that are `allowed`: the key's own, or the next after it.
    pub(crate) fn pick<'a>(
        self,
        key: &str,
        mut servers: impl Iterator<Item = &'a Arc<Instance>> + Clone,
        allowed: impl Fn(&Instance) -> bool,
    ) -> Option<&'a Arc<Instance>> {
        match self {
            Self::ConsistentHash => {
                let key = XxHash3_64::oneshot(key.as_bytes());
                let drawn =
                    |server: &Instance| XxHash3_64::oneshot_with_seed(key, server.id.as_bytes());
                let allowed = servers.filter(|server| allowed(server));
                allowed.max_by_key(|server| (drawn(server), &server.id))
            }
            Self::Crc32 => {
                let count = servers.clone().count();
                let first = (crc32(key) as usize).checked_rem(count)?;
                let before = servers.clone().take(first);
                let from_first = servers.by_ref().skip(first);
                from_first.chain(before).find(|server| allowed(server))
            }
        }
    }
}

/// The checksum Pomelo's applications choose servers by: over the low byte of each UTF-16 unit, and
/// the absolute value of the result as a signed number.
pub fn crc32(key: &str) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    if key.is_ascii() {
        hasher.update(key.as_bytes());
    } else {
        hasher.update(
            &key.encode_utf16()
                .map(|unit| unit as u8)
                .collect::<Vec<_>>(),
        );
    }
    (hasher.finalize() as i32).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(ids: impl IntoIterator<Item = u32>) -> Vec<Arc<Instance>> {
        let server = |id| Instance {
            id: format!("chat-{id}"),
            server_type: "chat".to_owned(),
            ..Instance::default()
        };
        ids.into_iter().map(|id| Arc::new(server(id))).collect()
    }

    const USERS: usize = 20_000;

    /// The server of each of many users.
    fn places(rule: RouteRule, servers: &[Arc<Instance>]) -> Vec<String> {
        let place = |user| {
            let server = rule.pick(&format!("user-{user}"), servers.iter(), |_| true);
            server.unwrap().id.clone()
        };
        (0..USERS).map(place).collect()
    }

    #[test]
    fn servers_are_chosen_by_the_numbers_pomelo_chooses_by() {
        let vectors = [
            ("", 0),
            ("u1", 1_112_514_422),
            ("10001", 12_275_155),
            ("玩家", 471_729_126),
        ];
        for (key, value) in vectors {
            assert_eq!(crc32(key), value, "{key}");
            let three = servers(1..=3);
            let chosen = RouteRule::Crc32.pick(key, three.iter(), |_| true).unwrap();
            assert_eq!(chosen.id, format!("chat-{}", 1 + value % 3), "{key}");
        }
    }

    #[test]
    fn users_are_spread_evenly() {
        let servers = servers(1..=10);
        let places = places(RouteRule::ConsistentHash, &servers);
        for server in &servers {
            let users = places.iter().filter(|place| **place == server.id).count();
            assert!(
                (USERS / 11..USERS / 9).contains(&users),
                "{}: {users}",
                server.id
            );
        }
    }

    #[test]
    fn a_server_that_comes_takes_its_share_and_moves_nobody_else() {
        let before = places(RouteRule::ConsistentHash, &servers(1..=10));
        let after = places(RouteRule::ConsistentHash, &servers(1..=11));
        let moved = before.iter().zip(&after).filter(|(old, new)| old != new);
        let moved: Vec<_> = moved.collect();
        assert!(moved.iter().all(|(_, new)| **new == "chat-11"));
        let share = USERS / 11;
        assert!(
            (share * 9 / 10..share * 11 / 10).contains(&moved.len()),
            "{} of {USERS}",
            moved.len()
        );
    }

    #[test]
    fn a_server_that_goes_gives_away_its_own_users_and_no_others() {
        let before = places(RouteRule::ConsistentHash, &servers(1..=10));
        let after = places(
            RouteRule::ConsistentHash,
            &servers((1..=10).filter(|id| *id != 4)),
        );
        for (old, new) in before.iter().zip(&after) {
            assert_eq!(old != new, old == "chat-4");
        }
    }

    #[test]
    fn the_order_of_the_list_does_not_matter() {
        let (mut turned, all) = (servers(1..=5), servers(1..=5));
        turned.reverse();
        let rule = RouteRule::ConsistentHash;
        assert_eq!(places(rule, &turned), places(rule, &all));
    }

    #[test]
    fn every_release_and_every_process_chooses_alike() {
        let servers = servers(1..=5);
        let chosen = |key| {
            let server = RouteRule::ConsistentHash.pick(key, servers.iter(), |_| true);
            server.unwrap().id.clone()
        };
        let keys = ["u1", "u2", "u3", "u4", "u5", "10001", "玩家"];
        assert_eq!(
            keys.map(chosen),
            [
                "chat-1", "chat-3", "chat-4", "chat-3", "chat-3", "chat-1", "chat-3"
            ],
            "this choice is for ever"
        );
    }

    #[test]
    fn the_next_after_a_keys_own_server_is_the_same_for_everybody() {
        for rule in [RouteRule::ConsistentHash, RouteRule::Crc32] {
            let servers = servers(1..=5);
            let mut tried = Vec::new();
            while let Some(next) =
                rule.pick("u1", servers.iter(), |server| !tried.contains(&server.id))
            {
                tried.push(next.id.clone());
            }
            assert_eq!(tried.len(), 5, "{tried:?}");
            let first = rule.pick("u1", servers.iter(), |_| true).unwrap();
            assert_eq!(tried.first(), Some(&first.id));
            assert_eq!(rule.pick("u1", [].iter(), |_| true), None);
        }
    }
}
