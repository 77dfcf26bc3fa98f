//! The chapter `server`.

use std::time::Duration;

use super::{NO_IO_THREADS, NO_NOTIFY};
use crate::tls::ServerTls;

super::settings! {
    /// A server: listens for krpc clients.
    ServerConfig {
        /// Its name, by which services and reverse referers choose it.
        id: String = "default".to_owned();
        /// Port it listens on; 0 takes any that is free.
        port: u16 = 5600;
        /// Address it listens on; `*` is all of them.
        host: String = "*".to_owned();
        /// Connections that may wait to be accepted.
        backlog: u32 = 1024;
        /// Seconds without a frame after which a connection is closed.
        idle_seconds: u32 = 180;
        /// Bytes of the largest frame, both ways.
        max_package_size: usize = 1_000_000;
        /// Connections at once; more are closed when they are accepted.
        max_conns: usize = 500_000;
        /// Milliseconds that a request may take at the most, whatever its caller says.
        max_timeout: Duration = Duration::from_millis(300_000) => "300_000";
        /// Requests that run at once: -1 without limit, 0 for 1,024.
        threads: i32 = 0;
        /// As many may run once the queue is full, if that is more than `threads`.
        max_threads: u32 = 0;
        /// Requests that may wait for their turn.
        queue_size: u32 = 10_000;
        /// Lets the application set a key for a connection, under which bodies are encrypted as krpc
        /// 0.2.51 does it. TLS is better in every way.
        enable_encrypt: bool = false;
        /// Layout of the meta until a peer's first request tells: `v2`, of krpc 0.2.51, or `v1`, of the
        /// time before.
        layout: String = "v2".to_owned();
        /// TLS: file of the certificate chain (PEM). Empty: no TLS.
        tls_cert: String = String::new();
        /// TLS: file of the key (PEM) to `tls_cert`.
        tls_key: String = String::new();
        /// TLS: file of the certificates (PEM) of the authorities that clients must be known to. Empty:
        /// any client may come.
        tls_client_ca: String = String::new();
    }
    file {}
    refused {
        "io_threads" => NO_IO_THREADS;
        "notify_threads" => NO_NOTIFY;
        "notify_max_threads" => NO_NOTIFY;
        "notify_queue_size" => NO_NOTIFY;
        "native_netty" => "has no meaning here: there is no Netty; leave it out";
        "plugins" => "are brought in code: see Bootstrap";
        "plugin_params" => "are brought in code: see Bootstrap";
        "connection_plugin" => "is brought in code: Bootstrap::on_connection";
        "exchange_service_ids" => "is not there yet: requests are not passed on undecoded; leave it out";
    }
    unset {}
}

impl ServerConfig {
    /// A server of this name.
    pub fn new(id: impl Into<String>) -> Self {
        Self::default().id(id)
    }

    /// Reads the files that the `tls_` keys name, to see whether they can be used.
    ///
    /// # Errors
    /// They cannot, or not in this combination; the key comes first.
    pub fn check_tls(&self) -> Result<(), String> {
        ServerTls::load(self).map(drop)
    }
}

impl From<u16> for ServerConfig {
    /// The default server, on this port.
    fn from(port: u16) -> Self {
        Self::default().port(port)
    }
}
