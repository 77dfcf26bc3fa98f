//! One connection: hyper reads requests off it and writes answers, a clock ends it.

use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::{
    body::Incoming,
    rt::Executor,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tangelo_runtime::Tasks;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, Sleep, sleep_until, timeout},
};
use tracing::Span;

use super::{
    accept::Stream,
    limits::Limits,
    road,
    shared::Shared,
    watched::{Activity, Sent, Watched},
};
use crate::Body;

/// How long is waited for more of a client whose connection was closed for what it said: it is heard out, so that it
/// can read why.
const LINGER: Duration = Duration::from_secs(1);
/// At the most for so long, and so many bytes of it: longer than a body that is just too long.
const LINGER_TIME: Duration = Duration::from_secs(5);
const LINGER_BYTES: usize = 16 << 20;

/// For how long nothing may come of a client before its connection is closed, where the gateway stops: what it has
/// sent meanwhile is answered, and told that no more will be.
pub(super) const QUIET: Duration = Duration::from_millis(200);

/// hyper wants no less.
const SMALLEST_BUFFER: usize = 8 << 10;

/// Whose requests they are.
pub(super) struct Peer {
    pub(super) shared: Arc<Shared>,
    pub(super) address: SocketAddr,
    /// It speaks TLS with us.
    pub(super) safe: bool,
}

/// How a connection's life ended.
enum End {
    /// By itself, or with an error of the client's.
    Done,
    /// Its time was up.
    Late,
}

/// Serves a connection until it ends.
pub(super) async fn serve<S: Stream>(
    peer: Arc<Peer>,
    stream: S,
    read_already: Bytes,
    is_http_2: bool,
) -> io::Result<()> {
    let activity = Activity::new();
    let stream = Watched::new(read_already, stream, is_http_2, &activity);
    let io = TokioIo::new(stream);
    if is_http_2 {
        serve_2(peer, io, activity).await;
        Ok(())
    } else {
        serve_1(peer, io, activity).await
    }
}

async fn serve_1<S: Stream>(
    peer: Arc<Peer>,
    io: TokioIo<Watched<S>>,
    activity: Arc<Activity>,
) -> io::Result<()> {
    let limits = peer.shared.limits;
    let service = service_fn({
        let (peer, activity) = (Arc::clone(&peer), Arc::clone(&activity));
        move |request| Box::pin(answer(Arc::clone(&peer), Arc::clone(&activity), request))
    });
    let mut builder = http1::Builder::new();
    builder
        .header_read_timeout(None)
        .max_headers(limits.headers)
        .max_header_size(limits.header_bytes)
        .max_buf_size((2 * limits.header_bytes).max(SMALLEST_BUFFER));
    let mut connection = builder.serve_connection(io, service);
    let mut clock = Clock::new(&peer.shared, &activity, true);
    let mut draining = pin!(peer.shared.tasks.stop().draining());
    let mut is_draining = false;
    let end = poll_fn(|context| {
        if !is_draining && draining.as_mut().poll(context).is_ready() {
            is_draining = true;
            // hyper would close it now, whatever has come. So `answer` says that it is closed, or silence closes it.
            activity.drains();
        }
        if connection.poll_without_shutdown(context).is_ready() {
            return Poll::Ready(End::Done);
        }
        clock.poll(context).map(|()| End::Late)
    });
    let is_late = matches!(end.await, End::Late);
    let is_in_headers = activity.is_in_headers();
    let is_quiet = is_late && activity.is_quiet();
    let mut stream = connection.into_parts().io.into_inner();
    let farewell = async {
        if is_late && is_in_headers {
            stream.write_all(LATE.as_bytes()).await?;
        } else if is_late && !is_quiet {
            return Ok(());
        }
        stream.shutdown().await?;
        hear_out(&mut stream).await
    };
    timeout(LINGER_TIME, farewell).await.unwrap_or(Ok(()))
}

/// What a client is told whose headers do not end.
const LATE: &str = "HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json; charset=utf-8\r\n\
                    content-length: 61\r\nconnection: close\r\n\r\n\
                    {\"retCode\":-625,\"retMsg\":\"the headers have not come in time\"}";

