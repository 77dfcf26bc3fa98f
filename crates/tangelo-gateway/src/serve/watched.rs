//! A connection's stream, and what happens on it.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::{connection::QUIET, frames::Frames, limits::Limits};
use crate::Body;

/// What happens on a connection, for the clock that ends it.
#[derive(Debug)]
pub(super) struct Activity {
    start: Instant,
    /// Milliseconds from the start to what happened last.
    last: AtomicU64,
    /// Requests whose responses are not sent yet.
    requests: AtomicUsize,
    /// Those among them that are being sent.
    sending: AtomicUsize,
    /// The next request has begun to come.
    has_begun: AtomicBool,
    /// The gateway stops.
    drains: AtomicBool,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            last: AtomicU64::new(0),
            requests: AtomicUsize::new(0),
            sending: AtomicUsize::new(0),
            has_begun: AtomicBool::new(false),
            drains: AtomicBool::new(false),
        })
    }

    fn happens(&self) {
        let since = self.start.elapsed().as_millis();
        self.last.store(since as u64, Relaxed);
    }

    fn reads(&self) {
        if self.requests.load(Relaxed) == 0 && !self.has_begun.swap(true, Relaxed) {
            self.happens();
        }
    }

    /// A request has come.
    pub(super) fn request(self: &Arc<Self>) -> InFlight {
        self.requests.fetch_add(1, Relaxed);
        self.has_begun.store(false, Relaxed);
        InFlight {
            activity: Arc::clone(self),
            is_sent: false,
        }
    }

    /// The gateway stops: who is silent from now on for a moment is not waited for.
    pub(super) fn drains(&self) {
        self.drains.store(true, Relaxed);
        if !self.is_in_headers() {
            self.happens();
        }
    }

    /// Whether it is silent, while the gateway stops.
    pub(super) fn is_quiet(&self) -> bool {
        self.drains.load(Relaxed) && self.requests.load(Relaxed) == 0
    }

    /// Whether headers have begun to come, and not ended.
    pub(super) fn is_in_headers(&self) -> bool {
        self.requests.load(Relaxed) == 0 && self.has_begun.load(Relaxed)
    }

    /// When the connection is to end, if nothing happens until then; none while a request is being answered.
    pub(super) fn due(&self, limits: &Limits, has_headers: bool) -> Option<Instant> {
        let requests = self.requests.load(Relaxed);
        let patience = if requests > 0 {
            if self.sending.load(Relaxed) < requests {
                return None;
            }
            limits.idle
        } else if has_headers && self.has_begun.load(Relaxed) {
            limits.header_time
        } else if has_headers && self.drains.load(Relaxed) {
            QUIET.min(limits.idle)
        } else {
            limits.idle
        };
        let last = Duration::from_millis(self.last.load(Relaxed));
        Some(self.start + last + patience)
    }
}

/// A request on its way, and then its response.
#[derive(Debug)]
pub(super) struct InFlight {
    activity: Arc<Activity>,
    is_sent: bool,
}

impl InFlight {
    /// The body of its response, which it goes with.
    pub(super) fn sent(mut self, body: Body) -> Sent {
        self.is_sent = true;
        self.activity.sending.fetch_add(1, Relaxed);
        self.activity.happens();
        Sent {
            body,
            _in_flight: self,
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.is_sent {
            self.activity.sending.fetch_sub(1, Relaxed);
        }
        self.activity.requests.fetch_sub(1, Relaxed);
        self.activity.happens();
    }
}

/// A response's body on its way to the client.
#[derive(Debug)]
pub(super) struct Sent {
    body: Body,
    _in_flight: InFlight,
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that tells what happens on it, and has been read from already.
#[derive(Debug)]
pub(super) struct Watched<S> {
    read_already: Bytes,
    stream: S,
    /// Where HTTP/2 is spoken: what is written.
    frames: Option<Frames>,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    pub(super) fn new(
        read_already: Bytes,
        stream: S,
        is_http_2: bool,
        activity: &Arc<Activity>,
    ) -> Self {
        if !read_already.is_empty() {
            activity.reads();
        }
        Self {
            read_already,
            stream,
            frames: is_http_2.then(Frames::default),
            activity: Arc::clone(activity),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.read_already.is_empty() {
            let length = self.read_already.len().min(buffer.remaining());
            buffer.put_slice(&self.read_already.slice(..length));
            self.read_already.advance(length);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.reads();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(polled, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.wrote(polled, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S> Watched<S> {
    fn wrote(
        &mut self,
        polled: Poll<io::Result<usize>>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(written @ 1..)) = polled {
            let is_answer = match &mut self.frames {
                Some(frames) => frames.wrote(written, bytes),
                // Where headers come, what is written does not give them more time.
                None => !self.activity.is_in_headers(),
            };
            if is_answer {
                self.activity.happens();
            }
        }
        polled
    }
}
