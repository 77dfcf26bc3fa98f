//! Protobuf as everybody has it, by the definitions of ProtoBuf.js: Pomelo's decodeIO plugin.

use tangelo_connector::{BodyCodec, BodyError, Definition};
use tangelo_reflect::protobuf_js::{self, ProtobufJs, ProtobufJsError};

/// What clients say and what servers say, and both as clients are told them.
#[derive(Clone, Debug, Default)]
pub(super) struct DecodeIo {
    client: ProtobufJs,
    server: ProtobufJs,
    pub(super) client_text: String,
    pub(super) server_text: String,
}

impl DecodeIo {
    pub(super) fn parse(client: &str, server: &str) -> Result<Self, ProtobufJsError> {
        Ok(Self {
            client: ProtobufJs::parse(client)?,
            server: ProtobufJs::parse(server)?,
            client_text: client.to_owned(),
            server_text: server.to_owned(),
        })
    }
}

impl BodyCodec for DecodeIo {
    fn of_requests(&self, route: &str) -> Option<Definition> {
        self.client.number(route).map(Definition)
    }

    fn of_answers(&self, route: &str) -> Option<Definition> {
        self.server.number(route).map(Definition)
    }

    fn decode(&self, Definition(number): Definition, body: &[u8]) -> Result<Vec<u8>, BodyError> {
        let json = self.client.to_json(number, body);
        json.map(String::into_bytes).map_err(told)
    }

    fn encode(&self, Definition(number): Definition, json: &[u8]) -> Result<Vec<u8>, BodyError> {
        self.server
            .to_body(number, json)
            .map(Into::into)
            .map_err(told)
    }

    fn encode_what_fits(
        &self,
        Definition(number): Definition,
        json: &[u8],
    ) -> Result<Vec<u8>, BodyError> {
        let body = self.server.to_body_what_fits(number, json);
        body.map(Into::into).map_err(told)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn told(error: protobuf_js::BodyError) -> BodyError {
    BodyError(error.to_string())
}
