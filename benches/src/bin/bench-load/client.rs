//! One client: keeps its requests in flight and checks every answer.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tangelo_bench::pipe::Pipe;
use tangelo_bench::{frame, websocket};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::coop::unconstrained;

use crate::measured::Measured;

const HANDSHAKE: &[u8] = br#"{"sys":{"type":"bench","version":"1"},"user":{}}"#;

/// The first byte of a message that asks for an answer and spells its route out.
pub(crate) const REQUEST: u8 = 0x00;
/// The first byte of an answer.
pub(crate) const RESPONSE: u8 = 0x04;

/// How long answers are awaited when the last request has been sent. What is missing then is an
/// error.
const DRAIN: Duration = Duration::from_secs(3);

/// What all clients of a run have in common.
pub(crate) struct Plan {
    /// Each frame goes in a WebSocket message of its own.
    pub(crate) websocket: bool,
    /// The server is a bare one: it needs no handshake, and its answer is the request again.
    pub(crate) bare: bool,
    /// Where requests go.
    pub(crate) route: String,
    pub(crate) in_flight: u16,
    pub(crate) payload: usize,
}

impl Plan {
    /// The body of a request, but for its number: a JSON string, so that a handler which parses its body can echo it
    /// as well.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = vec![b'x'; self.payload];
        if let [first, .., last] = &mut body[..] {
            (*first, *last) = (b'"', b'"');
        }
        body
    }
}

/// A connection that has been greeted.
pub(crate) struct Client<S = TcpStream> {
    pipe: Pipe<S>,
    requests: Requests,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, plan: Arc<Plan>) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Self::over(stream, plan).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Is greeted over a connection that is there.
    pub(crate) async fn over(stream: S, plan: Arc<Plan>) -> io::Result<Self> {
        let mut pipe = Pipe::over(stream);
        if plan.websocket {
            pipe.output().extend_from_slice(websocket::UPGRADE);
            let answer = loop {
                read_more(&mut pipe).await?;
                if let Some(length) = websocket::accepted(pipe.input())? {
                    break length;
                }
            };
            pipe.consume(answer);
        }
        let mut client = Self {
            pipe,
            requests: Requests::new(plan)?,
        };
        if !client.requests.plan.bare {
            client.greet().await?;
        }
        Ok(client)
    }

    /// The connection, for who goes on in another way.
    pub(crate) fn into_pipe(self) -> Pipe<S> {
        self.pipe
    }

    /// Pomelo's handshake: hello, its answer, and the acknowledgement, which needs no answer.
    async fn greet(&mut self) -> io::Result<()> {
        let requests = &mut self.requests;
        requests.send(self.pipe.output(), |package| {
            frame::put(package, frame::HANDSHAKE, HANDSHAKE)
        });
        while !requests.greeted {
            read_more(&mut self.pipe).await?;
            let used = requests.receive(self.pipe.input(), Instant::now())?;
            self.pipe.consume(used);
        }
        requests.send(self.pipe.output(), |package| {
            frame::put(package, frame::HANDSHAKE_ACK, b"")
        });
        // Who asks nothing has nothing else to send it with, and the server waits for it only so long.
        self.pipe.flush().await
    }

    /// One request: that the server is there for this client.
    pub(crate) async fn ask_once(&mut self) -> io::Result<()> {
        let Self { pipe, requests } = self;
        let now = Instant::now();
        requests.request(pipe.output(), now);
        while requests.outstanding > 0 {
            read_more(pipe).await?;
            let used = requests.receive(pipe.input(), now)?;
            pipe.consume(used);
        }
        match requests.measured.first_error.take() {
            Some(error) => Err(io::Error::other(error)),
            None => Ok(()),
        }
    }

    /// Reads what has come by now, so that it lies in no socket.
    pub(crate) fn hear(&mut self) -> io::Result<()> {
        // However many clients are looked at before this one.
        let read = unconstrained(read_more(&mut self.pipe));
        read.now_or_never().unwrap_or(Ok(()))
    }

    /// Sends requests until the measurement ends, and counts what is answered while it lasts.
    pub(crate) async fn run(mut self, measurement: Range<Instant>) -> io::Result<Measured> {
        let deadline = measurement.end + DRAIN;
        let ended = tokio::time::timeout_at(deadline.into(), self.exchange(measurement)).await;
        let Requests {
            mut measured,
            outstanding,
            ..
        } = self.requests;
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => measured.error(outstanding.max(1), || error.to_string()),
            Err(_) => measured.error(outstanding, || {
                format!("{outstanding} requests of a client got no answer")
            }),
        }
        Ok(measured)
    }

    async fn exchange(&mut self, measurement: Range<Instant>) -> io::Result<()> {
        let Self { pipe, requests } = self;
        requests.measurement = measurement;
        loop {
            // Reading the clock once a wake-up is exact enough: what it handles arrived in one
            // read.
            let now = Instant::now();
            let used = requests.receive(pipe.input(), now)?;
            pipe.consume(used);
            if now < requests.measurement.end {
                requests.request(pipe.output(), now);
            } else if requests.outstanding == 0 {
                return Ok(());
            }
            read_more(pipe).await?;
        }
    }
}

