//! What a client can say beside the body.

use prost_reflect::{FieldDescriptor, Kind};
use serde_json::{Value, json};
use tangelo_reflect::comment::Commented;

use super::{
    path::{Part, Path},
    schema::{Schemas, Side, declared, describe, is_required, put},
};
use crate::mapping::{Asked, is_well_known, resolve};

/// Messages within messages whose fields are told of, at the most.
const MAX_LEVELS: usize = 4;

/// What a segment of a path can have in it.
const IN_PATH: &str = r"^(?!\.{1,2}$)[^\u0000-\u001f\u007f-\u009f/\\]+$";

/// Headers that a document of OpenAPI does not tell as parameters.
const NOT_TOLD: [&str; 3] = ["accept", "content-type", "authorization"];

/// The variables of a path, of a request of this type.
pub(super) fn of_path(
    path: &Path,
    message: &prost_reflect::MessageDescriptor,
    schemas: &mut Schemas,
) -> Vec<Value> {
    let mut parameters = Vec::new();
    for part in &path.0 {
        let Part::Variable {
            name,
            field,
            is_whole,
            is_rest,
        } = part
        else {
            continue;
        };
        let steps = field
            .as_ref()
            .and_then(|field| resolve(message, field, false));
        let field = steps.and_then(|mut steps| steps.pop());
        let mut schema = match &field {
            Some(field) if *is_whole => one_value(field, schemas),
            _ => None,
        };
        let schema = schema.get_or_insert_with(|| json!({ "type": "string" }));
        if schema.get("type").is_some_and(|kind| kind == "string") {
            let length = schema.get("minLength").and_then(Value::as_u64);
            put(schema, "minLength", length.unwrap_or_default().max(1));
            if schema.get("pattern").is_none() {
                put(schema, "pattern", IN_PATH);
            }
        }
        let mut parameter =
            json!({ "name": name, "in": "path", "required": true, "schema": schema });
        let mut comment = field.and_then(|field| field.comment()).unwrap_or_default();
        if *is_rest {
            comment.push_str("\n\nMay have several segments.");
        }
        describe(&mut parameter, Some(comment.trim().to_owned()));
        parameters.push(parameter);
    }
    parameters
}

/// A header or a cookie; `None` for others, and for what documents do not tell.
pub(super) fn of_head(field: &FieldDescriptor, asked: Asked<'_>) -> Option<Value> {
    let (place, name) = match asked {
        Asked::Header(name) if !NOT_TOLD.contains(&name.as_str()) => ("header", name.to_string()),
        Asked::Cookie(name) => ("cookie", name.to_owned()),
        _ => return None,
    };
    let schema = json!({ "type": "string" });
    let mut parameter = json!({ "name": name, "in": place, "schema": schema });
    describe(&mut parameter, field.comment());
    Some(parameter)
}

/// A field as a part of the query; with dots those within it, where they can be said so.
pub(super) fn of_query(
    field: &FieldDescriptor,
    is_dotted: bool,
    path: &Path,
    schemas: &mut Schemas,
    parameters: &mut Vec<Value>,
) {
    let from = parameters.len();
    within(field, "", is_dotted, 0, schemas, parameters);
    // What the path says the query cannot.
    let told = parameters.split_off(from).into_iter();
    parameters.extend(told.filter(|it| !it["name"].as_str().is_some_and(|name| path.fills(name))));
}

fn within(
    field: &FieldDescriptor,
    before: &str,
    is_dotted: bool,
    level: usize,
    schemas: &mut Schemas,
    parameters: &mut Vec<Value>,
) {
    let name = format!("{before}{}", schemas.name(field));
    if let Some(schema) = text_value(field, schemas) {
        let mut parameter = json!({ "name": name, "in": "query", "schema": schema });
        // Within a message the rule may be that there is none.
        if level == 0 && is_required(field) {
            put(&mut parameter, "required", true);
        }
        describe(&mut parameter, field.comment());
        parameters.push(parameter);
        return;
    }
    let Kind::Message(message) = field.kind() else {
        return;
    };
    if is_dotted && level < MAX_LEVELS && !field.is_list() && !field.is_map() {
        for below in declared(&message) {
            let before = format!("{name}.");
            within(&below, &before, true, level + 1, schemas, parameters);
        }
    }
}

/// A field as text, or several: of a query or a form. `None`: it cannot be said so.
pub(super) fn text_value(field: &FieldDescriptor, schemas: &mut Schemas) -> Option<Value> {
    if field.is_map() {
        return None;
    }
    match field.kind() {
        Kind::Message(message) => {
            let has_text = ["Timestamp", "Duration", "FieldMask"].contains(&message.name());
            if !schemas.form.well_known || !is_well_known(&message) || !has_text {
                return None;
            }
            Some(schemas.field(field, Side::Asked))
        }
        Kind::Bytes if !schemas.form.base64 => {
            let text = json!({ "type": "string" });
            Some(match field.is_list() {
                true => json!({ "type": "array", "items": text }),
                false => text,
            })
        }
        _ => Some(schemas.field(field, Side::Asked)),
    }
}

/// A field that has one value, as text.
fn one_value(field: &FieldDescriptor, schemas: &mut Schemas) -> Option<Value> {
    (!field.is_list()).then(|| text_value(field, schemas))?
}
