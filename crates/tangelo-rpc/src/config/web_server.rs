//! The chapter `webserver`.

use std::time::Duration;

use super::{NO_IO_THREADS, NO_NOTIFY};

super::settings! {
    /// A web server: services over HTTP.
    WebServerConfig {
        /// Its name, by which services choose it.
        id: String = "default_web".to_owned();
        /// Port it listens on; 0 takes any that is free.
        port: u16 = 8600;
        /// Address it listens on; `*` is all of them.
        host: String = "*".to_owned();
        /// Connections that may wait to be accepted.
        backlog: u32 = 128;
        /// Seconds without a request after which a connection is closed.
        idle_seconds: u32 = 60;
        /// Bytes of the largest content, uploads apart; more is answered with 413.
        max_content_length: usize = 1_000_000;
        /// Bytes of all contents that are here at once; more is answered with 503.
        max_contents_length: usize = 268_435_456;
        /// Milliseconds that a content may take to come; longer is answered with 408.
        content_timeout: Duration = Duration::from_millis(30_000) => "30_000";
        /// Bytes of a content of several parts, whose files go to disk; more is answered with 413. A url may say
        /// its own: `maxUploadLength`.
        max_upload_length: usize = 5_000_000;
        /// Bytes of one such file; more is answered with 413.
        max_file_length: usize = 5_000_000;
        /// Such files of a request; more is answered with 413.
        max_files: usize = 16;
        /// Bytes of the files of all requests that are not answered yet; more is answered with 503.
        max_uploads_length: usize = 1_073_741_824;
        /// Milliseconds that such a content may take to come; longer is answered with 408.
        upload_timeout: Duration = Duration::from_millis(300_000) => "300_000";
        /// Bytes of a request's first line and headers; more is answered with 431.
        max_header_size: usize = 16_384;
        /// Headers of a request; more is answered with 431.
        max_headers: usize = 100;
        /// Milliseconds that headers may take to come, and a TLS handshake; longer is answered with 408.
        header_timeout: Duration = Duration::from_millis(10_000) => "10_000";
        /// Milliseconds from the end of its content to a request's answer; longer is answered with 504.
        max_timeout: Duration = Duration::from_millis(30_000) => "30_000";
        /// Connections at once; more are closed when they are accepted.
        max_conns: usize = 500_000;
        /// Requests of one HTTP/2 connection at once.
        max_streams: u32 = 100;
        /// Requests that run at once: -1 without limit, 0 for 1,024.
        threads: i32 = 0;
        /// As many may run once the queue is full, if that is more than `threads`.
        max_threads: u32 = 0;
        /// Requests that may wait for their turn.
        queue_size: u32 = 10_000;
        /// File of the routes: of TOML if its name ends with `.toml`, otherwise of XML. One that is not there is
        /// left out if it is the default and there are routes without it. Empty: none.
        routes_file: String = "routes.xml".to_owned();
        /// Whether methods of the services there are are reachable at `/service/method`, in lower case, without being
        /// in the routes; those that a url is for already are left out.
        auto_route: bool = false;
        /// What stands before those paths: `/api`.
        auto_route_prefix: String = String::new();
        /// How much of a session they need: `none`, `id`, `optional`, `required`.
        auto_route_session_mode: String = "none".to_owned();
        /// The plugins that their requests go through, in this order.
        auto_route_plugins: Vec<String> = Vec::new();
        /// Whether methods are reachable where their .proto files say so, by `option (google.api.http)`.
        http_annotations: bool = false;
        /// Folder of the descriptor files (`*.proto.pb`). One that is not there is left out if it is the default.
        /// Empty: none.
        proto_dir: String = "proto".to_owned();
        /// Milliseconds between two looks at files of routes and at descriptor files, which are loaded again when
        /// they have changed; what is wrong with them is told in the log, and nothing changes then. 0: they are
        /// not looked at again.
        reload_interval: u32 = 2_000;
        /// Where sessions are kept: `memory`, or the name of a store that code brings.
        session_service: String = "memory".to_owned();
        /// Seconds that a session in memory is remembered which nobody asks for.
        session_seconds: u32 = 600;
        /// Sessions in memory at once.
        max_sessions: usize = 100_000;
        /// Bytes of names and values in one session in memory.
        max_session_size: usize = 16_384;
        /// Name of the cookie with the session's secret.
        session_id_cookie_name: String = "JSESSIONID".to_owned();
        /// Path of that cookie; empty: none is said.
        session_id_cookie_path: String = String::new();
        /// Whether that cookie is sent with what other sites begin: `lax`, with links only; `strict`, never;
        /// `none`, always, but over TLS only.
        session_id_cookie_same_site: String = "lax".to_owned();
        /// What JSON looks like: `krpc`, as that writes it; `standard`, as protobuf says.
        json: String = "krpc".to_owned();
        /// Whether 64-bit integers are written as strings, whatever `json` says.
        int64_strings: bool = false;
        /// Status of answers with a negative `retCode` that say none. 0: 200.
        negative_status: u16 = 0;
        /// Whether large responses are compressed for clients that understand it.
        compress: bool = true;
        /// Bytes from which on they are.
        min_size_to_compress: usize = 1024;
        /// Path at which is told that the server runs; empty: none.
        live_path: String = String::new();
        /// Path at which is told whether it is ready; empty: none.
        ready_path: String = String::new();
        /// Path of the OpenAPI document, which tells every address and all fields to whoever fetches it; empty: none.
        openapi_path: String = String::new();
        /// Path of a page to read that document and to try calls; empty: none.
        openapi_page: String = String::new();
        /// What that document calls all this; empty: the id.
        openapi_title: String = String::new();
        /// The version it tells.
        openapi_version: String = "1".to_owned();
        /// Networks (`10.0.0.0/8`) or addresses of proxies that are believed when they say whom they speak for, by
        /// `X-Forwarded-For` and `X-Forwarded-Proto`.
        trusted_proxies: Vec<String> = Vec::new();
        /// TLS: file of the certificate chain (PEM). Empty: no TLS.
        tls_cert: String = String::new();
        /// TLS: file of the key (PEM) to `tls_cert`.
        tls_key: String = String::new();
    }
    file {}
    refused {
        "io_threads" => NO_IO_THREADS;
        "notify_threads" => NO_NOTIFY;
        "notify_max_threads" => NO_NOTIFY;
        "notify_queue_size" => NO_NOTIFY;
        "native_netty" => "has no meaning here: there is no Netty; leave it out";
        "json_converter" => "has no meaning here: there is one JSON; leave it out";
        "default_session_service" => "is called session_service here";
        "plugins" => "are brought in code: see Bootstrap";
        "plugin_params" => "stand in the routes: <plugin name=\"\" params=\"\"/>";
        "max_initial_line_length" => "belongs to max_header_size, which counts the first line as well";
        "max_chunk_size" => "has no meaning here: contents are counted as a whole; leave it out";
        "expire_seconds" => "stands in the routes: <dir path=\"/\" expireSeconds=\"3600\"/>";
        "data_dir" => "stands in the routes: the uploadDir of a dir";
        "auto_trim" => "has no meaning here: strings stay as they are sent; leave it out";
        "case_sensitive" => "has no meaning here: the case of a path counts; leave it out";
        "allow_dynamic_urls" => "has no meaning here: routes are exchanged as a whole (reload_interval, Gateway::reload); leave it out";
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
