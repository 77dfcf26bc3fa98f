//! The chapter `client`.

use std::time::Duration;

use super::{NO_IO_THREADS, NO_NOTIFY};
use crate::tls::ClientTls;

super::settings! {
    /// A client: keeps the connections that referers share.
    ClientConfig {
        /// Its name, by which referers and reverse services choose it.
        id: String = "default".to_owned();
        /// Seconds of silence after which it sends a heartbeat. After three such times without a word
        /// from the other side the connection counts as dead.
        ping_seconds: u32 = 60;
        /// Bytes of the largest frame, both ways.
        max_package_size: usize = 1_000_000;
        /// Milliseconds that connecting may take.
        connect_timeout: Duration = Duration::from_millis(15_000) => "15_000";
        /// Seconds before the first attempt to connect again; each further pause is twice as long, up to
        /// thirty times the first, less a random part.
        reconnect_seconds: u32 = 1;
        /// Connections kept to each address, from 1 to 24.
        connections: u32 = 1;
        /// Connects when a call needs it, instead of from the start.
        lazy: bool = false;
        /// Calls from servers (reverse services) that run at once: -1 without limit, 0 for 1,024.
        threads: i32 = 0;
        /// As many may run once the queue is full, if that is more than `threads`.
        max_threads: u32 = 0;
        /// Calls that may wait for their turn.
        queue_size: u32 = 10_000;
        /// Lets the application set a key for a connection, under which bodies are encrypted as krpc
        /// 0.2.51 does it. TLS is better in every way.
        enable_encrypt: bool = false;
        /// Layout of the meta: `v2`, of krpc 0.2.51, or `v1`, of the time before.
        layout: String = "v2".to_owned();
        /// TLS: file of the certificates (PEM) of the authorities that servers are trusted by. Empty: no
        /// TLS.
        tls_ca: String = String::new();
        /// TLS: file of the certificate (PEM) by which servers know this client. Empty: none.
        tls_cert: String = String::new();
        /// TLS: file of the key (PEM) to `tls_cert`.
        tls_key: String = String::new();
        /// TLS: name the server's certificate must have. Empty: the host of the address.
        tls_server_name: String = String::new();
    }
    file {}
    refused {
        "io_threads" => NO_IO_THREADS;
        "notify_threads" => NO_NOTIFY;
        "notify_max_threads" => NO_NOTIFY;
        "notify_queue_size" => NO_NOTIFY;
        "native_netty" => "has no meaning here: there is no Netty; leave it out";
        "load_balance" => "belongs to the referer";
        "plugins" => "are brought in code: see Bootstrap";
        "plugin_params" => "are brought in code: see Bootstrap";
        "connection_plugin" => "is brought in code: Bootstrap::on_connection";
        "exchange_service_ids" => "is not there yet: requests are not passed on undecoded; leave it out";
    }
    unset {}
}

impl ClientConfig {
    /// A client of this name.
    pub fn new(id: impl Into<String>) -> Self {
        Self::default().id(id)
    }

    /// Reads the files that the `tls_` keys name, to see whether they can be used.
    ///
    /// # Errors
    /// They cannot, or not in this combination; the key comes first.
    pub fn check_tls(&self) -> Result<(), String> {
        ClientTls::load(self).map(drop)
    }
}
