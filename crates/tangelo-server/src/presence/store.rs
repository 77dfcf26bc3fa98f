//! Where it is kept who is online.

use std::sync::Arc;

use crate::Stored;

/// Keeps which users are on which front ends, for all servers of an application: in memory
/// ([`MemoryPresence`](crate::MemoryPresence)) where they run in one process.
///
/// Only a front end itself adds and removes its users, one call after the other. What it cannot write it
/// writes again later, so each call has to be good for a second time. Every call has
/// [3 s](crate::StoreError::Late), after which its future is dropped.
pub trait PresenceStore: Send + Sync + 'static {
    /// These users are on this front end, and may be there already.
    fn add<'a>(&'a self, frontend_id: &'a str, uids: &'a [Arc<str>]) -> Stored<'a, ()>;

    /// These users are on this front end no longer, if they were.
    fn remove<'a>(&'a self, frontend_id: &'a str, uids: &'a [Arc<str>]) -> Stored<'a, ()>;

    /// The front ends that each of these users is on, in the order in which they are asked for.
    fn frontends<'a>(&'a self, uids: &'a [&'a str]) -> Stored<'a, Vec<Vec<String>>>;

    /// Nobody is on this front end. Any server may say so: of itself when it starts and ends, of
    /// another when that is lost.
    fn remove_frontend<'a>(&'a self, frontend_id: &'a str) -> Stored<'a, ()>;
}
