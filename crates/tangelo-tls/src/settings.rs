//! Settings of clients and servers, with ring's cryptography and the versions that are safe.

use std::sync::Arc;

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{
    ClientConfig, Error, RootCertStore, ServerConfig, crypto::ring, server::WebPkiClientVerifier,
};

/// A chain of certificates, and the key to the first of them.
pub type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// A client that trusts these authorities, and shows who it is if it has something to show.
///
/// # Errors
/// Certificate and key do not belong together.
pub fn client(trusted: RootCertStore, identity: Option<Identity>) -> Result<ClientConfig, Error> {
    let trusting = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(trusted);
    match identity {
        Some((chain, key)) => trusting.with_client_auth_cert(chain, key),
        None => Ok(trusting.with_no_client_auth()),
    }
}

/// A server of this certificate. Where `clients` names authorities, only clients known to one of them
/// get through.
///
/// # Errors
/// Certificate and key do not belong together, or `clients` is empty.
pub fn server(identity: Identity, clients: Option<RootCertStore>) -> Result<ServerConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let versions = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let asking = match clients {
        None => versions.with_no_client_auth(),
        Some(known) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(known), provider).build();
            let verifier = verifier.map_err(|error| Error::General(error.to_string()))?;
            versions.with_client_cert_verifier(verifier)
        }
    };
    let (chain, key) = identity;
    asking.with_single_cert(chain, key)
}
