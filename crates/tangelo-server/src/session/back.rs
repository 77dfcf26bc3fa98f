//! A front end's session as a back end sees it, for one request.

use std::{collections::HashMap, net::SocketAddr, ops::Range, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tangelo_connector::Push;
use tangelo_rpc::{Connection, Status};

use super::{BindError, SessionId, Uid, remote};
use crate::{
    Context,
    channel::{self, Terms},
    fields::{self, Malformed, fields},
};

/// A snapshot, left as it came, and what was changed since; what nobody asks for is never read.
#[derive(Debug)]
pub(crate) struct BackSession {
    id: SessionId,
    bytes: Bytes,
    uid: Range<usize>,
    settings: Range<usize>,
    address: Range<usize>,
    /// The connection that belongs to this session.
    connection: Connection,
    changes: Mutex<Option<Box<Changes>>>,
}

/// What is known to be otherwise than the snapshot says.
#[derive(Debug, Default)]
struct Changes {
    /// Bound to another user since, or to none.
    uid: Option<Option<Arc<str>>>,
    settings: HashMap<String, Change>,
    closed: bool,
}

#[derive(Debug)]
struct Change {
    /// None where it was removed.
    value: Option<Value>,
    pushed: bool,
}

impl BackSession {
    /// Reads forward.proto's Session, which is this part of `bytes`.
    // Made where it stays, and after it is known to be good.
    #[inline(always)]
    pub(crate) fn decode(
        bytes: &Bytes,
        part: Range<usize>,
        connection: Connection,
    ) -> Result<Arc<Self>, Malformed> {
        const SID: u32 = 1;
        const UID: u32 = 2;
        const SETTINGS: u32 = 3;
        const ADDRESS: u32 = 5;
        let (mut id, mut uid, mut settings, mut address) = (SessionId(0), 0..0, 0..0, 0..0);
        let session = bytes.get(part.clone()).unwrap_or_default();
        for field in fields(session) {
            match field? {
                (SID, fields::Value::Fixed(sid)) => id = SessionId(sid),
                (UID, fields::Value::Bytes(range)) => uid = range,
                (SETTINGS, fields::Value::Bytes(range)) => settings = range,
                (ADDRESS, fields::Value::Bytes(range)) => address = range,
                _ => {}
            }
        }
        Ok(Arc::new(Self {
            id,
            bytes: bytes.slice(part),
            uid,
            settings,
            address,
            connection,
            changes: Mutex::new(None),
        }))
    }

    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    pub(crate) fn uid(&self) -> Option<Arc<str>> {
        if let Some(uid) = self.changed(|changes| changes.uid.clone()) {
            return uid;
        }
        let uid = self.text(&self.uid)?;
        (!uid.is_empty()).then(|| Arc::from(uid))
    }

    /// The connection that the request came over.
    pub(crate) fn came_over(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn address(&self) -> SocketAddr {
        let address = self.text(&self.address).and_then(|text| text.parse().ok());
        address.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.changed(|changes| changes.closed.then_some(()))
            .is_some()
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
        let changed = self.changed(|changes| Some(changes.settings.get(key)?.value.clone()));
        if let Some(value) = changed {
            return value;
        }
        let settings = self.bytes.get(self.settings.clone())?;
        let mut settings: Map<String, Value> = serde_json::from_slice(settings).ok()?;
        settings.remove(key)
    }

    /// Changes a setting for this request; none removes it.
    pub(super) fn set(&self, key: &str, value: Option<Value>) {
        let pushed = false;
        self.change(|changes| {
            changes
                .settings
                .insert(key.to_owned(), Change { value, pushed });
        });
    }

    /// Makes the setting of this key, or all, what they are here, where this request has changed them.
    pub(super) async fn push_settings(&self, key: Option<&str>) -> Result<(), Status> {
        let (mut set, mut removed) = (Map::new(), Vec::new());
        self.change(|changes| {
            let wanted = |known: &&String| key.is_none_or(|key| **known == *key);
            let new = changes
                .settings
                .iter_mut()
                .filter(|(known, change)| !change.pushed && wanted(known));
            for (key, change) in new {
                change.pushed = true;
                match &change.value {
                    Some(value) => drop(set.insert(key.clone(), value.clone())),
                    None => removed.push(key.clone()),
                }
            }
        });
        if set.is_empty() && removed.is_empty() {
            return Ok(());
        }
        let failed = Unpushed {
            session: self,
            keys: set.keys().chain(&removed).cloned().collect(),
        };
        let changed = remote::change_settings(&self.connection(), self.id, set, removed).await;
        self.heard(changed)?;
        failed.were_pushed();
        Ok(())
    }

    pub(super) async fn bind(&self, uid: Uid) -> Result<(), BindError> {
        let bound = remote::bind(&self.connection(), self.id, &uid).await;
        match &bound {
            Ok(()) => self.change(|changes| changes.uid = Some(Some(uid.into()))),
            Err(BindError::Closed) => self.change(|changes| changes.closed = true),
            Err(_) => {}
        }
        bound
    }

    pub(super) async fn unbind(&self) -> Result<(), Status> {
        let unbound = remote::unbind(&self.connection(), self.id).await;
        self.heard(unbound)?;
        self.change(|changes| changes.uid = Some(None));
        Ok(())
    }

    pub(super) async fn kick(&self, reason: &str) -> Result<(), Status> {
        remote::kick(&self.connection(), self.id.into(), reason).await?;
        self.change(|changes| changes.closed = true);
        Ok(())
    }

    pub(crate) fn push(&self, push: &Push) -> Result<(), Status> {
        let connection = self.connection();
        let dialed_us = connection
            .hello()
            .is_some_and(|hello| hello.identity.frontend);
        if dialed_us {
            channel::tell_push(&connection, &[self.id], push, Terms::default())
        } else {
            // This is a front end as well, and channels are not for those.
            remote::tell_push(&connection, self.id.into(), push)
        }
    }

    /// What the front end answered is noted: that there is no such session any more.
    fn heard(&self, answer: Result<(), Status>) -> Result<(), Status> {
        if matches!(&answer, Err(status) if status.code() == super::no_such_session().code()) {
            self.change(|changes| changes.closed = true);
        }
        answer
    }

    /// The connection that belongs to this session now: another one, if the front end had to dial again.
    fn connection(&self) -> Connection {
        if self.connection.is_closed() {
            let now = remote::road(self.context(), self.frontend_id(), self.id.into());
            return now.unwrap_or_else(|_| self.connection.clone());
        }
        self.connection.clone()
    }

    fn text(&self, range: &Range<usize>) -> Option<&str> {
        std::str::from_utf8(self.bytes.get(range.clone())?).ok()
    }

    fn changed<T>(&self, look: impl FnOnce(&Changes) -> Option<T>) -> Option<T> {
        self.changes.lock().as_deref().and_then(look)
    }

    fn change(&self, change: impl FnOnce(&mut Changes)) {
        change(self.changes.lock().get_or_insert_default());
    }
}

/// Settings under way to the front end: unless that said that it has them, they can be pushed again.
struct Unpushed<'a> {
    session: &'a BackSession,
    keys: Vec<String>,
}

impl Unpushed<'_> {
    fn were_pushed(mut self) {
        self.keys.clear();
    }
}

impl Drop for Unpushed<'_> {
    fn drop(&mut self) {
        self.session.change(|changes| {
            for key in &self.keys {
                if let Some(change) = changes.settings.get_mut(key) {
                    change.pushed = false;
                }
            }
        });
    }
}
