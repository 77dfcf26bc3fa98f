//! What a handler may return.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use tangelo_rpc::{Reply, Status};
use tangelo_wire::pomelo::json;

use super::{Body, Json};
use crate::Error;

/// What is said beside a reply to the push scheduler of the front end that hands it on: any JSON.
/// Pomelo's third argument of `next`.
pub type Options = Value;

/// What a handler may return.
pub trait IntoReply {
    /// As the reply.
    ///
    /// # Errors
    /// There is none.
    fn into_reply(self) -> Result<Reply, Status>;

    /// The same reply, with something beside it for the push scheduler of the front end that hands it on.
    /// The client does not see it; after filters do.
    fn with_options(self, options: impl Into<Options>) -> WithOptions<Self>
    where
        Self: Sized,
    {
        WithOptions {
            reply: self,
            options: options.into(),
        }
    }
}

/// A reply with something beside it; see [`IntoReply::with_options`].
#[derive(Clone, Debug)]
pub struct WithOptions<R> {
    reply: R,
    options: Options,
}

impl<R: IntoReply> IntoReply for WithOptions<R> {
    fn into_reply(self) -> Result<Reply, Status> {
        match self.reply.into_reply() {
            Ok(reply) => Ok(Reply {
                options: Some(Arc::new(self.options)),
                ..reply
            }),
            Err(status) => Err(Error::of(status).with_options(self.options).into_status()),
        }
    }
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

/// What an error handler passes on.
impl IntoReply for Error {
    fn into_reply(self) -> Result<Reply, Status> {
        Err(self.into_answer())
    }
}

impl<T: IntoReply, E: Into<Error>> IntoReply for Result<T, E> {
    fn into_reply(self) -> Result<Reply, Status> {
        self.map_err(|error| error.into().into_answer())?
            .into_reply()
    }
}
