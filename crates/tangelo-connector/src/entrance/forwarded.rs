//! Headers in which proxies say whom they speak for.

use std::net::{IpAddr, SocketAddr};

use crate::Networks;

/// The header in which the proxies in front say whom they speak for. Only one is read: proxies write one and
/// hand on the other as it came from whoever made it up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardHeader {
    /// `X-Forwarded-For`: addresses in a row, which is what most proxies write.
    #[default]
    XForwardedFor,
    /// `Forwarded` of RFC 7239.
    Forwarded,
}

/// The header is none, or says nonsense where a trusted proxy should have written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// What a proxy said about whom it heard from.
enum Hop {
    At(SocketAddr),
    /// It does not say.
    Hidden,
}

impl ForwardHeader {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "X-Forwarded-For",
            Self::Forwarded => "Forwarded",
        }
    }

    /// Who the client is: coming from `peer`, with these headers in their order. Each proxy has added to the
    /// end whom it heard from, so they are read from there, as long as who has added them is trusted. A
    /// proxy that does not say ends the search: the client is whoever was found until then.
    pub(crate) fn client<'a>(
        self,
        headers: impl DoubleEndedIterator<Item = &'a [u8]>,
        peer: SocketAddr,
        trusted: &Networks,
    ) -> Result<SocketAddr, Malformed> {
        let mut client = peer;
        for header in headers.rev() {
            let header = std::str::from_utf8(header).map_err(|_| Malformed)?;
            let hops = match self {
                Self::XForwardedFor => header.split(',').collect(),
                Self::Forwarded => split_outside_quotes(header, ',')?,
            };
            for hop in hops.into_iter().rev().map(str::trim) {
                if !trusted.contain(client.ip()) {
                    return Ok(client);
                }
                // RFC 9110: an empty element of a list is none.
                if hop.is_empty() {
                    continue;
                }
                match self.hop(hop)? {
                    Hop::At(address) => client = address,
                    Hop::Hidden => return Ok(client),
                }
            }
        }
        Ok(client)
    }

    fn hop(self, text: &str) -> Result<Hop, Malformed> {
        match self {
            Self::XForwardedFor => node(text),
            Self::Forwarded => {
                for pair in split_outside_quotes(text, ';')? {
                    let (name, value) = pair.split_once('=').ok_or(Malformed)?;
                    if name.trim().eq_ignore_ascii_case("for") {
                        return node(unquoted(value.trim())?);
                    }
                }
                Ok(Hop::Hidden)
            }
        }
    }
}

/// What a client can put into a quoted text cannot end it: a proxy that appends to what it was given makes
/// an odd number of quotes of it, never another hop.
fn split_outside_quotes(text: &str, at: char) -> Result<Vec<&str>, Malformed> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(|it| {
        let was_escaped = std::mem::take(&mut escaped);
        match it {
            _ if was_escaped => {}
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ => return it == at && !quoted,
        }
        false
    });
    let parts = parts.collect();
    if quoted { Err(Malformed) } else { Ok(parts) }
}

