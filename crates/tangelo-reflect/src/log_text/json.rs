//! The message as JSON.

use std::fmt;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage, Value};

use super::{Formatter, MAX_TEXT, Options, REST, is_unseen, line::Line};

/// The whole message as a JSON object, however deep it is.
///
/// Fields have their names in the .proto file, 64-bit numbers are numbers, enums are their numbers, and bytes are left
/// out. Of repeated fields and maps there are the first elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json;

/// What stands for a masked value.
const MASKED: &str = "\"***\"";

impl Formatter for Json {
    fn format(&self, message: &DynamicMessage, options: &Options, out: &mut String) {
        let mut line = Line::new(out, MAX_TEXT);
        write_message(message, options, &mut line);
    }
}

/// As deep as the message is, which decoding has limited.
fn write_message(message: &DynamicMessage, options: &Options, line: &mut Line<'_>) {
    let mut first = true;
    line.push('{');
    for field in message.descriptor().fields() {
        if line.is_full() {
            return;
        }
        let Some(value) = options.value(message, &field) else {
            continue;
        };
        let masked = options.masks(field.name());
        if !masked && holds_bytes(&field) {
            continue;
        }
        separate(&mut first, line);
        line.push_display(format_args!("\"{}\":", field.name()));
        if masked {
            line.push_str(MASKED);
        } else {
            write_value(&value, options, line);
        }
    }
    line.push('}');
}

fn holds_bytes(field: &FieldDescriptor) -> bool {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            matches!(entry.map_entry_value_field().kind(), Kind::Bytes)
        }
        kind => matches!(kind, Kind::Bytes),
    }
}

fn write_value(value: &Value, options: &Options, line: &mut Line<'_>) {
    match value {
        Value::Bool(value) => line.push_display(value),
        Value::I32(number) | Value::EnumNumber(number) => line.push_display(number),
        Value::I64(number) => line.push_display(number),
        Value::U32(number) => line.push_display(number),
        Value::U64(number) => line.push_display(number),
        Value::F32(number) => write_float(f64::from(*number), number, line),
        Value::F64(number) => write_float(*number, number, line),
        Value::String(text) => write_text(text, options, line),
        Value::Message(message) => write_message(message, options, line),
        Value::List(values) => {
            let mut first = true;
            line.push('[');
            for value in options.elements(values) {
                separate(&mut first, line);
                write_value(value, options, line);
            }
            line.push(']');
        }
        Value::Map(entries) => write_map(&options.entries(entries), options, line),
        // Fields with bytes do not come here.
        Value::Bytes(_) => {}
    }
}

fn write_map(entries: &[(&MapKey, &Value)], options: &Options, line: &mut Line<'_>) {
    let mut first = true;
    line.push('{');
    for &(key, value) in entries {
        separate(&mut first, line);
        match Value::from(key.clone()) {
            Value::String(key) => write_text(&key, options, line),
            key => {
                line.push('"');
                write_value(&key, options, line);
                line.push('"');
            }
        }
        line.push(':');
        if options.masks_key(key) {
            line.push_str(MASKED);
        } else {
            write_value(value, options, line);
        }
    }
    line.push('}');
}

fn separate(first: &mut bool, line: &mut Line<'_>) {
    if !std::mem::take(first) {
        line.push(',');
    }
}

/// What JSON has no number for is a string, as protobuf's JSON has it.
fn write_float(number: f64, shown: impl fmt::Debug, line: &mut Line<'_>) {
    if number.is_finite() {
        line.push_display(format_args!("{shown:?}"));
    } else if number.is_nan() {
        line.push_str("\"NaN\"");
    } else {
        line.push_str(if number > 0.0 {
            "\"Infinity\""
        } else {
            "\"-Infinity\""
        });
    }
}

fn write_text(text: &str, options: &Options, line: &mut Line<'_>) {
    let (text, cut) = options.cut(text);
    line.push('"');
    for character in text.chars() {
        match character {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            character if is_unseen(character) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    line.push_display(format_args!("\\u{unit:04x}"));
                }
            }
            character => line.push(character),
        }
    }
    if cut {
        line.push_str(REST);
    }
    line.push('"');
}
