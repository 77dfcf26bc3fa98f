//! What fields of special names become.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use prost_reflect::Kind;
use serde_json::{Map, Value};

use super::cookie::set_cookie;
use crate::mapping::{
    Download, DownloadSource, Refused, Rendered, SessionChange,
    shape::{Below, Field, Many, Shape},
    special,
};

/// What a field stands for.
#[derive(Clone, Debug)]
pub(super) enum Special {
    Code,
    ContentType,
    Header(HeaderName),
    Cookie(Box<str>),
    Session,
    File,
    Stream,
    /// Of a download.
    Attachment,
    AutoDelete,
    Filename,
}

impl Special {
    /// By its name and type. A header that is the gateway's own stays in the JSON.
    pub(super) fn of(field: &Field, shape: &Shape) -> Option<Self> {
        if &*field.name == "session" {
            let is_map = matches!(field.many, Many::Map(_));
            let is_message = matches!(field.below, Below::Message(_)) && field.many == Many::One;
            return (is_map || is_message).then_some(Self::Session);
        }
        if !field.is_single_scalar() {
            return None;
        }
        let is = |field: &Field| match (&*field.name, &field.kind) {
            ("downloadFile", Kind::String) => Some(Self::File),
            ("downloadStream", Kind::Bytes) => Some(Self::Stream),
            _ => None,
        };
        if let Some(download) = is(field) {
            return Some(download);
        }
        if matches!(field.kind, Kind::Bytes) {
            return None;
        }
        let fields = &shape.fields;
        let has_download = || {
            fields
                .iter()
                .any(|f| f.is_single_scalar() && is(f).is_some())
        };
        match &*field.name {
            "httpCode" => Some(Self::Code),
            "httpContentType" => Some(Self::ContentType),
            "attachment" if has_download() => Some(Self::Attachment),
            "autoDelete" if has_download() => Some(Self::AutoDelete),
            "filename" if has_download() => Some(Self::Filename),
            name => {
                let header = special::header(name).filter(|name| !special::is_gateways_own(name));
                let cookie = || Some(Self::Cookie(special::cookie(name)?.into()));
                header.map(Self::Header).or_else(cookie)
            }
        }
    }
}

/// What has been said by special fields.
#[derive(Debug, Default)]
pub(super) struct Specials {
    pub(super) rendered: Rendered,
    source: Option<DownloadSource>,
    attachment: bool,
    auto_delete: bool,
    filename: Option<String>,
}

impl Specials {
    /// A text that is not empty.
    pub(super) fn say(
        &mut self,
        special: &Special,
        field: &str,
        text: &str,
        own_cookie: Option<&str>,
    ) {
        let said = match special {
            Special::Code => self.code(text),
            Special::ContentType => content_type(text).map(|value| {
                self.rendered.content_type = Some(value);
            }),
            Special::Header(name) => header_value(text).map(|value| {
                self.rendered.headers.push((name.clone(), value));
            }),
            Special::Cookie(name)
                if own_cookie.is_some_and(|own| own.eq_ignore_ascii_case(name)) =>
            {
                Err("the session's own cookie")
            }
            Special::Cookie(name) => set_cookie(name, text).and_then(|cookie| {
                self.rendered.cookies.push(cookie.header);
                cookie.understood
            }),
            Special::File => {
                self.source = Some(DownloadSource::File {
                    path: text.to_owned(),
                    auto_delete: false,
                });
                Ok(())
            }
            Special::Attachment => {
                self.attachment = is_true(text);
                Ok(())
            }
            Special::AutoDelete => {
                self.auto_delete = is_true(text);
                Ok(())
            }
            Special::Filename => {
                self.filename = Some(text.to_owned());
                Ok(())
            }
            Special::Session | Special::Stream => Ok(()),
        };
        if let Err(why) = said {
            self.rendered.refused.push(Refused {
                field: field.to_owned(),
                why,
            });
        }
    }

    fn code(&mut self, text: &str) -> Result<(), &'static str> {
        let code: i64 = text.parse().map_err(|_| "no status")?;
        if code > 0 {
            // 1xx is no answer.
            let code = u16::try_from(code)
                .ok()
                .filter(|code| (200..1000).contains(code));
            let status = code.and_then(|code| StatusCode::from_u16(code).ok());
            self.rendered.status = Some(status.ok_or("no status from 200 to 999")?);
        }
        Ok(())
    }

    pub(super) fn stream(&mut self, bytes: Bytes) {
        self.source = Some(DownloadSource::Bytes(bytes));
    }

    /// All that the session message has, as texts; what is no text or number there as JSON.
    pub(super) fn session(&mut self, session: Map<String, Value>) {
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let values = session.into_iter().filter(|(_, value)| !value.is_null());
        let values = values.map(|(name, value)| (name, text(value))).collect();
        self.rendered.session = Some(SessionChange::Merge(values));
        if let Some(SessionChange::Merge(values)) = &self.rendered.session
            && values.get("loginFlag").is_some_and(|flag| flag == "0")
        {
            self.rendered.session = Some(SessionChange::Remove);
        }
    }

    pub(super) fn done(mut self, json: Bytes) -> Rendered {
        self.rendered.json = json;
        if let Some(mut source) = self.source {
            if let DownloadSource::File { auto_delete, .. } = &mut source {
                *auto_delete = self.auto_delete;
            }
            self.rendered.download = Some(Download {
                source,
                attachment: self.attachment,
                filename: self.filename,
            });
        }
        self.rendered
    }
}

/// No browser knows of letters in it that are not ASCII.
fn content_type(text: &str) -> Result<HeaderValue, &'static str> {
    let value = header_value(text)?;
    match value.to_str() {
        Ok(_) => Ok(value),
        Err(_) => Err("no content type"),
    }
}

/// Nothing that ends a line or is unseen.
fn header_value(text: &str) -> Result<HeaderValue, &'static str> {
    let value = HeaderValue::from_bytes(text.as_bytes());
    value.map_err(|_| "what no header can hold")
}

fn is_true(text: &str) -> bool {
    !matches!(text, "0" | "false" | "no" | "off")
}
