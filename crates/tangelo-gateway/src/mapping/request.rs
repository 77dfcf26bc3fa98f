//! From HTTP to a message.

mod claims;
mod fault;
mod json;
mod number;
mod pairs;
mod parameters;
mod scalar;
mod source;
mod well_known;
mod writer;

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderName;
use prost_reflect::{FieldDescriptor, Kind};
use serde_json::value::RawValue;
use tangelo_reflect::MessageDescriptor;

use self::{
    claims::{Claim, Claims},
    fault::Fault,
    json::Tables,
    scalar::{Reading, Said, Unfit, scalar},
    source::Source,
    writer::Writer,
};
use super::{
    BadParameter, Body, Input, JsonForm, SessionValues,
    shape::{Below, Field, Many, Shapes},
};

pub(super) use self::pairs::pairs;

/// How a request message is filled: compiled once, when services are loaded.
///
/// A field is filled by the first of these that has its name:
/// 1. what its name stands for, if that is a special one: `httpMethod`, `httpSchema`, `httpPath`, `httpHost`,
///    `httpQueryString`, `httpContentType`, `httpContent`, `sessionId`, `session`, `headerXxx` and `cookieXxx`. Nothing else
///    ever fills those;
/// 2. the session, where a route loads it;
/// 3. what plugins have set;
/// 4. the path's variables;
/// 5. the body: JSON, a form or the parts of a multipart one;
/// 6. the query.
#[derive(Clone, Debug)]
pub struct RequestPlan {
    shapes: Shapes,
    /// For each field of the message.
    sources: Vec<Source>,
    /// Fields that have special names.
    special: Vec<usize>,
    /// Fields that the session alone fills where it is loaded.
    session_only: Vec<usize>,
    /// Fields that no client fills.
    own: Vec<usize>,
    reading: Reading,
}

impl RequestPlan {
    /// For messages of this type.
    pub fn compile(descriptor: &MessageDescriptor, form: JsonForm) -> Self {
        let shapes = Shapes::of(descriptor, form);
        let fields = &shapes.root().fields;
        let sources: Vec<_> = fields.iter().map(Source::of).collect();
        let is_special = |place: &usize| !matches!(sources.get(*place), Some(Source::Ordinary));
        let special = (0..sources.len()).filter(is_special).collect();
        Self {
            shapes,
            sources,
            special,
            session_only: Vec::new(),
            own: Vec::new(),
            reading: Reading {
                base64: form.base64,
                trim: false,
                shows: true,
            },
        }
    }

    /// Fields of these names are filled from the session alone where a route loads it: what the client says under such
    /// a name does not count even if the session has nothing of that name.
    #[must_use]
    pub fn session_only<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        for name in names {
            let field = self.shapes.root().declared(name);
            self.session_only.extend(field.map(|(place, _)| place));
        }
        self
    }

    /// Fields of these names are filled by plugins and the session alone: what the client says under such a name never
    /// counts.
    #[must_use]
    pub fn closed_to_clients<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        for name in names {
            let field = self.shapes.root().declared(name);
            self.own.extend(field.map(|(place, _)| place));
        }
        self
    }

    /// What each field is filled from, in the order of the .proto file; for urls that load a session or not.
    pub(crate) fn asked(
        &self,
        loads_session: bool,
    ) -> impl Iterator<Item = (FieldDescriptor, Asked<'_>)> {
        let shape = self.shapes.root();
        let fields = shape.fields.iter().zip(&self.sources).enumerate();
        fields.filter_map(move |(place, (field, source))| {
            let asked = match source {
                Source::Ordinary if loads_session && self.session_only.contains(&place) => {
                    Asked::Gateway
                }
                Source::Ordinary if self.own.contains(&place) => Asked::Gateway,
                Source::Ordinary => Asked::Client,
                Source::Header(name) => Asked::Header(name),
                Source::Cookie(name) => Asked::Cookie(name),
                Source::Content => Asked::Content,
                _ => Asked::Gateway,
            };
            Some((shape.descriptor.get_field(field.number)?, asked))
        })
    }

    /// Whether strings that a client says lose the white space around them. Default: no.
    #[must_use]
    pub fn trim(mut self, trim: bool) -> Self {
        self.reading.trim = trim;
        self
    }

    /// The message, encoded.
    ///
    /// Names that the message does not have are passed over.
    ///
    /// # Errors
    /// What a field has no place for, JSON that is none, too many parameters, too deep.
    pub fn encode(&self, input: &Input<'_>) -> Result<Bytes, BadParameter> {
        let length = input.http.content.len() + input.http.query.map_or(0, str::len);
        let mut filling = Filling {
            plan: self,
            claims: Claims::new(self.shapes.root()),
            writer: Writer::with_capacity(length + 64),
        };
        filling.special(input)?;
        if let Some(values) = input.session.values {
            filling.session(values)?;
        }
        if let Some(set) = input.plugins {
            filling.object(&parameters::text(set)?, Whose::Plugins)?;
        }
        for &place in &self.own {
            filling.claims.reserve(place);
        }
        for (name, value) in input.variables {
            filling.said(name, value.as_ref().into())?;
        }
        filling.claims.next_source();
        match input.body {
            Body::None => {}
            Body::Form(form) => {
                self.refuse_json(form)?;
                filling.pairs(form, "the form")?;
            }
            Body::Json(json) | Body::Whole(json) => filling.object(json, Whose::Clients)?,
            Body::Parts(parts) => filling.object(&parameters::text(parts)?, Whose::Clients)?,
        }
        if let (Some(query), false) = (input.http.query, matches!(input.body, Body::Whole(_))) {
            filling.pairs(query.as_bytes(), "the query")?;
        }
        Ok(filling.writer.out.into())
    }
}

