use std::{future::poll_fn, net::SocketAddr};

use bytes::Bytes;
use futures_util::poll;
use tangelo_wire::krpc::{layout::Layout, meta::Meta};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::{
    read::{FRAME_PATIENCE, FRAME_STEP, TIME_PER_POLL},
    unheard::{UNHEARD, UNHEARD_IN_THE_WAY},
    write::{KEPT_BUFFER, PATIENCE_FOR_READERS, PATIENCE_WHILE_LEAVING},
    *,
};
use crate::{
    Reply, Request, Service,
    connection::{Dialect, Limits, Quota},
    link::{Hello, Identity},
};

/// A connection over this stream.
fn driver<S: AsyncRead + AsyncWrite + Unpin + Send>(stream: S, limits: Limits) -> Driver<S> {
    driver_of(stream, limits, &Quota::unlimited())
}

fn driver_of<S: AsyncRead + AsyncWrite + Unpin + Send>(
    stream: S,
    limits: Limits,
    quota: &Arc<Quota>,
) -> Driver<S> {
    driver_until(stream, limits, quota, &Stop::new())
}

fn driver_until<S: AsyncRead + AsyncWrite + Unpin + Send>(
    stream: S,
    limits: Limits,
    quota: &Arc<Quota>,
    stop: &Stop,
) -> Driver<S> {
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    let dialect = Dialect::ours(limits.frame);
    let connection = Connection::new("test".into(), peer, (limits, quota), dialect);
    let role = Role::accepting(Duration::from_secs(180));
    let services = Arc::new(Services::new());
    Driver::new(stream, connection, services, role, stop)
}

/// A connection over a pipe of this size.
fn piped(limits: Limits, pipe: usize) -> (DuplexStream, Driver<DuplexStream>) {
    let (theirs, ours) = tokio::io::duplex(pipe);
    (theirs, driver(ours, limits))
}

