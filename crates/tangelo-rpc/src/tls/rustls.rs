//! TLS by rustls, with certificates from PEM files.

use std::{fmt, io, path::Path, sync::Arc};

use rustls_pki_types::ServerName;
use tangelo_tls::Identity;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, rustls::RootCertStore, server};

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
        let trusted = authorities("tls_ca", &config.tls_ca)?;
        let identity = if config.tls_cert.is_empty() && config.tls_key.is_empty() {
            None
        } else {
            Some(identity(&config.tls_cert, &config.tls_key)?)
        };
        let settings = tangelo_tls::client(trusted, identity);
        let settings = settings.map_err(|error| format!("tls_cert: {error}"))?;
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
        let clients = match config.tls_client_ca.as_str() {
            "" => None,
            file => Some(authorities("tls_client_ca", file)?),
        };
        let identity = identity(&config.tls_cert, &config.tls_key)?;
        let settings = tangelo_tls::server(identity, clients);
        let settings = settings.map_err(|error| format!("tls_cert: {error}"))?;
        Ok(Some(Self(TlsAcceptor::from(Arc::new(settings)))))
    }

    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream> {
        self.0.accept(stream).await
    }
}

fn authorities(key: &str, file: &str) -> Result<RootCertStore, String> {
    tangelo_tls::authorities(Path::new(file)).map_err(|error| format!("{key}: {error}"))
}

fn identity(certificate: &str, key: &str) -> Result<Identity, String> {
    for (name, file) in [("tls_cert", certificate), ("tls_key", key)] {
        if file.is_empty() {
            return Err(format!(
                "{name} is missing: certificate and key go together"
            ));
        }
    }
    let chain = tangelo_tls::chain(Path::new(certificate));
    let chain = chain.map_err(|error| format!("tls_cert: {error}"))?;
    let key = tangelo_tls::key(Path::new(key)).map_err(|error| format!("tls_key: {error}"))?;
    Ok((chain, key))
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ServerTls")
    }
}
