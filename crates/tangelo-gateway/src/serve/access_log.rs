//! One line for every request.

use std::{borrow::Cow, fmt, net::IpAddr, time::Duration};

use http::{Method, StatusCode};
use tracing::info;

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
    /// Bytes of the request's body, as they came.
    pub received: usize,
    /// The trace that the call belongs to, as its service has it; none if no service was called.
    pub trace: Option<&'a str>,
    /// From the end of its headers to its answer.
    pub took: Duration,
}

/// `127.0.0.1,   GET,   /user/test1?userName=a&password=***,   100.1,   200,   0,   0,   1234us,   4bf92f3577b34da6a3ce929d0e0e4736`
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
            ",   {},   {},   {},   {}us,   {}",
            self.status.as_u16(),
            self.ret_code,
            self.received,
            self.took.as_micros(),
            self.trace.unwrap_or("-")
        )
    }
}

/// Most bytes of a path or a query in a line.
const LONGEST: usize = 2048;

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
    fn a_line_has_nothing_in_it_that_a_client_could_begin_another_with() {
        assert_eq!(shown("/a,   200\n"), "/a,%20%20%20200%0A");
        assert_eq!(shown("/用"), "/%E7%94%A8");
        assert_eq!(shown(&"x".repeat(5000)).len(), LONGEST + 3);
    }
}
