//! krpc's protocol between servers: a [frame] is a header, a [meta](meta::Meta) and a body.

pub mod frame;
pub mod meta;
