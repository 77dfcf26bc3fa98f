//! JSON Web Tokens.

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind};
use serde_json::{Map, Value};

use crate::{Refused, Verified, Verifier, Verifying};

/// Bytes of a secret at least: as many as its hash has (RFC 7518, 3.2). A shorter one can be guessed from a
/// single token.
const LEAST_SECRET: usize = 32;

/// In the first line of a private key.
const PRIVATE: &[u8] = b"PRIVATE KEY";

/// Reads JSON Web Tokens. A token has to be signed by this one algorithm with this one key, whatever its
/// header says; it has to have an `exp` that is not past, and an `nbf`, where it has one, that is.
///
/// A token with an `aud` is refused unless [`audience`](Self::audience) names it; one whose header has a
/// `crit` always is.
#[derive(Clone)]
pub struct Jwt {
    algorithm: Algorithm,
    key: DecodingKey,
    validation: Validation,
    uid: String,
}

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadKey {
    /// A secret that can be guessed.
    #[error("a secret of {0} bytes, fewer than {LEAST_SECRET}")]
    Short(usize),
    /// Everybody knows a public key, so that everybody could sign with it as a secret.
    #[error("the secret is a PEM file")]
    SecretIsPem,
    /// Not PEM, or not the public key of this algorithm.
    #[error("no public key for {algorithm}: {problem}")]
    Unusable {
        /// The algorithm's name.
        algorithm: &'static str,
        /// What is wrong.
        problem: String,
    },
}

impl Jwt {
    /// Tokens signed with a secret by HS256 (HMAC with SHA-256).
    ///
    /// # Errors
    /// The secret has fewer than 32 bytes, or is a PEM file.
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, BadKey> {
        let secret = secret.as_ref();
        if secret.trim_ascii_start().starts_with(b"-----BEGIN") {
            return Err(BadKey::SecretIsPem);
        }
        if secret.len() < LEAST_SECRET {
            return Err(BadKey::Short(secret.len()));
        }
        Ok(Self::new(
            Algorithm::HS256,
            DecodingKey::from_secret(secret),
        ))
    }

    /// Tokens signed by RS256 (RSA with SHA-256); the public key in PEM.
    ///
    /// # Errors
    /// It is none.
    pub fn rs256(pem: impl AsRef<[u8]>) -> Result<Self, BadKey> {
        Self::public(
            Algorithm::RS256,
            "RS256",
            pem.as_ref(),
            DecodingKey::from_rsa_pem,
        )
    }

    /// Tokens signed by ES256 (ECDSA on P-256 with SHA-256); the public key in PEM.
    ///
    /// # Errors
    /// It is none.
    pub fn es256(pem: impl AsRef<[u8]>) -> Result<Self, BadKey> {
        Self::public(
            Algorithm::ES256,
            "ES256",
            pem.as_ref(),
            DecodingKey::from_ec_pem,
        )
    }

    /// Tokens signed by `EdDSA` with Ed25519; the public key in PEM.
    ///
    /// # Errors
    /// It is none.
    pub fn ed25519(pem: impl AsRef<[u8]>) -> Result<Self, BadKey> {
        Self::public(
            Algorithm::EdDSA,
            "EdDSA",
            pem.as_ref(),
            DecodingKey::from_ed_pem,
        )
    }

    /// Tokens have to be for this audience: its name is their `aud`, or is in it. Said again, any of them
    /// will do. Default: for nobody in particular.
    #[must_use]
    pub fn audience(mut self, name: impl Into<String>) -> Self {
        let names = self.validation.aud.get_or_insert_default();
        names.insert(name.into());
        self.requires("aud")
    }

    /// Tokens have to be from this issuer: its name is their `iss`. Said again, any of them will do. Default:
    /// from whoever has the key.
    #[must_use]
    pub fn issuer(mut self, name: impl Into<String>) -> Self {
        let names = self.validation.iss.get_or_insert_default();
        names.insert(name.into());
        self.requires("iss")
    }

    /// How far clocks may be apart: `exp` and `nbf` count so much later and earlier. Default 60 s.
    #[must_use]
    pub fn leeway(mut self, seconds: u16) -> Self {
        self.validation.leeway = seconds.into();
        self
    }

    /// The claim that is the user's id, text or a whole number. Default `sub`.
    #[must_use]
    pub fn uid_claim(mut self, name: impl Into<String>) -> Self {
        self.uid = name.into();
        self
    }

    fn public(
        algorithm: Algorithm,
        name: &'static str,
        pem: &[u8],
        read: impl FnOnce(&[u8]) -> Result<DecodingKey, jsonwebtoken::errors::Error>,
    ) -> Result<Self, BadKey> {
        let unusable = |problem: String| BadKey::Unusable {
            algorithm: name,
            problem,
        };
        if pem.windows(PRIVATE.len()).any(|words| words == PRIVATE) {
            return Err(unusable("a private key".to_owned()));
        }
        let key = read(pem).map_err(|error| unusable(error.to_string()))?;
        // What is no key is found out now rather than by the first client.
        jsonwebtoken::crypto::verify("", b"", &key, algorithm)
            .map_err(|error| unusable(error.to_string()))?;
        Ok(Self::new(algorithm, key))
    }

    fn new(algorithm: Algorithm, key: DecodingKey) -> Self {
        let mut validation = Validation::new(algorithm);
        validation.validate_nbf = true;
        Self {
            algorithm,
            key,
            validation,
            uid: "sub".to_owned(),
        }
    }

    fn requires(mut self, claim: &str) -> Self {
        self.validation
            .required_spec_claims
            .insert(claim.to_owned());
        self
    }

    fn read(&self, token: &str) -> Result<Verified, Refused> {
        type Claims = Map<String, Value>;
        let read = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation);
        let read = read.map_err(|error| refused(&error))?;
        if read.header.crit.is_some() {
            // Whoever made it insists on what is not understood here.
            return Err(Refused::unauthorized("token not understood").because("it has a `crit`"));
        }
        let claims = read.claims;
        let uid = match claims.get(&self.uid) {
            Some(Value::String(uid)) if !uid.is_empty() => uid.clone(),
            Some(Value::Number(uid)) if uid.is_i64() || uid.is_u64() => uid.to_string(),
            _ => {
                let why = format!("it has no `{}`", self.uid);
                return Err(Refused::unauthorized("token names no user").because(why));
            }
        };
        Ok(Verified { uid, claims })
    }
}

/// What its owner is told: what could be mended by another token, and else no more than that it is none.
fn refused(error: &jsonwebtoken::errors::Error) -> Refused {
    let message = match error.kind() {
        ErrorKind::ExpiredSignature => "token expired",
        ErrorKind::ImmatureSignature => "token not valid yet",
        ErrorKind::InvalidAudience => "token is for somebody else",
        ErrorKind::InvalidIssuer => "token is from somebody else",
        ErrorKind::MissingRequiredClaim(_) => "token lacks a claim",
        _ => "token invalid",
    };
    Refused::unauthorized(message).because(error.to_string())
}

impl Verifier for Jwt {
    fn verify<'a>(&'a self, token: &'a str) -> Verifying<'a> {
        Box::pin(std::future::ready(self.read(token)))
    }
}

/// Without the key.
impl fmt::Debug for Jwt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Jwt")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