/// Reads what the client was about to send: a socket that is closed with something unread takes back
/// what it has said.
async fn hear_out<S: Stream>(stream: &mut Watched<S>) -> io::Result<()> {
    let mut buffer = vec![0; 4 << 10];
    let mut heard = 0;
    while heard < LINGER_BYTES {
        match timeout(LINGER, stream.read(&mut buffer)).await {
            Err(_) | Ok(Ok(0)) => break,
            Ok(more) => heard += more?,
        }
    }
    Ok(())
}

async fn serve_2<S: Stream>(peer: Arc<Peer>, io: TokioIo<Watched<S>>, activity: Arc<Activity>) {
    let limits = peer.shared.limits;
    let service = service_fn({
        let (peer, activity) = (Arc::clone(&peer), Arc::clone(&activity));
        move |request| Box::pin(answer(Arc::clone(&peer), Arc::clone(&activity), request))
    });
    let mut builder = http2::Builder::new(Spawn(peer.shared.tasks.clone()));
    builder
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut clock = Clock::new(&peer.shared, &activity, false);
    let mut draining = pin!(peer.shared.tasks.stop().draining());
    let mut is_draining = false;
    let serve = poll_fn(|context| {
        if !is_draining && draining.as_mut().poll(context).is_ready() {
            is_draining = true;
            connection.as_mut().graceful_shutdown();
        }
        if connection.as_mut().poll(context).is_ready() {
            return Poll::Ready(End::Done);
        }
        clock.poll(context).map(|()| End::Late)
    });
    if let End::Late = serve.await {
        connection.as_mut().graceful_shutdown();
        // Whether it says goodbye or not.
        let _ = timeout(LINGER, connection).await;
    }
}

/// One request, whatever version of HTTP it came by.
async fn answer(
    peer: Arc<Peer>,
    activity: Arc<Activity>,
    request: Request<Incoming>,
) -> Result<Response<Sent>, Infallible> {
    let in_flight = activity.request();
    let version = request.version();
    let mut response = match misread(&peer.shared.limits, &request) {
        Some(refused) => refused,
        None => road::answer(&peer, request).await,
    };
    // HTTP/2 has a way of its own to say so.
    if version < Version::HTTP_2 && peer.shared.tasks.stop().is_draining() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    Ok(response.map(|body| in_flight.sent(body)))
}

/// What hyper lets through: of HTTP/2 more headers than may be, of HTTP/1 bodies whose coding nobody here undoes.
fn misread(limits: &Limits, request: &Request<Incoming>) -> Option<Response<Body>> {
    let headers = request.headers();
    let status = if request.version() == Version::HTTP_2 {
        // Browsers send each cookie in a header of its own.
        let cookies = headers.get_all(header::COOKIE).iter().count();
        let count = headers.len() - cookies.saturating_sub(1);
        (count > limits.headers).then_some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    } else {
        let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
        let is_chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        (!codings.all(is_chunked)).then_some(StatusCode::NOT_IMPLEMENTED)
    }?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if request.version() < Version::HTTP_2 {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    Some(response)
}

/// Ends a connection on which nothing happens.
struct Clock<'a> {
    limits: &'a Limits,
    activity: &'a Activity,
    has_headers: bool,
    sleep: Pin<Box<Sleep>>,
}

impl<'a> Clock<'a> {
    fn new(shared: &'a Shared, activity: &'a Activity, has_headers: bool) -> Self {
        let limits = &shared.limits;
        let due = activity.due(limits, has_headers);
        let due = due.unwrap_or_else(|| Instant::now() + limits.idle);
        Self {
            limits,
            activity,
            has_headers,
            sleep: Box::pin(sleep_until(due)),
        }
    }

    /// Ready when the time is up. The timer is only set again where it would ring too late; where it rings too
    /// early it is looked again.
    fn poll(&mut self, context: &mut std::task::Context<'_>) -> Poll<()> {
        loop {
            let Some(due) = self.activity.due(self.limits, self.has_headers) else {
                return Poll::Pending;
            };
            if due < self.sleep.deadline() {
                self.sleep.as_mut().reset(due);
            }
            if self.sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if due <= self.sleep.deadline() {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(due);
        }
    }
}

/// Runs what HTTP/2 has to do for its streams.
#[derive(Clone)]
struct Spawn(Tasks);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Spawn {
    fn execute(&self, stream: F) {
        self.0.spawn(Span::current(), stream);
    }
}
