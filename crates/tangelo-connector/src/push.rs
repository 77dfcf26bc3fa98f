//! What the server says unasked, encoded once for all who hear it.

use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use tangelo_wire::pomelo::{
    message,
    package::{self, Kind},
};

use crate::{BodyError, Encoding};

/// What the server says unasked. Shared by all sessions that hear it; each form it is sent in is
/// made by the first connection that needs it.
#[derive(Debug)]
pub struct Push {
    route: Box<str>,
    body: Bytes,
    package: OnceLock<Bytes>,
    encoded: OnceLock<Box<Encoded>>,
    #[cfg(feature = "socketio")]
    is_json: OnceLock<bool>,
}

/// A push in one encoding, and behind it those in others: as many as there are encodings among
/// those who hear it.
#[derive(Debug)]
struct Encoded {
    encoding: Arc<Encoding>,
    package: Result<Bytes, BodyError>,
    next: OnceLock<Box<Self>>,
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
            encoded: OnceLock::new(),
            #[cfg(feature = "socketio")]
            is_json: OnceLock::new(),
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

    /// What it says, if that is JSON; looked at once.
    #[cfg(feature = "socketio")]
    pub(crate) fn json(&self) -> Option<&str> {
        let is_json = *self
            .is_json
            .get_or_init(|| crate::socketio::json(&self.body).is_some());
        is_json.then_some(std::str::from_utf8(&self.body).ok()?)
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

    /// As a whole Pomelo package for those who have agreed on this encoding.
    ///
    /// # Errors
    /// What it says does not fit its definition.
    pub fn package_in(&self, encoding: &Arc<Encoding>) -> Result<&Bytes, BodyError> {
        let mut place = &self.encoded;
        loop {
            let encoded = place.get_or_init(|| {
                Box::new(Encoded {
                    encoding: Arc::clone(encoding),
                    package: self.encode(encoding),
                    next: OnceLock::new(),
                })
            });
            if Arc::ptr_eq(&encoded.encoding, encoding) {
                return encoded.package.as_ref().map_err(Clone::clone);
            }
            place = &encoded.next;
        }
    }

    fn encode(&self, encoding: &Encoding) -> Result<Bytes, BodyError> {
        let dictionary = encoding.dictionary.as_ref();
        let code = dictionary.and_then(|dictionary| dictionary.code(&self.route));
        let bodies = encoding.bodies.as_deref();
        let bodies = bodies.and_then(|bodies| Some((bodies, bodies.of_answers(&self.route)?)));
        let body = match bodies {
            Some((bodies, definition)) => Some(bodies.encode(definition, &self.body)?),
            // The same as for everybody.
            None if code.is_none() => return Ok(self.package().clone()),
            None => None,
        };
        let body = body.as_deref().unwrap_or(&self.body);
        let mut out = BytesMut::with_capacity(OVERHEAD + self.route.len() + body.len());
        let written = package::encode_with(Kind::Data, &mut out, |out| match code {
            Some(code) => message::encode_push_code(code, body, out),
            None => message::encode_push(&self.route, body, out)
                .expect("the route's length was checked"),
        });
        written.map_err(|error| BodyError(error.to_string()))?;
        Ok(out.freeze())
    }
}

/// Header of the package, flag, length of the route; and the longest route, so that any body that
/// is let in fits.
const OVERHEAD: usize = package::HEADER + 2 + message::MAX_ROUTE;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{BodyCodec, Definition};

    /// Counts how often it encodes.
    #[derive(Debug, Default)]
    struct Counting(AtomicUsize);

    impl BodyCodec for Counting {
        fn of_requests(&self, _: &str) -> Option<Definition> {
            None
        }

        fn of_answers(&self, route: &str) -> Option<Definition> {
            (route == "on").then_some(Definition(0))
        }

        fn decode(&self, _: Definition, _: &[u8]) -> Result<Vec<u8>, BodyError> {
            Ok(Vec::new())
        }

        fn encode(&self, _: Definition, json: &[u8]) -> Result<Vec<u8>, BodyError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            match json {
                b"{}" => Err(BodyError("empty".to_owned())),
                json => Ok(json.to_ascii_uppercase()),
            }
        }

        fn encode_what_fits(&self, _: Definition, _: &[u8]) -> Result<Vec<u8>, BodyError> {
            Ok(Vec::new())
        }
    }

    fn encoding() -> (Arc<Counting>, Arc<Encoding>) {
        let codec = Arc::<Counting>::default();
        let bodies = Arc::clone(&codec) as Arc<dyn BodyCodec>;
        let encoding = Encoding {
            dictionary: None,
            bodies: Some(bodies),
        };
        (codec, Arc::new(encoding))
    }

    #[test]
    fn a_push_is_encoded_once_in_each_encoding() {
        let (first, second) = (encoding(), encoding());
        let push = Push::new("on", "x").expect("a push");
        for _ in 0..3 {
            for (_, encoding) in [&first, &second] {
                let package = push.package_in(encoding).expect("it fits");
                assert_eq!(package, &[4, 0, 0, 5, 6, 2, b'o', b'n', b'X'][..]);
            }
        }
        assert!(push.package().ends_with(b"x"));
        let unfit = Push::new("on", "{}").expect("a push");
        for _ in 0..3 {
            assert!(unfit.package_in(&first.1).is_err());
        }
        let counts = [first.0, second.0].map(|codec| codec.0.load(Ordering::SeqCst));
        assert_eq!(counts, [2, 1]);
    }

    #[test]
    fn what_is_the_same_in_an_encoding_is_shared_with_those_who_have_none() {
        let (codec, encoding) = encoding();
        let push = Push::new("other", "x").expect("a push");
        let same = push.package_in(&encoding).expect("it fits").as_ptr() == push.package().as_ptr();
        assert!(same && codec.0.load(Ordering::SeqCst) == 0);
    }
}