/// Writes what there is to write, and waits for something to read.
pub(crate) async fn read_more<S>(pipe: &mut Pipe<S>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match pipe.exchange().await? {
        0 => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the server closed the connection",
        )),
        _ => Ok(()),
    }
}

/// The requests of one client.
struct Requests {
    plan: Arc<Plan>,
    greeted: bool,
    measurement: Range<Instant>,
    /// A request waits in the slot that its id names, so that its answer finds it without a search.
    slots: Vec<Slot>,
    /// The slots that wait for nothing.
    free: Vec<u16>,
    outstanding: u64,
    /// Kept for its memory.
    package: Vec<u8>,
    /// The body of the latest request, kept for all but its number.
    body: Vec<u8>,
    measured: Measured,
}

/// The place of one request in flight.
struct Slot {
    /// The id of the latest request: ids of one slot are as far apart as there are slots.
    id: u32,
    /// When that was sent, until it is answered.
    since: Option<Instant>,
}

impl Requests {
    fn new(plan: Arc<Plan>) -> io::Result<Self> {
        let now = Instant::now();
        Ok(Self {
            greeted: false,
            measurement: now..now,
            slots: (1..=plan.in_flight)
                .map(|id| Slot {
                    id: id.into(),
                    since: None,
                })
                .collect(),
            free: (0..plan.in_flight).collect(),
            outstanding: 0,
            package: Vec::new(),
            body: plan.body(),
            measured: Measured::new(0)?,
            plan,
        })
    }

    /// Appends the package that `write` writes, in a WebSocket message where one is needed.
    fn send(&mut self, output: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        if self.plan.websocket {
            self.package.clear();
            write(&mut self.package);
            websocket::put_masked(output, &self.package);
        } else {
            write(output);
        }
    }

    /// Appends a request for every slot that is free.
    fn request(&mut self, output: &mut Vec<u8>, now: Instant) {
        let plan = Arc::clone(&self.plan);
        while let Some(number) = self.free.pop() {
            // Ids stay below Pomelo's limit of 2^31: one client would have to send for an hour to
            // get there.
            let slot = &mut self.slots[usize::from(number)];
            slot.id += u32::from(plan.in_flight);
            slot.since = Some(now);
            let id = slot.id;
            self.outstanding += 1;
            let mut body = std::mem::take(&mut self.body);
            stamp(&mut body, id);
            self.send(output, |package| {
                put_request(package, id, &plan.route, &body);
            });
            self.body = body;
        }
    }

    /// Handles every whole package of `input`, and returns how many bytes they took.
    fn receive(&mut self, input: &[u8], now: Instant) -> io::Result<usize> {
        let mut rest = input;
        if self.plan.websocket {
            while let Some((frame, next)) = websocket::split(rest)? {
                if let websocket::Frame::Binary(payload) = frame
                    && !self.packages(payload, now)?.is_empty()
                {
                    return Err(io::Error::other(
                        "a WebSocket message ends within a package",
                    ));
                }
                rest = next;
            }
        } else {
            rest = self.packages(rest, now)?;
        }
        Ok(input.len() - rest.len())
    }

    /// Handles the whole packages of `bytes`, and returns what follows them.
    fn packages<'a>(&mut self, bytes: &'a [u8], now: Instant) -> io::Result<&'a [u8]> {
        let mut rest = bytes;
        while let Some((kind, body, next)) = frame::split(rest) {
            match kind {
                frame::DATA => self.response(body, now)?,
                // The server answers heartbeats and never asks for one; a run is shorter than any
                // time-out.
                frame::HEARTBEAT => {}
                frame::HANDSHAKE if !self.greeted => {
                    let answer: serde_json::Value = serde_json::from_slice(body)?;
                    if answer["code"] != 200 {
                        return Err(io::Error::other(format!(
                            "the handshake was answered by {answer}"
                        )));
                    }
                    self.greeted = true;
                }
                other => {
                    let body = String::from_utf8_lossy(body);
                    return Err(io::Error::other(format!(
                        "an unexpected package of type {other}: {body}"
                    )));
                }
            }
            rest = next;
        }
        Ok(rest)
    }

    /// An answer: a response, or from a bare server the request itself. So that the generator has
    /// the same work with both, and what differs is the server's.
    fn response(&mut self, message: &[u8], now: Instant) -> io::Result<()> {
        let expected = if self.plan.bare { REQUEST } else { RESPONSE };
        let parsed = message.split_first().and_then(|(&flag, rest)| {
            let (id, body) = split_varint(rest)?;
            let route = if self.plan.bare {
                1 + self.plan.route.len()
            } else {
                0
            };
            (flag == expected && id > 0).then_some((id, body.get(route..)?))
        });
        let Some((id, body)) = parsed else {
            return Err(io::Error::other(format!(
                "a message that answers nothing: {message:02x?}"
            )));
        };
        let number = ((id - 1) % u32::from(self.plan.in_flight)) as u16;
        self.answered(number, id, body, now);
        Ok(())
    }

    /// Takes an answer out of its slot; `claimed` is the id that it bears.
    fn answered(&mut self, number: u16, claimed: u32, body: &[u8], now: Instant) {
        let slot = &mut self.slots[usize::from(number)];
        let waiting = if slot.id == claimed {
            slot.since.take()
        } else {
            None
        };
        let Some(since) = waiting else {
            self.measured
                .error(1, || format!("an answer to no request: id {claimed}"));
            return;
        };
        let id = claimed;
        self.free.push(number);
        self.outstanding -= 1;
        stamp(&mut self.body, id);
        if body != self.body {
            let body = String::from_utf8_lossy(body);
            self.measured
                .error(1, || format!("request {id} was answered by {body}"));
        } else if self.measurement.contains(&now) {
            self.measured
                .latency
                .saturating_record((now - since).as_micros() as u64);
        }
    }
}

