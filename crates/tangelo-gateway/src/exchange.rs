//! A request on its way, and what is said to it.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, request::Parts};
use serde_json::{Map, Value};

use crate::{
    mapping::{BadParameter, Body, Http, Input, RenderError, Session as InSession},
    route::Url,
    serve::{RoutePlan, State},
    session::Session,
};

/// Who has sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Where the connection comes from.
    pub peer: SocketAddr,
    /// Who is at the other end, as far as proxies that are believed say it.
    pub address: IpAddr,
    /// Whether it speaks TLS, with us or with a proxy that is believed.
    pub secure: bool,
}

/// A request on its way to a service.
pub struct Exchange {
    pub(crate) state: Arc<State>,
    pub(crate) plan: Arc<RoutePlan>,
    pub(crate) client: Client,
    pub(crate) head: Parts,
    pub(crate) host: Option<String>,
    pub(crate) content: Bytes,
    /// What a body of several parts says that is no file.
    pub(crate) parts: Option<Map<String, Value>>,
    pub(crate) variables: Vec<(String, String)>,
    /// What the client said, once a plugin has asked for it.
    pub(crate) parameters: Option<Map<String, Value>>,
    /// What plugins have said in place of that.
    pub(crate) own: Option<Map<String, Value>>,
    pub(crate) session: Option<Session>,
}

impl Exchange {
    /// The url it is for, with its attributes.
    pub fn url(&self) -> &Url {
        &self.plan.url
    }

    /// Who has sent it.
    pub fn client(&self) -> Client {
        self.client
    }

    /// Whether a line of the log may be written now that clients can bring about; if so, how many were left out.
    pub(crate) fn line(&self) -> Option<u32> {
        self.state.lines.line()
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// The path, not decoded.
    pub fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// What stands behind the `?`, not decoded.
    pub fn query(&self) -> Option<&str> {
        self.head.uri.query()
    }

    /// The host that was asked for, with its port if it has one.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The headers, to be changed: before they are parsed.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        self.parameters = None;
        &mut self.head.headers
    }

    /// The body as it came; inflated, if it was compressed. Empty if it came in several parts.
    pub fn content(&self) -> &Bytes {
        &self.content
    }

    /// Replaces the body: decrypted, for example.
    pub fn set_content(&mut self, content: impl Into<Bytes>) {
        self.parameters = None;
        self.content = content.into();
    }

    /// Variables of the path, decoded.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let variables = self.variables.iter();
        variables.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// What the client said by name, in the path, the body and the query; what plugins have set is not among it.
    /// Read once, when somebody asks.
    ///
    /// # Errors
    /// It cannot be read. Without a plugin that asks, this is answered with 400; so a plugin may leave it at that.
    pub fn parameters(&mut self) -> Result<&Map<String, Value>, BadParameter> {
        if self.parameters.is_none() {
            let variables = self.input_variables();
            let read = self.input(&variables).parameters()?;
            self.parameters = Some(read);
        }
        Ok(self.parameters.get_or_insert_default())
    }

    /// What plugins have set.
    pub fn own_parameters(&self) -> Option<&Map<String, Value>> {
        self.own.as_ref()
    }

    /// Sets a parameter, whatever the client says; the session still goes before it.
    pub fn set_parameter(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        let own = self.own.get_or_insert_default();
        own.insert(name.into(), value.into());
    }

    /// What the client says of this name does not count.
    pub fn hide_parameter(&mut self, name: impl Into<String>) {
        self.set_parameter(name, Value::Null);
    }

    /// Where templates for its answer are: the `templateDir` of the nearest dir that has one.
    pub fn template_dir(&self) -> Option<&Path> {
        let router = &self.state.router;
        router.template_dir(self.host(), self.path())
    }

    /// Where the files are that its answer may send: the `downloadDir` of the nearest dir that has one.
    pub fn download_dir(&self) -> Option<&Path> {
        let router = &self.state.router;
        router.download_dir(self.host(), self.path())
    }

    /// What the client said, if a plugin has asked for it.
    pub(crate) fn known_parameters(&self) -> Option<&Map<String, Value>> {
        self.parameters.as_ref()
    }

    /// The session's id as services see it; none if the url needs no session, or it is not known yet.
    pub fn session_id(&self) -> Option<&str> {
        self.session.as_ref().map(|session| session.id.as_str())
    }

    /// What is in the session; none if the url does not load it, or it is not known yet.
    pub fn session(&self) -> Option<&BTreeMap<String, String>> {
        let session = self.session.as_ref().filter(|_| self.plan.loads_session());
        session.map(|session| &session.values)
    }

    pub(crate) fn input_variables(&self) -> Vec<(&str, Cow<'_, str>)> {
        let variables = self.variables();
        variables
            .map(|(name, value)| (name, Cow::Borrowed(value)))
            .collect()
    }

    pub(crate) fn input<'a>(&'a self, variables: &'a [(&'a str, Cow<'a, str>)]) -> Input<'a> {
        let http = Http {
            method: &self.head.method,
            secure: self.client.secure,
            host: self.host(),
            path: self.path(),
            query: self.query(),
            headers: &self.head.headers,
            content: &self.content,
        };
        Input {
            http,
            variables,
            body: match &self.parts {
                Some(parts) => Body::Parts(parts),
                None => Body::of(&http),
            },
            plugins: self.own.as_ref(),
            session: InSession {
                id: self.session_id(),
                values: self.session(),
            },
        }
    }
}

/// It says nothing of what the client said: there may be secrets in it.
impl fmt::Debug for Exchange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Exchange")
            .field("method", &self.head.method)
            .field("url", &self.url().path)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// What is said to a request, before it is rendered.
pub struct Output {
    pub(crate) plan: Arc<RoutePlan>,
    pub(crate) ret_code: i32,
    pub(crate) said: Said,
    pub(crate) status: Option<StatusCode>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<(HeaderValue, Bytes)>,
}

/// By whom an answer is written.
pub(crate) enum Said {
    /// The service: its message, as it came.
    Message(Bytes),
    /// A plugin has looked at it.
    Fields(Map<String, Value>),
    /// The gateway, of what went wrong.
    Error(Map<String, Value>),
}

impl Output {
    /// `retCode`: negative if something went wrong.
    pub fn ret_code(&self) -> i32 {
        self.ret_code
    }

    /// Whether it was the gateway or a plugin that refused, and not the service that answered.
    pub fn is_error(&self) -> bool {
        matches!(self.said, Said::Error(_))
    }

    /// The answer's fields by name, to be looked at and changed; those too that become a part of HTTP, as
    /// `httpCode`. It costs an answer its straight way from the service's bytes to JSON.
    ///
    /// # Errors
    /// What the service has sent is not its message.
    pub fn fields(&mut self) -> Result<&mut Map<String, Value>, RenderError> {
        if let Said::Message(message) = &self.said {
            self.said = Said::Fields(self.plan.response.to_map(message)?);
        }
        match &mut self.said {
            Said::Fields(fields) | Said::Error(fields) => Ok(fields),
            // It has just been read.
            Said::Message(_) => Err(RenderError::TooDeep),
        }
    }

    /// The response's status, whatever the answer says.
    pub fn set_status(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// Headers to be added to the response.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    /// The response's body, in place of JSON.
    pub fn set_body(&mut self, content_type: HeaderValue, body: impl Into<Bytes>) {
        self.body = Some((content_type, body.into()));
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Output")
            .field("ret_code", &self.ret_code)
            .field("is_error", &self.is_error())
            .finish_non_exhaustive()
    }
}
