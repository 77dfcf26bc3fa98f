//! How much, how long, how many.

use std::time::Duration;

use tangelo_rpc::server::ExecutorConfig;

/// How much a gateway takes of its clients, for how long it waits, and how much it does at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; more are closed when they are accepted. Default: 500,000.
    pub connections: usize,
    /// Requests of one HTTP/2 connection at once; more have to wait there. Default: 100.
    pub streams: u32,
    /// Bytes of a request's first line and headers; more is answered with 431. Default: 16 KiB.
    pub header_bytes: usize,
    /// Headers of a request; more is answered with 431. Default: 100.
    pub headers: usize,
    /// From a request's first byte to the end of its headers; longer is answered with 408. So long a TLS
    /// handshake may take, too. Default: 10 s.
    pub header_time: Duration,
    /// Bytes of a request's body; more is answered with 413. Default: 1,000,000.
    pub content_bytes: usize,
    /// From the end of its headers to the end of its body; longer is answered with 408. Default: 30 s.
    pub content_time: Duration,
    /// Bytes of all bodies that are here at once; more is answered with 503. Default: 256 MiB.
    pub contents_bytes: usize,
    /// How long a connection is kept that has no request, or whose client reads nothing of its response.
    /// Default: 60 s.
    pub idle: Duration,
    /// From the end of its body to a request's answer; longer is answered with 504. A referer's own time is mostly
    /// shorter. Default: 30 s.
    pub request_time: Duration,
    /// Requests at once, and those that wait for their turn; more are answered with 503. A request
    /// takes its turn when its body has come. Default: 1,024, and 10,000.
    pub requests: ExecutorConfig,
    /// Bodies of several parts.
    pub uploads: UploadLimits,
}

/// How much may come in bodies of several parts, whose files go to disk. Their texts are a body as any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadLimits {
    /// Bytes of a request; more is answered with 413. The attribute `maxUploadLength` of a url says it for that one.
    /// Default: 5,000,000.
    pub request_bytes: usize,
    /// Bytes of a file; more is answered with 413. Default: 5,000,000.
    pub file_bytes: usize,
    /// Files of a request; more is answered with 413. Default: 16.
    pub files: usize,
    /// Parts of a request; more is answered with 413. Default: 1,024.
    pub parts: usize,
    /// From the end of its headers to the end of its body; longer is answered with 408. Default: 5 minutes.
    pub time: Duration,
    /// Bytes of the files of all requests that are not answered yet; more is answered with 503. Default: 1 GiB.
    pub at_once_bytes: usize,
}

impl Default for UploadLimits {
    fn default() -> Self {
        Self {
            request_bytes: 5_000_000,
            file_bytes: 5_000_000,
            files: 16,
            parts: 1024,
            time: Duration::from_secs(5 * 60),
            at_once_bytes: 1 << 30,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 500_000,
            streams: 100,
            header_bytes: 16 << 10,
            headers: 100,
            header_time: Duration::from_secs(10),
            content_bytes: 1_000_000,
            content_time: Duration::from_secs(30),
            contents_bytes: 256 << 20,
            idle: Duration::from_secs(60),
            request_time: Duration::from_secs(30),
            requests: ExecutorConfig::default(),
            uploads: UploadLimits::default(),
        }
    }
}
