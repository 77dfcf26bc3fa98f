//! Requests that nobody else can have sent.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderName, StatusCode};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::{Plugin, Refusal, Step, params::Params};
use crate::{Code, Exchange};

/// Lets requests in that are signed with a secret, are new, and have not been here before.
///
/// `X-Signature` is HMAC-SHA-256, in hexadecimal digits, of seven lines with a line feed between them: the method, the
/// path and the query as they are sent, `X-App-Id`, `X-Timestamp` (seconds since 1970), `X-Nonce` (8 to 64 letters,
/// digits, `-`, `_`), and SHA-256 of the body in lower hexadecimal digits.
pub(super) struct Signature {
    secrets: HashMap<String, Vec<u8>>,
    /// How far a client's clock may be from ours.
    window: Duration,
    /// The parameter that services have the id as; none if they do not.
    id_field: Option<String>,
    seen: Mutex<Seen>,
}

/// What has been here, for as long as it could come again.
#[derive(Debug)]
struct Seen {
    known: HashSet<(String, String), foldhash::fast::RandomState>,
    /// In the order they came, with when they can be forgotten.
    order: VecDeque<(Instant, (String, String))>,
    time: Duration,
    most: usize,
}

/// Why a request is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wrong {
    Missing(Vec<&'static str>),
    Clock,
    Signature,
    Again,
    TooMany,
}

const APP_ID: HeaderName = HeaderName::from_static("x-app-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-timestamp");
const NONCE: HeaderName = HeaderName::from_static("x-nonce");
const SIGNATURE: HeaderName = HeaderName::from_static("x-signature");

/// Bytes of the shortest secret.
const SHORTEST: usize = 16;

/// What is signed.
#[derive(Clone, Copy, Debug)]
struct Signed<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    id: &'a str,
    timestamp: &'a str,
    nonce: &'a str,
    content: &'a [u8],
}

impl Signature {
    pub(super) fn new(params: &str) -> Result<Self, String> {
        let mut params = Params::read(params)?;
        let mut secrets = HashMap::new();
        let keys = params.take("keys").unwrap_or_default().split(',');
        for key in keys.map(str::trim).filter(|key| !key.is_empty()) {
            add(
                &mut secrets,
                key.split_once(':'),
                "keys: expected id:secret",
            )?;
        }
        if let Some(path) = params.take("keyFile") {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("keyFile: {path}: {error}"))?;
            let lines = text.lines().map(str::trim);
            for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
                add(
                    &mut secrets,
                    line.split_once('='),
                    "keyFile: expected id=secret",
                )?;
            }
        }
        if secrets.is_empty() {
            return Err("params: keys or keyFile is missing".to_owned());
        }
        let window = Duration::from_secs(u64::from(params.number("window", 300)?));
        let most = params.number("nonces", 100_000)? as usize;
        let id_field = params.take("idField").map(str::to_owned);
        params.end()?;
        Ok(Self {
            secrets,
            window,
            id_field,
            seen: Mutex::new(Seen {
                known: HashSet::default(),
                order: VecDeque::new(),
                // From the earliest time that it is good at to the latest.
                time: 2 * window,
                most,
            }),
        })
    }

    fn check(
        &self,
        signed: Signed<'_>,
        signature: &str,
        clock: SystemTime,
        now: Instant,
    ) -> Result<(), Wrong> {
        let since = clock.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = signed.timestamp.parse().map_err(|_| Wrong::Clock)?;
        let then = Duration::from_secs(seconds);
        if since.abs_diff(then) > self.window {
            return Err(Wrong::Clock);
        }
        let tag = HEXLOWER_PERMISSIVE.decode(signature.as_bytes());
        let tag = tag.map_err(|_| Wrong::Signature)?;
        // For an id that there is not, a secret of nobody's: it takes as long.
        let (secret, is_known) = match self.secrets.get(signed.id) {
            Some(secret) => (secret.as_slice(), true),
            None => (&[0; SHORTEST][..], false),
        };
        let mac = signed.mac(secret).ok_or(Wrong::Signature)?;
        // It takes the same time however much of it is right.
        let is_right = mac.verify_slice(&tag).is_ok();
        if !is_right || !is_known {
            return Err(Wrong::Signature);
        }
        self.seen.lock().add(signed.id, signed.nonce, now)
    }
}

