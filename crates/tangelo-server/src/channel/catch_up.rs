//! Members of this server who still have to be told what their channel keeps.
//!
//! What the application has a say in is told outside of all locks. What is pushed meanwhile waits, so that it
//! comes after, and none of it is missed.

use std::sync::Arc;

use tangelo_connector::Push;

use super::ChannelOptions;
use crate::session::SessionId;

/// Members who are being told what the channel keeps, and what waits for them.
#[derive(Debug, Default)]
pub(super) struct CatchUp {
    members: Vec<Behind>,
    /// The last ticket given.
    last: u64,
}

#[derive(Debug)]
struct Behind {
    session: SessionId,
    ticket: u64,
    waiting: Vec<Arc<Push>>,
    bytes: usize,
}

/// What comes next for a member who is being told.
#[derive(Debug)]
pub(super) enum Next {
    /// This.
    Tell(Vec<Arc<Push>>),
    /// It has caught up, or has left.
    Nothing,
    /// More than can wait: it would miss something.
    TooMuch,
}

impl CatchUp {
    /// What may wait for one member.
    const MOST: usize = ChannelOptions::MOST_HISTORY_BYTES;

    /// From now on everything waits for this member, until there is nothing next for the ticket.
    pub(super) fn begin(&mut self, session: SessionId) -> u64 {
        self.members.retain(|behind| behind.session != session);
        self.last += 1;
        self.members.push(Behind {
            session,
            ticket: self.last,
            waiting: Vec::new(),
            bytes: 0,
        });
        self.last
    }

    /// Whether a push waits for this member, and so must not be told to it now.
    pub(super) fn hold(&mut self, session: SessionId, push: &Arc<Push>) -> bool {
        let mut members = self.members.iter_mut();
        let Some(behind) = members.find(|behind| behind.session == session) else {
            return false;
        };
        behind.bytes += push.size();
        if behind.bytes <= Self::MOST {
            behind.waiting.push(Arc::clone(push));
        }
        true
    }

    pub(super) fn next(&mut self, ticket: u64) -> Next {
        let at = self
            .members
            .iter()
            .position(|behind| behind.ticket == ticket);
        let Some((at, behind)) = at.and_then(|at| Some((at, self.members.get_mut(at)?))) else {
            return Next::Nothing;
        };
        if behind.bytes > Self::MOST {
            self.members.swap_remove(at);
            return Next::TooMuch;
        }
        if behind.waiting.is_empty() {
            self.members.swap_remove(at);
            return Next::Nothing;
        }
        behind.bytes = 0;
        Next::Tell(std::mem::take(&mut behind.waiting))
    }

    /// This member has left.
    pub(super) fn forget(&mut self, session: SessionId) {
        self.members.retain(|behind| behind.session != session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(bytes: usize) -> Arc<Push> {
        Arc::new(Push::new("on", vec![b'1'; bytes]).unwrap())
    }

    #[test]
    fn what_comes_while_a_member_is_told_waits_for_it_and_for_nobody_else() {
        let mut catch_up = CatchUp::default();
        let ticket = catch_up.begin(SessionId(1));
        let (one, two) = (push(1), push(2));
        assert!(catch_up.hold(SessionId(1), &one));
        assert!(!catch_up.hold(SessionId(2), &one));
        let Next::Tell(first) = catch_up.next(ticket) else {
            panic!()
        };
        assert_eq!(first.len(), 1);
        assert!(catch_up.hold(SessionId(1), &two));
        assert!(matches!(catch_up.next(ticket), Next::Tell(two) if two.len() == 1));
        assert!(matches!(catch_up.next(ticket), Next::Nothing));
        assert!(!catch_up.hold(SessionId(1), &one));
    }

    #[test]
    fn one_who_leaves_and_comes_again_is_told_by_whoever_added_it_last() {
        let mut catch_up = CatchUp::default();
        let first = catch_up.begin(SessionId(1));
        catch_up.forget(SessionId(1));
        let second = catch_up.begin(SessionId(1));
        assert!(catch_up.hold(SessionId(1), &push(1)));
        assert!(matches!(catch_up.next(first), Next::Nothing));
        assert!(matches!(catch_up.next(second), Next::Tell(_)));
    }

    #[test]
    fn as_much_waits_as_may_and_no_byte_more() {
        let mut catch_up = CatchUp::default();
        let longest = push(CatchUp::MOST - push(0).size());
        let ticket = catch_up.begin(SessionId(1));
        for _ in 0..2 {
            assert!(catch_up.hold(SessionId(1), &longest));
            assert!(matches!(catch_up.next(ticket), Next::Tell(_)));
        }
        assert!(catch_up.hold(SessionId(1), &longest));
        assert!(catch_up.hold(SessionId(1), &push(0)));
        assert!(matches!(catch_up.next(ticket), Next::TooMuch));
        assert!(matches!(catch_up.next(ticket), Next::Nothing));
    }
}
