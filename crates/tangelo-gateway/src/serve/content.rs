//! A request's body, read within limits.

use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tangelo_rpc::Code as RpcCode;
use tokio::time::timeout;

use super::{
    limits::Limits,
    problem::{Code, Problem},
};

/// Bytes of bodies that are here at once.
#[derive(Debug, Default)]
pub(super) struct Room(AtomicUsize);

/// Some of them; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    room: Arc<Room>,
    bytes: usize,
}

impl Held {
    pub(super) fn none(room: &Arc<Room>) -> Self {
        Self {
            room: Arc::clone(room),
            bytes: 0,
        }
    }

    /// Takes some more, if there are as many below the limit.
    pub(super) fn take(&mut self, bytes: usize, limit: usize) -> bool {
        let before = self.room.0.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        before.saturating_add(bytes) <= limit
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.room.0.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

/// The body, if it comes whole, in time, and is as long as may be.
pub(super) async fn read(
    body: Incoming,
    limits: &Limits,
    held: &mut Held,
) -> Result<Bytes, Problem> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    if body.size_hint().lower() > limits.content_bytes as u64 {
        return Err(too_large(limits));
    }
    let whole = timeout(limits.content_time, collect(body, limits, held));
    whole.await.unwrap_or_else(|_| {
        let words = format!("the body has not come within {:?}", limits.content_time);
        let code = RpcCode::DECODE_REQ_ERROR;
        Err(Problem::new(StatusCode::REQUEST_TIMEOUT, code, words).closing())
    })
}

async fn collect(mut body: Incoming, limits: &Limits, held: &mut Held) -> Result<Bytes, Problem> {
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::bad_request("the body breaks off").closing())?;
        // Trailers mean nothing here.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if first.len() + whole.len() + data.len() > limits.content_bytes {
            return Err(too_large(limits));
        }
        if !held.take(data.len(), limits.contents_bytes) {
            return Err(too_many());
        }
        // A short body comes at once, and is not copied.
        if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&data);
        }
    }
    Ok(if whole.is_empty() {
        first
    } else {
        whole.freeze()
    })
}

/// A body that is compressed, as it was before; its headers say so then.
pub(super) fn inflate(
    content: Bytes,
    headers: &mut HeaderMap,
    limits: &Limits,
    held: &mut Held,
) -> Result<Bytes, Problem> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).into_iter();
    let (Some(coding), None) = (codings.next(), codings.next()) else {
        return match headers.contains_key(header::CONTENT_ENCODING) {
            true => Err(unknown_coding()),
            false => Ok(content),
        };
    };
    let coding = String::from_utf8_lossy(coding.as_bytes())
        .trim()
        .to_ascii_lowercase();
    let plain = match coding.as_str() {
        "" | "identity" => return Ok(content),
        _ if content.is_empty() => return Ok(content),
        "gzip" | "x-gzip" => expand(MultiGzDecoder::new(&*content), limits, held)?,
        // What it is called by is zlib's form; some send what is within it.
        "deflate" if content.first().is_some_and(|byte| byte & 0x0f == 8) => {
            expand(ZlibDecoder::new(&*content), limits, held)?
        }
        "deflate" => expand(DeflateDecoder::new(&*content), limits, held)?,
        _ => return Err(unknown_coding()),
    };
    headers.remove(header::CONTENT_ENCODING);
    headers.remove(header::CONTENT_LENGTH);
    Ok(plain)
}

fn expand(mut reader: impl Read, limits: &Limits, held: &mut Held) -> Result<Bytes, Problem> {
    let mut whole = Vec::new();
    let mut chunk = vec![0; 16 << 10];
    loop {
        let read = match reader.read(&mut chunk) {
            Ok(0) => return Ok(whole.into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Err(Problem::bad_request("the body is compressed, and broken")),
        };
        if whole.len() + read > limits.content_bytes {
            return Err(too_large(limits));
        }
        if !held.take(read, limits.contents_bytes) {
            return Err(too_many());
        }
        whole.extend_from_slice(chunk.get(..read).unwrap_or_default());
    }
}

fn unknown_coding() -> Problem {
    let (code, words) = (
        RpcCode::DECODE_REQ_ERROR,
        "of compressed bodies gzip and deflate are understood",
    );
    let known = HeaderValue::from_static("gzip, deflate");
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, words)
        .with(header::ACCEPT_ENCODING, known)
}

fn too_many() -> Problem {
    let words = "too many requests with large bodies at once";
    Problem::unavailable(RpcCode::QUEUE_FULL, words).closing()
}

fn too_large(limits: &Limits) -> Problem {
    let words = format!("the body has more than {} bytes", limits.content_bytes);
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, Code::TOO_LARGE, words).closing()
}
