//! A front end's session as a back end sees it, for one request.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};
use tangelo_connector::Push;
use tangelo_rpc::{Connection, Status};

use super::SessionId;
use crate::{Context, channel, generated::forward};

#[derive(Debug)]
pub(crate) struct BackSession {
    id: SessionId,
    uid: Option<Arc<str>>,
    settings: Bytes,
    /// The connection that belongs to this session.
    connection: Connection,
    context: Arc<Context>,
}

impl BackSession {
    pub(crate) fn new(
        snapshot: forward::Session,
        connection: Connection,
        context: Arc<Context>,
    ) -> Self {
        let uid = Some(snapshot.uid)
            .filter(|uid| !uid.is_empty())
            .map(Arc::from);
        Self {
            id: SessionId(snapshot.sid),
            uid,
            settings: snapshot.settings,
            connection,
            context,
        }
    }

    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    pub(crate) fn uid(&self) -> Option<Arc<str>> {
        self.uid.clone()
    }

    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    pub(crate) fn frontend_id(&self) -> &str {
        self.connection
            .hello()
            .map_or("", |hello| &hello.identity.server_id)
    }

    pub(crate) fn setting(&self, key: &str) -> Option<Value> {
        // Parsed when somebody asks, which few requests do.
        let mut settings: Map<String, Value> = serde_json::from_slice(&self.settings).ok()?;
        settings.remove(key)
    }

    pub(crate) fn push(&self, push: &Push) -> Result<(), Status> {
        channel::tell_push(&self.connection, &[self.id], push)
    }
}
