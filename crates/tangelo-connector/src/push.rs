//! What the server says unasked, encoded once for all who hear it.

use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use tangelo_wire::pomelo::{
    message,
    package::{self, Kind},
    pitaya::Flags,
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
        let code = code.filter(|_| encoding.pitaya.is_none());
        let bodies = encoding.bodies.as_deref();
        let bodies = bodies.and_then(|bodies| Some((bodies, bodies.of_answers(&self.route)?)));
        let body = match bodies {
            Some((bodies, definition)) => Some(bodies.encode(definition, &self.body)?),
            None => None,
        };
        let plain = match encoding.pitaya {
            Some(pitaya) => pitaya.undefined(&self.body),
            None => &self.body,
        };
        let deflated = encoding
            .pitaya
            .and_then(|pitaya| pitaya.deflate(body.as_deref().unwrap_or(plain)));
        let flags = Flags {
            compressed: deflated.is_some(),
            failed: false,
        };
        let body = deflated.or(body);
        if body.is_none() && code.is_none() && plain.len() == self.body.len() {
            // The same as for everybody.
            return Ok(self.package().clone());
        }
        let body = body.as_deref().unwrap_or(plain);
        let mut out = BytesMut::with_capacity(OVERHEAD + self.route.len() + body.len());
        let written = package::encode_with(Kind::Data, &mut out, |out| {
            let start = out.len();
            match code {
                Some(code) => message::encode_push_code(code, body, out),
                None => message::encode_push(&self.route, body, out)
                    .expect("the route's length was checked"),
            }
            flags.set(out.get_mut(start..).unwrap_or_default());
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
    use crate::{BodyCodec, Definition, Pitaya, Serializer};
    use tangelo_wire::pomelo::{dictionary::Dictionary, pitaya::inflate};

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
            bodies: Some(bodies),
            ..Encoding::default()
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
    fn clients_of_pitayas_are_told_routes_as_text_and_long_bodies_compressed() {
        let pitaya = Pitaya {
            serializer: Serializer::Protobuf,
            compression: true,
        };
        let routes: [&str; 0] = [];
        let dictionary = Dictionary::new(routes, ["on"]).expect("a dictionary");
        let encoding = |pitaya| {
            Arc::new(Encoding {
                dictionary: Some(Arc::new(dictionary.clone())),
                pitaya,
                ..Encoding::default()
            })
        };
        let (pomelo, pitaya) = (encoding(None), encoding(Some(pitaya)));
        let short = Push::new("on", "xy").expect("a push");
        let coded = short.package_in(&pomelo).expect("it fits");
        assert_eq!(coded, &[4, 0, 0, 5, 7, 0, 1, b'x', b'y'][..]);
        let package = short.package_in(&pitaya).expect("it fits");
        assert_eq!(package.as_ptr(), short.package().as_ptr(), "as everybody's");
        let empty = Push::new("on", "{}").expect("a push");
        let package = empty.package_in(&pitaya).expect("it fits");
        assert_eq!(package, &[4, 0, 0, 4, 6, 2, b'o', b'n'][..]);
        let long = Push::new("on", vec![b'x'; 1000]).expect("a push");
        let package = long.package_in(&pitaya).expect("it fits");
        assert_eq!(&package[4..8], &[0x16, 2, b'o', b'n'][..]);
        assert_eq!(inflate(&package[8..], 1000), Ok(long.body().clone()));
        assert_eq!(
            long.package_in(&pomelo).expect("it fits").len(),
            4 + 3 + 1000
        );
    }

    #[test]
    fn what_is_the_same_in_an_encoding_is_shared_with_those_who_have_none() {
        let (codec, encoding) = encoding();
        let push = Push::new("other", "x").expect("a push");
        let same = push.package_in(&encoding).expect("it fits").as_ptr() == push.package().as_ptr();
        assert!(same && codec.0.load(Ordering::SeqCst) == 0);
    }
}
