//! Codes for routes and definitions of bodies: what a blueprint says of them, and what a client gets.

mod decode_io;
mod definitions;
mod reload;

use std::sync::Arc;

use parking_lot::Mutex;
use tangelo_connector::{BodyCodec, Encoding, Pitaya, Protobuf, Serializer};
use tangelo_wire::pomelo::{
    dictionary::{self, Dictionary},
    handshake::{Hello, Told},
    pitaya,
    protobuf::{Definitions, Dialect, ProtoMessage},
};

use self::reload::Source;
pub(crate) use self::reload::{Current, follow};
pub use self::{definitions::ClientDefinitions, reload::BadDefinitions};
use crate::Blueprint;

/// What a blueprint says.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    use_dict: Option<bool>,
    use_protobuf: Option<bool>,
    /// Routes of handlers on servers of other types.
    elsewhere: Vec<String>,
    pitaya_serializer: Serializer,
    /// None: it is.
    pitaya_compression: Option<bool>,
    definitions: ClientDefinitions,
    source: Option<Source>,
}

impl Blueprint {
    /// Gives routes short codes, which clients are told in the handshake: those of the handlers it
    /// knows, then these, which are mostly of pushes. Pomelo's `useDict`, and its `dictionary.json`.
    ///
    /// Called again, it adds. A server does not start with more than
    /// [65,535](tangelo_wire::pomelo::dictionary::MAX_ROUTES) routes.
    #[must_use]
    pub fn dictionary(self, routes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.change_definitions(|definitions| definitions.dictionary(routes))
    }

    /// Routes of handlers on servers of other types: the [dictionary](Self::dictionary) has codes for
    /// them too. An `App` says them by itself.
    #[must_use]
    pub fn handlers_elsewhere(mut self, routes: impl IntoIterator<Item = String>) -> Self {
        self.encodings.elsewhere.extend(routes);
        self
    }

    /// How clients write the bodies of some requests and notifies, in the form of Pomelo's
    /// `clientProtos.json`: `{"chat.chatHandler.send": {"required string content": 1}}`. Others are JSON.
    /// Handlers see JSON in any case.
    ///
    /// Called again, it adds. A definition with a mistake keeps the server from starting.
    #[must_use]
    pub fn client_protos(self, json: &str) -> Self {
        self.change_definitions(|definitions| definitions.client_protos(json))
    }

    /// How clients read the answers to some requests, and some pushes, in the form of Pomelo's
    /// `serverProtos.json`: under the request's route an answer, under the push's a push.
    ///
    /// As [`client_protos`](Self::client_protos). An answer that does not fit is logged, and answered 500: so
    /// give answers an `optional uInt32 code`, or their clients hear of no failure's code.
    #[must_use]
    pub fn server_protos(self, json: &str) -> Self {
        self.change_definitions(|definitions| definitions.server_protos(json))
    }

    /// The same as [`client_protos`](Self::client_protos) and [`server_protos`](Self::server_protos), read
    /// already. They take the place of those of the same name; one with a mistake is left out, so that its
    /// bodies are JSON.
    #[must_use]
    pub fn proto_messages(
        self,
        client: impl IntoIterator<Item = ProtoMessage>,
        server: impl IntoIterator<Item = ProtoMessage>,
    ) -> Self {
        self.change_definitions(|definitions| definitions.proto_messages(client, server))
    }

    /// How some bodies are written as Google's protobuf, in the JSON form of ProtoBuf.js (3 to 5) that its
    /// `proto2js` writes: what clients say and what servers say. A message's full name is the route. Pomelo's
    /// decodeIO plugin; it stands in place of [`client_protos`](Self::client_protos) and
    /// [`server_protos`](Self::server_protos), and a server that has both does not start.
    ///
    /// A body has [1 MiB](tangelo_reflect::protobuf_js::MAX_BODY) at the most. As with the others, an answer that
    /// does not fit is answered 500.
    #[must_use]
    pub fn decode_io_protos(self, client: &str, server: &str) -> Self {
        self.change_definitions(|definitions| definitions.decode_io_protos(client, server))
    }

