//! Tokens that the application knows.

use std::{fmt, pin::Pin};

use crate::{Refused, Verified, Verifier, Verifying};

/// Tokens that the application knows; see [`bearer`].
pub struct Bearer(Ask);

type Ask = Box<dyn Fn(String) -> Asking + Send + Sync>;
type Asking = Pin<Box<dyn Future<Output = Result<Verified, Refused>> + Send>>;

/// Asks this function whose a token is: it looks it up, in a database perhaps, and answers with the user's
/// id, or with a [`Verified`] that says more.
///
/// It is called for whatever strangers send. Whoever asks has a deadline; the future is dropped then.
pub fn bearer<F, Fut, U, E>(verify: F) -> Bearer
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<U, E>> + Send + 'static,
    U: Into<Verified>,
    E: Into<Refused>,
{
    Bearer(Box::new(move |token| {
        let verifying = verify(token);
        Box::pin(async move { verifying.await.map(Into::into).map_err(Into::into) })
    }))
}

impl Verifier for Bearer {
    fn verify<'a>(&'a self, token: &'a str) -> Verifying<'a> {
        (self.0)(token.to_owned())
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Bearer")
    }
}
