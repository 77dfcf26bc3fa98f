//! A field of the answer in place of its JSON.

use http::HeaderValue;
use serde_json::Value;

use super::{Plugin, Step, params::Params};
use crate::{Exchange, Output};

/// A type of text, with krpc's name for it and for what its field is called by.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    param: &'static str,
    field: &'static str,
    content_type: &'static str,
}

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "plaintext",
        param: "plainTextField",
        field: "plainText",
        content_type: "text/plain; charset=utf-8",
    },
    Kind {
        name: "html",
        param: "htmlField",
        field: "html",
        content_type: "text/html; charset=utf-8",
    },
    Kind {
        name: "xml",
        param: "xmlField",
        field: "xml",
        content_type: "text/xml; charset=utf-8",
    },
];

/// Sends a field as it is. Where it is empty, and of errors, JSON is sent.
#[derive(Debug)]
pub(super) struct Text {
    field: String,
    content_type: HeaderValue,
}

impl Text {
    pub(super) fn new(kind: &Kind, params: &str) -> Result<Self, String> {
        let mut params = Params::read(params)?;
        let field = params.name(kind.param, kind.field);
        params.end()?;
        Ok(Self {
            field,
            content_type: HeaderValue::from_static(kind.content_type),
        })
    }
}

impl Plugin for Text {
    fn before_render<'a>(&'a self, _: &'a Exchange, output: &'a mut Output) -> Step<'a> {
        if let Some(text) = take_text(output, &self.field) {
            output.set_body(self.content_type.clone(), text);
        }
        Step::Next
    }
}

/// Takes a text out of an answer; none if there is none, or it is empty.
pub(super) fn take_text(output: &mut Output, field: &str) -> Option<String> {
    if output.is_error() {
        return None;
    }
    // What is no message is told when it is rendered.
    match output.fields().ok()?.remove(field) {
        Some(Value::String(text)) => Some(text).filter(|text| !text.is_empty()),
        Some(other) => {
            output.fields().ok()?.insert(field.to_owned(), other);
            None
        }
        None => None,
    }
}