impl RequestPlan {
    /// JSON that says it is a form, as what `curl --data` sends: it would fill nothing.
    fn refuse_json(&self, form: &[u8]) -> Result<(), BadParameter> {
        let form = form.trim_ascii_start();
        let takes_anything = self.sources.iter().any(|it| matches!(it, Source::Content));
        if takes_anything || !matches!(form.first(), Some(b'{' | b'[')) {
            return Ok(());
        }
        let end = form.iter().position(|byte| matches!(byte, b'=' | b'&'));
        let name = form.get(..end.unwrap_or(form.len())).unwrap_or_default();
        let name = std::str::from_utf8(name).unwrap_or_default();
        match self.shapes.root().by_name(name) {
            Some(_) => Ok(()),
            None => Err(Fault::new(
                "it looks like JSON, and says it is a form; send it with Content-Type: application/json"
                    .to_owned(),
            )
            .into()),
        }
    }
}

/// What a field is filled from, for who describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked<'a> {
    /// What the client says under its name.
    Client,
    Header(&'a HeaderName),
    Cookie(&'a str),
    /// The whole body.
    Content,
    /// The session, or what the gateway knows itself.
    Gateway,
}

/// Who has said an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Clients,
    /// A `null` hides what the client says.
    Plugins,
}

/// How a session keeps values: bytes in base64.
const SESSION: Reading = Reading {
    base64: true,
    trim: false,
    shows: false,
};

/// A message that is being filled, from the source that goes before all others on.
struct Filling<'p> {
    plan: &'p RequestPlan,
    claims: Claims,
    writer: Writer,
}

