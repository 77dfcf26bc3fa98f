//! Something on its way to clients.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use serde_json::Value;
use tangelo_connector::Push;
use tangelo_rpc::{Code, Status};
use tracing::warn;

use crate::{
    Session, answer,
    session::{FrontSession, Item, Kind},
};

/// Something on its way to clients: a response to one session, or a push to any number.
///
/// Encoded already, and shared by all who hear it. Hand it on with
/// [`PushSender::send`](super::PushSender::send).
pub struct Outbound {
    content: Arc<Content>,
    receivers: Receivers,
}

/// What is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutboundKind {
    /// The answer to a request.
    Response,
    /// Something unasked, to certain sessions.
    Push,
    /// Something unasked, to all sessions of a front end.
    Broadcast,
}

/// Who has not been told yet. Most often it is one.
enum Receivers {
    One(Option<Arc<FrontSession>>),
    Many(std::vec::IntoIter<Arc<FrontSession>>),
}

struct Content {
    says: Says,
    options: Option<Arc<Value>>,
}

enum Says {
    Response(Response),
    Push {
        kind: OutboundKind,
        push: Arc<Push>,
        /// What it takes the place of, and gives its own to.
        key: Option<Arc<str>>,
    },
}

/// The answer to a request.
pub(crate) struct Response {
    pub(crate) id: u32,
    /// What the session's task knows it by.
    pub(crate) token: u64,
    pub(crate) route: Box<str>,
    pub(crate) body: Bytes,
    /// It tells of a failure.
    pub(crate) failed: bool,
}

impl Outbound {
    pub(super) fn push(
        kind: OutboundKind,
        push: Arc<Push>,
        key: Option<Arc<str>>,
        options: Option<Arc<Value>>,
        receivers: Vec<Arc<FrontSession>>,
    ) -> Self {
        let says = Says::Push { kind, push, key };
        Self {
            content: Arc::new(Content { says, options }),
            receivers: Receivers::Many(receivers.into_iter()),
        }
    }

    pub(super) fn response(
        session: Arc<FrontSession>,
        response: Response,
        options: Option<Arc<Value>>,
    ) -> Self {
        let says = Says::Response(response);
        Self {
            content: Arc::new(Content { says, options }),
            receivers: Receivers::One(Some(session)),
        }
    }

    /// What it is.
    pub fn kind(&self) -> OutboundKind {
        match &self.content.says {
            Says::Response(_) => OutboundKind::Response,
            Says::Push { kind, .. } => *kind,
        }
    }

    /// Of a response, the client's number of the request.
    pub fn id(&self) -> Option<u32> {
        match &self.content.says {
            Says::Response(response) => Some(response.id),
            Says::Push { .. } => None,
        }
    }

    /// Of a push its route, of a response that of the request.
    pub fn route(&self) -> &str {
        match &self.content.says {
            Says::Response(response) => &response.route,
            Says::Push { push, .. } => push.route(),
        }
    }

    /// The message, encoded.
    pub fn body(&self) -> &Bytes {
        match &self.content.says {
            Says::Response(response) => &response.body,
            Says::Push { push, .. } => push.body(),
        }
    }

    /// Of a response, what its handler said beside it: the third argument of Pomelo's `next`.
    pub fn options(&self) -> Option<&Value> {
        self.content.options.as_deref()
    }

    /// The sessions that shall hear it. What a back end pushes comes once over each of its connections,
    /// with the sessions that belong to that.
    pub fn receivers(&self) -> impl ExactSizeIterator<Item = Session> {
        let receivers = self.receivers.as_slice().iter();
        receivers.map(|session| Session(Kind::Front(Arc::clone(session))))
    }

    /// The same for each receiver alone. What is not taken out of it is dropped.
    pub fn into_each(self) -> impl Iterator<Item = Self> {
        let mut rest = self;
        std::iter::from_fn(move || {
            let session = rest.receivers.next()?;
            Some(Self {
                content: Arc::clone(&rest.content),
                receivers: Receivers::One(Some(session)),
            })
        })
    }

    /// Bytes it takes in a session's queue, and how many the session may leave there.
    pub(super) fn size(&self) -> (usize, usize) {
        let receiver = self.receivers.as_slice().first();
        let limit = receiver.map_or(0, |session| session.context().limits().queue);
        (self.content.item().size(), limit)
    }

    /// The next receiver, with what goes to its queue.
    pub(super) fn next_item(&mut self) -> Option<(Arc<FrontSession>, Item)> {
        let session = self.receivers.next()?;
        Some((session, self.content.item()))
    }

    /// Receivers that have not gone meanwhile.
    fn left(&self) -> impl Iterator<Item = &Arc<FrontSession>> {
        let receivers = self.receivers.as_slice().iter();
        receivers.filter(|session| !session.is_closed())
    }
}

impl Content {
    fn item(&self) -> Item {
        match &self.says {
            Says::Response(response) => Item::Answer {
                token: response.token,
                body: response.body.clone(),
                failed: response.failed,
            },
            Says::Push { push, key, .. } => Item::push(push, key.as_ref()),
        }
    }
}

impl Drop for Outbound {
    /// What a scheduler drops is a push that it does not want to be sent, or a mistake.
    fn drop(&mut self) {
        if std::thread::panicking() {
            for session in self.left() {
                session.add(self.content.item());
            }
        } else if let Says::Response(response) = &self.content.says {
            for session in self.left() {
                let dropped = "the push scheduler has dropped the answer";
                if let Some(left_out) = session.context().may_log() {
                    let (session, id, route) = (session.id(), response.id, &response.route);
                    warn!(%session, id, %route, left_out, "{dropped}");
                }
                let outcome = Err(Status::new(Code::BUSINESS_ERROR, dropped));
                let body = Bytes::copy_from_slice(&answer::body(&outcome));
                let token = response.token;
                let failed = true;
                session.add(Item::Answer {
                    token,
                    body,
                    failed,
                });
            }
        }
    }
}

impl Receivers {
    fn as_slice(&self) -> &[Arc<FrontSession>] {
        match self {
            Self::One(session) => session.as_slice(),
            Self::Many(sessions) => sessions.as_slice(),
        }
    }

    fn next(&mut self) -> Option<Arc<FrontSession>> {
        match self {
            Self::One(session) => session.take(),
            Self::Many(sessions) => sessions.next(),
        }
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Outbound")
            .field("kind", &self.kind())
            .field("id", &self.id())
            .field("route", &self.route())
            .field("receivers", &self.receivers.as_slice().len())
            .finish_non_exhaustive()
    }
}
