//! Filters that are there already. Each is added with [`Blueprint::filter`](crate::Blueprint::filter) or, for
//! all that a front end's clients request,
//! [`Blueprint::global_filter`](crate::Blueprint::global_filter).
//!
//! They run in the order they are added, so what refuses stands before what waits: [`TooBusy`], then
//! [`RateLimit`], then [`Serial`].
//!
//! | filter | does | refuses with |
//! |---|---|---|
//! | [`Serial`] | one request of a session after the other | |
//! | [`Timeout`] | a warning when a request takes long | |
//! | [`Time`] | a line for each request, with the time it took | |
//! | [`TooBusy`] | as little as possible while the server lags | 503 |
//! | [`RateLimit`] | so many requests in a time, of a session, user or address | 429 |

mod rate_limit;
mod serial;
mod time;
mod timeout;
mod too_busy;

pub(crate) use self::time::milliseconds;
pub use self::{
    rate_limit::RateLimit, serial::Serial, time::Time, timeout::Timeout, too_busy::TooBusy,
};
