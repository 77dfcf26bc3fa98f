//! krpc's protocol between servers: a [frame] is a header, a [meta](meta::Meta) and a body.
//!
//! The meta has one of two [layouts](layout::Layout) and may carry a [trace](trace::Trace); the body may be
//! [compressed](compress) or [encrypted](encrypt).

pub mod compress;
pub mod encrypt;
mod fields;
pub mod frame;
pub mod layout;
pub mod meta;
pub mod trace;
