//! The one shape of everything that answers.

use std::pin::Pin;

use bytes::Bytes;
use tokio::time::Instant;

use crate::{Connection, Status};

/// Something that answers requests: a handler, a generated service, a server elsewhere.
///
/// `R` is what it is asked: a krpc [`Request`] here, a client's request in the application server.
/// Calling it starts nothing that outlives the returned future; dropping that cancels.
pub trait Service<R = Request>: Send + Sync + 'static {
    /// Answers one request.
    fn call(&self, request: R) -> Answer;
}

/// An answer under way.
pub type Answer = Pin<Box<dyn Future<Output = Result<Reply, Status>> + Send>>;

/// A request for a numbered message of a numbered service.
#[derive(Clone, Debug)]
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
}

impl Reply {
    /// A reply of JSON text.
    pub fn json(body: impl Into<Bytes>) -> Self {
        Self {
            ret_code: 0,
            encoding: Encoding::Json,
            body: body.into(),
        }
    }

    /// A reply of bytes that are the application's own.
    pub fn raw(body: impl Into<Bytes>) -> Self {
        Self {
            ret_code: 0,
            encoding: Encoding::Raw,
            body: body.into(),
        }
    }

    /// A reply of an encoded protobuf message.
    pub fn protobuf(ret_code: i32, body: impl Into<Bytes>) -> Self {
        Self {
            ret_code,
            encoding: Encoding::Protobuf,
            body: body.into(),
        }
    }
}

/// What code generation knows of a service: implemented by generated servers.
pub trait Definition {
    /// Its number.
    const SERVICE_ID: i32;
    /// Its name in the .proto file.
    const NAME: &'static str;
}

/// A response message of a generated service: one with a `retCode`.
pub trait Message: prost::Message + Default {
    /// The outcome: 0, or a negative code.
    fn ret_code(&self) -> i32;
}
