//! TLS by rustls, with certificates from PEM files.
//!
//! * [`chain`], [`key`] and [`authorities`] read files.
//! * [`client`] and [`server`] make settings of what they hold.
//! * [`Certificate`] is a server's certificate that may be exchanged while the server runs.

mod certificate;
mod files;
mod settings;

pub use certificate::{BadCertificate, Certificate};
pub use files::{BadFile, authorities, chain, key};
pub use settings::{Identity, client, server};
