//! Calls without generated code: JSON in, JSON out.

use std::{fmt, sync::Arc, time::Duration};

use tangelo_reflect::{
    JsonError, JsonOptions, MethodInfo, ServiceInfo, body_to_json, json_to_body, message,
};
use tangelo_rpc::{Caller, Code, Reply, Status};

/// A service known by its descriptors, called with JSON. Clones share the referer's connections.
#[derive(Clone)]
pub struct DynamicReferer {
    service: Arc<ServiceInfo>,
    caller: Caller,
}

/// Why a call with JSON has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The service has no such method; those it has.
    #[error("{service} has no method `{wanted}`; there are: {known}")]
    Method {
        /// The service.
        service: String,
        /// What was asked for.
        wanted: String,
        /// The methods.
        known: String,
    },
    /// The JSON is no request of this method.
    #[error("request: {0}")]
    Request(#[source] JsonError),
    /// The answer is no response of this method.
    #[error("response: {0}")]
    Response(#[source] JsonError),
    /// The call failed.
    #[error(transparent)]
    Call(#[from] Status),
}

impl DynamicReferer {
    pub(crate) fn new(service: ServiceInfo, caller: Caller) -> Self {
        Self {
            service: Arc::new(service),
            caller,
        }
    }

    /// The service.
    pub fn service(&self) -> &ServiceInfo {
        &self.service
    }

    /// Waits this long for an answer, whatever the referer says. Default: as the referer says, 3 s
    /// unless configured.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        self.with(|caller| caller.timeout(timeout))
    }

    /// Sends this text beside each request, for the method to read.
    #[must_use]
    pub fn with_attachment(self, attachment: &str) -> Self {
        self.with(|caller| caller.attachment(attachment))
    }

    /// Labels the calls, and those made to answer them, for routing rules: krpc's `dyeing`.
    #[must_use]
    pub fn with_label(self, label: &str) -> Self {
        self.with(|caller| caller.label(label))
    }

    /// Calls of the same key go to the same server, where the balancer hashes.
    #[must_use]
    pub fn with_key(self, key: impl AsRef<[u8]>) -> Self {
        self.with(|caller| caller.key(key))
    }

    /// Calls a method, by its name or its number, with the request as JSON, and returns the response
    /// as JSON. Dropping the future cancels the call.
    ///
    /// # Errors
    /// No such method, JSON that is no request, or no answer. A negative `retCode` of the
    /// application's is no error: it stands in the JSON.
    pub async fn call(&self, method: &str, request: &str) -> Result<String, CallError> {
        let method = self.method(method)?;
        let body = json_to_body(&method.input, request).map_err(CallError::Request)?;
        let number = (self.service.id, method.id);
        let reply = self.caller.call_encoded(number, body).await;
        let body = reply.and_then(|reply| complete(method, reply));
        let body = body.map_err(Status::of_call)?;
        let options = JsonOptions::default();
        body_to_json(&method.output, &body, options).map_err(CallError::Response)
    }

    fn with(self, option: impl FnOnce(Caller) -> Caller) -> Self {
        Self {
            caller: option(self.caller),
            ..self
        }
    }

    fn method(&self, wanted: &str) -> Result<&MethodInfo, CallError> {
        let by_number = || wanted.parse().ok().and_then(|id| self.service.method(id));
        self.service
            .method_by_name(wanted)
            .or_else(by_number)
            .ok_or_else(|| {
                let known: Vec<_> = self
                    .service
                    .methods
                    .iter()
                    .map(|method| method.name.as_str())
                    .collect();
                CallError::Method {
                    service: self.service.name.clone(),
                    wanted: wanted.to_owned(),
                    known: known.join(", "),
                }
            })
    }
}

/// The response message, with the code that the reply has. A code of the framework is a failure, also when
/// a message came with it.
fn complete(method: &MethodInfo, reply: Reply) -> Result<bytes::Bytes, Status> {
    let code = Code(reply.ret_code);
    if code.is_frameworks() {
        let text = method
            .ret_msg
            .and_then(|field| message::string(&reply.body, field).ok()?);
        return Err(match text {
            Some(text) if !text.is_empty() => Status::new(code, text.to_owned()),
            _ => code.into(),
        });
    }
    match message::int32(&reply.body, method.ret_code) {
        Ok(told) if told.unwrap_or_default() != reply.ret_code => Ok(message::fill_int32(
            reply.body,
            method.ret_code,
            reply.ret_code,
        )),
        _ => Ok(reply.body),
    }
}

impl fmt::Debug for DynamicReferer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DynamicReferer({})", self.service.full_name)
    }
}
