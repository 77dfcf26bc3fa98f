//! Between what a client writes and what the server reads, on a connection that has agreed on something.

use std::{collections::HashMap, sync::Arc};

use bytes::{Bytes, BytesMut};
use tangelo_wire::pomelo::{
    json,
    message::{self, Kind, Message, Route},
    package,
    pitaya::{self, Flags},
    signing::RsaKey,
};

use crate::{
    Agreement, BodyCodec, BodyError, Encoding, Error, Event, Limits, agreement::Definition,
};

/// Codes to routes, bodies to JSON, and back.
#[derive(Debug)]
pub(crate) struct Translation {
    encoding: Arc<Encoding>,
    /// How the answers are written that the client waits for. Those in JSON are not here.
    awaited: HashMap<u32, Definition>,
    /// Bytes of a body that came compressed.
    longest: usize,
    signed_by: Option<RsaKey>,
}

impl Translation {
    /// None if there is nothing to translate. A body that comes compressed has `longest` bytes at the most.
    pub(crate) fn agreed(agreement: &Agreement, longest: usize) -> Option<Box<Self>> {
        let signed_by = agreement.signed_by.clone();
        let encoding = match &agreement.encoding {
            Some(encoding) => Arc::clone(encoding),
            None if signed_by.is_some() => Arc::default(),
            None => return None,
        };
        Some(Box::new(Self {
            encoding,
            awaited: HashMap::new(),
            longest,
            signed_by,
        }))
    }

    pub(crate) fn encoding(&self) -> &Arc<Encoding> {
        &self.encoding
    }

    /// What a client says. A code that stands for no route stays one: whoever answers says so.
    pub(crate) fn hear(&mut self, message: Message) -> Result<Event, Error> {
        match (self.translate(message)?, &self.signed_by) {
            (Event::Message(message), Some(key)) => check(message, key),
            (event, _) => Ok(event),
        }
    }

    fn translate(&mut self, message: Message) -> Result<Event, Error> {
        let Self {
            encoding,
            awaited,
            longest,
            ..
        } = self;
        let message = match encoding.pitaya {
            Some(_) if message.is_compressed() => {
                message.with_body(&pitaya::inflate(message.body(), *longest)?)
            }
            _ => message,
        };
        let (route, is_code) = match message.route() {
            _ if message.kind() == Kind::Response => (None, false),
            Route::Name(name) => (std::str::from_utf8(name).ok(), false),
            Route::Code(code) => {
                let dictionary = encoding.dictionary.as_ref();
                (dictionary.and_then(|known| known.route(code)), true)
            }
        };
        let id = match message.kind() {
            Kind::Request => message.id(),
            Kind::Notify | Kind::Response | Kind::Push => 0,
        };
        let bodies = encoding.bodies.as_deref();
        let of_answer = bodies.and_then(|bodies| bodies.of_answers(route?));
        match of_answer.filter(|_| id != 0) {
            Some(definition) => {
                if awaited.len() >= Limits::AWAITED && !awaited.contains_key(&id) {
                    return Err(Error::TooManyAwaited);
                }
                awaited.insert(id, definition);
            }
            // Whoever gives an id to a second request waits for the answer to that.
            None => {
                awaited.remove(&id);
            }
        }
        let Some(route) = route else {
            return Ok(Event::Message(message));
        };
        let definition = bodies.and_then(|bodies| Some((bodies, bodies.of_requests(route)?)));
        let message = match definition {
            Some((bodies, definition)) => match bodies.decode(definition, message.body()) {
                Ok(json) => message.with(route.as_bytes(), &json)?,
                Err(BodyError(problem)) => {
                    return Ok(Event::Unreadable {
                        id,
                        route: Bytes::copy_from_slice(route.as_bytes()),
                        problem,
                    });
                }
            },
            None if is_code => message.with(route.as_bytes(), message.body())?,
            None => message,
        };
        Ok(Event::Message(message))
    }

    /// Appends the answer to a request as a package.
    pub(crate) fn respond(
        &mut self,
        (id, failed): (u32, bool),
        body: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), Error> {
        let (definition, pitaya) = (self.awaited.get(&id), self.encoding.pitaya);
        let encoded = match (definition, self.encoding.bodies.as_deref(), pitaya) {
            (_, _, Some(pitaya)) if failed => Some(pitaya::failure(pitaya.serializer, body)),
            (Some(definition), Some(bodies), _) => Some(answer(bodies, *definition, body)?),
            _ => None,
        };
        let body = match (&encoded, pitaya) {
            (Some(encoded), _) => encoded,
            (None, Some(pitaya)) => pitaya.undefined(body),
            (None, None) => body,
        };
        let deflated = pitaya.and_then(|pitaya| pitaya.deflate(body));
        let flags = Flags {
            compressed: deflated.is_some(),
            failed: failed && pitaya.is_some(),
        };
        let body = deflated.as_deref().unwrap_or(body);
        package::encode_with(package::Kind::Data, out, |out| {
            let start = out.len();
            message::encode_response(id, body, out);
            flags.set(out.get_mut(start..).unwrap_or_default());
        })?;
        self.awaited.remove(&id);
        Ok(())
    }

    /// What a kick says.
    pub(crate) fn kick<'a>(&self, body: &'a [u8]) -> &'a [u8] {
        match self.encoding.pitaya {
            Some(_) => &[],
            None => body,
        }
    }
}

