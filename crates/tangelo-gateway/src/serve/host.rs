//! The host that a request is for.

use http::{Version, header, request::Parts, uri::Authority};

use super::problem::Problem;

/// A name that two could read in two ways is refused.
pub(super) fn host(head: &Parts) -> Result<Option<String>, Problem> {
    if let Some(authority) = head.uri.authority() {
        return checked(authority.as_str()).map(Some);
    }
    let mut hosts = head.headers.get_all(header::HOST).into_iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Err(Problem::bad_request("there are several headers Host")),
        (Some(host), None) if host.is_empty() => Ok(None),
        (Some(host), None) => {
            let text = host.to_str();
            let text = text.map_err(|_| Problem::bad_request("the header Host is no host"))?;
            checked(text).map(Some)
        }
        (None, _) if head.version == Version::HTTP_11 => {
            Err(Problem::bad_request("there is no header Host"))
        }
        (None, _) => Ok(None),
    }
}

fn checked(host: &str) -> Result<String, Problem> {
    let is_host = !host.contains('@') && host.parse::<Authority>().is_ok();
    is_host
        .then(|| host.to_owned())
        .ok_or_else(|| Problem::bad_request("the header Host is no host"))
}
