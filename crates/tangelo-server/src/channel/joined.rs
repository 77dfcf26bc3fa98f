//! Which channels each session is in.

use std::{collections::HashMap, sync::Arc};

use crate::session::SessionId;

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Which channels each session is in, by its front end.
#[derive(Debug, Default)]
pub(super) struct Joined(Map<Arc<str>, Map<SessionId, Vec<Arc<str>>>>);

impl Joined {
    pub(super) fn add(&mut self, frontend_id: &str, session: SessionId, channel: &Arc<str>) {
        if !self.0.contains_key(frontend_id) {
            self.0.insert(Arc::from(frontend_id), Map::default());
        }
        let Some(sessions) = self.0.get_mut(frontend_id) else {
            return;
        };
        let channels = sessions.entry(session).or_default();
        if !channels.contains(channel) {
            channels.push(Arc::clone(channel));
        }
    }

    pub(super) fn remove(&mut self, frontend_id: &str, session: SessionId, channel: &str) {
        let Some(sessions) = self.0.get_mut(frontend_id) else {
            return;
        };
        if let Some(channels) = sessions.get_mut(&session) {
            channels.retain(|known| **known != *channel);
            if channels.is_empty() {
                sessions.remove(&session);
            }
        }
        if sessions.is_empty() {
            self.0.remove(frontend_id);
        }
    }

    /// The session has closed: the channels it was in.
    pub(super) fn take(&mut self, frontend_id: &str, session: SessionId) -> Vec<Arc<str>> {
        let Some(sessions) = self.0.get_mut(frontend_id) else {
            return Vec::new();
        };
        let channels = sessions.remove(&session).unwrap_or_default();
        if sessions.is_empty() {
            self.0.remove(frontend_id);
        }
        channels
    }
}
