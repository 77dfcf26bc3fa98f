//! Where a method says it is reachable over HTTP: `option (google.api.http)`.

use prost::{DecodeError, Message};
use prost_reflect::MethodDescriptor;

/// One address of a method.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpRule {
    /// `GET`, `POST` and so on; of `custom` its `kind`, where `*` stands for every method.
    pub method: String,
    /// As it is written: `/v1/{name=shelves/*}:archive`.
    pub path: String,
    /// The field that the body fills; `*`: all that the path does not; empty: none.
    pub body: String,
    /// The field of the answer that is the body of the response; empty: the answer itself.
    pub response_body: String,
}

/// The part of google.protobuf.MethodOptions that is of interest here. Read from the encoded options, it is found whether the
/// pool knows the option or has it as a field without a name.
#[derive(Clone, PartialEq, Message)]
struct MethodOptions {
    #[prost(message, optional, tag = "72295728")]
    http: Option<Rule>,
}

#[derive(Clone, PartialEq, Message)]
struct Rule {
    #[prost(string, tag = "2")]
    get: String,
    #[prost(string, tag = "3")]
    put: String,
    #[prost(string, tag = "4")]
    post: String,
    #[prost(string, tag = "5")]
    delete: String,
    #[prost(string, tag = "6")]
    patch: String,
    #[prost(string, tag = "7")]
    body: String,
    #[prost(message, optional, tag = "8")]
    custom: Option<Custom>,
    #[prost(message, repeated, tag = "11")]
    additional_bindings: Vec<Self>,
    #[prost(string, tag = "12")]
    response_body: String,
}

#[derive(Clone, PartialEq, Message)]
struct Custom {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(string, tag = "2")]
    path: String,
}

/// The addresses of a method, its own first, then its `additional_bindings`; none if it says nothing.
///
/// # Errors
/// What is wrong with what it says, but for the paths: those are for whoever serves them.
pub fn http_rules(method: &MethodDescriptor) -> Result<Vec<HttpRule>, String> {
    let unreadable = |error: DecodeError| format!("is no google.api.HttpRule: {error}");
    let options: MethodOptions = method.options().transcode_to().map_err(unreadable)?;
    let Some(mut first) = options.http else {
        return Ok(Vec::new());
    };
    let more = std::mem::take(&mut first.additional_bindings);
    if more.iter().any(|rule| !rule.additional_bindings.is_empty()) {
        return Err("has additional_bindings within additional_bindings".to_owned());
    }
    let rules = [first].into_iter().chain(more);
    rules.map(Rule::read).collect()
}

impl Rule {
    fn read(self) -> Result<HttpRule, String> {
        let custom = self.custom.unwrap_or_default();
        let patterns = [
            ("GET", self.get),
            ("PUT", self.put),
            ("POST", self.post),
            ("DELETE", self.delete),
            ("PATCH", self.patch),
            (custom.kind.as_str(), custom.path),
        ];
        let mut patterns = patterns.into_iter().filter(|(_, path)| !path.is_empty());
        let Some((method, path)) = patterns.next() else {
            return Err("says no path: write `get: \"/v1/users/{userId}\"`".to_owned());
        };
        if patterns.next().is_some() {
            return Err("says two paths at once: write additional_bindings".to_owned());
        }
        Ok(HttpRule {
            method: method.to_owned(),
            path,
            body: self.body,
            response_body: self.response_body,
        })
    }
}
