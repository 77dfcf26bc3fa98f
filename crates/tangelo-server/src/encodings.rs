//! Codes for routes and definitions of bodies: what a blueprint says of them, and what a client gets.

mod decode_io;

use std::sync::Arc;

use tangelo_connector::{BodyCodec, Encoding, Pitaya, Protobuf, Serializer};
use tangelo_wire::pomelo::{
    dictionary::{self, Dictionary},
    handshake::{Hello, Told},
    pitaya,
    protobuf::{Definitions, Dialect, ProtoMessage},
};

use self::decode_io::DecodeIo;
use crate::Blueprint;

/// What a blueprint says.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    use_dict: Option<bool>,
    use_protobuf: Option<bool>,
    /// What the application adds to the dictionary; none: it has said nothing of one.
    added: Option<Vec<String>>,
    /// Routes of handlers on servers of other types.
    elsewhere: Vec<String>,
    client: Vec<ProtoMessage>,
    server: Vec<ProtoMessage>,
    decode_io: Option<DecodeIo>,
    pitaya_serializer: Serializer,
    /// None: it is.
    pitaya_compression: Option<bool>,
}

impl Blueprint {
    /// Gives routes short codes, which clients are told in the handshake: those of the handlers it
    /// knows, then these, which are mostly of pushes. Pomelo's `useDict`, and its `dictionary.json`.
    ///
    /// Called again, it adds. A server does not start with more than
    /// [65,535](tangelo_wire::pomelo::dictionary::MAX_ROUTES) routes.
    #[must_use]
    pub fn dictionary(mut self, routes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let added = self.encodings.added.get_or_insert_default();
        added.extend(routes.into_iter().map(Into::into));
        self
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
    pub fn client_protos(mut self, json: &str) -> Self {
        let messages = self.read_protos("client_protos", json);
        add(&mut self.encodings.client, messages);
        self
    }

    /// How clients read the answers to some requests, and some pushes, in the form of Pomelo's
    /// `serverProtos.json`: under the request's route an answer, under the push's a push.
    ///
    /// As [`client_protos`](Self::client_protos). An answer that does not fit is logged, and answered 500: so
    /// give answers an `optional uInt32 code`, or their clients hear of no failure's code.
    #[must_use]
    pub fn server_protos(mut self, json: &str) -> Self {
        let messages = self.read_protos("server_protos", json);
        add(&mut self.encodings.server, messages);
        self
    }

    /// The same as [`client_protos`](Self::client_protos) and [`server_protos`](Self::server_protos), read
    /// already. They take the place of those of the same name; one with a mistake is left out, so that its
    /// bodies are JSON.
    #[must_use]
    pub fn proto_messages(
        mut self,
        client: impl IntoIterator<Item = ProtoMessage>,
        server: impl IntoIterator<Item = ProtoMessage>,
    ) -> Self {
        add(&mut self.encodings.client, client);
        add(&mut self.encodings.server, server);
        self
    }

    /// How some bodies are written as Google's protobuf, in the JSON form of ProtoBuf.js (3 to 5) that its
    /// `proto2js` writes: what clients say and what servers say. A message's full name is the route. Pomelo's
    /// decodeIO plugin; it stands in place of [`client_protos`](Self::client_protos) and
    /// [`server_protos`](Self::server_protos), and a server that has both does not start.
    ///
    /// A body has [1 MiB](tangelo_reflect::protobuf_js::MAX_BODY) at the most. As with the others, an answer that
    /// does not fit is answered 500.
    #[must_use]
    pub fn decode_io_protos(mut self, client: &str, server: &str) -> Self {
        match DecodeIo::parse(client, server) {
            Ok(messages) => self.encodings.decode_io = Some(messages),
            Err(error) => self.mistakes.push(format!("decode_io_protos: {error}")),
        }
        self
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

    /// The routes of its handlers.
    pub fn handler_routes(&self) -> impl Iterator<Item = String> {
        self.pipeline.routes()
    }

    fn read_protos(&mut self, what: &str, json: &str) -> Vec<ProtoMessage> {
        match ProtoMessage::parse(json) {
            Ok(messages) => {
                let (_, problems) = Definitions::new(&messages, Dialect::Extended);
                let problems = problems.iter().map(|problem| format!("{what}: {problem}"));
                self.mistakes.extend(problems);
                messages
            }
            Err(error) => {
                self.mistakes.push(format!("{what}: {error}"));
                Vec::new()
            }
        }
    }
}

/// The later counts of two of one name.
fn add(known: &mut Vec<ProtoMessage>, more: impl IntoIterator<Item = ProtoMessage>) {
    for message in more {
        match known.iter_mut().find(|known| known.name == message.name) {
            Some(known) => *known = message,
            None => known.push(message),
        }
    }
}

impl Plan {
    pub(crate) fn mistakes(&self) -> Option<String> {
        let both = self.decode_io.is_some() && !(self.client.is_empty() && self.server.is_empty());
        both.then(|| "decode_io_protos, or client_protos and server_protos: not both".to_owned())
    }

    fn uses_dict(&self) -> bool {
        self.use_dict.unwrap_or(self.added.is_some())
    }

    /// `here` are the routes of the server's own handlers.
    pub(crate) fn start(
        self,
        here: impl Iterator<Item = String>,
    ) -> Result<Encodings, dictionary::Error> {
        let mut dictionary = None;
        if self.uses_dict() {
            let handlers = here.chain(self.elsewhere);
            let all = Dictionary::new(handlers, self.added.unwrap_or_default())?;
            dictionary = (!all.is_empty()).then(|| Arc::new(all));
        }
        let uses_protobuf = self.use_protobuf.unwrap_or(true);
        let decode_io = self.decode_io.filter(|_| uses_protobuf).map(Arc::new);
        let serializer = self.pitaya_serializer;
        let pitaya = Offered {
            dictionary: None,
            protos: None,
            pitaya: Some(pitaya::Told::new(dictionary.as_deref(), serializer)),
            encoding: Arc::new(Encoding {
                dictionary: dictionary.clone(),
                bodies: decode_io
                    .clone()
                    .filter(|_| serializer == Serializer::Protobuf)
                    .map(|messages| messages as Arc<dyn BodyCodec>),
                pitaya: Some(Pitaya {
                    serializer,
                    compression: self.pitaya_compression.unwrap_or(true),
                }),
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
            } else if uses_protobuf {
                let (client, _) = Definitions::new(&self.client, dialect);
                let (server, _) = Definitions::new(&self.server, dialect);
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
