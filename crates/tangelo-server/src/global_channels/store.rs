//! Where it is kept who is in which global channel.

use std::sync::Arc;

use crate::Stored;

/// Keeps who is in which global channel, for all servers of an application: in memory
/// ([`MemoryGlobalChannels`](crate::MemoryGlobalChannels)) where they run in one process.
///
/// Only a front end itself adds and removes its users, one call after the other. What it cannot write it
/// writes again later, so each call has to be good for a second time. Every call has
/// [3 s](crate::StoreError::Late), after which its future is dropped.
pub trait GlobalChannelStore: Send + Sync + 'static {
    /// Of these pairs of a channel and a user, each user is in the channel, on this front end, and may
    /// be in it already.
    fn add<'a>(
        &'a self,
        frontend_id: &'a str,
        members: &'a [(Arc<str>, Arc<str>)],
    ) -> Stored<'a, ()>;

    /// Of these pairs of a channel and a user, no user is in the channel any more, on this front end.
    fn remove<'a>(
        &'a self,
        frontend_id: &'a str,
        members: &'a [(Arc<str>, Arc<str>)],
    ) -> Stored<'a, ()>;

    /// The users in a channel by their front ends; none that has nobody.
    fn members<'a>(&'a self, channel: &'a str) -> Stored<'a, Vec<(String, Vec<String>)>>;

    /// The users in a channel on one front end.
    fn members_at<'a>(&'a self, channel: &'a str, frontend_id: &'a str) -> Stored<'a, Vec<String>>;

    /// Nobody is on this front end. Any server may say so: of itself when it starts and ends, of
    /// another when that is lost.
    fn remove_frontend<'a>(&'a self, frontend_id: &'a str) -> Stored<'a, ()>;
}