fn unquoted(text: &str) -> Result<&str, Malformed> {
    match text.strip_prefix('"') {
        Some(text) => text.strip_suffix('"').ok_or(Malformed),
        None => Ok(text),
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`; with a port that is not
/// told, `192.0.2.1:_p`; `unknown`, `_hidden`.
fn node(text: &str) -> Result<Hop, Malformed> {
    if text.eq_ignore_ascii_case("unknown") || text.starts_with('_') {
        return Ok(Hop::Hidden);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(Hop::At(address));
    }
    let text = text.split_once(":_").map_or(text, |(host, _)| host);
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let ip = bare.parse::<IpAddr>().map_err(|_| Malformed)?;
    Ok(Hop::At(SocketAddr::new(ip, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "10.0.0.1:4000";

    fn client(header: ForwardHeader, lines: &[&str]) -> Result<String, Malformed> {
        let trusted = Networks::new(["10.0.0.0/8", "fd00::/8"]).unwrap();
        let lines = lines.iter().map(|line| line.as_bytes());
        let client = header.client(lines, PEER.parse().unwrap(), &trusted);
        client.map(|client| client.to_string())
    }

    fn is(header: ForwardHeader, lines: &[&str], expected: &str) {
        assert_eq!(client(header, lines).as_deref(), Ok(expected), "{lines:?}");
    }

    #[test]
    fn the_client_is_the_last_that_no_trusted_proxy_is() {
        let x = ForwardHeader::XForwardedFor;
        is(x, &[], PEER);
        is(x, &[""], PEER);
        is(x, &["192.0.2.1"], "192.0.2.1:0");
        is(x, &["6.6.6.6, 192.0.2.1"], "192.0.2.1:0");
        is(x, &["garbage, 192.0.2.1, 10.0.0.2"], "192.0.2.1:0");
        is(
            x,
            &["6.6.6.6", "192.0.2.1,10.9.9.9 , fd00::7"],
            "192.0.2.1:0",
        );
        is(x, &["192.0.2.1", "10.0.0.2"], "192.0.2.1:0");
        // All are trusted: the first of them.
        is(x, &["10.0.0.3, 10.0.0.2"], "10.0.0.3:0");
        is(x, &["10.0.0.3, , 10.0.0.2,"], "10.0.0.3:0");
    }

    #[test]
    fn addresses_have_many_forms() {
        let x = ForwardHeader::XForwardedFor;
        is(x, &["192.0.2.1:81"], "192.0.2.1:81");
        is(x, &["2001:db8::1"], "[2001:db8::1]:0");
        is(x, &["[2001:db8::1]"], "[2001:db8::1]:0");
        is(x, &["[2001:db8::1]:81"], "[2001:db8::1]:81");
        let f = ForwardHeader::Forwarded;
        is(f, &["for=192.0.2.1"], "192.0.2.1:0");
        is(f, &["FOR = \"192.0.2.1:81\";proto=https"], "192.0.2.1:81");
        is(
            f,
            &["by=10.0.0.9; for=\"[2001:db8::1]:_p\""],
            "[2001:db8::1]:0",
        );
        is(
            f,
            &["for=6.6.6.6, for=192.0.2.1;host=a, for=10.0.0.2"],
            "192.0.2.1:0",
        );
    }

    #[test]
    fn who_is_hidden_stays_hidden_behind_the_proxy_that_hides_him() {
        is(ForwardHeader::XForwardedFor, &["6.6.6.6, unknown"], PEER);
        is(
            ForwardHeader::Forwarded,
            &["for=6.6.6.6, for=_secret, for=10.0.0.2"],
            "10.0.0.2:0",
        );
        is(
            ForwardHeader::Forwarded,
            &["for=6.6.6.6, proto=https"],
            PEER,
        );
    }

    #[test]
    fn what_a_trusted_proxy_cannot_have_written_is_refused() {
        for line in ["garbage", "192.0.2.1, 1.2.3", "for=192.0.2.1", "\u{e4}"] {
            let read = client(ForwardHeader::XForwardedFor, &[line]);
            assert_eq!(read, Err(Malformed), "{line}");
        }
        for line in [
            "192.0.2.1",
            "for",
            "for=",
            "for=\"192.0.2.1",
            "for=1.2.3.4\"\"5",
        ] {
            let read = client(ForwardHeader::Forwarded, &[line]);
            assert_eq!(read, Err(Malformed), "{line}");
        }
        let latin = b"\xe4".as_slice();
        let trusted = Networks::new(["10.0.0.0/8"]).unwrap();
        let peer = PEER.parse().unwrap();
        for header in [ForwardHeader::XForwardedFor, ForwardHeader::Forwarded] {
            let read = header.client([latin].into_iter(), peer, &trusted);
            assert_eq!(read, Err(Malformed));
        }
    }

    #[test]
    fn a_client_cannot_make_up_a_hop_within_quotes() {
        let f = ForwardHeader::Forwarded;
        // What the client calls its host is quoted by the proxy.
        is(
            f,
            &[r#"for=192.0.2.1;host="a, for=6.6.6.6""#],
            "192.0.2.1:0",
        );
        is(
            f,
            &[r#"for=192.0.2.1;host="a\", for=6.6.6.6;x=\"""#],
            "192.0.2.1:0",
        );
        is(f, &[r#"for=192.0.2.1;host="a;for=6.6.6.6""#], "192.0.2.1:0");
        // Or it leaves a quote open, and the proxy appends.
        for line in [
            r#"for="6.6.6.6, for=192.0.2.1"#,
            r#"for=6.6.6.6;x=", for="192.0.2.1:80""#,
            r#"for=6.6.6.6;x="\, for="192.0.2.1:80""#,
        ] {
            assert_eq!(client(f, &[line]), Err(Malformed), "{line}");
        }
    }
}
