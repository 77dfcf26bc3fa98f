//! What a client comes back with: which session it had, and the proof that it was its own.

use std::fmt;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use subtle::{Choice, ConstantTimeEq};

use crate::SessionId;

const SID: usize = 8;
const SECRET: usize = 16;

/// What nobody can guess.
#[derive(Clone, Copy)]
pub(crate) struct Secret([u8; SECRET]);

impl Secret {
    /// One that nobody has; none if the system has no random numbers.
    pub(crate) fn new() -> Option<Self> {
        let mut secret = [0; SECRET];
        getrandom::fill(&mut secret).ok()?;
        Some(Self(secret))
    }
}

impl Secret {
    pub(crate) fn to_bytes(self) -> Bytes {
        Bytes::copy_from_slice(&self.0)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// What a client comes back with: which session it had, on which front end, and its secret. To the client
/// it is text without meaning.
pub(crate) struct Token {
    /// The upper half of the id tells the life of the front end.
    pub(crate) session: SessionId,
    pub(crate) secret: Secret,
    pub(crate) server_id: String,
}

impl Token {
    pub(crate) fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(SID + SECRET + self.server_id.len());
        bytes.extend_from_slice(&u64::from(self.session).to_be_bytes());
        bytes.extend_from_slice(&self.secret.0);
        bytes.extend_from_slice(self.server_id.as_bytes());
        BASE64URL_NOPAD.encode(&bytes)
    }

    pub(crate) fn decode(text: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (session, rest) = bytes.split_first_chunk::<SID>()?;
        let (secret, server_id) = rest.split_first_chunk::<SECRET>()?;
        Some(Self {
            session: u64::from_be_bytes(*session).into(),
            secret: Secret(*secret),
            server_id: String::from_utf8(server_id.to_vec()).ok()?,
        })
    }
}

/// Nothing of it: nobody shall find one in a log.
impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// The secrets that a session is resumed with now.
#[derive(Debug)]
pub(crate) struct Secrets {
    current: Secret,
    /// The client may never have heard of the current one.
    previous: Option<Secret>,
}

impl Secrets {
    pub(crate) fn new(current: Secret) -> Self {
        Self {
            current,
            previous: None,
        }
    }

    /// Whether it is one of these, found out in the same time whichever it is and however wrong.
    pub(crate) fn know(&self, secret: &Secret) -> bool {
        let is = |known: &Secret| known.0.ct_eq(&secret.0);
        let is_previous = self.previous.as_ref().map_or(Choice::from(0), is);
        (is(&self.current) | is_previous).into()
    }

    /// The client came back with `used`, and is given `next`: both are good until it has shown that it has
    /// the new one.
    pub(crate) fn replace(&mut self, used: Secret, next: Secret) {
        self.previous = Some(used);
        self.current = next;
    }

    /// The client has shown that it has the current one.
    pub(crate) fn settle(&mut self) {
        self.previous = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(server_id: &str) -> Token {
        Token {
            session: 7.into(),
            secret: Secret::new().unwrap(),
            server_id: server_id.to_owned(),
        }
    }

    #[test]
    fn a_token_is_read_as_it_was_written() {
        for server_id in ["", "connector-1", "café"] {
            let token = token(server_id);
            let text = token.encode();
            assert!(text.is_ascii());
            let read = Token::decode(&text).unwrap();
            assert_eq!((read.session, &*read.server_id), (7.into(), server_id));
            assert!(Secrets::new(token.secret).know(&read.secret));
        }
    }

    #[test]
    fn what_is_no_token_is_none() {
        let short = BASE64URL_NOPAD.encode(&[0; SID + SECRET - 1]);
        let text = BASE64URL_NOPAD.encode(&[0xff; SID + SECRET + 1]);
        for other in ["", "*", "AAAA=", &short, &text] {
            assert!(Token::decode(other).is_none(), "{other}");
        }
    }

    #[test]
    fn an_old_secret_is_good_until_the_new_one_was_shown() {
        let [first, second, third] = [(); 3].map(|()| Secret::new().unwrap());
        let mut secrets = Secrets::new(first);
        assert!(secrets.know(&first) && !secrets.know(&second));
        secrets.replace(first, second);
        assert!(secrets.know(&first) && secrets.know(&second));
        // It has not heard of the second one.
        secrets.replace(first, third);
        assert!(secrets.know(&first) && !secrets.know(&second) && secrets.know(&third));
        secrets.settle();
        assert!(!secrets.know(&first) && secrets.know(&third));
    }
}
