//! Filters that decide on a front end who hears a push.

use std::{collections::HashMap, fmt, sync::Arc};

use bytes::Bytes;
use serde_json::Value;
use tangelo_connector::Push;
use tangelo_rpc::{Code, Status};
use tangelo_runtime::guard;
use tracing::error;

use crate::{
    Blueprint, Session,
    session::{FrontSession, Kind},
};

/// Decides for each receiver whether it hears a push: Pomelo's `broadcastFilter`.
type Decide = dyn Fn(&Session, &Push, &Value) -> bool + Send + Sync;

/// The filters of a front end, by name.
#[derive(Clone, Default)]
pub(crate) struct PushFilters(HashMap<String, Arc<Decide>>);

/// A filter as a push names it, with what it is given.
#[derive(Clone, Debug)]
pub(crate) struct NamedFilter {
    pub(super) name: Box<str>,
    parameter: Value,
    /// The parameter as JSON.
    pub(super) encoded: Bytes,
}

/// A filter about to be asked.
pub(crate) struct Asked<'a> {
    decide: &'a Decide,
    filter: &'a NamedFilter,
}

impl NamedFilter {
    pub(super) fn new(name: &str, parameter: Value) -> Self {
        Self {
            name: name.into(),
            encoded: parameter.to_string().into(),
            parameter,
        }
    }

    /// As it came from another server.
    pub(super) fn received(name: String, encoded: Bytes) -> Result<Self, serde_json::Error> {
        Ok(Self {
            name: name.into(),
            parameter: serde_json::from_slice(&encoded)?,
            encoded,
        })
    }
}

impl PushFilters {
    /// # Errors
    /// There is none of this name.
    pub(super) fn find<'a>(&'a self, filter: &'a NamedFilter) -> Result<Asked<'a>, Status> {
        let Some(decide) = self.0.get(&*filter.name) else {
            let problem = format!("no push filter `{}`", filter.name);
            return Err(Status::new(Code::NOT_FOUND, problem));
        };
        Ok(Asked {
            decide: &**decide,
            filter,
        })
    }
}

impl Asked<'_> {
    /// Whether this session hears the push. Not if the filter panics.
    pub(super) fn admits(&self, session: &Arc<FrontSession>, push: &Push) -> bool {
        let session = Session(Kind::Front(Arc::clone(session)));
        let decided = guard::catch(|| (self.decide)(&session, push, &self.filter.parameter));
        decided.unwrap_or_else(|panicked| {
            let (name, route) = (&*self.filter.name, push.route());
            error!(name, route, session = %session.id(), %panicked, "a push filter failed");
            false
        })
    }
}

impl Blueprint {
    /// A filter for what is pushed to this type's clients: Pomelo's `broadcastFilter`. Pushes that
    /// name it ([`ChannelOptions::filter`](crate::ChannelOptions::filter),
    /// [`BroadcastOptions::filter`](crate::BroadcastOptions::filter)) reach those sessions for which it
    /// says `true`, given the parameter they bring. One of the same name is replaced.
    ///
    /// It is called for each receiver on its front end, and has to be quick. If it panics, that
    /// session does not hear the push.
    #[must_use]
    pub fn push_filter(
        mut self,
        name: &str,
        decide: impl Fn(&Session, &Push, &Value) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.push_filters
            .0
            .insert(name.to_owned(), Arc::new(decide));
        self
    }
}

impl fmt::Debug for PushFilters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}
