//! Parameters by name, for plugins; and what they have made of them, as JSON again.

use serde_json::{Map, Value, map::Entry};

use super::{fault::Fault, pairs::pairs};
use crate::mapping::{
    BadParameter, Body, Input, MAX_KEYS, SessionValues,
    shape::{Below, Many, Shape},
};

impl Input<'_> {
    /// What the client and plugins have said, by name: as a message takes it, variables of the path before the body, the
    /// body before the query. For plugins to look at; what they change goes to [`Input::plugins`].
    ///
    /// A name that stands several times in a form is a list. Numbers that are no whole ones of 64 bits are rounded here; in
    /// a message they are exact.
    ///
    /// # Errors
    /// JSON that is no object, too many parameters, too deep.
    pub fn parameters(&self) -> Result<Map<String, Value>, BadParameter> {
        let mut all = Map::new();
        if let (Some(query), false) = (self.http.query, matches!(self.body, Body::Whole(_))) {
            collect(query.as_bytes(), "the query", &mut all)?;
        }
        let mut body = Map::new();
        match self.body {
            Body::None => {}
            Body::Form(form) => collect(form, "the form", &mut body)?,
            Body::Json(json) | Body::Whole(json) => body = object(json)?,
            Body::Parts(parts) => body.clone_from(parts),
        }
        body.retain(|_, value| !value.is_null());
        all.extend(body);
        let variables = self.variables.iter();
        all.extend(variables.map(|(name, value)| ((*name).to_owned(), value.as_ref().into())));
        if let Some(set) = self.plugins {
            all.extend(set.clone());
        }
        Ok(all)
    }
}

fn collect(text: &[u8], what: &str, into: &mut Map<String, Value>) -> Result<(), BadParameter> {
    pairs(text, what, |name, value| {
        let value = Value::String(value.into_owned());
        match into.entry(name) {
            Entry::Vacant(free) => {
                free.insert(value);
            }
            Entry::Occupied(mut taken) => match taken.get_mut() {
                Value::Array(values) => values.push(value),
                single => *single = Value::Array(vec![single.take(), value]),
            },
        }
        Ok(())
    })
}

fn object(json: &[u8]) -> Result<Map<String, Value>, BadParameter> {
    let fault = |words: String| BadParameter::from(Fault::new(words));
    if tangelo_reflect::is_too_deep(json) {
        return Err(fault(too_deep()));
    }
    match serde_json::from_slice(json) {
        Ok(Value::Object(object)) if object.len() <= MAX_KEYS => Ok(object),
        Ok(Value::Object(_)) => Err(fault(too_many())),
        Ok(_) => Err(fault("expected an object".to_owned())),
        Err(error) => Err(fault(format!("no JSON: {error}"))),
    }
}

pub(super) fn too_deep() -> String {
    format!(
        "nested more than {} levels deep",
        tangelo_reflect::MAX_DEPTH
    )
}

pub(super) fn too_many() -> String {
    format!("more than {MAX_KEYS} names in one object")
}

/// Parameters as JSON.
pub(super) fn text(parameters: &Map<String, Value>) -> Result<Vec<u8>, BadParameter> {
    serde_json::to_vec(parameters).map_err(|error| Fault::new(error.to_string()).into())
}

/// A session as an object for a message of this type: what is to be a message or a map there is JSON in the session.
pub(super) fn session(shape: &Shape, values: &SessionValues) -> Result<Vec<u8>, BadParameter> {
    let mut object = Map::new();
    for (name, value) in values {
        let Some((_, field)) = shape.declared(name) else {
            continue;
        };
        let is_text = field.below == Below::Nothing && field.many == Many::One;
        let value = if is_text {
            value.as_str().into()
        } else {
            serde_json::from_str(value).unwrap_or_else(|_| value.as_str().into())
        };
        object.insert(name.clone(), value);
    }
    text(&object)
}