/// Writes a request's number into its body, so that an answer to another request is seen.
pub(crate) fn stamp(body: &mut [u8], id: u32) {
    for (place, digit) in body[1..]
        .iter_mut()
        .zip((0..8).map(|digit| (id >> (28 - 4 * digit)) & 15))
    {
        *place = b"0123456789abcdef"[digit as usize];
    }
}

pub(crate) fn put_request(output: &mut Vec<u8>, id: u32, route: &str, body: &[u8]) {
    let id_length = (32 - id.leading_zeros()).div_ceil(7) as usize;
    frame::put_header(
        output,
        frame::DATA,
        1 + id_length + 1 + route.len() + body.len(),
    );
    output.push(REQUEST);
    let mut rest = id;
    while rest > 0x7f {
        output.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    output.push(rest as u8);
    output.push(route.len() as u8);
    output.extend_from_slice(route.as_bytes());
    output.extend_from_slice(body);
}

pub(crate) fn split_varint(input: &[u8]) -> Option<(u32, &[u8])> {
    let mut value = 0;
    for (at, byte) in input.iter().take(5).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &input[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn requests(in_flight: u16) -> Requests {
        let plan = Plan {
            websocket: false,
            bare: false,
            route: "a.b.c".into(),
            in_flight,
            payload: 10,
        };
        Requests::new(Arc::new(plan)).unwrap()
    }

    fn answer(id: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame::put(&mut bytes, frame::DATA, &[&[RESPONSE, id], body].concat());
        bytes
    }

    #[test]
    fn a_request_is_written_as_pomelo_wants_it() {
        let mut bytes = Vec::new();
        put_request(&mut bytes, 300, "a.b.c", b"{}");
        assert_eq!(bytes, b"\x04\x00\x00\x0b\x00\xac\x02\x05a.b.c{}");
        for id in [1, 127, 128, 16_383, 16_384, u32::MAX] {
            let mut bytes = Vec::new();
            put_request(&mut bytes, id, "a.b.c", b"{}");
            let (_, message, rest) = frame::split(&bytes).unwrap();
            assert!(rest.is_empty());
            assert_eq!(
                split_varint(&message[1..]).unwrap(),
                (id, &b"\x05a.b.c{}"[..])
            );
        }
    }

    /// A server waits for it only so long: whoever is idle must have said it as well.
    #[tokio::test]
    async fn a_greeted_client_has_acknowledged() {
        let (near, mut far) = tokio::io::duplex(1 << 10);
        let plan = requests(1).plan;
        let greeting = Client::over(near, plan);
        let server = async {
            let mut hello = vec![0; frame::HEADER + HANDSHAKE.len()];
            far.read_exact(&mut hello).await.unwrap();
            let mut answer = Vec::new();
            frame::put(&mut answer, frame::HANDSHAKE, br#"{"code":200}"#);
            far.write_all(&answer).await.unwrap();
        };
        let (greeted, ()) = tokio::join!(greeting, server);
        let _silent = greeted.unwrap();
        let mut acknowledged = [0; frame::HEADER];
        far.read_exact(&mut acknowledged).await.unwrap();
        assert_eq!(acknowledged, [frame::HANDSHAKE_ACK, 0, 0, 0]);
    }

    #[test]
    fn wrong_and_unasked_answers_are_errors() {
        let mut requests = requests(2);
        let now = Instant::now();
        requests.measurement = now..now + DRAIN;
        requests.request(&mut Vec::new(), now);
        assert_eq!(requests.outstanding, 2);

        // Out of order is fine, as answers have ids; the first two are 3 and 4.
        let used = requests.receive(&answer(4, b"\"00000004\""), now).unwrap();
        assert_eq!(
            (
                used,
                requests.measured.latency.len(),
                requests.measured.errors
            ),
            (16, 1, 0)
        );
        requests.receive(&answer(4, b"\"00000004\""), now).unwrap();
        assert_eq!(requests.measured.errors, 1, "answered twice");
        requests.receive(&answer(3, b"\"00000004\""), now).unwrap();
        assert_eq!(requests.measured.errors, 2, "the answer to another request");
        assert_eq!(
            (requests.measured.latency.len(), requests.outstanding),
            (1, 0)
        );
    }
}
