//! Built without TLS: settings that ask for it are refused.

use std::convert::Infallible;

use tokio::net::TcpStream;

use crate::config::{ClientConfig, ServerConfig};

const WITHOUT: &str = "TLS is asked for, but this was built without the feature `tls`";

/// Nothing is made safe.
pub(crate) type TlsStream = TcpStream;

#[derive(Clone)]
pub(crate) struct ClientTls(Infallible);

#[derive(Clone, Debug)]
pub(crate) struct ServerTls(Infallible);

impl ClientTls {
    pub(crate) fn load(config: &ClientConfig) -> Result<Option<Self>, String> {
        let asked = [
            &config.tls_ca,
            &config.tls_cert,
            &config.tls_key,
            &config.tls_server_name,
        ];
        asked
            .iter()
            .all(|key| key.is_empty())
            .then_some(None)
            .ok_or_else(|| WITHOUT.to_owned())
    }

    pub(crate) async fn connect(
        &self,
        _address: &str,
        _stream: TcpStream,
    ) -> std::io::Result<TcpStream> {
        match self.0 {}
    }
}

impl ServerTls {
    pub(crate) fn load(config: &ServerConfig) -> Result<Option<Self>, String> {
        let asked = [&config.tls_cert, &config.tls_key, &config.tls_client_ca];
        asked
            .iter()
            .all(|key| key.is_empty())
            .then_some(None)
            .ok_or_else(|| WITHOUT.to_owned())
    }

    pub(crate) async fn accept(&self, _stream: TcpStream) -> std::io::Result<TcpStream> {
        match self.0 {}
    }
}
