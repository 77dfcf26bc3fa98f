//! Bytes to packets and back, for the protocols Tangelo speaks.
//!
//! * [`pomelo`]: what clients speak: packages, messages, the handshake, JSON text.
//! * [`socketio`]: what clients of socket.io speak, and how Pomelo's write into it.
//! * [`krpc`]: what servers speak between each other: frames, their meta and trace, and how
//!   bodies are compressed and encrypted.
//!
//! Everything here is pure: no socket, no clock, no task. A decoder takes what has arrived and says
//! one of three things: here is a whole unit, more bytes are needed, or this peer does not speak the
//! protocol (an error, upon which the connection it came from is closed).

pub mod krpc;
pub mod pomelo;
pub mod socketio;
mod varint;
mod zlib;
