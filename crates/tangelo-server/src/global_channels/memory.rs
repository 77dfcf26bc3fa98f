//! Who is in which global channel, in memory.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::{GlobalChannelStore, Stored};

/// Who is in which global channel, in memory: for servers of one process, which share it.
#[derive(Debug, Default)]
pub struct MemoryGlobalChannels {
    channels: Mutex<HashMap<Arc<str>, ByFrontend>>,
}

type ByFrontend = BTreeMap<Arc<str>, BTreeSet<Arc<str>>>;

impl MemoryGlobalChannels {
    /// No channel.
    pub fn new() -> Self {
        Self::default()
    }
}

impl GlobalChannelStore for MemoryGlobalChannels {
    fn add<'a>(
        &'a self,
        frontend_id: &'a str,
        members: &'a [(Arc<str>, Arc<str>)],
    ) -> Stored<'a, ()> {
        let frontend_id: Arc<str> = Arc::from(frontend_id);
        let mut channels = self.channels.lock();
        for (channel, uid) in members {
            let by_frontend = channels.entry(Arc::clone(channel)).or_default();
            let uids = by_frontend.entry(Arc::clone(&frontend_id)).or_default();
            uids.insert(Arc::clone(uid));
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn remove<'a>(
        &'a self,
        frontend_id: &'a str,
        members: &'a [(Arc<str>, Arc<str>)],
    ) -> Stored<'a, ()> {
        let mut channels = self.channels.lock();
        for (channel, uid) in members {
            let Some(by_frontend) = channels.get_mut(channel) else {
                continue;
            };
            if let Some(uids) = by_frontend.get_mut(frontend_id) {
                uids.remove(uid);
                if uids.is_empty() {
                    by_frontend.remove(frontend_id);
                }
            }
            if by_frontend.is_empty() {
                channels.remove(channel);
            }
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn members<'a>(&'a self, channel: &'a str) -> Stored<'a, Vec<(String, Vec<String>)>> {
        let channels = self.channels.lock();
        let by_frontend = channels.get(channel).into_iter().flatten();
        let members = by_frontend
            .map(|(frontend_id, uids)| (frontend_id.to_string(), texts(uids)))
            .collect();
        Box::pin(std::future::ready(Ok(members)))
    }

    fn members_at<'a>(&'a self, channel: &'a str, frontend_id: &'a str) -> Stored<'a, Vec<String>> {
        let channels = self.channels.lock();
        let uids = channels
            .get(channel)
            .and_then(|by_frontend| by_frontend.get(frontend_id));
        let members = uids.map(texts).unwrap_or_default();
        Box::pin(std::future::ready(Ok(members)))
    }

    fn remove_frontend<'a>(&'a self, frontend_id: &'a str) -> Stored<'a, ()> {
        self.channels.lock().retain(|_, by_frontend| {
            by_frontend.remove(frontend_id);
            !by_frontend.is_empty()
        });
        Box::pin(std::future::ready(Ok(())))
    }
}

fn texts(uids: &BTreeSet<Arc<str>>) -> Vec<String> {
    uids.iter().map(ToString::to_string).collect()
}
