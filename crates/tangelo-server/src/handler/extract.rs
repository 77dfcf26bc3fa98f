//! What a handler may have as an argument.

use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use tangelo_rpc::{Code, Status};
use tangelo_wire::pomelo::json;

use crate::{
    BackendSessions, Channels, Context, Error, FrontendSession, Jobs, Request, Result, Rpc,
    Servers, Session, Sessions,
};

/// What a handler may have as an argument.
#[diagnostic::on_unimplemented(
    message = "a handler cannot have a `{Self}` as an argument",
    note = "the `T` of a `Json<T>` argument is `Deserialize`: `#[derive(serde::Deserialize)]`",
    note = "arguments are `Json<T>`, `Body`, `Session`, `FrontendSession`, `Sessions`, `BackendSessions`, `Connections`, `Channels`, `GlobalChannels`, `Presence`, `Servers`, `Rpc`, `Jobs`, `State<T>`, `Extension<T>`, `Request` or a type of yours that implements `FromRequest`; a remote's method and a job are called for no session"
)]
pub trait FromRequest<R = Request>: Sized + Send {
    /// Takes it from the request.
    ///
    /// # Errors
    /// This request does not have it; the client is answered so and the handler is not called.
    fn from_request(request: &mut R) -> Result<Self>;
}

/// A request, whoever made it: it knows the server that answers.
pub trait Incoming {
    /// What belongs to that server.
    fn context(&self) -> &Arc<Context>;
}

impl Incoming for Request {
    fn context(&self) -> &Arc<Context> {
        self.session().context()
    }
}

/// The body as JSON; as a return value, what becomes JSON.
///
/// A body that is no JSON of this shape is answered 400; an empty one is taken for `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

/// What the application shares among its handlers, by its type: a copy of it, so that a type that is
/// costly to copy goes into an [`Arc`](std::sync::Arc).
///
/// A type that the application did not bring is a mistake of its own: the request is answered 500.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State<T>(pub T);

/// What a filter has laid beside the request with [`Request::insert`], by its type: a copy of it.
///
/// Where nothing of this type was, the request is answered 500.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extension<T>(pub T);

/// The body as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body(pub Bytes);

impl<T: DeserializeOwned + Send> FromRequest for Json<T> {
    fn from_request(request: &mut Request) -> Result<Self> {
        let body = match request.body() {
            b"" => b"{}",
            body => body,
        };
        json::from_slice(body).map(Json).map_err(|error| {
            let message = format!("the body is not what this route takes: {error}");
            Status::new(Code::DECODE_REQ_ERROR, message).into()
        })
    }
}

impl FromRequest for Body {
    fn from_request(request: &mut Request) -> Result<Self> {
        Ok(Self(request.take_body()))
    }
}

impl<R: Incoming, T: Clone + Send + Sync + 'static> FromRequest<R> for State<T> {
    fn from_request(request: &mut R) -> Result<Self> {
        let state = request.context().states().get::<T>();
        state.cloned().map(State).ok_or_else(|| {
            let wanted = std::any::type_name::<T>();
            Error::new(format!(
                "the application has no state of type {wanted}: App::state"
            ))
        })
    }
}

impl<T: Clone + Send + Sync + 'static> FromRequest for Extension<T> {
    fn from_request(request: &mut Request) -> Result<Self> {
        request.get::<T>().cloned().map(Extension).ok_or_else(|| {
            let wanted = std::any::type_name::<T>();
            Error::new(format!("no filter has laid a {wanted} beside the request"))
        })
    }
}

/// The whole request, as it is now.
impl FromRequest for Request {
    fn from_request(request: &mut Self) -> Result<Self> {
        Ok(request.clone())
    }
}

impl FromRequest for Session {
    fn from_request(request: &mut Request) -> Result<Self> {
        Ok(request.session().clone())
    }
}

impl FromRequest for FrontendSession {
    fn from_request(request: &mut Request) -> Result<Self> {
        Self::of(request.session()).ok_or_else(|| {
            Error::new("this handler belongs on a front end: it takes a FrontendSession")
        })
    }
}

impl<R: Incoming> FromRequest<R> for Sessions {
    fn from_request(request: &mut R) -> Result<Self> {
        let context = request.context();
        if !context.instance().frontend {
            return Err(Error::new(
                "Sessions are on front ends: BackendSessions are everywhere",
            ));
        }
        Ok(context.sessions().clone())
    }
}

impl<R: Incoming> FromRequest<R> for BackendSessions {
    fn from_request(request: &mut R) -> Result<Self> {
        Ok(request.context().backend_sessions())
    }
}

impl<R: Incoming> FromRequest<R> for Channels {
    fn from_request(request: &mut R) -> Result<Self> {
        Ok(request.context().channels().clone())
    }
}

impl<R: Incoming> FromRequest<R> for Servers {
    fn from_request(request: &mut R) -> Result<Self> {
        Ok(request.context().servers())
    }
}

impl<R: Incoming> FromRequest<R> for Rpc {
    fn from_request(request: &mut R) -> Result<Self> {
        Ok(request.context().rpc().clone())
    }
}

/// What belongs to the server that answers.
impl<R: Incoming> FromRequest<R> for Arc<Context> {
    fn from_request(request: &mut R) -> Result<Self> {
        Ok(Self::clone(request.context()))
    }
}

impl<R: Incoming> FromRequest<R> for Jobs {
    fn from_request(request: &mut R) -> Result<Self> {
        Ok(request.context().jobs().clone())
    }
}
