//! `name:value^name:value`, krpc's own.

use prost_reflect::{DynamicMessage, MapKey, ReflectMessage, Value};

use super::{Formatter, MAX_TEXT, Options, REST, is_unseen, line::Line};

/// krpc's own format: `name:value` with `^` between fields, `{name:value,name:value}` for messages in
/// the message. What lies deeper is left out.
///
/// A repeated field is `nameSize:n` and its first elements, each as `name:value`; an entry of a map is
/// `name:{key:k,value:v}`. Enums are numbers, bytes are left out, and so is `retCode`, which has its own place in the
/// line. Control characters and `^` in strings become blanks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Simple;

/// Left out.
const RET_CODE: &str = "retCode";

impl Formatter for Simple {
    fn format(&self, message: &DynamicMessage, options: &Options, out: &mut String) {
        let mut line = Line::new(out, MAX_TEXT);
        write_fields(message, options, &mut Fields::new(&mut line, '^'));
    }
}

/// The fields of one message.
struct Fields<'l, 'o> {
    line: &'l mut Line<'o>,
    separator: char,
    first: bool,
}

impl<'l, 'o> Fields<'l, 'o> {
    fn new(line: &'l mut Line<'o>, separator: char) -> Self {
        Self {
            line,
            separator,
            first: true,
        }
    }

    /// The fields of a message in this one, or `None` where they are too deep.
    fn nested(&mut self, name: &str) -> Option<Fields<'_, 'o>> {
        (self.separator == '^').then(|| {
            self.name(name, "");
            self.line.push('{');
            Fields::new(self.line, ',')
        })
    }

    /// Begins the next field.
    fn name(&mut self, name: &str, suffix: &str) {
        if !std::mem::take(&mut self.first) {
            self.line.push(self.separator);
        }
        self.line.push_str(name);
        self.line.push_str(suffix);
        self.line.push(':');
    }

    fn size(&mut self, name: &str, size: usize) {
        self.name(name, "Size");
        self.line.push_display(size);
    }

    fn mask(&mut self, name: &str) {
        self.name(name, "");
        self.line.push_str("***");
    }
}

fn write_fields(message: &DynamicMessage, options: &Options, fields: &mut Fields<'_, '_>) {
    for field in message.descriptor().fields() {
        let name = field.name();
        if fields.line.is_full() {
            return;
        }
        if name == RET_CODE {
            continue;
        }
        let Some(value) = options.value(message, &field) else {
            continue;
        };
        match &*value {
            _ if options.masks(name) => fields.mask(name),
            Value::List(values) => {
                fields.size(name, values.len());
                for value in options.elements(values) {
                    write_field(name, value, options, fields);
                }
            }
            Value::Map(entries) => {
                fields.size(name, entries.len());
                for (key, value) in options.entries(entries) {
                    write_entry(name, key, value, options, fields);
                }
            }
            value => write_field(name, value, options, fields),
        }
    }
}

/// A field with one value, or one of its values.
fn write_field(name: &str, value: &Value, options: &Options, fields: &mut Fields<'_, '_>) {
    match value {
        Value::Bytes(_) => {}
        Value::Message(message) => {
            if let Some(mut nested) = fields.nested(name) {
                write_fields(message, options, &mut nested);
                nested.line.push('}');
            }
        }
        value => {
            fields.name(name, "");
            write_scalar(value, options, fields.line);
        }
    }
}

/// As krpc sees it: a message with a key and a value.
fn write_entry(
    name: &str,
    key: &MapKey,
    value: &Value,
    options: &Options,
    fields: &mut Fields<'_, '_>,
) {
    let Some(mut entry) = fields.nested(name) else {
        return;
    };
    entry.name("key", "");
    write_scalar(&key.clone().into(), options, entry.line);
    if options.masks_key(key) {
        entry.mask("value");
    } else {
        write_field("value", value, options, &mut entry);
    }
    entry.line.push('}');
}

fn write_scalar(value: &Value, options: &Options, line: &mut Line<'_>) {
    match value {
        Value::Bool(value) => line.push_display(value),
        Value::I32(number) | Value::EnumNumber(number) => line.push_display(number),
        Value::I64(number) => line.push_display(number),
        Value::U32(number) => line.push_display(number),
        Value::U64(number) => line.push_display(number),
        Value::F32(number) => line.push_display(format_args!("{number:?}")),
        Value::F64(number) => line.push_display(format_args!("{number:?}")),
        Value::String(text) => write_text(text, options, line),
        Value::Bytes(_) | Value::Message(_) | Value::List(_) | Value::Map(_) => {}
    }
}

fn write_text(text: &str, options: &Options, line: &mut Line<'_>) {
    let (text, cut) = options.cut(text);
    for character in text.chars() {
        let blank = character == '^' || is_unseen(character);
        line.push(if blank { ' ' } else { character });
    }
    if cut {
        line.push_str(REST);
    }
}
