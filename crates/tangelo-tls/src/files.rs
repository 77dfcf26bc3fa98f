//! PEM files.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::rustls::RootCertStore;

/// A file that does not hold what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", file.display())]
pub struct BadFile {
    file: PathBuf,
    reason: String,
}

impl BadFile {
    fn new(file: &Path, reason: &dyn fmt::Display) -> Self {
        Self {
            file: file.to_owned(),
            reason: reason.to_string(),
        }
    }
}

/// The certificates in a file, in their order.
///
/// # Errors
/// It cannot be read, or has none in it.
pub fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, BadFile> {
    let failed = |reason: &dyn fmt::Display| BadFile::new(file, reason);
    let read = CertificateDer::pem_file_iter(file).map_err(|error| failed(&error))?;
    let certificates: Vec<_> = read
        .collect::<Result<_, _>>()
        .map_err(|error| failed(&error))?;
    if certificates.is_empty() {
        return Err(failed(&"there is no certificate in it"));
    }
    Ok(certificates)
}

/// The first private key in a file.
///
/// # Errors
/// It cannot be read, or has none in it.
pub fn key(file: &Path) -> Result<PrivateKeyDer<'static>, BadFile> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| BadFile::new(file, &error))
}

/// The certificates in a file, as those of authorities that are trusted.
///
/// # Errors
/// It cannot be read, has none in it, or one that can be nobody's authority.
pub fn authorities(file: &Path) -> Result<RootCertStore, BadFile> {
    let mut known = RootCertStore::empty();
    for certificate in chain(file)? {
        known
            .add(certificate)
            .map_err(|error| BadFile::new(file, &error))?;
    }
    Ok(known)
}
