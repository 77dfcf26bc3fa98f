//! What knows messages by their descriptors, in the forms the rpc crate asks for.

use std::{borrow::Cow, collections::HashMap, fmt, sync::Arc};

use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, Value};
use tangelo_reflect::{Pool, ServiceInfo, log_text, message, value_to_body};
use tangelo_rpc::{
    Reply,
    access_log::{BodyText, Excerpt, Part},
    client::{Answers, Fallback, KeyOf},
    config::MonitorConfig,
};
use tracing::warn;

/// Shows bodies in the access log.
pub(super) struct BodiesByDescriptor {
    pool: Arc<Pool>,
    formatter: &'static dyn log_text::Formatter,
    options: log_text::Options,
}

impl BodiesByDescriptor {
    pub(super) fn new(pool: Arc<Pool>, monitor: &MonitorConfig) -> Self {
        let formatter = log_text::formatter(&monitor.log_formatter);
        Self {
            pool,
            formatter: formatter.unwrap_or(&log_text::Simple),
            options: log_text::Options {
                mask_fields: monitor.mask_fields.iter().cloned().collect(),
                max_repeated_size_to_log: monitor.max_repeated_size_to_log,
                max_field_size_to_log: monitor.max_field_size_to_log,
                print_default: monitor.print_default,
            },
        }
    }

    fn method(
        &self,
        service_id: i32,
        msg_id: i32,
    ) -> Option<(&ServiceInfo, &tangelo_reflect::MethodInfo)> {
        let service = self.pool.service(service_id)?;
        Some((service, service.method(msg_id)?))
    }
}

impl BodyText for BodiesByDescriptor {
    fn name(&self, service_id: i32, msg_id: i32) -> Option<Cow<'_, str>> {
        let (service, method) = self.method(service_id, msg_id)?;
        Some(format!("{}.{}", service.name, method.name).into())
    }

    fn body(&self, service_id: i32, msg_id: i32, part: Part, body: &Excerpt, out: &mut String) {
        use fmt::Write;

        let descriptor = self
            .method(service_id, msg_id)
            .map(|(_, method)| match part {
                Part::Request => &method.input,
                Part::Response => &method.output,
            });
        // What was cut can still be read up to there, field by field.
        let decoded = descriptor.and_then(|descriptor| readable(descriptor, body));
        match decoded {
            Some(decoded) => self.formatter.format(&decoded, &self.options, out),
            None => {
                let _ = write!(out, "bytes:{}", body.whole_len());
            }
        }
    }
}

/// The message, or as many of its fields as the excerpt holds whole.
fn readable(descriptor: &MessageDescriptor, body: &Excerpt) -> Option<DynamicMessage> {
    let bytes = body.bytes();
    let end = if body.is_whole() {
        bytes.len()
    } else {
        message::whole_fields(bytes)
    };
    DynamicMessage::decode(descriptor.clone(), bytes.get(..end)?).ok()
}

/// Finds the field that a balancer hashes.
#[derive(Debug)]
pub(super) struct KeyField(HashMap<i32, FieldDescriptor>);

impl KeyField {
    /// The field of this name, in every request that has it.
    pub(super) fn find(service: &ServiceInfo, name: &str) -> Result<Self, String> {
        let methods = service.methods.iter();
        let fields: HashMap<_, _> = methods
            .filter_map(|method| Some((method.id, method.input.get_field_by_name(name)?)))
            .collect();
        if fields.is_empty() {
            return Err(format!(
                "no request of {} has a field `{name}`",
                service.name
            ));
        }
        Ok(Self(fields))
    }
}

impl KeyOf for KeyField {
    fn key(&self, msg_id: i32, body: &[u8]) -> Option<Vec<u8>> {
        let text = message::field_text(body, self.0.get(&msg_id)?)?;
        Some(text.into_bytes())
    }
}

/// Canned answers, as messages.
pub(super) struct Canned {
    answers: Fallback,
    pool: Arc<Pool>,
}

impl Canned {
    pub(super) fn new(answers: Fallback, pool: Arc<Pool>) -> Arc<Self> {
        Arc::new(Self { answers, pool })
    }
}

impl Answers for Canned {
    fn answer(&self, service_id: i32, msg_id: i32, body: &[u8]) -> Option<Reply> {
        let service = self.pool.service(service_id)?;
        let method = service.method(msg_id)?;
        let request = DynamicMessage::decode(method.input.clone(), body).ok()?;
        let lookup = |path: &str| field(&request, path).map(Cow::Owned);
        let value = self
            .answers
            .find(&service.name, &method.name, service_id, msg_id, &lookup)?;
        let code = value.get(RET_CODE).and_then(serde_json::Value::as_i64);
        match value_to_body(&method.output, &value) {
            Ok(body) => {
                let code = code.and_then(|code| i32::try_from(code).ok());
                Some(Reply::protobuf(code.unwrap_or(0), body))
            }
            Err(error) => {
                let (service, method) = (&service.name, &method.name);
                warn!(service, method, %error, "a canned answer is no response");
                None
            }
        }
    }
}

/// Name of the field with the outcome, in every response.
const RET_CODE: &str = "retCode";

/// A field as text, nested ones as `a.b.c`.
fn field(message: &DynamicMessage, path: &str) -> Option<String> {
    let (name, rest) = path
        .split_once('.')
        .map_or((path, None), |(name, rest)| (name, Some(rest)));
    let value = message.get_field_by_name(name)?;
    match (value.as_ref(), rest) {
        (Value::Message(inner), Some(rest)) => field(inner, rest),
        (_, Some(_)) => None,
        (Value::String(text), None) => Some(text.clone()),
        (Value::Bool(value), None) => Some(value.to_string()),
        (Value::I32(number) | Value::EnumNumber(number), None) => Some(number.to_string()),
        (Value::I64(number), None) => Some(number.to_string()),
        (Value::U32(number), None) => Some(number.to_string()),
        (Value::U64(number), None) => Some(number.to_string()),
        (Value::F32(number), None) => Some(number.to_string()),
        (Value::F64(number), None) => Some(number.to_string()),
        _ => None,
    }
}

impl fmt::Debug for Canned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.answers)
    }
}
