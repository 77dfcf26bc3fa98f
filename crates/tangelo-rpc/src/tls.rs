//! TLS between clients and servers.

#[cfg(feature = "tls")]
mod rustls;
#[cfg(not(feature = "tls"))]
mod without;

#[cfg(feature = "tls")]
pub(crate) use rustls::{ClientTls, ServerTls, TlsStream};
#[cfg(not(feature = "tls"))]
pub(crate) use without::{ClientTls, ServerTls, TlsStream};
