//! What a krpc server promises to its clients, told by raw frames and by clients of ours.

mod access_log;
mod bad_input;
mod compression;
mod desk;
mod encryption;
mod exchanges;
mod failures;
mod flow;
mod layouts;
mod limits;
mod memory;
mod pushes;
mod queues;
mod starting;
mod stopping;
mod tls;
#[path = "../../../crates/tangelo-wire/tests/vectors/mod.rs"]
mod vectors;

use crate::log;

/// Bytes that krpc's own encoder or server wrote, by their name.
fn recorded(name: &str) -> Vec<u8> {
    vectors::named(vectors::krpc_frames(), name).bytes()
}