    /// Whether clients are told the codes of routes. Default: if [`dictionary`](Self::dictionary) was
    /// called.
    #[must_use]
    pub fn use_dict(mut self, whether: bool) -> Self {
        self.encodings.use_dict = Some(whether);
        self
    }

    /// Whether clients are told definitions of bodies. Default: if there are some.
    #[must_use]
    pub fn use_protobuf(mut self, whether: bool) -> Self {
        self.encodings.use_protobuf = Some(whether);
        self
    }

    /// How clients of Pitaya's write and read bodies; they are told so in the handshake. Default
    /// [`Serializer::Json`].
    ///
    /// With [`Serializer::Protobuf`] the bodies that [`decode_io_protos`](Self::decode_io_protos) defines are JSON
    /// here; others stay as they are, for handlers that read and write bytes. Failures are Pitaya's message `Error`.
    #[must_use]
    pub fn pitaya_serializer(mut self, serializer: Serializer) -> Self {
        self.encodings.pitaya_serializer = serializer;
        self
    }

    /// Whether clients of Pitaya's are told bodies of 128 bytes and more compressed, where that makes them shorter.
    /// What they say may be compressed in any case. Default `true`; Pitaya's
    /// `pitaya.handler.messages.compression`.
    #[must_use]
    pub fn pitaya_compression(mut self, whether: bool) -> Self {
        self.encodings.pitaya_compression = Some(whether);
        self
    }

    /// Whether clients are told the codes of routes.
    pub fn uses_dict(&self) -> bool {
        self.encodings.uses_dict()
    }

    /// What was said so far of its dictionary and its definitions.
    pub fn client_definitions(&self) -> &ClientDefinitions {
        &self.encodings.definitions
    }

    /// The routes of its handlers.
    pub fn handler_routes(&self) -> impl Iterator<Item = String> {
        self.pipeline.routes()
    }

    /// Changes what was said so far of its dictionary and its definitions.
    #[must_use]
    pub fn change_definitions(
        mut self,
        change: impl FnOnce(ClientDefinitions) -> ClientDefinitions,
    ) -> Self {
        let definitions = std::mem::take(&mut self.encodings.definitions);
        self.encodings.definitions = change(definitions);
        self
    }
}

impl Plan {
    pub(crate) fn mistakes(&self) -> Vec<String> {
        self.definitions.mistakes()
    }

    fn uses_dict(&self) -> bool {
        self.use_dict.unwrap_or(self.definitions.added.is_some())
    }

    /// `here` are the routes of the server's own handlers.
    pub(crate) fn start(
        self,
        here: impl Iterator<Item = String>,
    ) -> Result<Current, dictionary::Error> {
        let uses_dict = self.uses_dict();
        let handlers = here.chain(self.elsewhere);
        let manner = Manner {
            handlers: uses_dict.then(|| handlers.collect()),
            uses_protobuf: self.use_protobuf.unwrap_or(true),
            pitaya: Pitaya {
                serializer: self.pitaya_serializer,
                compression: self.pitaya_compression.unwrap_or(true),
            },
        };
        let now = manner.make(&self.definitions)?;
        Ok(Current {
            manner,
            now: Mutex::new(Arc::new(now)),
            source: self.source,
        })
    }
}

/// What stays as it is, whatever definitions there are.
#[derive(Debug, Default)]
pub(super) struct Manner {
    /// The routes of all handlers; none: clients are told no codes.
    handlers: Option<Vec<String>>,
    uses_protobuf: bool,
    pitaya: Pitaya,
}

