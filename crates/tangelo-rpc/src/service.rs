//! The one shape of everything that answers.

use std::{pin::Pin, sync::Arc, task::Context, time::Duration};

use bytes::Bytes;
use tangelo_wire::krpc::trace::Unread;
use tokio::time::Instant;

use crate::{Connection, Home, ServerContext, Status};

/// Something that answers requests: a handler, a generated service, a server elsewhere.
///
/// `R` is what it is asked: a krpc [`Request`] here, a client's request in the application server.
/// Calling it starts nothing that outlives the returned future; dropping that cancels.
pub trait Service<R = Request>: Send + Sync + 'static {
    /// Answers one request. What it takes from the caller's surroundings, such as
    /// [`ServerContext::current`](crate::ServerContext::current), it takes before it returns.
    fn call(&self, request: R) -> Answer;

    /// As [`call`](Self::call), for the task of a connection: what can be answered at once is, without a
    /// future. To be overridden where that is worth it.
    fn begin(&self, request: R, _task: &mut Context<'_>) -> Begun {
        Begun::Called(self.call(request))
    }

    /// Where calls can be started that survive being dropped, and be waited for without a runtime;
    /// none where only the caller can drive them.
    fn home(&self) -> Option<&Home> {
        None
    }

    /// Whether one more request for this message would have to wait for a place, or would be refused. What
    /// runs for callers who have gone is then given up sooner.
    fn is_crowded(&self, _msg_id: i32) -> bool {
        false
    }
}

/// An answer under way.
pub type Answer = Pin<Box<dyn Future<Output = Result<Reply, Status>> + Send>>;

/// What became of a request that was [begun](Service::begin).
#[allow(missing_debug_implementations, reason = "futures have none")]
pub enum Begun {
    /// Nothing yet: this answers it.
    Called(Answer),
    /// This answers it, was polled, and wakes the task when it can go on.
    Waits(Answer),
    /// It was answered.
    Answered(Result<Reply, Status>),
    /// It was answered, by a message of two parts.
    Said(Head, Bytes),
}

/// The first bytes of a message whose rest lies elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    bytes: [u8; Self::MOST],
    length: u8,
}

impl Head {
    /// How many bytes it may have.
    pub const MOST: usize = 16;

    /// These bytes; none if they are too many.
    pub fn new(head: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::MOST];
        bytes.get_mut(..head.len())?.copy_from_slice(head);
        let length = head.len() as u8;
        Some(Self { bytes, length })
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        let length = usize::from(self.length);
        self.bytes.get(..length).unwrap_or_default()
    }

    /// The whole message as a reply, where it has to be in one piece.
    pub fn reply(&self, rest: &[u8]) -> Reply {
        Reply::protobuf(0, [self.as_slice(), rest].concat())
    }
}

/// A request for a numbered message of a numbered service.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The service.
    pub service_id: i32,
    /// The message within it.
    pub msg_id: i32,
    /// The encoded protobuf message.
    pub body: Bytes,
    /// When the caller stops waiting; none if it did not say.
    pub deadline: Option<Instant>,
    /// Whom it came from; none if it was made in this process.
    pub connection: Option<Connection>,
    /// What ties the answer to it on the connection it came over.
    pub sequence: i32,
    /// Nobody waits for the answer: it is enough to hand the request on.
    pub one_way: bool,
    /// What travels beside the body; none if nothing does.
    pub headers: Option<Box<Headers>>,
    /// What the method that answers will find as its [`ServerContext`]; made from the request where
    /// nobody made it before.
    pub context: Option<ServerContext>,
}

impl Request {
    /// A request made in this process.
    pub fn new((service_id, msg_id): (i32, i32), body: impl Into<Bytes>) -> Self {
        Self {
            service_id,
            msg_id,
            body: body.into(),
            ..Self::default()
        }
    }

    /// Copies a short body, so that a request that waits does not keep the whole buffer it came in.
    pub(crate) fn unpin(&mut self) {
        const SHORT: usize = 16 << 10;
        if self.body.len() <= SHORT {
            self.body = Bytes::copy_from_slice(&self.body);
        }
    }

    /// When it must be answered: after `timeout`, unless it says otherwise, and never later than the
    /// request that is being served here.
    pub fn due(&self, timeout: Duration) -> Instant {
        crate::call::deadline(self, timeout)
    }
}

/// What travels beside a request's body.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    /// Where the request comes from, and as part of what: as it came, or will go.
    pub trace: Unread,
    /// Free text of the application's.
    pub attachment: Bytes,
    /// A label for routing rules; empty: that of the request being answered.
    pub label: String,
    /// What a hashing balancer chooses by, if the caller said; it does not travel.
    pub key: Bytes,
}

/// What a body's bytes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Text.
    #[default]
    Json,
    /// A protobuf message.
    Protobuf,
    /// Whatever the application says they are.
    Raw,
}

/// What a request is answered with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The outcome as krpc's meta carries it: 0, or the application's negative code.
    pub ret_code: i32,
    /// What the body is.
    pub encoding: Encoding,
    /// The answer itself.
    pub body: Bytes,
    /// What is said beside it to whoever hands it on to a client; krpc's calls do not carry it.
    pub options: Option<Arc<serde_json::Value>>,
}

impl Reply {
    /// A reply of JSON text.
    pub fn json(body: impl Into<Bytes>) -> Self {
        Self {
            ret_code: 0,
            encoding: Encoding::Json,
            body: body.into(),
            options: None,
        }
    }

    /// A reply of bytes that are the application's own.
    pub fn raw(body: impl Into<Bytes>) -> Self {
        Self {
            ret_code: 0,
            encoding: Encoding::Raw,
            body: body.into(),
            options: None,
        }
    }

    /// A reply of an encoded protobuf message.
    pub fn protobuf(ret_code: i32, body: impl Into<Bytes>) -> Self {
        Self {
            ret_code,
            encoding: Encoding::Protobuf,
            body: body.into(),
            options: None,
        }
    }
}