#[tokio::test]
async fn a_peer_that_sends_heartbeats_and_reads_no_answers_is_cut() {
    const ANSWER: usize = frame::HEARTBEAT_RESPONSE.len();
    let limits = Limits {
        outgoing: 10 * ANSWER,
        ..Limits::default()
    };
    // What fits: one answer in the pipe, ten in the buffer.
    let (mut theirs, driver) = piped(limits, ANSWER);
    let connection = driver.connection.clone();
    let flood = async {
        for _ in 0..100 {
            if theirs.write_all(&frame::HEARTBEAT_REQUEST).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(driver, flood);
    assert!(connection.is_closed());
}

/// A call that nobody answers is told so at this time.
async fn times_out(connection: &Connection, deadline: Instant) {
    let outcome = connection.call((100, 1), deadline, Bytes::new()).await;
    assert_eq!(outcome.unwrap_err().code(), Code::RPC_TIMEOUT);
    assert_eq!(Instant::now(), deadline);
}

#[tokio::test(start_paused = true)]
async fn every_call_is_told_at_its_own_deadline_that_nobody_has_answered() {
    let (_theirs, driver) = piped(Limits::default(), 1 << 16);
    let connection = driver.connection.clone();
    let begun = Instant::now();
    let call = async |seconds| times_out(&connection, begun + Duration::from_secs(seconds)).await;
    let calls = async {
        tokio::join!(call(3), call(1), call(2), call(3));
        // The timer stood still meanwhile.
        call(4).await;
        connection.close();
    };
    tokio::join!(driver, calls);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_holds_where_the_peer_reads_nothing() {
    let (_theirs, driver) = piped(Limits::default(), 1);
    let connection = driver.connection.clone();
    let begun = Instant::now();
    let call = async |seconds| times_out(&connection, begun + Duration::from_secs(seconds)).await;
    let calls = async {
        let first = async {
            call(3).await;
        };
        let later = async {
            // The connection's task waits for room, and would be woken by that alone.
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(connection.backlog() > 0);
            call(2).await;
        };
        tokio::join!(first, later);
        connection.close();
    };
    tokio::join!(driver, calls);
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_is_heard_by_its_call_alone_and_one_given_up_by_nobody() {
    let (mut theirs, driver) = piped(Limits::default(), 1 << 16);
    let connection = driver.connection.clone();
    let deadline = Instant::now() + Duration::from_secs(3);
    let peer = async {
        let mut given_up = Box::pin(connection.call((100, 1), deadline, Bytes::new()));
        assert!(poll!(&mut given_up).is_pending());
        let mut kept = Box::pin(connection.call((100, 2), deadline, Bytes::new()));
        assert!(poll!(&mut kept).is_pending());
        drop(given_up);
        let mut answered = Vec::new();
        let mut read = BytesMut::new();
        while answered.len() < 2 {
            theirs.read_buf(&mut read).await.unwrap();
            while let Some(asked) = frame::decode(&mut read, Layout::V2, 1 << 20).unwrap() {
                let meta = Meta {
                    direction: tangelo_wire::krpc::meta::Direction::Response,
                    ..asked.meta
                };
                let mut answer = BytesMut::new();
                let body = [8, meta.msg_id as u8];
                frame::encode(&meta, &body, Layout::V2, 1 << 20, &mut answer).unwrap();
                theirs.write_all(&answer).await.unwrap();
                answered.push(meta.msg_id);
            }
        }
        assert_eq!(kept.await.unwrap().body, [8, 2][..]);
        connection.close();
    };
    tokio::join!(driver, peer);
}

const PING: Duration = Duration::from_secs(60);

/// A connection that this side has made, and the other side of it.
fn dialed() -> (DuplexStream, Connection, Driver<DuplexStream>) {
    let (theirs, mut driver) = piped(Limits::default(), 1 << 16);
    driver.role = Role::dialing(PING);
    driver.ticks = ticks(driver.role.tick);
    (theirs, driver.connection.clone(), driver)
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_is_dead_within_three_pings_whatever_is_said_to_it() {
    for talkative in [false, true] {
        let (_theirs, connection, driver) = dialed();
        let talk = async {
            while talkative && !connection.is_closed() {
                let _ = connection.tell((100, 1), |_| {});
                tokio::time::sleep(PING / 3).await;
            }
        };
        let begun = Instant::now();
        let dies = async {
            driver.await;
            begun.elapsed()
        };
        let (took, ()) = tokio::join!(dies, talk);
        assert!(took > PING * 2 && took <= PING * 3, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_nothing_says_to_its_neighbours_that_it_lives_and_to_nobody_else() {
    use tokio::io::AsyncReadExt;

    for is_neighbour in [true, false] {
        let (mut theirs, driver) = piped(Limits::default(), 1 << 16);
        let connection = driver.connection.clone();
        if is_neighbour {
            connection.set_hello(Hello {
                identity: Identity {
                    server_id: "connector-1".to_owned(),
                    server_type: "connector".to_owned(),
                    epoch: 1,
                    frontend: true,
                },
                lane: 0,
                lanes: 1,
            });
        }
        let mut heard = [0; frame::HEARTBEAT_REQUEST.len()];
        let listen = async {
            let heard = theirs.read_exact(&mut heard);
            tokio::time::timeout(2 * SIGN_OF_LIFE, heard).await
        };
        tokio::select! {
            () = driver => panic!("it has ended"),
            came = listen => assert_eq!(came.is_ok(), is_neighbour),
        }
        assert_eq!(heard == frame::HEARTBEAT_REQUEST, is_neighbour);
    }
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_comes_after_a_ping_of_silence_and_a_quarter_at_the_latest() {
    use tokio::io::AsyncReadExt;

    for begins in 0..10 {
        let (mut theirs, connection, driver) = dialed();
        let listen = async {
            tokio::time::sleep(PING * begins / 10).await;
            connection.tell((100, 1), |_| {}).unwrap();
            let mut heard = Vec::new();
            theirs.read_buf(&mut heard).await.unwrap();
            let silent = Instant::now();
            theirs.read_buf(&mut heard).await.unwrap();
            assert!(heard.ends_with(&frame::HEARTBEAT_REQUEST));
            let silent = silent.elapsed();
            assert!(silent <= PING * 5 / 4, "{silent:?}");
        };
        tokio::select! {
            () = driver => panic!("it lives"),
            () = listen => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_answers_heartbeats_lives_also_when_all_else_that_is_said_has_no_answer() {
    use tokio::io::AsyncReadExt;

    for talkative in [false, true] {
        let (mut theirs, connection, driver) = dialed();
        let talk = async {
            for _ in 0..30 {
                if talkative {
                    connection.tell((100, 1), |_| {}).unwrap();
                }
                tokio::time::sleep(PING / 3).await;
            }
        };
        let answer = async {
            let mut heard = Vec::new();
            while theirs.read_buf(&mut heard).await.unwrap() > 0 {
                let mut frames = heard.windows(frame::HEARTBEAT_REQUEST.len());
                if frames.any(|frame| frame == frame::HEARTBEAT_REQUEST) {
                    theirs.write_all(&frame::HEARTBEAT_RESPONSE).await.unwrap();
                    heard.clear();
                }
            }
        };
        tokio::select! {
            () = driver => panic!("it lives"),
            () = answer => panic!("it lives"),
            () = talk => {}
        }
    }
}

/// Never answers.
struct Hold;

impl Service for Hold {
    fn call(&self, _: Request) -> crate::Answer {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn bodies_of_requests_that_run_may_have_so_many_bytes_together() {
    let limits = Limits {
        held: 400,
        ..Limits::default()
    };
    let (mut theirs, mut driver) = piped(limits, 1 << 10);
    driver.services = Arc::new(Services::new().with_dyn(100, Arc::new(Hold)));
    let talk = async {
        let mut buffer = BytesMut::new();
        for (sequence, length) in [(1, 60), (2, 40), (3, 1), (4, 0), (5, 0)] {
            let meta = Meta {
                service_id: 100,
                msg_id: 1,
                sequence,
                ..Meta::default()
            };
            let body = vec![0; length];
            frame::encode(&meta, &body, Layout::V2, 1000, &mut buffer).unwrap();
            theirs.write_all(&buffer.split()).await.unwrap();
        }
        let refused = loop {
            if let Some(frame) = frame::decode(&mut buffer, Layout::V2, 1000).unwrap() {
                break frame.meta;
            }
            theirs.read_buf(&mut buffer).await.unwrap();
        };
        assert_eq!(refused.sequence, 3);
        assert_eq!(Code(refused.ret_code), Code::QUEUE_FULL);
    };
    tokio::select! {
        () = driver => panic!("it has ended"),
        () = talk => {}
    }
}

#[tokio::test]
async fn what_a_stream_keeps_is_flushed() {
    let (mut theirs, ours) = tokio::io::duplex(1 << 10);
    let driver = driver(tokio::io::BufStream::new(ours), Limits::default());
    let talk = async {
        let mut answer = [0; frame::HEARTBEAT_RESPONSE.len()];
        theirs.write_all(&frame::HEARTBEAT_REQUEST).await.unwrap();
        theirs.read_exact(&mut answer).await.unwrap();
    };
    tokio::select! {
        () = driver => panic!("it has ended"),
        () = talk => {}
    }
}

#[tokio::test]
async fn one_that_reads_them_is_not() {
    let limits = Limits {
        outgoing: 10 * frame::HEARTBEAT_RESPONSE.len(),
        ..Limits::default()
    };
    let (mut theirs, driver) = piped(limits, 1 << 10);
    let connection = driver.connection.clone();
    let talk = async {
        let mut answer = [0; frame::HEARTBEAT_RESPONSE.len()];
        for _ in 0..100 {
            theirs.write_all(&frame::HEARTBEAT_REQUEST).await.unwrap();
            theirs.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer, frame::HEARTBEAT_RESPONSE);
        }
        assert!(!connection.is_closed());
        drop(theirs);
    };
    tokio::join!(driver, talk);
}

/// Answers everything with so many bytes.
struct Much(usize);

impl Service for Much {
    fn call(&self, _: Request) -> crate::Answer {
        let body = Bytes::from(vec![b'x'; self.0]);
        Box::pin(std::future::ready(Ok(Reply::protobuf(0, body))))
    }
}

/// Answers at once, in two parts.
struct InParts {
    head: crate::Head,
    body: Bytes,
}

impl Service for InParts {
    fn call(&self, _: Request) -> crate::Answer {
        Box::pin(std::future::pending())
    }

    fn begin(&self, _: Request, _: &mut Context<'_>) -> crate::Begun {
        crate::Begun::Said(self.head, self.body.clone())
    }
}

/// What is answered to a request over a connection to a server that answers in these parts.
async fn answered_in_parts(head: &[u8], body: &[u8], compress: i32, frame: usize) -> frame::Frame {
    let limits = Limits {
        frame,
        ..Limits::default()
    };
    let (mut theirs, mut driver) = piped(limits, 1 << 10);
    let parts = InParts {
        head: crate::Head::new(head).unwrap(),
        body: Bytes::copy_from_slice(body),
    };
    driver.services = Arc::new(Services::new().with_dyn(100, Arc::new(parts)));
    let meta = Meta {
        service_id: 100,
        msg_id: 1,
        sequence: 7,
        timeout_ms: 1000,
        compress,
        ..Meta::default()
    };
    let mut bytes = BytesMut::new();
    frame::encode(&meta, b"", Layout::V2, 1000, &mut bytes).unwrap();
    theirs.write_all(&bytes.split()).await.unwrap();
    let listen = async {
        loop {
            if let Some(frame) = frame::decode(&mut bytes, Layout::V2, 1 << 20).unwrap() {
                break frame;
            }
            theirs.read_buf(&mut bytes).await.unwrap();
        }
    };
    tokio::select! {
        () = driver => panic!("it has ended"),
        frame = listen => frame,
    }
}

#[tokio::test]
async fn what_is_answered_in_two_parts_is_one_message() {
    for compress in [0, 1] {
        let answer = answered_in_parts(b"head and ", b"body", compress, 1000).await;
        assert_eq!((answer.meta.sequence, answer.meta.ret_code), (7, 0));
        assert_eq!(answer.body, "head and body");
    }
}

#[tokio::test]
async fn what_is_answered_in_two_parts_and_too_long_for_a_frame_is_told_to_be() {
    // Eight bytes of header, and four numbers of two bytes each.
    let fits = 100 - 16;
    for (length, code) in [(fits, 0), (fits + 1, Code::ENCODE_RES_ERROR.0)] {
        let answer = answered_in_parts(b"head", &vec![0; length - 4], 0, 100).await;
        assert_eq!(answer.meta.ret_code, code, "{length}");
    }
}

#[test]
fn a_head_has_16_bytes_at_the_most() {
    let longest = [1; crate::Head::MOST];
    assert_eq!(crate::Head::new(&longest).unwrap().as_slice(), longest);
    assert_eq!(crate::Head::new(&[1; crate::Head::MOST + 1]), None);
    assert_eq!(crate::Head::default().as_slice(), b"");
}

/// Notes what it hears.
#[derive(Default)]
struct Listening {
    heard: parking_lot::Mutex<Vec<&'static str>>,
}

impl Waiter for Listening {
    fn answer(&self, _: u64, _: Result<Reply, crate::Status>) {
        self.heard.lock().push("the end");
    }

    fn answer_among(&self, _: u64, _: Result<Reply, crate::Status>) -> bool {
        self.heard.lock().push("an answer");
        self.heard.lock().len() == 1
    }

    fn wake(&self) {
        self.heard.lock().push("woken");
    }
}

#[tokio::test]
async fn who_waits_for_several_answers_that_come_at_once_is_woken_when_he_has_all() {
    let (mut theirs, connection, driver) = dialed();
    let waiter = Arc::new(Listening::default());
    let mut bytes = BytesMut::new();
    for _ in 0..3 {
        let timeout = Duration::from_secs(1);
        let asked = connection.request((100, 1), timeout, |_| {}, waiter.clone(), 0);
        let meta = Meta {
            direction: tangelo_wire::krpc::meta::Direction::Response,
            service_id: 100,
            msg_id: 1,
            sequence: asked.unwrap().number(),
            ..Meta::default()
        };
        frame::encode(&meta, b"", Layout::V2, 1000, &mut bytes).unwrap();
    }
    theirs.write_all(&bytes).await.unwrap();
    drop(theirs);
    driver.await;
    let heard = std::mem::take(&mut *waiter.heard.lock());
    assert_eq!(heard, ["an answer", "an answer", "an answer", "woken"]);
}

/// Requests of service 100, under these sequences.
fn requests(sequences: std::ops::RangeInclusive<i32>, timeout_ms: i32) -> BytesMut {
    let mut buffer = BytesMut::new();
    for sequence in sequences {
        let meta = Meta {
            service_id: 100,
            msg_id: 1,
            sequence,
            timeout_ms,
            ..Meta::default()
        };
        frame::encode(&meta, b"", Layout::V2, 1000, &mut buffer).unwrap();
    }
    buffer
}

const LOOK: Duration = Duration::from_millis(10);

#[tokio::test(start_paused = true)]
async fn who_reads_no_answers_is_read_no_further_and_cut_when_his_time_is_up() {
    let (mut theirs, mut driver) = piped(Limits::default(), 16 << 10);
    driver.services = Arc::new(Services::new().with_dyn(100, Arc::new(Much(100_000))));
    let connection = driver.connection.clone();
    let begun = Instant::now();
    let ask = async {
        let mut asked = 0;
        while theirs.write_all(&requests(1..=1, 0)).await.is_ok() {
            asked += 1;
        }
        asked
    };
    let watch = async {
        while !connection.is_closed() {
            assert!(connection.backlog() < 2 << 20, "{}", connection.backlog());
            tokio::time::sleep(LOOK).await;
        }
    };
    let ((), asked, ()) = tokio::join!(driver, ask, watch);
    // What lies in the pipe unread was asked as well.
    assert!((11..2000).contains(&asked), "{asked}");
    let took = begun.elapsed();
    let idle = Duration::from_secs(180) / 36;
    assert!(
        took >= PATIENCE_FOR_READERS && took <= PATIENCE_FOR_READERS + 2 * idle,
        "{took:?}"
    );
}

#[tokio::test]
async fn who_reads_late_has_all_answers_in_their_order() {
    let (theirs, mut driver) = piped(Limits::default(), 16 << 10);
    driver.services = Arc::new(Services::new().with_dyn(100, Arc::new(Much(100_000))));
    let (mut from, mut to) = tokio::io::split(theirs);
    let ask = async {
        to.write_all(&requests(1..=200, 0)).await.unwrap();
    };
    let hear = async {
        let (mut buffer, mut next) = (BytesMut::new(), 1);
        while next <= 200 {
            from.read_buf(&mut buffer).await.unwrap();
            while let Some(frame) = frame::decode(&mut buffer, Layout::V2, 1 << 20).unwrap() {
                assert_eq!(frame.meta.sequence, next);
                next += 1;
            }
        }
    };
    tokio::select! {
        () = driver => panic!("it has ended"),
        ((), ()) = async { tokio::join!(ask, hear) } => {}
    }
}

#[tokio::test]
async fn what_was_written_counts_no_longer_while_more_is_put_off() {
    let (_theirs, mut driver) = piped(Limits::default(), 1 << 16);
    let connection = driver.connection.clone();
    let tell = |bytes: usize| {
        let body = vec![b'x'; bytes];
        connection
            .tell((100, 1), |out| out.extend_from_slice(&body))
            .unwrap();
    };
    tell(10_000);
    assert!(poll!(&mut driver).is_pending());
    assert!(connection.backlog() > 10_000, "put off");
    assert!(poll!(&mut driver).is_pending());
    assert_eq!(connection.backlog(), 0);
    driver.gathering = Gathering::default();
    tell(10);
    assert!(poll!(&mut driver).is_pending());
    assert!(
        (11..100).contains(&connection.backlog()),
        "{}",
        connection.backlog()
    );
}

/// Waits for its turn, and then takes longer than a connection may in one.
struct Long;

impl Service for Long {
    fn call(&self, _: Request) -> crate::Answer {
        Box::pin(async {
            let mut waited = false;
            poll_fn(|context| {
                context.waker().wake_by_ref();
                match std::mem::replace(&mut waited, true) {
                    false => Poll::Pending,
                    true => Poll::Ready(()),
                }
            })
            .await;
            let begun = std::time::Instant::now();
            while begun.elapsed() < TIME_PER_POLL {
                std::hint::spin_loop();
            }
            Ok(Reply::default())
        })
    }
}

#[tokio::test]
async fn what_comes_does_not_wait_for_all_that_run_long() {
    let (mut theirs, mut driver) = piped(Limits::default(), 16 << 10);
    driver.services = Arc::new(Services::new().with_dyn(100, Arc::new(Long)));
    theirs.write_all(&requests(1..=8, 0)).await.unwrap();
    for rest in (0..8).rev() {
        assert!(poll!(&mut driver).is_pending());
        assert_eq!(driver.running.len(), rest, "one a turn");
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_together_leave_too_much_unread_are_cut_at_once() {
    let quota = Quota::of(usize::MAX, 3 << 20);
    let mut ends = Vec::new();
    let mut connections = Vec::new();
    let mut drivers = Vec::new();
    for _ in 0..4 {
        let (mut theirs, ours) = tokio::io::duplex(16 << 10);
        let mut driver = driver_of(ours, Limits::default(), &quota);
        driver.services = Arc::new(Services::new().with_dyn(100, Arc::new(Much(100_000))));
        connections.push(driver.connection.clone());
        drivers.push(driver);
        theirs.write_all(&requests(1..=100, 0)).await.unwrap();
        ends.push(theirs);
    }
    let all = futures_util::future::join_all(drivers);
    let some = async {
        while !connections.iter().any(Connection::is_closed) {
            tokio::time::sleep(LOOK).await;
        }
        // Those who were cut make room for the others.
        tokio::time::sleep(PATIENCE_FOR_READERS / 2).await;
        assert!(connections.iter().any(|one| !one.is_closed()));
    };
    tokio::select! {
        _ = all => panic!("all have ended"),
        () = some => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_runs_no_longer_than_a_server_lets_it_whatever_its_caller_says() {
    let limits = Limits {
        longest: Duration::from_secs(7),
        ..Limits::default()
    };
    for (timeout_ms, seconds) in [(i32::MAX, 7), (7_001, 7), (7_000, 7), (5_000, 5)] {
        let (mut theirs, mut driver) = piped(limits, 1 << 10);
        driver.services = Arc::new(Services::new().with_dyn(100, Arc::new(Hold)));
        let begun = Instant::now();
        let talk = async {
            theirs
                .write_all(&requests(1..=1, timeout_ms))
                .await
                .unwrap();
            let mut buffer = BytesMut::new();
            let frame = loop {
                if let Some(frame) = frame::decode(&mut buffer, Layout::V2, 1000).unwrap() {
                    break frame;
                }
                theirs.read_buf(&mut buffer).await.unwrap();
            };
            assert_eq!(Code(frame.meta.ret_code), Code::RPC_TIMEOUT);
            assert_eq!(begun.elapsed().as_secs(), seconds);
        };
        tokio::select! {
            () = driver => panic!("it has ended"),
            () = talk => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_leaves_waits_two_seconds_for_those_who_go_on_asking_and_one_for_those_who_do_not_read()
 {
    for reads in [true, false] {
        let (theirs, ours) = tokio::io::duplex(1 << 10);
        let stop = Stop::new();
        let driver = driver_until(ours, Limits::default(), &Quota::unlimited(), &stop);
        let connection = driver.connection.clone();
        let (mut from, mut to) = tokio::io::split(theirs);
        let ask = async {
            while to.write_all(&requests(1..=1, 0)).await.is_ok() {
                tokio::time::sleep(LOOK).await;
            }
        };
        let hear = async {
            let mut heard = Vec::new();
            while reads && from.read_buf(&mut heard).await.is_ok_and(|read| read > 0) {}
        };
        let leave = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(!connection.is_closed());
            stop.drain();
            let begun = Instant::now();
            connection.closed().await;
            let took = begun.elapsed();
            let most = if reads {
                LEAVING_GRACE
            } else {
                PATIENCE_WHILE_LEAVING
            };
            assert!(took <= most + 2 * LEAVING_TICK, "{took:?}");
        };
        tokio::join!(driver, ask, hear, leave);
    }
}

/// Never answers, and has no place for more.
struct Crowded;

impl Service for Crowded {
    fn call(&self, request: Request) -> crate::Answer {
        Hold.call(request)
    }

    fn is_crowded(&self, msg_id: i32) -> bool {
        msg_id == 1
    }
}

/// How long a request goes on after its connection has ended.
async fn unheard(service: impl Service, sequence: i32, stop: &Stop) -> Duration {
    let (mut theirs, ours) = tokio::io::duplex(1 << 10);
    let limits = Limits {
        longest: UNHEARD * 10,
        ..Limits::default()
    };
    let mut driver = driver_until(ours, limits, &Quota::unlimited(), stop);
    driver.services = Arc::new(Services::new().with_dyn(100, Arc::new(service)));
    let request = requests(sequence..=sequence, i32::MAX);
    theirs.write_all(&request).await.unwrap();
    drop(theirs);
    let begun = Instant::now();
    driver.await;
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn what_runs_for_nobody_is_given_up_soon_where_others_wait_for_its_place() {
    let stop = Stop::new();
    assert_eq!(unheard(Hold, 1, &stop).await.as_secs(), UNHEARD.as_secs());
    let took = unheard(Crowded, 1, &stop).await;
    assert_eq!(took.as_secs(), UNHEARD_IN_THE_WAY.as_secs());
    // Sent to be done, not to be answered.
    assert_eq!(
        unheard(Crowded, 0, &stop).await.as_secs(),
        UNHEARD.as_secs()
    );
}

#[tokio::test(start_paused = true)]
async fn what_runs_for_nobody_is_given_up_soon_when_its_server_leaves() {
    let stop = Stop::new();
    let leave = async {
        tokio::time::sleep(UNHEARD / 2).await;
        stop.drain();
    };
    let (took, asked, ()) = tokio::join!(unheard(Hold, 0, &stop), unheard(Hold, 1, &stop), leave);
    assert_eq!(took.as_secs(), UNHEARD.as_secs(), "what is to be done is");
    let most = UNHEARD / 2 + UNHEARD_IN_THE_WAY;
    assert!(
        asked >= UNHEARD / 2 && asked.as_secs() <= most.as_secs(),
        "{asked:?}"
    );
}

/// How long a connection stands over which a frame of so many bytes comes, this many at a time and with
/// this pause; none if it has come.
async fn comes(length: usize, step: usize, pause: Duration, idle: Duration) -> Option<Duration> {
    let limits = Limits {
        frame: usize::MAX,
        held: usize::MAX,
        ..Limits::default()
    };
    let (mut theirs, mut driver) = piped(limits, 1 << 20);
    driver.role = Role::accepting(idle);
    driver.ticks = ticks(driver.role.tick);
    driver.services = Arc::new(Services::new().with_dyn(100, Arc::new(Much(1))));
    let (meta, body) = (Meta::default(), vec![0; length]);
    let mut bytes = BytesMut::new();
    let meta = Meta {
        service_id: 100,
        msg_id: 1,
        sequence: 1,
        ..meta
    };
    frame::encode(&meta, &body, Layout::V2, usize::MAX, &mut bytes).unwrap();
    let begun = Instant::now();
    let talk = async {
        for part in bytes.chunks(step) {
            if theirs.write_all(part).await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(pause).await;
        }
        let mut answer = [0; 8];
        theirs.read_exact(&mut answer).await.unwrap();
    };
    tokio::select! {
        () = driver => Some(begun.elapsed()),
        () = talk => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_is_begun_and_does_not_come_on_ends_its_connection() {
    const MINUTES: Duration = Duration::from_secs(180);
    let pause = Duration::from_secs(1);
    // A header and nothing; a byte now and then; hardly anything; with an operator who waits for long.
    for (step, idle) in [(8, 180), (1, 180), (FRAME_STEP / 40, 180), (8, 86_400)] {
        let pause = if step == 8 { MINUTES } else { pause };
        let took = comes(1 << 20, step, pause, Duration::from_secs(idle)).await;
        let took = took.expect("it has ended");
        let most = FRAME_PATIENCE + Duration::from_secs(5);
        assert!(took >= FRAME_PATIENCE && took <= most, "{step}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_comes_slowly_comes_and_is_no_idleness() {
    let second = Duration::from_secs(1);
    // 64 MB over 1 Mbit/s.
    let came = comes(64_000_000, 125_000, second, Duration::from_secs(180)).await;
    assert_eq!(came, None);
    // A little more than must come.
    let came = comes(FRAME_STEP * 20, FRAME_STEP / 25, second, second * 60).await;
    assert_eq!(came, None);
    // A short one has its time.
    assert_eq!(comes(20, 2, second, second * 180).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_leaves_waits_as_long_as_a_neighbour_has_not_heard_of_it() {
    let (theirs, ours) = tokio::io::duplex(1 << 20);
    let stop = Stop::new();
    let mut driver = driver_until(ours, Limits::default(), &Quota::unlimited(), &stop);
    driver.services = Arc::new(Services::new().with_dyn(100, Arc::new(Much(1))));
    let connection = driver.connection.clone();
    connection.set_hello(Hello {
        identity: Identity {
            server_id: "connector-1".to_owned(),
            server_type: "connector".to_owned(),
            epoch: 1,
            frontend: true,
        },
        lane: 0,
        lanes: 1,
    });
    let (_from, mut to) = tokio::io::split(theirs);
    let talk = async {
        stop.drain();
        let begun = Instant::now();
        while begun.elapsed() < 3 * NEIGHBOURS_GRACE {
            to.write_all(&requests(1..=1, 0)).await.unwrap();
            tokio::time::sleep(NEIGHBOURS_GRACE / 2).await;
            assert!(!connection.is_closed(), "{:?}", begun.elapsed());
        }
        let last = Instant::now();
        connection.closed().await;
        assert!(last.elapsed() <= NEIGHBOURS_GRACE + 2 * LEAVING_TICK);
    };
    tokio::join!(driver, talk);
}

#[tokio::test]
async fn a_large_buffer_is_given_back_when_it_is_empty() {
    let (mut theirs, mut driver) = piped(Limits::default(), 16 << 10);
    driver.services = Arc::new(Services::new().with_dyn(100, Arc::new(Much(900_000))));
    let talk = async {
        let mut buffer = BytesMut::new();
        for round in 1..=3 {
            theirs.write_all(&requests(round..=round, 0)).await.unwrap();
            while frame::decode(&mut buffer, Layout::V2, 1 << 20)
                .unwrap()
                .is_none()
            {
                theirs.read_buf(&mut buffer).await.unwrap();
            }
        }
        theirs.write_all(&frame::HEARTBEAT_REQUEST).await.unwrap();
        let mut answer = [0; frame::HEARTBEAT_RESPONSE.len()];
        theirs.read_exact(&mut answer).await.unwrap();
    };
    tokio::select! {
        () = &mut driver => panic!("it has ended"),
        () = talk => {}
    }
    let connection = driver.connection.clone();
    let kept = driver.writing.capacity() + connection.shared.state.lock().out.capacity();
    assert!(kept < KEPT_BUFFER, "{kept}");
}

/// Is done when it is told so, and says whether it was.
struct Slow(tokio::sync::mpsc::Sender<&'static str>, Duration);

struct Ending(tokio::sync::mpsc::Sender<&'static str>);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.try_send("dropped");
    }
}

impl Service for Slow {
    fn call(&self, _: Request) -> crate::Answer {
        let (told, takes) = (self.0.clone(), self.1);
        let ending = Ending(told.clone());
        Box::pin(async move {
            let _ending = ending;
            tokio::time::sleep(takes).await;
            let _ = told.try_send("done");
            Ok(Reply::default())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_runs_when_its_connection_ends_has_half_a_minute_and_the_socket_is_closed_at_once() {
    for (takes, expected) in [(29, "done"), (31, "dropped")] {
        let (told, mut hears) = tokio::sync::mpsc::channel(2);
        let (mut theirs, mut driver) = piped(Limits::default(), 1 << 10);
        let slow = Slow(told, Duration::from_secs(takes));
        driver.services = Arc::new(Services::new().with_dyn(100, Arc::new(slow)));
        let connection = driver.connection.clone();
        let talk = async {
            theirs.write_all(&requests(1..=1, 200_000)).await.unwrap();
            theirs.write_all(&frame::HEARTBEAT_REQUEST).await.unwrap();
            let mut answer = [0; frame::HEARTBEAT_RESPONSE.len()];
            theirs.read_exact(&mut answer).await.unwrap();
            connection.close();
            let begun = Instant::now();
            assert_eq!(theirs.read(&mut answer).await.unwrap(), 0);
            assert!(begun.elapsed() < Duration::from_secs(1));
        };
        tokio::join!(driver, talk);
        assert_eq!(hears.recv().await, Some(expected));
    }
}

/// Answers at once, or with the next turn, and tells when what it left to do begins, and whether its
/// answer had been handed on by then; that ends when it is told to.
struct Leaves {
    at_once: bool,
    begun: tokio::sync::mpsc::Sender<bool>,
    ends: Arc<tokio::sync::Notify>,
}

impl Service for Leaves {
    fn call(&self, request: Request) -> crate::Answer {
        let connection = request.connection.unwrap();
        let (begun, ends, at_once) = (self.begun.clone(), Arc::clone(&self.ends), self.at_once);
        let deadline = Instant::now() + Duration::from_secs(10);
        Box::pin(async move {
            if !at_once {
                tokio::task::yield_now().await;
            }
            let its = connection.clone();
            let work = async move {
                begun.try_send(its.backlog() > 0).unwrap();
                ends.notified().await;
                begun.try_send(true).unwrap();
                Ok(Reply::default())
            };
            connection.afterwards((100, 1), deadline, Box::pin(work));
            Ok(Reply::default())
        })
    }
}

/// A request, over a connection of which one end is dropped after the answer; what its service told.
async fn told_by_leftovers(at_once: bool, ends: bool) -> Vec<bool> {
    let (begun, mut told) = tokio::sync::mpsc::channel(9);
    let leaves = Leaves {
        at_once,
        begun,
        ends: Arc::default(),
    };
    let notify = Arc::clone(&leaves.ends);
    let (mut theirs, mut driver) = piped(Limits::default(), 1 << 10);
    driver.services = Arc::new(Services::new().with_dyn(100, Arc::new(leaves)));
    let talk = async move {
        let mut buffer = BytesMut::new();
        let meta = Meta {
            service_id: 100,
            msg_id: 1,
            sequence: 7,
            ..Meta::default()
        };
        frame::encode(&meta, b"", Layout::V2, 1000, &mut buffer).unwrap();
        theirs.write_all(&buffer.split()).await.unwrap();
        theirs.read_buf(&mut buffer).await.unwrap();
        let answer = frame::decode(&mut buffer, Layout::V2, 1000).unwrap();
        assert_eq!(answer.unwrap().meta.sequence, 7);
        drop(theirs);
        if ends {
            notify.notify_one();
        }
    };
    tokio::join!(driver, talk);
    let mut all = Vec::new();
    while let Some(told) = told.recv().await {
        all.push(told);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn what_is_left_to_do_begins_when_the_answer_is_handed_on_and_outlives_the_connection() {
    for at_once in [true, false] {
        assert_eq!(told_by_leftovers(at_once, true).await, [true, true]);
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_dropped_at_its_deadline() {
    let begun = Instant::now();
    assert_eq!(told_by_leftovers(true, false).await, [true]);
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(10) && took < Duration::from_secs(11));
}

/// Answers at once, pushing before if it is to; notes whether what was said before it began has left by then.
struct Notes {
    theirs: Arc<parking_lot::Mutex<DuplexStream>>,
    pushes: bool,
    left: Arc<parking_lot::Mutex<Vec<bool>>>,
}

impl Service for Notes {
    fn call(&self, request: Request) -> crate::Answer {
        let mut bytes = [0; 1 << 10];
        let mut heard = tokio::io::ReadBuf::new(&mut bytes);
        let mut task = Context::from_waker(std::task::Waker::noop());
        let _ = Pin::new(&mut *self.theirs.lock()).poll_read(&mut task, &mut heard);
        self.left.lock().push(!heard.filled().is_empty());
        if self.pushes {
            request.connection.unwrap().tell((100, 2), |_| {}).unwrap();
        }
        Box::pin(std::future::ready(Ok(Reply::default())))
    }
}

/// Requests that come one by one, each when the task has had one turn for the one before it: of each but the first,
/// whether the answer to that had left when it began.
async fn left_before_the_next(pushes: bool, others_push: bool) -> Vec<bool> {
    let (theirs, mut driver) = piped(Limits::default(), 1 << 16);
    let theirs = Arc::new(parking_lot::Mutex::new(theirs));
    let left = Arc::default();
    let notes = Notes {
        theirs: Arc::clone(&theirs),
        pushes,
        left: Arc::clone(&left),
    };
    driver.services = Arc::new(Services::new().with_dyn(100, Arc::new(notes)));
    let connection = driver.connection.clone();
    let mut driver = Box::pin(driver);
    for sequence in 1..=40 {
        let request = requests(sequence..=sequence, 1000);
        let mut task = Context::from_waker(std::task::Waker::noop());
        let wrote = Pin::new(&mut *theirs.lock()).poll_write(&mut task, &request);
        assert!(wrote.is_ready());
        if others_push {
            connection.tell((100, 3), |_| {}).unwrap();
        }
        assert!(futures_util::poll!(&mut driver).is_pending());
        tokio::task::yield_now().await;
    }
    let left = std::mem::take(&mut *left.lock());
    left.into_iter().skip(1).collect()
}

#[tokio::test]
async fn what_is_put_off_for_others_does_not_wait_for_what_the_next_turn_reads() {
    for pushes in [false, true] {
        for others_push in [false, true] {
            let left = left_before_the_next(pushes, others_push).await;
            assert_eq!(left, [true; 39], "{pushes}, {others_push}");
        }
    }
}