fn add(
    secrets: &mut HashMap<String, Vec<u8>>,
    pair: Option<(&str, &str)>,
    expected: &str,
) -> Result<(), String> {
    let (id, secret) = pair.ok_or(expected)?;
    let (id, secret) = (id.trim(), secret.trim());
    if secret.len() < SHORTEST {
        return Err(format!(
            "the secret of `{id}` has less than {SHORTEST} letters"
        ));
    }
    match secrets.insert(id.to_owned(), secret.into()) {
        Some(_) => Err(format!("there are two secrets of `{id}`")),
        None => Ok(()),
    }
}

impl Signed<'_> {
    fn mac(&self, secret: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
        let content = HEXLOWER.encode(&Sha256::digest(self.content));
        let lines = [
            self.method,
            self.path,
            self.query,
            self.id,
            self.timestamp,
            self.nonce,
            &content,
        ];
        mac.update(lines.join("\n").as_bytes());
        Some(mac)
    }
}

impl Seen {
    fn add(&mut self, id: &str, nonce: &str, now: Instant) -> Result<(), Wrong> {
        while let Some((until, _)) = self.order.front()
            && *until <= now
        {
            if let Some((_, key)) = self.order.pop_front() {
                self.known.remove(&key);
            }
        }
        let key = (id.to_owned(), nonce.to_owned());
        if self.known.contains(&key) {
            return Err(Wrong::Again);
        }
        // To forget one would let it in again.
        if self.known.len() >= self.most {
            return Err(Wrong::TooMany);
        }
        self.known.insert(key.clone());
        self.order.push_back((now + self.time, key));
        Ok(())
    }
}

impl Plugin for Signature {
    fn before_parse<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let checked = read(exchange).and_then(|(signed, signature)| {
            self.check(signed, signature, SystemTime::now(), Instant::now())?;
            Ok(signed.id.to_owned())
        });
        match checked {
            Ok(id) => {
                if let Some(field) = &self.id_field {
                    exchange.set_parameter(field, id);
                }
                Step::Next
            }
            Err(wrong) => Step::Refuse(wrong.into()),
        }
    }
}

