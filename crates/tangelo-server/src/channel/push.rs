//! What members of a channel are told.

use std::{fmt, sync::Arc, time::Duration};

use serde::Serialize;

use super::{Channel, Member, sending::Sending};
use crate::{Error, session};

/// Which members of a channel are told something.
#[derive(Clone, Copy)]
pub enum Receivers<'a> {
    /// All of them.
    All,
    /// All but those of this user.
    Except(&'a str),
    /// Those of these users.
    Uids(&'a [&'a str]),
    /// Those for which it says `true`. It is called on the channel's server for each member.
    Where(&'a (dyn Fn(&Member) -> bool + Sync)),
}

/// Who has got a push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Members that were meant and did not get it: their session has closed, their client does not keep
    /// up, or their front end is lost or did not say in time.
    pub unreached: Vec<Member>,
}

impl Channel {
    /// Tells every member. It is under way when this returns; nobody waits for it.
    ///
    /// # Errors
    /// The message is no JSON, or too long: 930 000 bytes are always let through. Members who are gone are
    /// no error, nor is a channel that is.
    pub fn push<T: Serialize + ?Sized>(&self, route: &str, message: &T) -> Result<(), Error> {
        self.push_for(Receivers::All, route, message).map(drop)
    }

    /// Tells the members under these users' ids; returns how many there are.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_to<T: Serialize + ?Sized>(
        &self,
        uids: &[&str],
        route: &str,
        message: &T,
    ) -> Result<usize, Error> {
        self.push_for(Receivers::Uids(uids), route, message)
    }

    /// Tells all members but those of one user.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_except<T: Serialize + ?Sized>(
        &self,
        uid: &str,
        route: &str,
        message: &T,
    ) -> Result<(), Error> {
        self.push_for(Receivers::Except(uid), route, message)
            .map(drop)
    }

    /// Tells those members for which `wanted` says `true`; returns how many there are.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_where<T: Serialize + ?Sized>(
        &self,
        route: &str,
        message: &T,
        wanted: impl Fn(&Member) -> bool + Sync,
    ) -> Result<usize, Error> {
        self.push_for(Receivers::Where(&wanted), route, message)
    }

    /// Tells some members, and says who did not get it. It is under way when this returns, in order with
    /// other pushes, whether or not the future is awaited; that resolves after `within` at the latest.
    ///
    /// Who has got it has it in the queue to his client; nobody knows whether he reads it.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_confirmed<T: Serialize + ?Sized>(
        &self,
        receivers: Receivers<'_>,
        route: &str,
        message: &T,
        within: Duration,
    ) -> impl Future<Output = Result<Delivered, Error>> + Send + use<T> {
        let mut sending = Sending::confirmed(within);
        let sent = self.send(receivers, route, message, &mut sending);
        async move {
            sent?;
            Ok(Delivered {
                unreached: sending.unreached().await,
            })
        }
    }

    fn push_for<T: Serialize + ?Sized>(
        &self,
        receivers: Receivers<'_>,
        route: &str,
        message: &T,
    ) -> Result<usize, Error> {
        self.send(receivers, route, message, &mut Sending::default())
    }

    /// Returns how many members are meant.
    fn send<T: Serialize + ?Sized>(
        &self,
        receivers: Receivers<'_>,
        route: &str,
        message: &T,
        sending: &mut Sending,
    ) -> Result<usize, Error> {
        let push = Arc::new(session::encode(route, message)?);
        Ok(self.send_encoded(receivers, &push, sending)?)
    }
}

impl fmt::Debug for Receivers<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => formatter.write_str("All"),
            Self::Except(uid) => formatter.debug_tuple("Except").field(uid).finish(),
            Self::Uids(uids) => formatter.debug_tuple("Uids").field(uids).finish(),
            Self::Where(_) => formatter.write_str("Where"),
        }
    }
}
