//! Calls between servers over krpc.
//!
//! * [`Service`] is what everything that answers is: `call(Request) -> Result<Reply, Status>`.
//! * [`Connection`] is one krpc connection; both sides may ask over it.
//! * [`Acceptor`] lets other servers in and answers them from a table of [`Services`].
//! * [`Cluster`] keeps connections to the servers a registry names; a [`Remote`] is one of them.
//! * [`link`] is the little that Tangelo's servers say to each other about the connection itself.

mod acceptor;
mod cluster;
mod connection;
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
#[rustfmt::skip]
mod generated {
    #[path = "tangelo.link.rs"]
    pub mod tangelo_link;
}
pub mod link;
mod service;
mod services;
mod status;

pub use acceptor::Acceptor;
pub use cluster::{Cluster, Remote};
pub use connection::{Connection, Limits, Sequence, Waiter};
pub use service::{Answer, Definition, Encoding, Message, Reply, Request, Service};
pub use services::Services;
pub use status::{Code, Reason, Status};

#[doc(hidden)]
pub mod codegen;