impl Manner {
    pub(super) fn make(
        &self,
        definitions: &ClientDefinitions,
    ) -> Result<Encodings, dictionary::Error> {
        let mut dictionary = None;
        if let Some(handlers) = &self.handlers {
            let added = definitions.added.iter().flatten();
            let all = Dictionary::new(handlers, added)?;
            dictionary = (!all.is_empty()).then(|| Arc::new(all));
        }
        let decode_io = definitions.decode_io.clone();
        let decode_io = decode_io.filter(|_| self.uses_protobuf).map(Arc::new);
        let pitaya = Offered {
            dictionary: None,
            protos: None,
            pitaya: Some(pitaya::Told::new(
                dictionary.as_deref(),
                self.pitaya.serializer,
            )),
            encoding: Arc::new(Encoding {
                dictionary: dictionary.clone(),
                bodies: decode_io
                    .clone()
                    .filter(|_| self.pitaya.serializer == Serializer::Protobuf)
                    .map(|messages| messages as Arc<dyn BodyCodec>),
                pitaya: Some(self.pitaya),
            }),
        };
        let offer = |dialect| {
            let mut protos = None;
            let mut bodies = None;
            if let Some(messages) = &decode_io {
                let (client, server) = (&messages.client_text, &messages.server_text);
                // The same for everybody: nothing of it is extended.
                protos = Some(Told::protos(client, server, Dialect::Pomelo));
                bodies = Some(Arc::clone(messages) as Arc<dyn BodyCodec>);
            } else if self.uses_protobuf {
                let (client, _) = Definitions::new(&definitions.client, dialect);
                let (server, _) = Definitions::new(&definitions.server, dialect);
                if !client.is_empty() || !server.is_empty() {
                    protos = Some(Told::protos(
                        &client.describe(),
                        &server.describe(),
                        dialect,
                    ));
                    bodies = Some(Arc::new(Protobuf::new(client, server)) as Arc<dyn BodyCodec>);
                }
            }
            Offered::new(dictionary.clone(), protos, bodies)
        };
        Ok(Encodings {
            pomelo: offer(Dialect::Pomelo),
            extended: offer(Dialect::Extended),
            pitaya: Some(pitaya),
        })
    }
}

/// What clients of a server are offered.
#[derive(Debug, Default)]
pub(crate) struct Encodings {
    pomelo: Option<Offered>,
    /// For those that ask for it.
    extended: Option<Offered>,
    /// For clients of Pitaya's; a front end always has it.
    pitaya: Option<Offered>,
}

/// What one kind of client is offered, put together once.
#[derive(Debug)]
pub(crate) struct Offered {
    pub(crate) encoding: Arc<Encoding>,
    pub(crate) dictionary: Option<Told>,
    pub(crate) protos: Option<Told>,
    pub(crate) pitaya: Option<pitaya::Told>,
}

impl Offered {
    fn new(
        dictionary: Option<Arc<Dictionary>>,
        protos: Option<Told>,
        bodies: Option<Arc<dyn BodyCodec>>,
    ) -> Option<Self> {
        if dictionary.is_none() && bodies.is_none() {
            return None;
        }
        Some(Self {
            dictionary: dictionary.as_deref().map(Told::dictionary),
            protos,
            pitaya: None,
            encoding: Arc::new(Encoding {
                dictionary,
                bodies,
                pitaya: None,
            }),
        })
    }
}

impl Encodings {
    /// Whether clients are told the same by others.
    fn is_as(&self, other: &Self) -> bool {
        let told = |offered: &Option<Offered>| {
            let version = |told: &Option<Told>| told.as_ref().map(|told| told.version().to_owned());
            offered
                .as_ref()
                .map(|offered| (version(&offered.dictionary), version(&offered.protos)))
        };
        told(&self.pomelo) == told(&other.pomelo) && told(&self.extended) == told(&other.extended)
    }

    /// Whether clients of Pomelo's are offered anything.
    pub(crate) fn are_offered(&self) -> bool {
        self.pomelo.is_some() || self.extended.is_some()
    }

    /// What this client is offered, if anything.
    pub(crate) fn of(&self, hello: &Hello) -> Option<&Offered> {
        if hello.pitaya.is_some() {
            return self.pitaya.as_ref();
        }
        if !hello.takes_definitions() {
            return None;
        }
        match hello.dialect {
            Dialect::Pomelo => self.pomelo.as_ref(),
            Dialect::Extended => self.extended.as_ref(),
        }
    }
}
