//! What frames mean.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use tangelo_runtime::guard;

use crate::Error;

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

type Encode<F> = Arc<dyn Fn(Option<u32>, &str, &[u8]) -> Result<F, BoxError> + Send + Sync>;
type Decode<F> = Arc<dyn Fn(F) -> Result<Decoded, BoxError> + Send + Sync>;

/// What frames mean: `encode` and `decode`, plain functions or closures. Both are called in the clients' tasks,
/// so they must not block.
pub struct Codec<F> {
    encode: Option<Encode<F>>,
    decode: Option<Decode<F>>,
}

/// What a client's frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// It wants an answer under this id. As in Pomelo, id 0 makes it a notify. At most
    /// [`MAX_ID`](tangelo_wire::pomelo::message::MAX_ID).
    Request {
        /// The request's id, which its client counts.
        id: u32,
        /// Where it is for, `serverType.handler.method`.
        route: String,
        /// What handlers get, mostly JSON.
        body: Bytes,
    },
    /// It wants none.
    Notify {
        /// Where it is for.
        route: String,
        /// What handlers get, mostly JSON.
        body: Bytes,
    },
    /// The client lives, and says no more.
    Alive,
}

impl Decoded {
    /// Wants an answer under this id.
    pub fn request(id: u32, route: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self::Request {
            id,
            route: route.into(),
            body: body.into(),
        }
    }

    /// Wants none.
    pub fn notify(route: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self::Notify {
            route: route.into(),
            body: body.into(),
        }
    }
}

impl<F> Codec<F> {
    /// With neither.
    pub fn new() -> Self {
        Self {
            encode: None,
            decode: None,
        }
    }

    /// What a client is sent: id, route, body. A response has its request's id and route (the route is empty
    /// where more than 1,024 requests came since); a push has no id. The body is JSON, unless a handler
    /// answers with bytes of its own.
    ///
    /// A response that cannot be encoded is answered 500 instead, a push is left out; where that 500 cannot be
    /// encoded either, the connection ends. A panic counts as an error.
    #[must_use]
    pub fn encode<E: Into<BoxError>>(
        mut self,
        encode: impl Fn(Option<u32>, &str, &[u8]) -> Result<F, E> + Send + Sync + 'static,
    ) -> Self {
        self.encode = Some(Arc::new(move |id, route, body| {
            encode(id, route, body).map_err(Into::into)
        }));
        self
    }

    /// What a client's frame means. An error, or a panic, ends its connection.
    #[must_use]
    pub fn decode<E: Into<BoxError>>(
        mut self,
        decode: impl Fn(F) -> Result<Decoded, E> + Send + Sync + 'static,
    ) -> Self {
        self.decode = Some(Arc::new(move |frame| decode(frame).map_err(Into::into)));
        self
    }

    /// What is missing here is taken from `other`.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            encode: self.encode.or(other.encode),
            decode: self.decode.or(other.decode),
        }
    }

    /// What is missing, in words.
    pub(super) fn missing(&self) -> Option<&'static str> {
        Some(match (&self.encode, &self.decode) {
            (Some(_), Some(_)) => return None,
            (None, Some(_)) => "`encode`",
            (Some(_), None) => "`decode`",
            (None, None) => "`encode` and no `decode`",
        })
    }

    /// The frame for a response or a push.
    pub(super) fn frame(&self, id: Option<u32>, route: &str, body: &[u8]) -> Result<F, Error> {
        let Some(encode) = &self.encode else {
            return Err(Error::Encode("there is none".to_owned()));
        };
        match guard::catch(|| encode(id, route, body)) {
            Ok(encoded) => encoded.map_err(|error| Error::Encode(error.to_string())),
            Err(panicked) => Err(Error::Encode(panicked.to_string())),
        }
    }

    /// What a frame means.
    pub(super) fn meaning(&self, frame: F) -> Result<Decoded, Error> {
        let Some(decode) = &self.decode else {
            return Err(Error::Custom("there is no `decode`".to_owned()));
        };
        let decoded = match guard::catch(|| decode(frame)) {
            Ok(decoded) => decoded.map_err(|error| error.to_string()),
            Err(panicked) => Err(panicked.to_string()),
        };
        decoded.map_err(|reason| Error::Custom(format!("decode: {reason}")))
    }
}

impl<F> Default for Codec<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F> Clone for Codec<F> {
    fn clone(&self) -> Self {
        Self {
            encode: self.encode.clone(),
            decode: self.decode.clone(),
        }
    }
}

impl<F> fmt::Debug for Codec<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Codec")
            .field("encode", &self.encode.is_some())
            .field("decode", &self.decode.is_some())
            .finish()
    }
}
