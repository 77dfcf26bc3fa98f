//! What a handler may return.

use bytes::Bytes;
use serde::Serialize;
use tangelo_rpc::{Reply, Status};
use tangelo_wire::pomelo::json;

use super::{Body, Json};
use crate::Error;

/// What a handler may return.
pub trait IntoReply {
    /// As the reply.
    ///
    /// # Errors
    /// There is none.
    fn into_reply(self) -> Result<Reply, Status>;
}

impl<T: Serialize> IntoReply for Json<T> {
    fn into_reply(self) -> Result<Reply, Status> {
        let body = json::to_vec(&self.0).map_err(|error| Error::from(error).into_status())?;
        Ok(Reply::json(body))
    }
}

/// An empty object.
impl IntoReply for () {
    fn into_reply(self) -> Result<Reply, Status> {
        Ok(Reply::json(Bytes::from_static(b"{}")))
    }
}

/// The bytes as they are.
impl IntoReply for Body {
    fn into_reply(self) -> Result<Reply, Status> {
        Ok(Reply::raw(self.0))
    }
}

impl IntoReply for Reply {
    fn into_reply(self) -> Result<Reply, Status> {
        Ok(self)
    }
}

impl<T: IntoReply, E: Into<Error>> IntoReply for Result<T, E> {
    fn into_reply(self) -> Result<Reply, Status> {
        self.map_err(|error| error.into().into_status())?
            .into_reply()
    }
}
