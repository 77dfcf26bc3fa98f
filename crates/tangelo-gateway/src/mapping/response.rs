//! From a message to HTTP.

mod cookie;
mod special;
mod write;

use bytes::Bytes;
use http::HeaderName;
use prost_reflect::{FieldDescriptor, Kind};
use serde_json::{Map, Value};
use tangelo_reflect::{
    MessageDescriptor,
    message::{self, Raw},
};

use self::{
    special::{Special, Specials},
    write::{Slot, Stop, Writer},
};
use super::{
    Defaults, JsonForm, RenderError, Rendered,
    shape::{Below, Field, Many, Shapes},
};

/// Bytes of the longest JSON, unless told otherwise.
const MAX_JSON: usize = 16 << 20;

/// How an answer is rendered: compiled once, when services are loaded.
///
/// Fields of special names become what those stand for; all others become JSON, in the order of the .proto file.
#[derive(Clone, Debug)]
pub struct ResponsePlan {
    shapes: Shapes,
    form: JsonForm,
    max: usize,
    own_cookie: Option<Box<str>>,
    /// For each field of the message.
    specials: Vec<Option<Special>>,
    /// Where `retCode` is.
    ret_code: Option<usize>,
}

/// What a field of an answer becomes, for who describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered<'a> {
    Json,
    Status,
    Header(&'a HeaderName),
    Cookie(&'a str),
    /// The response's body in place of JSON.
    Download,
    /// Nothing that can be seen.
    Other,
}

impl ResponsePlan {
    /// For messages of this type.
    pub fn compile(descriptor: &MessageDescriptor, form: JsonForm) -> Self {
        let shapes = Shapes::of(descriptor, form);
        let root = shapes.root();
        let specials = root.fields.iter();
        let specials = specials.map(|field| Special::of(field, root)).collect();
        let ret_code = root.declared("retCode").map(|(place, _)| place);
        Self {
            specials,
            ret_code,
            shapes,
            form,
            max: MAX_JSON,
            own_cookie: None,
        }
    }

    /// The session's own cookie, which no field of an answer can set.
    #[must_use]
    pub fn protect_cookie(mut self, name: &str) -> Self {
        self.own_cookie = Some(name.into());
        self
    }

    /// Bytes of the longest JSON. Default: 16 MiB.
    #[must_use]
    pub fn max_json(mut self, bytes: usize) -> Self {
        self.max = bytes;
        self
    }

    /// Names of the fields that answers of this type put into the session. None where it is a map.
    pub fn session_names(&self) -> impl Iterator<Item = &str> {
        let root = self.shapes.root();
        let session = root.declared("session").map(|(_, field)| field);
        let shape = session.and_then(|field| match (field.below, &field.many) {
            (Below::Message(at), Many::One) => Some(self.shapes.at(at)),
            _ => None,
        });
        let fields = shape.into_iter().flat_map(|shape| &shape.fields);
        fields.map(|field| &*field.name)
    }

    /// What each field becomes, in the order of the .proto file.
    pub(crate) fn answered(&self) -> impl Iterator<Item = (FieldDescriptor, Answered<'_>)> {
        let shape = self.shapes.root();
        let fields = shape.fields.iter().zip(&self.specials);
        fields.filter_map(|(field, special)| {
            let answered = match special {
                None => Answered::Json,
                Some(Special::Code) => Answered::Status,
                Some(Special::Header(name)) => Answered::Header(name),
                Some(Special::Cookie(name)) => Answered::Cookie(name),
                Some(Special::File | Special::Stream) => Answered::Download,
                Some(_) => Answered::Other,
            };
            Some((shape.descriptor.get_field(field.number)?, answered))
        })
    }

    /// An encoded message as an answer.
    ///
    /// # Errors
    /// Bytes that are not this message, too deep, too long.
    pub fn render(&self, body: &Bytes) -> Result<Rendered, RenderError> {
        let root = self.shapes.root();
        let mut specials = Specials::default();
        let mut writer = Writer::new(&self.shapes, self.form, self.max, body.len());
        let written = writer.object(root, body, 1, |place, slot| {
            if self.ret_code == Some(place)
                && let Slot::One(Raw::Varint(code)) = slot
            {
                specials.rendered.ret_code = code as i32;
            }
            let (Some(Some(special)), Some(field)) =
                (self.specials.get(place), root.fields.get(place))
            else {
                return Ok(false);
            };
            self.special(special, field, slot, body, &mut specials)?;
            Ok(true)
        });
        written.map_err(|stop| stop.error(&root.descriptor, self.max))?;
        Ok(specials.done(writer.done()))
    }

    fn special(
        &self,
        special: &Special,
        field: &Field,
        slot: Slot<'_>,
        body: &Bytes,
        specials: &mut Specials,
    ) -> Result<(), Stop> {
        match (special, slot) {
            (_, Slot::Nothing) => {}
            (Special::Session, slot) => specials.session(self.session(field, slot, body)?),
            (Special::Stream, Slot::One(Raw::Bytes(bytes))) if !bytes.is_empty() => {
                specials.stream(body.slice_ref(bytes));
            }
            (_, Slot::One(Raw::Bytes(bytes))) if matches!(field.kind, Kind::String) => {
                let text = std::str::from_utf8(bytes);
                let text = text.map_err(|error| Stop::Malformed(error.to_string()))?;
                if !text.is_empty() {
                    specials.say(special, &field.name, text, self.own_cookie.as_deref());
                }
            }
            (_, Slot::One(raw)) => {
                if let Some(text) = message::text(&field.kind, raw) {
                    specials.say(special, &field.name, &text, self.own_cookie.as_deref());
                }
            }
            (_, Slot::Span { .. }) => {}
        }
        Ok(())
    }

    /// What goes into the session, with what it says by saying nothing.
    fn session(
        &self,
        field: &Field,
        slot: Slot<'_>,
        body: &[u8],
    ) -> Result<Map<String, Value>, Stop> {
        let form = JsonForm {
            camel_names: false,
            defaults: Defaults::Always,
            int64_strings: false,
            enum_names: false,
            base64: true,
            ..self.form
        };
        let mut writer = Writer::new(&self.shapes, form, self.max, 256);
        writer.alone(field, slot, body)?;
        let session: Map<String, Value> = serde_json::from_slice(&writer.done())
            .map_err(|error| Stop::Malformed(error.to_string()))?;
        let mut values = session.into_iter().map(|(_, value)| value);
        match values.next() {
            Some(Value::Object(session)) => Ok(session),
            _ => Ok(Map::new()),
        }
    }

    /// The whole message by name, special fields too, for plugins to change.
    ///
    /// # Errors
    /// As [`render`](Self::render).
    pub fn to_map(&self, body: &[u8]) -> Result<Map<String, Value>, RenderError> {
        let root = self.shapes.root();
        let mut writer = Writer::new(&self.shapes, self.form, self.max, body.len());
        // Whole: what it says by saying nothing counts there.
        let mut session = None;
        let written = writer.object(root, body, 1, |place, slot| {
            let (Some(Some(Special::Session)), Some(field)) =
                (self.specials.get(place), root.fields.get(place))
            else {
                return Ok(false);
            };
            if !matches!(slot, Slot::Nothing) {
                let values = Value::Object(self.session(field, slot, body)?);
                session = Some((field.written.to_string(), values));
            }
            Ok(true)
        });
        let error = |stop: Stop| stop.error(&root.descriptor, self.max);
        written.map_err(error)?;
        let map: Result<Map<String, Value>, _> = serde_json::from_slice(&writer.done());
        let mut map = map.map_err(|problem| error(Stop::Malformed(problem.to_string())))?;
        map.extend(session);
        Ok(map)
    }

    /// As [`render`](Self::render), from what plugins have made of [`to_map`](Self::to_map).
    ///
    /// Fields of the message come first, in their order, then what plugins have added.
    ///
    /// # Errors
    /// Too deep, too long.
    pub fn render_map(&self, mut map: Map<String, Value>) -> Result<Rendered, RenderError> {
        let mut specials = Specials::default();
        let mut json = vec![b'{'];
        let mut write = |name: &str, value: &Value| {
            if json.len() > 1 {
                json.push(b',');
            }
            let _ = serde_json::to_writer(&mut json, name);
            json.push(b':');
            let _ = serde_json::to_writer(&mut json, value);
        };
        let fields = self.shapes.root().fields.iter().zip(&self.specials);
        for (place, (field, special)) in fields.enumerate() {
            let Some(value) = map.remove(&*field.written) else {
                continue;
            };
            if self.ret_code == Some(place) {
                let code = value.as_i64().and_then(|code| i32::try_from(code).ok());
                specials.rendered.ret_code = code.unwrap_or_default();
            }
            match special {
                Some(special) => self.special_value(special, field, value, &mut specials),
                None => write(&field.written, &value),
            }
        }
        for (name, value) in &map {
            write(name, value);
        }
        json.push(b'}');
        if json.len() > self.max {
            return Err(RenderError::TooLong(self.max));
        }
        if tangelo_reflect::is_too_deep(&json) {
            return Err(RenderError::TooDeep);
        }
        Ok(specials.done(json.into()))
    }

    fn special_value(
        &self,
        special: &Special,
        field: &Field,
        value: Value,
        specials: &mut Specials,
    ) {
        let text = match (special, value) {
            (Special::Session, Value::Object(session)) => return specials.session(session),
            (Special::Stream, value) => {
                return if let Some(bytes) = bytes(&value, self.form.base64) {
                    specials.stream(bytes);
                };
            }
            // As a message that has not set it.
            (_, Value::Number(number)) if number.as_f64() == Some(0.0) => return,
            (_, Value::String(text)) => text,
            (_, value @ (Value::Number(_) | Value::Bool(true))) => value.to_string(),
            _ => return,
        };
        if !text.is_empty() {
            specials.say(special, &field.name, &text, self.own_cookie.as_deref());
        }
    }
}

/// Bytes in the form that [`ResponsePlan::to_map`] gives them; `None` for none.
fn bytes(value: &Value, base64: bool) -> Option<Bytes> {
    use base64::{Engine, engine::general_purpose::STANDARD};

    let bytes: Vec<u8> = match value {
        Value::String(text) if base64 => STANDARD.decode(text).ok()?,
        Value::String(text) => text.clone().into_bytes(),
        Value::Array(numbers) => {
            let byte = |number: &Value| u8::try_from(number.as_u64()?).ok();
            numbers.iter().map(byte).collect::<Option<_>>()?
        }
        _ => return None,
    };
    (!bytes.is_empty()).then(|| bytes.into())
}
