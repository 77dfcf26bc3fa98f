//! One line for every request.

use std::{borrow::Cow, collections::BTreeSet, fmt, net::IpAddr, time::Duration};

use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use tracing::info;

use crate::route::Url;

/// Is told of every request that was answered, on the task of its connection: it must not block.
///
/// A function of a line is one.
pub trait AccessLog: Send + Sync + 'static {
    /// One request.
    fn write(&self, line: &AccessLine<'_>);
}

impl<F: Fn(&AccessLine<'_>) + Send + Sync + 'static> AccessLog for F {
    fn write(&self, line: &AccessLine<'_>) {
        self(line);
    }
}

/// Hands lines to `tracing`, at level info, with the target `tangelo.http`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingLog;

impl AccessLog for TracingLog {
    fn write(&self, line: &AccessLine<'_>) {
        info!(target: "tangelo.http", "{line}");
    }
}

/// A request that was answered. There is nothing of headers, cookies and bodies in it, and what is to be masked in
/// the path and the query is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AccessLine<'a> {
    /// Who has sent it.
    pub client: IpAddr,
    /// Its method.
    pub method: &'a Method,
    /// Its path, not decoded; if there is something to be masked in it, the route's as it is written.
    pub path: Cow<'a, str>,
    /// Its query, not decoded; empty if it has none.
    pub query: Cow<'a, str>,
    /// Service and message that it was for; none if it was for none.
    pub message: Option<(i32, i32)>,
    /// The response's status.
    pub status: StatusCode,
    /// What the answer says in `retCode`, as far as that is known.
    pub ret_code: i32,
    /// Bytes of its body.
    pub received: usize,
    /// From the end of its headers to its answer.
    pub took: Duration,
}

/// `127.0.0.1,   GET,   /user/test1?userName=a&password=***,   100.1,   200,   0,   0,   1234us`
impl fmt::Display for AccessLine<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{},   {},   {}",
            self.client, self.method, self.path
        )?;
        if !self.query.is_empty() {
            write!(formatter, "?{}", self.query)?;
        }
        match self.message {
            Some((service, message)) => write!(formatter, ",   {service}.{message}")?,
            None => formatter.write_str(",   -")?,
        }
        write!(
            formatter,
            ",   {},   {},   {},   {}us",
            self.status.as_u16(),
            self.ret_code,
            self.received,
            self.took.as_micros()
        )
    }
}

/// Names of parameters whose values nobody may read in a log.
#[derive(Clone, Debug, Default)]
pub(super) struct Masks(pub(super) BTreeSet<String>);

/// Most bytes of a path or a query in a line.
const LONGEST: usize = 2048;

impl Masks {
    pub(super) fn masks(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// A path; the route's, as it is written, if one of its variables is masked.
    pub(super) fn path<'a>(&self, path: &'a str, url: Option<&Url>) -> Cow<'a, str> {
        let is_masked = |url: &&Url| {
            let variables = url.variables();
            variables.into_iter().any(|name| self.masks(name))
        };
        match url.filter(is_masked) {
            Some(url) => Cow::Owned(shown(&url.path).into_owned()),
            None => shown(path),
        }
    }

    /// A query with the values of these names replaced by `***`, however the names are encoded. What is long is cut.
    pub(super) fn query<'a>(&self, query: &'a str) -> Cow<'a, str> {
        let name_of = |pair: &str| {
            let name = pair.split('=').next().unwrap_or_default();
            let name = name.replace('+', " ");
            percent_decode_str(&name).decode_utf8_lossy().into_owned()
        };
        let is_masked = |pair: &str| !self.0.is_empty() && self.masks(&name_of(pair));
        if !query.split(['&', ';']).any(is_masked) {
            return shown(query);
        }
        let mut text = String::with_capacity(query.len());
        for (at, pair) in query.split(['&', ';']).enumerate() {
            if at > 0 {
                text.push('&');
            }
            match pair.split_once('=') {
                Some((name, _)) if is_masked(pair) => {
                    text.push_str(name);
                    text.push_str("=***");
                }
                _ => text.push_str(pair),
            }
        }
        Cow::Owned(shown(&text).into_owned())
    }
}

/// A raw path or query on one line: it is ASCII as a rule, and may begin no part of the line that is not its own.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| (0x21..0x7f).contains(&byte);
    if text.len() <= LONGEST && text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len().min(LONGEST));
    for byte in text.bytes().take(LONGEST) {
        if is_plain(byte) {
            plain.push(char::from(byte));
        } else {
            plain.push_str(&format!("%{byte:02X}"));
        }
    }
    if text.len() > LONGEST {
        plain.push_str("...");
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_these_names_are_masked_however_the_names_are_encoded() {
        let masks = Masks(BTreeSet::from([
            "password".to_owned(),
            "pass word".to_owned(),
        ]));
        for (query, line) in [
            ("userName=a&password=b", "userName=a&password=***"),
            ("password=b&password=c", "password=***&password=***"),
            ("pass%77ord=b", "pass%77ord=***"),
            ("pass+word=b;x=1", "pass+word=***&x=1"),
            ("password", "password"),
            ("a=password", "a=password"),
            ("", ""),
        ] {
            assert_eq!(masks.query(query), line);
        }
    }

    #[test]
    fn a_line_has_nothing_in_it_that_a_client_could_begin_another_with() {
        assert_eq!(shown("/a,   200\n"), "/a,%20%20%20200%0A");
        assert_eq!(shown("/用"), "/%E7%94%A8");
        assert_eq!(shown(&"x".repeat(5000)).len(), LONGEST + 3);
    }
}
