//! Pomelo's protobuf as a codec of bodies.

use tangelo_wire::pomelo::protobuf::{Definitions, MessageId};

use crate::{BodyCodec, BodyError, agreement::Definition};

/// Pomelo's protobuf: what clients say and what servers say, by definitions of each.
#[derive(Clone, Debug, Default)]
pub struct Protobuf {
    client: Definitions,
    server: Definitions,
}

impl Protobuf {
    /// What clients say, and what servers say: answers and pushes.
    pub fn new(client: Definitions, server: Definitions) -> Self {
        Self { client, server }
    }
}

impl BodyCodec for Protobuf {
    fn of_requests(&self, route: &str) -> Option<Definition> {
        Some(Definition(self.client.of(route)?.number()))
    }

    fn of_answers(&self, route: &str) -> Option<Definition> {
        Some(Definition(self.server.of(route)?.number()))
    }

    fn decode(&self, Definition(number): Definition, body: &[u8]) -> Result<Vec<u8>, BodyError> {
        let decoded = self.client.decode(MessageId::from_number(number), body);
        decoded.map_err(|error| BodyError(error.to_string()))
    }

    fn encode(&self, Definition(number): Definition, json: &[u8]) -> Result<Vec<u8>, BodyError> {
        let encoded = self.server.encode(MessageId::from_number(number), json);
        encoded.map_err(|error| BodyError(error.to_string()))
    }

    fn encode_what_fits(
        &self,
        Definition(number): Definition,
        json: &[u8],
    ) -> Result<Vec<u8>, BodyError> {
        let id = MessageId::from_number(number);
        let encoded = self.server.encode_what_fits(id, json);
        encoded.map_err(|error| BodyError(error.to_string()))
    }
}
