//! Which front end holds the claims on a user.

use std::{collections::BTreeSet, sync::Arc};

use twox_hash::XxHash3_64;

use crate::{Context, session::uid::key};

/// A front end, and which of its lives this is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Member {
    pub(super) id: Arc<str>,
    pub(super) epoch: u32,
}

/// The front ends that share the users, as one of them sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ring {
    /// This front end.
    own: Member,
    /// Those that are up, sorted: among them itself, unless it leaves.
    members: Vec<Member>,
}

impl Ring {
    /// As it is now.
    pub(super) fn now(context: &Context, across: &BTreeSet<String>) -> Self {
        let identity = context.cluster.identity();
        let own = Member {
            id: Arc::from(&*identity.server_id),
            epoch: identity.epoch,
        };
        let others = across
            .iter()
            .flat_map(|server_type| context.cluster.of_type(server_type));
        let others = others.filter_map(|remote| {
            let instance = remote.instance();
            let connection = remote.connection(super::LANE).ok()?;
            let hello = connection.hello()?;
            let is_up = instance.frontend && instance.id != *own.id && !connection.peer_leaves();
            is_up.then(|| Member {
                id: Arc::from(&*instance.id),
                epoch: hello.identity.epoch,
            })
        });
        let itself = (!context.is_draining()).then(|| own.clone());
        Self::of(own.clone(), others.chain(itself))
    }

    fn of(own: Member, members: impl IntoIterator<Item = Member>) -> Self {
        let mut members = Vec::from_iter(members);
        members.sort();
        Self { own, members }
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Who holds the claims on this user: the front end that draws the highest number for it. One that
    /// is alone does, even if it leaves.
    pub(super) fn holder(&self, uid: &str) -> &Member {
        let key = key(uid).to_le_bytes();
        let draw = |member: &&Member| {
            let seed = XxHash3_64::oneshot(member.id.as_bytes());
            XxHash3_64::oneshot_with_seed(seed, &key)
        };
        self.members.iter().max_by_key(draw).unwrap_or(&self.own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(number: usize) -> Member {
        Member {
            id: format!("connector-{number}").into(),
            epoch: 1,
        }
    }

    fn ring(members: impl IntoIterator<Item = usize>) -> Ring {
        Ring::of(member(0), members.into_iter().map(member))
    }

    #[test]
    fn all_name_the_same_whatever_their_order() {
        for user in 0..1000 {
            let uid = user.to_string();
            let (one, other) = (ring([1, 2, 3]), ring([3, 1, 2]));
            assert_eq!(one.holder(&uid), other.holder(&uid));
        }
    }

    #[test]
    fn who_comes_takes_his_share_and_nothing_else_moves() {
        let (before, after) = (ring(1..=4), ring(1..=5));
        let mut moved = 0;
        for user in 0..10_000 {
            let uid = user.to_string();
            if before.holder(&uid) != after.holder(&uid) {
                assert_eq!(*after.holder(&uid), member(5));
                moved += 1;
            }
        }
        assert!((1_800..2_200).contains(&moved), "{moved}");
    }

    #[test]
    fn the_numbers_never_change_as_servers_of_all_versions_draw_them() {
        let ring = ring(1..=9);
        let holders = ["", "u1", "10001", "玩家"].map(|uid| ring.holder(uid).id.to_string());
        assert_eq!(
            holders,
            ["connector-6", "connector-4", "connector-3", "connector-6"]
        );
    }

    #[test]
    fn one_that_is_alone_holds_all_even_if_it_leaves() {
        assert_eq!(*ring([]).holder("u"), member(0));
    }
}
