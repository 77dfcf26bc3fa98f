//! What the server says unasked, encoded once for all who hear it.

use std::sync::OnceLock;

use bytes::{Bytes, BytesMut};
use tangelo_wire::pomelo::{
    message,
    package::{self, Kind},
};

/// What the server says unasked. Shared by all sessions that hear it; each form it is sent in is
/// made by the first connection that needs it.
#[derive(Debug)]
pub struct Push {
    route: Box<str>,
    body: Bytes,
    package: OnceLock<Bytes>,
}

impl Push {
    /// A push under a route.
    ///
    /// # Errors
    /// A route or a body longer than the format can tell.
    pub fn new(route: impl Into<Box<str>>, body: impl Into<Bytes>) -> Result<Self, package::Error> {
        let (route, body) = (route.into(), body.into());
        for (length, limit) in [
            (route.len(), message::MAX_ROUTE),
            (body.len(), package::MAX_BODY - OVERHEAD),
        ] {
            if length > limit {
                return Err(package::Error::TooLong { length, limit });
            }
        }
        Ok(Self {
            route,
            body,
            package: OnceLock::new(),
        })
    }

    /// Where the client gets it.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// What it says.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Bytes it takes in a queue.
    pub fn size(&self) -> usize {
        OVERHEAD + self.route.len() + self.body.len()
    }

    /// As a whole Pomelo package.
    pub fn package(&self) -> &Bytes {
        self.package.get_or_init(|| {
            let mut out = BytesMut::with_capacity(self.size());
            package::encode_with(Kind::Data, &mut out, |out| {
                message::encode_push(&self.route, &self.body, out)
                    .expect("the route's length was checked");
            })
            .expect("the body's length was checked");
            out.freeze()
        })
    }
}

/// Header of the package, flag, length of the route; and the longest route, so that any body that
/// is let in fits.
const OVERHEAD: usize = package::HEADER + 2 + message::MAX_ROUTE;
