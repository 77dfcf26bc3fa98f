//! What services and messages look like at run time.
//!
//! * [`Pool`] reads descriptor files (`*.proto.pb`) and knows services and methods by number and by name.
//! * [`json_to_body`] and [`body_to_json`] turn JSON into an encoded message and back.
//! * [`message`] reads and adds single fields of an encoded message without decoding it.
//! * [`validate`] holds requests to the rules that their fields carry in the .proto file.
//! * [`comment`] is what the .proto file says above a definition, [`http_rules`] where a method says it is reachable.
//! * [`log_text`] shows a message as a part of a line in an access log.
//! * [`protobuf_js`] reads messages in the JSON form of ProtoBuf.js.
//! * `compile`, with the feature of that name, makes descriptors of .proto files.
//!
//! No I/O but reading descriptor files, no clock, no tasks.

pub mod comment;
#[cfg(feature = "compile")]
pub mod compile;
mod http_rule;
mod json;
pub mod log_text;
pub mod message;
mod pool;
pub mod protobuf_js;
pub mod validate;

pub use prost_reflect::{FieldDescriptor, MessageDescriptor, MethodDescriptor};

pub use crate::{
    http_rule::{HttpRule, http_rules},
    json::{
        JsonError, JsonOptions, MAX_DEPTH, MAX_JSON, MAX_MESSAGE, body_to_json, is_too_deep,
        json_to_body, value_to_body, words,
    },
    pool::{
        FIRST_APPLICATION_ID, LoadError, LoadErrors, MAX_FILES, MAX_SET, MethodInfo, Pool,
        ServiceInfo,
    },
};
