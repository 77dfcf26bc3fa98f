//! A request's body, read within limits.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
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
    fn take(&mut self, bytes: usize, limit: usize) -> bool {
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
            let words = "too many requests with large bodies at once";
            return Err(Problem::unavailable(RpcCode::QUEUE_FULL, words).closing());
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

fn too_large(limits: &Limits) -> Problem {
    let words = format!("the body has more than {} bytes", limits.content_bytes);
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, Code::TOO_LARGE, words).closing()
}
