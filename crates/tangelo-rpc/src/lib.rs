//! Calls between servers over krpc.
//!
//! * [`Service`] is what everything that answers is: `call(Request) -> Result<Reply, Status>`.
//! * [`Connection`] is one krpc connection; both sides may ask over it.
//! * [`Acceptor`] lets other servers in and answers them from a table of [`Services`].
//! * [`Cluster`] keeps connections to the servers a registry names; a [`Remote`] is one of them.
//! * [`link`] is the little that Tangelo's servers say to each other about the connection itself.
//! * [`server`] is how many calls run, wait and are allowed, and the words for codes;
//!   [`access_log`] writes a line for each of them.

mod acceptor;
pub mod access_log;
mod call;
pub mod client;
mod cluster;
mod codec;
pub mod config;
mod connection;
mod definition;
mod due;
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
#[rustfmt::skip]
mod generated {
    #[path = "tangelo.link.rs"]
    pub mod tangelo_link;
}
mod home;
pub mod link;
mod listener;
mod log_call;
mod policy;
pub mod server;
mod server_context;
mod service;
mod services;
mod status;
mod tls;
mod trace;
pub mod tracer;

pub use acceptor::Acceptor;
pub use call::{Call, Caller, Started};
pub use cluster::{Cluster, Dialers, Remote};
pub use codec::{Codec, CodecError, Codecs};
pub use connection::{Connection, Key, Limits, Sequence, Waiter};
pub use definition::{Definition, Message, Method};
pub use due::Due;
pub use home::Home;
pub use listener::ConnectionListener;
pub use server_context::ServerContext;
pub use service::{Answer, Begun, Encoding, Head, Headers, Reply, Request, Service};
pub use services::Services;
pub use status::{Code, Reason, Status};
pub use trace::Trace;
pub use tracer::{Tracer, W3c};

#[doc(hidden)]
pub mod codegen;
