//! One call, as its filters see it.

use std::{borrow::Cow, fmt, sync::Arc};

use bytes::Bytes;
use tokio::time::Instant;

use super::road::Asked;
use crate::{Session, route::By};

/// One call to another server, as its [filters](super::RpcFilter) see it.
pub struct RpcCall {
    pub(super) asked: Asked,
    pub(super) msg_id: i32,
    pub(super) server_id: Arc<str>,
    pub(super) redirected: bool,
    pub(super) by: Option<By>,
    pub(super) args: Bytes,
    pub(super) one_way: bool,
    pub(super) begun: Instant,
    pub(super) deadline: Instant,
}

impl RpcCall {
    /// What is called: `chat.chatRemote.add` of a remote, `Score.addPoints` of a service.
    pub fn name(&self) -> Cow<'_, str> {
        match &self.asked {
            Asked::Remote(name) => Cow::Borrowed(name),
            Asked::Service { name, methods } => {
                let mut methods = methods.iter();
                match methods.find(|method| method.msg_id == self.msg_id) {
                    Some(method) => Cow::Owned(format!("{name}.{}", method.name)),
                    None => Cow::Owned(format!("{name}.{}", self.msg_id)),
                }
            }
        }
    }

    /// The server it goes to; empty where none was found.
    pub fn server_id(&self) -> &str {
        &self.server_id
    }

    /// It goes to this server instead, and to no other if it fails.
    pub fn redirect(&mut self, server_id: &str) {
        self.server_id = server_id.into();
        self.redirected = true;
    }

    /// The session it is made for, if it is for one.
    pub fn session(&self) -> Option<&Session> {
        self.by.as_ref()?.session()
    }

    /// Its arguments: JSON for a remote, the encoded message for a service.
    pub fn args(&self) -> &Bytes {
        &self.args
    }

    /// Other arguments instead.
    pub fn set_args(&mut self, args: impl Into<Bytes>) {
        self.args = args.into();
    }

    /// Whether it is a remote that is called, with JSON.
    pub fn is_remote(&self) -> bool {
        matches!(self.asked, Asked::Remote(_))
    }

    /// Whether nobody waits for an answer.
    pub fn is_one_way(&self) -> bool {
        self.one_way
    }

    /// When it was begun.
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// When its answer is due.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl fmt::Debug for RpcCall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RpcCall")
            .field("name", &self.name())
            .field("server_id", &self.server_id)
            .field("args", &self.args.len())
            .finish_non_exhaustive()
    }
}
