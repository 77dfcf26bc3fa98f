//! What a channel is like.

use std::sync::Arc;

use serde_json::Value;

use super::NamedFilter;

/// What a channel is like. The default: whoever is added hears what is pushed from then on.
#[derive(Clone, Debug)]
pub struct ChannelOptions {
    pub(super) bound_only: bool,
    pub(super) single_session: bool,
    pub(super) most_members: usize,
    pub(super) filter: Option<Arc<NamedFilter>>,
    /// How many pushes are kept of which route.
    pub(super) history: Vec<(Box<str>, usize)>,
    pub(super) history_bytes: usize,
}

impl ChannelOptions {
    /// The most pushes that are kept of one route.
    pub const MOST_HISTORY: usize = 1000;
    /// The most bytes that the pushes kept may have together: half of what may wait for a session by
    /// [default](crate::Limits::queue), as they all wait for who joins.
    pub const MOST_HISTORY_BYTES: usize = 512 << 10;

    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only sessions that are bound to the user they are added as can be in it, and only while they
    /// are: one that is unbound hears nothing more, leaves, and
    /// [`on_leave`](crate::Blueprint::on_leave) tells of it. Default: whoever is added stays until it
    /// is taken out or its client goes.
    #[must_use]
    pub fn bound_only(mut self) -> Self {
        self.bound_only = true;
        self
    }

    /// A user is in it with one session only: another one is refused. Default: with any number, each
    /// of which hears what is pushed.
    #[must_use]
    pub fn single_session(mut self) -> Self {
        self.single_session = true;
        self
    }

    /// Sessions that may be in it at once; another one is refused. Default: any number.
    #[must_use]
    pub fn most_members(mut self, count: usize) -> Self {
        self.most_members = count;
        self
    }

    /// Whom a push reaches is decided for each receiver by the filter that its front end has
    /// [under this name](crate::Blueprint::push_filter), given this parameter. A front end that has
    /// none of this name lets nobody hear it. Default: all members.
    #[must_use]
    pub fn filter(mut self, name: &str, parameter: impl Into<Value>) -> Self {
        self.filter = Some(Arc::new(NamedFilter::new(name, parameter.into())));
        self
    }

    /// The last push of this route is kept for those who join later: a [`history`](Self::history) of
    /// one.
    #[must_use]
    pub fn last_value(self, route: &str) -> Self {
        self.history(route, 1)
    }

    /// The last `count` pushes of this route to all members are kept, at most
    /// [`MOST_HISTORY`](Self::MOST_HISTORY), and told to whoever joins, in order, before anything
    /// newer. May be said of several routes. Default: nothing is kept.
    ///
    /// What is kept goes with the channel, and with its server: it is not restored.
    #[must_use]
    pub fn history(mut self, route: &str, count: usize) -> Self {
        self.history.retain(|(known, _)| **known != *route);
        self.history
            .push((route.into(), count.min(Self::MOST_HISTORY)));
        self
    }

    /// Bytes that the pushes kept may have together, at most
    /// [`MOST_HISTORY_BYTES`](Self::MOST_HISTORY_BYTES); for more of them the oldest go. One that is
    /// longer by itself is not kept, nor what came before it of its route. Default 64 KiB.
    #[must_use]
    pub fn history_bytes(mut self, bytes: usize) -> Self {
        self.history_bytes = bytes.min(Self::MOST_HISTORY_BYTES);
        self
    }
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self {
            bound_only: false,
            single_session: false,
            most_members: usize::MAX,
            filter: None,
            history: Vec::new(),
            history_bytes: 64 << 10,
        }
    }
}
