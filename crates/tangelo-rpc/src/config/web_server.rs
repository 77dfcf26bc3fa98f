//! The chapter `webserver`.

use super::{NO_IO_THREADS, NO_NOTIFY};

super::settings! {
    /// A web server: the HTTP gateway. It can be configured, but not started yet.
    WebServerConfig {
        /// Its name, by which services choose it.
        id: String = "default_web".to_owned();
        /// Port it listens on; 0 takes any that is free.
        port: u16 = 8600;
        /// Address it listens on; `*` is all of them.
        host: String = "*".to_owned();
        /// Seconds without a request after which a connection is closed.
        idle_seconds: u32 = 60;
        /// Bytes of the largest content, uploads apart.
        max_content_length: usize = 1_000_000;
        /// Connections at once; more are closed when they are accepted.
        max_conns: usize = 500_000;
        /// Requests that run at once: -1 without limit, 0 for 1,024.
        threads: i32 = 0;
        /// As many may run once the queue is full, if that is more than `threads`.
        max_threads: u32 = 0;
        /// Requests that may wait for their turn.
        queue_size: u32 = 10_000;
        /// Where sessions are kept.
        session_service: String = "memory".to_owned();
        /// File of the routes.
        routes_file: String = "routes.xml".to_owned();
        /// Name of the cookie with the session's id.
        session_id_cookie_name: String = "JSESSIONID".to_owned();
        /// Path of that cookie; empty: none is said.
        session_id_cookie_path: String = String::new();
        /// Folder of the descriptor files (`*.proto.pb`).
        proto_dir: String = "proto".to_owned();
    }
    file {}
    refused {
        "io_threads" => NO_IO_THREADS;
        "notify_threads" => NO_NOTIFY;
        "notify_max_threads" => NO_NOTIFY;
        "notify_queue_size" => NO_NOTIFY;
        "json_converter" => "has no meaning here: there is one JSON; leave it out";
    }
    unset {}
}

impl WebServerConfig {
    /// A web server of this name.
    pub fn new(id: impl Into<String>) -> Self {
        Self::default().id(id)
    }
}

impl From<u16> for WebServerConfig {
    /// The default web server, on this port.
    fn from(port: u16) -> Self {
        Self::default().port(port)
    }
}