/// The message without its signature, if that is good.
fn check(message: Message, key: &RsaKey) -> Result<Event, Error> {
    let route = match message.route() {
        Route::Name(route) if message.kind() != Kind::Response => route,
        // Nobody takes it.
        _ => return Ok(Event::Message(message)),
    };
    #[cfg(feature = "signing")]
    let body = crate::signing::checked(key, message.body());
    #[cfg(not(feature = "signing"))]
    let body: Option<Vec<u8>> = {
        let _ = key;
        None
    };
    match body {
        Some(body) => Ok(Event::Message(message.with(route, &body)?)),
        None => Ok(Event::Unreadable {
            id: match message.kind() {
                Kind::Request => message.id(),
                Kind::Notify | Kind::Response | Kind::Push => 0,
            },
            route: Bytes::copy_from_slice(route),
            problem: "the signature is not good".to_owned(),
        }),
    }
}

/// An answer that tells of a failure is whole if its client can be told its code.
fn answer(
    bodies: &dyn BodyCodec,
    definition: Definition,
    body: &[u8],
) -> Result<Vec<u8>, BodyError> {
    match bodies.encode(definition, body) {
        Err(_) if json::tells_of_failure(body) => bodies.encode_what_fits(definition, body),
        encoded => encoded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Pitaya, Protobuf};
    use tangelo_wire::pomelo::protobuf::{Definitions, Dialect, ProtoMessage};

    fn translation() -> Box<Translation> {
        let json = r#"{"a.b.c": {"optional uInt32 code": 1}}"#;
        let messages = ProtoMessage::parse(json).expect("definitions");
        let (server, _) = Definitions::new(&messages, Dialect::Pomelo);
        let agreement = Agreement {
            encoding: Some(Arc::new(Encoding {
                bodies: Some(Arc::new(Protobuf::new(Definitions::default(), server))),
                ..Encoding::default()
            })),
            ..Agreement::default()
        };
        Translation::agreed(&agreement, 100).expect("something to translate")
    }

    fn request(id: u32, route: &str) -> Message {
        let mut out = BytesMut::new();
        message::encode_request(id, route, b"{}", &mut out).expect("a request");
        message::decode(out.freeze()).expect("a message")
    }

    #[test]
    fn without_an_encoding_there_is_nothing_to_translate() {
        assert!(Translation::agreed(&Agreement::default(), 100).is_none());
    }

    #[test]
    fn as_many_answers_are_awaited_as_the_limit_says_and_no_more() {
        let mut translation = translation();
        let most = Limits::AWAITED as u32;
        for id in 1..=most {
            assert!(translation.hear(request(id, "a.b.c")).is_ok());
        }
        // Those in JSON need no memory, and one that is awaited already has its place.
        assert!(translation.hear(request(most + 1, "x.y.z")).is_ok());
        assert!(translation.hear(request(1, "a.b.c")).is_ok());
        let more = translation.hear(request(most + 1, "a.b.c"));
        assert!(matches!(more, Err(Error::TooManyAwaited)), "{more:?}");
        let mut out = BytesMut::new();
        assert!(translation.respond((7, false), b"{}", &mut out).is_ok());
        assert!(translation.hear(request(most + 1, "a.b.c")).is_ok());
    }

    #[test]
    fn an_answer_is_forgotten_when_it_was_given_and_not_when_it_did_not_fit() {
        let mut translation = translation();
        let mut out = BytesMut::new();
        assert!(translation.hear(request(1, "a.b.c")).is_ok());
        let unfit = translation.respond((1, false), br#"{"code":"none"}"#, &mut out);
        assert!(matches!(unfit, Err(Error::Body(_))) && out.is_empty());
        assert!(
            translation
                .respond((1, true), br#"{"code":500}"#, &mut out)
                .is_ok()
        );
        assert_eq!(out, [4, 0, 0, 5, 4, 1, 8, 0xf4, 3][..]);
        assert!(translation.awaited.is_empty());
    }

    #[test]
    fn a_failure_is_told_to_a_client_of_pitayas_without_a_definition_and_ends_the_wait() {
        let mut translation = translation();
        let bodies = translation.encoding.bodies.clone();
        translation.encoding = Arc::new(Encoding {
            bodies,
            pitaya: Some(Pitaya::default()),
            ..Encoding::default()
        });
        let mut out = BytesMut::new();
        for (failed, package) in [
            (false, &[4, 0, 0, 5, 4, 1, 8, 0xf4, 3][..]),
            (
                true,
                b"\x04\0\0\x1d\x24\x01{\"code\":\"PIT-500\",\"msg\":\"\"}",
            ),
        ] {
            assert!(translation.hear(request(1, "a.b.c")).is_ok());
            let told = translation.respond((1, failed), br#"{"code":500}"#, &mut out);
            assert!(told.is_ok() && translation.awaited.is_empty());
            assert_eq!(out.split(), package);
        }
        assert_eq!(translation.kick(b"{}"), b"");
    }

    #[test]
    fn an_id_that_is_used_again_for_json_is_answered_in_json() {
        let mut translation = translation();
        assert!(translation.hear(request(1, "a.b.c")).is_ok());
        assert!(translation.hear(request(1, "x.y.z")).is_ok());
        let mut out = BytesMut::new();
        assert!(translation.respond((1, false), b"{}", &mut out).is_ok());
        assert_eq!(out, [4, 0, 0, 4, 4, 1, b'{', b'}'][..]);
    }
}