impl Filling<'_> {
    fn special(&mut self, input: &Input<'_>) -> Result<(), BadParameter> {
        let plan = self.plan;
        for &place in &plan.special {
            self.claims.reserve(place);
            let (Some(field), Some(source)) = (
                plan.shapes.root().fields.get(place),
                plan.sources.get(place),
            ) else {
                continue;
            };
            if let Source::Session = source {
                if let Some(values) = input.session.values {
                    self.whole_session(field, values)?;
                }
            } else if let Some(value) = source.value(input) {
                self.raw(field, value)?;
            }
        }
        if input.session.values.is_some() {
            for &place in &plan.session_only {
                self.claims.reserve(place);
            }
        }
        Ok(())
    }

    /// What HTTP has, as it is.
    fn raw(&mut self, field: &Field, value: Cow<'_, [u8]>) -> Result<(), BadParameter> {
        if field.below != Below::Nothing || matches!(field.many, Many::Map(_)) {
            return Ok(());
        }
        if let Kind::Bytes = field.kind {
            let value = scalar::Scalar::Bytes(value);
            self.writer.field(field.number, &value);
            return Ok(());
        }
        let text = match &value {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes),
            Cow::Owned(bytes) => std::str::from_utf8(bytes),
        };
        let Ok(text) = text else {
            return Err(Fault::new("not UTF-8".to_owned())
                .within(&field.name)
                .into());
        };
        let reading = Reading {
            trim: false,
            shows: false,
            ..self.plan.reading
        };
        self.scalar(field, text, reading)?;
        Ok(())
    }

    /// The session as a message, or as a map of texts.
    fn whole_session(&mut self, field: &Field, values: &SessionValues) -> Result<(), BadParameter> {
        let is_map = matches!(field.many, Many::Map(_));
        if !is_map && (field.many != Many::One || field.below == Below::Nothing) {
            return Ok(());
        }
        let json = match field.below {
            Below::Message(at) if !is_map => parameters::session(self.plan.shapes.at(at), values)?,
            _ => serde_json::to_vec(values).unwrap_or_default(),
        };
        if json == b"{}" {
            return Ok(());
        }
        self.alone(field, &json)
    }

    /// One field from JSON, whatever has been said of others.
    fn alone(&mut self, field: &Field, value: &[u8]) -> Result<(), BadParameter> {
        let json = [b"{", field.key.as_bytes(), value, b"}"].concat();
        let mut claims = Claims::new(self.plan.shapes.root());
        json::object(
            self.plan.tables(false),
            &json,
            &mut claims,
            false,
            &mut self.writer,
        )
    }

    fn session(&mut self, values: &SessionValues) -> Result<(), BadParameter> {
        let shape = self.plan.shapes.root();
        for (name, value) in values {
            let Some((place, field)) = shape.declared(name) else {
                continue;
            };
            let is_free = self.claims.look(place, field) == Claim::Free;
            if !is_free && !self.plan.session_only.contains(&place) {
                continue;
            }
            if let Some(Source::Ordinary) = self.plan.sources.get(place) {
                if field.below == Below::Nothing && !matches!(field.many, Many::Map(_)) {
                    self.scalar(field, value, SESSION)?;
                } else {
                    // Nothing but one value: it must not say fields beside its own.
                    let Ok(value) = serde_json::from_str::<&RawValue>(value) else {
                        let fault = Fault::unfit(&field.kind, self.plan.reading, "other text");
                        return Err(fault.within(name).within("session").into());
                    };
                    self.alone(field, value.get().as_bytes())?;
                }
                // Also an empty one: the client cannot say what the session does not.
                self.claims.add(place, field);
            }
        }
        self.claims.next_source();
        Ok(())
    }

    fn object(&mut self, json: &[u8], whose: Whose) -> Result<(), BadParameter> {
        json::object(
            self.plan.tables(whose == Whose::Clients),
            json,
            &mut self.claims,
            whose == Whose::Plugins,
            &mut self.writer,
        )?;
        self.claims.next_source();
        Ok(())
    }

    fn pairs(&mut self, text: &[u8], what: &str) -> Result<(), BadParameter> {
        pairs::pairs(text, what, |name, value| self.said(&name, value))?;
        self.claims.next_source();
        Ok(())
    }

    /// What the client says as text. Of a name that stands several times the first counts, or all where it is a list.
    fn said(&mut self, name: &str, value: Cow<'_, str>) -> Result<(), BadParameter> {
        let Some((place, field)) = self.plan.shapes.root().by_name(name) else {
            return Ok(());
        };
        match (self.claims.look(place, field), &field.many) {
            (Claim::Taken, _) | (Claim::Again, Many::One | Many::Map(_)) => return Ok(()),
            (Claim::Chosen, _) => {
                let words = "another member of the same oneof is there too".to_owned();
                return Err(Fault::new(words).within(&field.name).into());
            }
            (Claim::Free, _) | (Claim::Again, Many::List { .. }) => {}
        }
        let said = match (field.below, &field.many, &field.kind) {
            (Below::Nothing, Many::One | Many::List { .. }, _) => {
                self.scalar(field, &value, self.plan.reading)?
            }
            (Below::WellKnown, Many::One | Many::List { .. }, Kind::Message(message)) => {
                let value = serde_json::Value::String(value.into_owned());
                well_known::write(message, &value, field.number, &mut self.writer)
                    .map_err(|fault| fault.within(&field.name))?;
                true
            }
            (_, Many::Map(_), kind) => {
                let words = format!("expected an object with values of {kind:?}, found a string");
                return Err(Fault::new(words).within(&field.name).into());
            }
            _ => {
                let fault = Fault::unfit(&field.kind, self.plan.reading, "a string");
                return Err(fault.within(&field.name).into());
            }
        };
        if said {
            self.claims.add(place, field);
        }
        Ok(())
    }

    /// Whether the text says a value.
    ///
    /// Each value of a list stands alone, packed or not: whoever reads messages reads both.
    fn scalar(
        &mut self,
        field: &Field,
        text: &str,
        reading: Reading,
    ) -> Result<bool, BadParameter> {
        // Borrowed, as what does not fit is said again.
        let said = Said::Text(text.into());
        let value = scalar(&field.kind, said.clone(), reading);
        let value = value.map_err(|Unfit| said.shown(&field.kind, reading));
        match value {
            Ok(None) => Ok(false),
            Ok(Some(value)) => {
                if field.presence || field.many != Many::One || !value.is_default() {
                    self.writer.field(field.number, &value);
                }
                Ok(true)
            }
            Err(found) => {
                let fault = Fault::unfit(&field.kind, reading, found);
                Err(fault.within(&field.name).into())
            }
        }
    }
}

impl RequestPlan {
    fn tables(&self, shows: bool) -> Tables<'_> {
        let reading = Reading {
            shows,
            ..self.reading
        };
        let shapes = &self.shapes;
        Tables { shapes, reading }
    }
}
