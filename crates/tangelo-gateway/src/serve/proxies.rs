//! Who the client is.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

use crate::Client;

/// The proxies that are believed when they say whom they speak for.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies(pub(super) Vec<IpNet>);

impl Proxies {
    fn believe(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Who has sent a request with these headers over a connection from `peer`.
    pub(super) fn client(&self, peer: SocketAddr, safe: bool, headers: &HeaderMap) -> Client {
        let mut client = Client {
            peer,
            address: peer.ip(),
            secure: safe,
        };
        if self.0.is_empty() || !self.believe(peer.ip()) {
            return client;
        }
        // Each proxy adds whom it has heard it from at the end. What stands before a stranger's is the stranger's.
        let lines = headers.get_all("x-forwarded-for").into_iter().rev();
        let texts = lines.map(|line| line.to_str().unwrap_or_default());
        for said in texts.flat_map(|text| text.rsplit(',')) {
            let Ok(address) = said.trim().parse::<IpAddr>() else {
                break;
            };
            client.address = address.to_canonical();
            if !self.believe(client.address) {
                break;
            }
        }
        if let Some(scheme) = headers.get("x-forwarded-proto") {
            client.secure = scheme.as_bytes().eq_ignore_ascii_case(b"https");
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(peer: &str, lines: &[(&'static str, &str)]) -> (String, bool) {
        let proxies = Proxies(vec!["10.0.0.0/8".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let client = proxies.client(SocketAddr::new(peer.parse().unwrap(), 1), false, &headers);
        (client.address.to_string(), client.secure)
    }

    #[test]
    fn only_a_proxy_that_is_believed_speaks_for_others() {
        let said = [
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
        ];
        assert_eq!(client("10.1.1.1", &said), ("1.2.3.4".to_owned(), true));
        assert_eq!(client("8.8.8.8", &said), ("8.8.8.8".to_owned(), false));
        assert_eq!(client("10.1.1.1", &[]), ("10.1.1.1".to_owned(), false));
    }

    #[test]
    fn what_a_client_makes_up_before_its_proxy_speaks_does_not_count() {
        let said = [("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.2.2.2")];
        assert_eq!(client("10.1.1.1", &said).0, "1.2.3.4");
        let said = [
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-for", "1.2.3.4"),
        ];
        assert_eq!(client("10.1.1.1", &said).0, "1.2.3.4");
        let said = [("x-forwarded-for", "6.6.6.6, junk")];
        assert_eq!(client("10.1.1.1", &said).0, "10.1.1.1");
    }
}
