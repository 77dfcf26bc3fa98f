//! What is decided about a call: rules without I/O and timers, told the time by whoever asks.
//!
//! On the calling side where it goes ([`node`], [`balance`], [`breaker`], [`route`]), whether it is tried
//! again ([`retry`]), and what is answered when nobody is there ([`fallback`]). On the answering side how
//! many there may be at once ([`executor`], [`execute`]) and in a time ([`flow`]), and the words for how
//! they end ([`error_texts`]).

pub mod balance;
pub mod breaker;
pub(crate) mod error_texts;
pub(crate) mod execute;
pub(crate) mod executor;
pub mod expression;
pub mod fallback;
pub(crate) mod flow;
pub mod node;
mod outcome;
mod pattern;
pub mod retry;
pub mod route;
mod window;
