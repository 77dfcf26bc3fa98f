//! TLS by rustls, with certificates from PEM files.

use std::{fmt, io, sync::Arc};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor, TlsConnector, client, rustls,
    rustls::{RootCertStore, crypto::ring, server::WebPkiClientVerifier},
    server,
};

use crate::config::{ClientConfig, ServerConfig};

/// A server's side of a safe connection.
pub(crate) type TlsStream = server::TlsStream<TcpStream>;

/// How a client makes its connections safe.
#[derive(Clone)]
pub(crate) struct ClientTls {
    connector: TlsConnector,
    name: Option<ServerName<'static>>,
}

/// How a server does.
#[derive(Clone)]
pub(crate) struct ServerTls(TlsAcceptor);

impl ClientTls {
    /// None if the settings ask for no TLS.
    pub(crate) fn load(config: &ClientConfig) -> Result<Option<Self>, String> {
        if config.tls_ca.is_empty() {
            let others = [&config.tls_cert, &config.tls_key, &config.tls_server_name];
            return if others.iter().all(|key| key.is_empty()) {
                Ok(None)
            } else {
                Err("tls_ca is missing: the authorities that servers are trusted by".to_owned())
            };
        }
        let versions =
            rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions();
        let trusting = versions
            .map_err(|error| error.to_string())?
            .with_root_certificates(authorities("tls_ca", &config.tls_ca)?);
        let settings = if config.tls_cert.is_empty() && config.tls_key.is_empty() {
            trusting.with_no_client_auth()
        } else {
            let (chain, key) = identity(&config.tls_cert, &config.tls_key)?;
            let known = trusting.with_client_auth_cert(chain, key);
            known.map_err(|error| format!("tls_cert: {error}"))?
        };
        let name = match config.tls_server_name.as_str() {
            "" => None,
            name => {
                let name = ServerName::try_from(name.to_owned());
                Some(name.map_err(|error| format!("tls_server_name: {error}"))?)
            }
        };
        let connector = TlsConnector::from(Arc::new(settings));
        Ok(Some(Self { connector, name }))
    }

    /// Makes a connection to `address`, `host:port`, safe.
    pub(crate) async fn connect(
        &self,
        address: &str,
        stream: TcpStream,
    ) -> io::Result<client::TlsStream<TcpStream>> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => {
                let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
                let host = host.trim_matches(['[', ']']).to_owned();
                ServerName::try_from(host).map_err(io::Error::other)?
            }
        };
        self.connector.connect(name, stream).await
    }
}

impl ServerTls {
    /// None if the settings ask for no TLS.
    pub(crate) fn load(config: &ServerConfig) -> Result<Option<Self>, String> {
        if config.tls_cert.is_empty() && config.tls_key.is_empty() {
            return if config.tls_client_ca.is_empty() {
                Ok(None)
            } else {
                Err("tls_cert is missing, and tls_key: tls_client_ca alone is no TLS".to_owned())
            };
        }
        let provider = Arc::new(ring::default_provider());
        let versions = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let asking = if config.tls_client_ca.is_empty() {
            versions.with_no_client_auth()
        } else {
            let known = Arc::new(authorities("tls_client_ca", &config.tls_client_ca)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(known, provider).build();
            versions.with_client_cert_verifier(
                verifier.map_err(|error| format!("tls_client_ca: {error}"))?,
            )
        };
        let (chain, key) = identity(&config.tls_cert, &config.tls_key)?;
        let settings = asking.with_single_cert(chain, key);
        let settings = settings.map_err(|error| format!("tls_cert: {error}"))?;
        Ok(Some(Self(TlsAcceptor::from(Arc::new(settings)))))
    }

    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream> {
        self.0.accept(stream).await
    }
}

fn authorities(key: &str, file: &str) -> Result<RootCertStore, String> {
    let mut known = RootCertStore::empty();
    for certificate in certificates(key, file)? {
        known
            .add(certificate)
            .map_err(|error| format!("{key}: {file}: {error}"))?;
    }
    Ok(known)
}

fn certificates(key: &str, file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{key}: {file}: {error}");
    let read = CertificateDer::pem_file_iter(file).map_err(|error| failed(&error))?;
    let certificates: Vec<_> = read
        .collect::<Result<_, _>>()
        .map_err(|error| failed(&error))?;
    if certificates.is_empty() {
        return Err(failed(&"there is no certificate in it"));
    }
    Ok(certificates)
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(certificate: &str, key: &str) -> Result<Identity, String> {
    for (name, file) in [("tls_cert", certificate), ("tls_key", key)] {
        if file.is_empty() {
            return Err(format!(
                "{name} is missing: certificate and key go together"
            ));
        }
    }
    let chain = certificates("tls_cert", certificate)?;
    let key =
        PrivateKeyDer::from_pem_file(key).map_err(|error| format!("tls_key: {key}: {error}"))?;
    Ok((chain, key))
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ServerTls")
    }
}