/// What a request has of it.
fn read(exchange: &Exchange) -> Result<(Signed<'_>, &str), Wrong> {
    let header = |name: HeaderName| {
        let mut values = exchange.headers().get_all(name).into_iter();
        let (value, None) = (values.next(), values.next()) else {
            return None;
        };
        let value = value.and_then(|value| value.to_str().ok());
        value.filter(|value| !value.is_empty())
    };
    let is_nonce = |nonce: &&str| {
        (8..=64).contains(&nonce.len())
            && nonce
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let (id, timestamp) = (header(APP_ID), header(TIMESTAMP));
    let (nonce, signature) = (header(NONCE).filter(is_nonce), header(SIGNATURE));
    let in_one_part = exchange.parts.is_none().then_some("");
    let (Some(id), Some(timestamp), Some(nonce), Some(signature), Some(_)) =
        (id, timestamp, nonce, signature, in_one_part)
    else {
        let needed = [
            (id, "X-App-Id"),
            (timestamp, "X-Timestamp"),
            (nonce, "X-Nonce of 8 to 64 letters, digits, - and _"),
            (signature, "X-Signature"),
            (in_one_part, "a body in one part"),
        ];
        let missing = needed.into_iter().filter(|(found, _)| found.is_none());
        return Err(Wrong::Missing(missing.map(|(_, words)| words).collect()));
    };
    let signed = Signed {
        method: exchange.method().as_str(),
        path: exchange.path(),
        query: exchange.query().unwrap_or_default(),
        id,
        timestamp,
        nonce,
        content: exchange.content(),
    };
    Ok((signed, signature))
}

impl From<Wrong> for Refusal {
    fn from(wrong: Wrong) -> Self {
        let words = match &wrong {
            Wrong::Missing(what) => format!("a signed request needs {}", what.join(", ")),
            Wrong::Clock => "the timestamp is not of now".to_owned(),
            Wrong::Signature => "the signature is wrong".to_owned(),
            Wrong::Again => "this request was here before".to_owned(),
            Wrong::TooMany => "too many signed requests".to_owned(),
        };
        let status = match wrong {
            Wrong::TooMany => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        };
        Self::new(Code::FORBIDDEN.0, words).status(status)
    }
}

/// Without secrets.
impl fmt::Debug for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Signature")
            .field("ids", &self.secrets.keys())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    const SIGNED: Signed<'_> = Signed {
        method: "POST",
        path: "/echo",
        query: "a=1",
        id: "app1",
        timestamp: "1700000000",
        nonce: "abcdefgh12345678",
        content: b"{\"text\":\"a\"}",
    };

    /// Of those lines, by Python's hmac.
    const TAG: &str = "f18d79a67fb00fc9c88fda1db0899c40e4f7b27619235981146a4d2ec8bbab57";

    fn plugin() -> Signature {
        Signature::new(&format!(
            "keys=app1:{SECRET},app2:{SECRET};window=300;nonces=2"
        ))
        .unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    const NOW: u64 = 1_700_000_000;

    #[test]
    fn the_signature_is_the_hmac_of_seven_lines() {
        let now = Instant::now();
        assert_eq!(plugin().check(SIGNED, TAG, at(NOW), now), Ok(()));
        let upper = TAG.to_uppercase();
        assert_eq!(plugin().check(SIGNED, &upper, at(NOW), now), Ok(()));
        let others = [
            Signed {
                method: "GET",
                ..SIGNED
            },
            Signed {
                path: "/echo/",
                ..SIGNED
            },
            Signed {
                query: "a=2",
                ..SIGNED
            },
            Signed {
                id: "app2",
                ..SIGNED
            },
            Signed {
                id: "app3",
                ..SIGNED
            },
            Signed {
                timestamp: "1700000001",
                ..SIGNED
            },
            Signed {
                nonce: "abcdefgh12345679",
                ..SIGNED
            },
            Signed {
                content: b"{}",
                ..SIGNED
            },
        ];
        for other in others {
            let said = plugin().check(other, TAG, at(NOW), now);
            assert_eq!(said, Err(Wrong::Signature), "{other:?}");
        }
        for tag in ["", "00", "zz", &TAG[..62], &format!("{TAG}00")] {
            let said = plugin().check(SIGNED, tag, at(NOW), now);
            assert_eq!(said, Err(Wrong::Signature), "{tag}");
        }
    }

    #[test]
    fn a_request_is_good_for_as_long_as_the_window_is_and_once() {
        let start = Instant::now();
        for (clock, said) in [
            (NOW - 300, Ok(())),
            (NOW + 300, Ok(())),
            (NOW - 301, Err(Wrong::Clock)),
            (NOW + 301, Err(Wrong::Clock)),
        ] {
            assert_eq!(
                plugin().check(SIGNED, TAG, at(clock), start),
                said,
                "{clock}"
            );
        }
        let plugin = plugin();
        assert_eq!(plugin.check(SIGNED, TAG, at(NOW - 300), start), Ok(()));
        // The last moment it is good at.
        let last = start + Duration::from_secs(599);
        let said = plugin.check(SIGNED, TAG, at(NOW + 299), last);
        assert_eq!(said, Err(Wrong::Again));
    }

    #[test]
    fn no_more_are_remembered_than_are_to_be_and_none_is_forgotten_early() {
        let plugin = plugin();
        let mut seen = plugin.seen.lock();
        let start = Instant::now();
        let later = start + Duration::from_secs(600);
        assert_eq!(seen.add("a", "1", start), Ok(()));
        assert_eq!(seen.add("b", "1", start), Ok(()));
        assert_eq!(seen.add("a", "1", start), Err(Wrong::Again));
        assert_eq!(seen.add("a", "2", start), Err(Wrong::TooMany));
        assert_eq!(seen.add("a", "2", later), Ok(()));
        assert_eq!((seen.known.len(), seen.order.len()), (1, 1));
    }

    #[test]
    fn what_is_no_key_is_a_mistake() {
        let mistake = |params: &str| Signature::new(params).unwrap_err();
        assert_eq!(mistake(""), "params: keys or keyFile is missing");
        assert_eq!(mistake("keys=a"), "keys: expected id:secret");
        assert_eq!(
            mistake("keys=a:short"),
            "the secret of `a` has less than 16 letters"
        );
        let twice = mistake(&format!("keys=a:{SECRET},a:{SECRET}"));
        assert_eq!(twice, "there are two secrets of `a`");
        assert!(mistake("keyFile=/does/not/exist").starts_with("keyFile: /does/not/exist: "));
        assert!(!format!("{:?}", plugin()).contains(SECRET));
    }
}
