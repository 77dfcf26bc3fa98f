//! A call of a remote's method on its way to it.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use tangelo_rpc::{Code, Status};
use tokio::time::Instant;

use crate::{Body, Context, FromRequest, Json, Result, handler::Incoming};

/// A call of a remote's method on its way to it. What a method takes as an argument of its own
/// implements [`FromRequest<RemoteRequest>`](crate::FromRequest).
pub struct RemoteRequest {
    pub(super) name: Arc<str>,
    pub(super) args: Bytes,
    pub(super) caller: Arc<str>,
    pub(super) deadline: Instant,
    pub(super) context: Arc<Context>,
}

impl RemoteRequest {
    /// Server type, remote and method, such as `chat.chatRemote.add`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The arguments: one JSON value, or an array of several.
    pub fn args(&self) -> &Bytes {
        &self.args
    }

    /// Name of the server that calls.
    pub fn caller(&self) -> &str {
        &self.caller
    }

    /// When the answer is due.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl Incoming for RemoteRequest {
    fn context(&self) -> &Arc<Context> {
        &self.context
    }
}

/// The arguments; several are a tuple. If they are others, the caller is told
/// [`Code::DECODE_REQ_ERROR`], and the log why.
impl<T: serde::de::DeserializeOwned + Send> FromRequest<RemoteRequest> for Json<T> {
    fn from_request(request: &mut RemoteRequest) -> Result<Self> {
        let not_these = |error| {
            Status::from(Code::DECODE_REQ_ERROR)
                .with_cause(error)
                .into()
        };
        serde_json::from_slice(&request.args)
            .map(Json)
            .map_err(not_these)
    }
}

/// The arguments as they came.
impl FromRequest<RemoteRequest> for Body {
    fn from_request(request: &mut RemoteRequest) -> Result<Self> {
        Ok(Self(std::mem::take(&mut request.args)))
    }
}

impl fmt::Debug for RemoteRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RemoteRequest")
            .field("name", &self.name)
            .field("args", &self.args.len())
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}
