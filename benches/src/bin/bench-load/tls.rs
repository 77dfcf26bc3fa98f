//! TLS, as a client that knows the server's certificate.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Trusts the certificate of this file alone.
pub(crate) fn trusting(certificate: &Path) -> io::Result<TlsConnector> {
    let certificate = CertificateDer::from_pem_file(certificate).map_err(io::Error::other)?;
    let mut trusted = RootCertStore::empty();
    trusted.add(certificate).map_err(io::Error::other)?;
    let config = ClientConfig::builder()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
