//! What both sides agreed on in the handshake.

use std::{fmt, sync::Arc};

use tangelo_wire::pomelo::{dictionary::Dictionary, pitaya::Serializer, signing::RsaKey};

/// What both sides agreed on in the handshake. By default nothing: routes are text, bodies JSON.
#[derive(Clone, Debug, Default)]
pub struct Agreement {
    /// How routes and bodies are written, if not as text and JSON.
    pub encoding: Option<Arc<Encoding>>,
    /// The client drops what it reads beside a package, so that it gets one at a time.
    pub paced: bool,
    /// What the client signs its messages with: one whose signature is not good is
    /// [unreadable](crate::Event::Unreadable). It needs the feature `signing`, without which none is.
    pub signed_by: Option<RsaKey>,
}

/// How routes and bodies are written. Connections that have agreed on the same share one, and what is
/// pushed to them is encoded once.
#[derive(Debug, Default)]
pub struct Encoding {
    /// The codes of routes; none: text.
    pub dictionary: Option<Arc<Dictionary>>,
    /// The bodies of some routes; none: JSON.
    pub bodies: Option<Arc<dyn BodyCodec>>,
    /// Pitaya's dialect; none: Pomelo's.
    pub pitaya: Option<Pitaya>,
}

/// What clients of Pitaya's read and write otherwise than those of Pomelo: bodies may be compressed, answers say
/// whether they tell of a failure, and a kick has no body. They are told of routes as text: the codes are for
/// what they say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pitaya {
    /// How they read failures, and bodies that have no codec.
    pub serializer: Serializer,
    /// Whether they are told long bodies compressed. What they say may be in any case.
    pub compression: bool,
}

/// How the bodies of some routes are written: JSON on this side, something else towards clients.
///
/// It is called where messages are read and written, so it has to be quick; it must not block.
pub trait BodyCodec: fmt::Debug + Send + Sync + 'static {
    /// What defines the bodies of requests and notifies under this route; none: they are JSON.
    fn of_requests(&self, route: &str) -> Option<Definition>;

    /// What defines the answers to requests under this route, and pushes; none: they are JSON.
    fn of_answers(&self, route: &str) -> Option<Definition>;

    /// A client's body as JSON, by a definition that [`of_requests`](Self::of_requests) gave.
    ///
    /// # Errors
    /// Bytes that are not what their definition says.
    fn decode(&self, definition: Definition, body: &[u8]) -> Result<Vec<u8>, BodyError>;

    /// JSON as a body for the client, by a definition that [`of_answers`](Self::of_answers) gave.
    ///
    /// # Errors
    /// JSON that does not fit its definition.
    fn encode(&self, definition: Definition, json: &[u8]) -> Result<Vec<u8>, BodyError>;

    /// As much as fits: of a failure, which need not be a whole answer.
    ///
    /// # Errors
    /// Nothing can be said of it.
    fn encode_what_fits(&self, definition: Definition, json: &[u8]) -> Result<Vec<u8>, BodyError>;
}

/// What defines a body: a number that its codec has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition(pub u32);

/// Why a body is not what its definition says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BodyError(pub String);
