//! A front end's session as a back end sees it, for one request.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use serde_json::{Map, Value};
use tangelo_connector::Push;
use tangelo_rpc::{Connection, Status};

use super::SessionId;
use crate::{
    Context, channel,
    fields::{self, Malformed, fields},
};

/// A snapshot, left as it came; what nobody asks for is never read.
#[derive(Debug)]
pub(crate) struct BackSession {
    id: SessionId,
    bytes: Bytes,
    uid: Range<usize>,
    settings: Range<usize>,
    /// The connection that belongs to this session.
    connection: Connection,
}

impl BackSession {
    /// Reads forward.proto's Session.
    pub(crate) fn decode(bytes: Bytes, connection: Connection) -> Result<Self, Malformed> {
        const SID: u32 = 1;
        const UID: u32 = 2;
        const SETTINGS: u32 = 3;
        let (mut id, mut uid, mut settings) = (SessionId(0), 0..0, 0..0);
        for field in fields(&bytes) {
            match field? {
                (SID, fields::Value::Fixed(sid)) => id = SessionId(sid),
                (UID, fields::Value::Bytes(range)) => uid = range,
                (SETTINGS, fields::Value::Bytes(range)) => settings = range,
                _ => {}
            }
        }
        Ok(Self {
            id,
            bytes,
            uid,
            settings,
            connection,
        })
    }

    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    pub(crate) fn uid(&self) -> Option<Arc<str>> {
        let uid = std::str::from_utf8(self.bytes.get(self.uid.clone())?).ok()?;
        (!uid.is_empty()).then(|| Arc::from(uid))
    }

    /// The connection that belongs to it.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What belongs to the server that is asked; its connections carry it.
    pub(crate) fn context(&self) -> &Arc<Context> {
        self.connection
            .extension()
            .expect("a connection that has said hello carries the context")
    }

    pub(crate) fn frontend_id(&self) -> &str {
        self.connection
            .hello()
            .map_or("", |hello| &hello.identity.server_id)
    }

    pub(crate) fn setting(&self, key: &str) -> Option<Value> {
        let settings = self.bytes.get(self.settings.clone())?;
        let mut settings: Map<String, Value> = serde_json::from_slice(settings).ok()?;
        settings.remove(key)
    }

    pub(crate) fn push(&self, push: &Push) -> Result<(), Status> {
        channel::tell_push(&self.connection, &[self.id], push)
    }
}
