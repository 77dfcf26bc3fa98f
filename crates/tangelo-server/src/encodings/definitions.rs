//! A dictionary and definitions of bodies, as an application says them.

use tangelo_wire::pomelo::protobuf::{Definitions, Dialect, ProtoMessage};

use super::decode_io::DecodeIo;

/// What clients are told in the handshake of how routes and bodies are written. A [`Blueprint`](crate::Blueprint)
/// has methods of the same names; this is for [`Context::redefine`](crate::Context::redefine).
#[derive(Clone, Debug, Default)]
pub struct ClientDefinitions {
    /// What the application adds to the dictionary; none: it has said nothing of one.
    pub(super) added: Option<Vec<String>>,
    pub(super) client: Vec<ProtoMessage>,
    pub(super) server: Vec<ProtoMessage>,
    pub(super) decode_io: Option<DecodeIo>,
    mistakes: Vec<String>,
}

impl ClientDefinitions {
    /// None: routes are text, bodies JSON.
    pub fn new() -> Self {
        Self::default()
    }

    /// See [`Blueprint::dictionary`](crate::Blueprint::dictionary).
    #[must_use]
    pub fn dictionary(mut self, routes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let added = self.added.get_or_insert_default();
        added.extend(routes.into_iter().map(Into::into));
        self
    }

    /// See [`Blueprint::client_protos`](crate::Blueprint::client_protos).
    #[must_use]
    pub fn client_protos(mut self, json: &str) -> Self {
        let messages = self.read("client_protos", json);
        add(&mut self.client, messages);
        self
    }

    /// See [`Blueprint::server_protos`](crate::Blueprint::server_protos).
    #[must_use]
    pub fn server_protos(mut self, json: &str) -> Self {
        let messages = self.read("server_protos", json);
        add(&mut self.server, messages);
        self
    }

    /// See [`Blueprint::proto_messages`](crate::Blueprint::proto_messages).
    #[must_use]
    pub fn proto_messages(
        mut self,
        client: impl IntoIterator<Item = ProtoMessage>,
        server: impl IntoIterator<Item = ProtoMessage>,
    ) -> Self {
        add(&mut self.client, client);
        add(&mut self.server, server);
        self
    }

    /// See [`Blueprint::decode_io_protos`](crate::Blueprint::decode_io_protos).
    #[must_use]
    pub fn decode_io_protos(mut self, client: &str, server: &str) -> Self {
        match DecodeIo::parse(client, server) {
            Ok(messages) => self.decode_io = Some(messages),
            Err(error) => self.mistakes.push(format!("decode_io_protos: {error}")),
        }
        self
    }

    /// All that is wrong with them.
    pub(super) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = self.mistakes.clone();
        if self.decode_io.is_some() && !(self.client.is_empty() && self.server.is_empty()) {
            let both = "decode_io_protos, or client_protos and server_protos: not both";
            mistakes.push(both.to_owned());
        }
        mistakes
    }

    fn read(&mut self, what: &str, json: &str) -> Vec<ProtoMessage> {
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
