//! Who a client is, by a token it shows.
//!
//! A [`Verifier`] is shown a token and says whose it is. [`bearer`] asks a function of the application's;
//! `Jwt`, with the feature `jwt`, reads JSON Web Tokens. What the token came in (a handshake, a header of
//! HTTP) is not its business.

mod bearer;
#[cfg(feature = "jwt")]
mod jwt;
mod refused;
mod verified;

use std::{fmt, pin::Pin};

#[cfg(feature = "jwt")]
pub use self::jwt::{BadKey, Jwt};
pub use self::{
    bearer::{Bearer, bearer},
    refused::Refused,
    verified::Verified,
};

/// Says whose a token is.
pub trait Verifier: fmt::Debug + Send + Sync + 'static {
    /// Whose it is. It may be asked of anything that a stranger sends, as often as strangers like; whoever
    /// asks sets a deadline, and drops the future when that has passed.
    ///
    /// # Errors
    /// It is nobody's, it does not count any more, or that cannot be said now.
    fn verify<'a>(&'a self, token: &'a str) -> Verifying<'a>;
}

/// What a [`Verifier`] finds out.
pub type Verifying<'a> = Pin<Box<dyn Future<Output = Result<Verified, Refused>> + Send + 'a>>;
