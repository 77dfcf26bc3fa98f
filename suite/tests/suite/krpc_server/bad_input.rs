//! What no client of good will sends. That connection alone ends, if it does, and nobody else notices.

use bytes::{BufMut, BytesMut};
use tangelo::{
    Bootstrap,
    rpc::{Code, codegen::prost::Message as _},
};
use tangelo_wire::krpc::{
    compress::{Compression, compress},
    frame::{self, DEFAULT_MAX_FRAME},
    layout::Layout,
    meta::{Beside, Direction, Meta},
    trace::Unread,
};
use tokio::io::AsyncWriteExt;

use super::{
    desk::{
        CHECK, Clerk, DESK, ECHO, EchoReq, HOLD, accepted, answer_to, at, caller, listener, local,
        serve, start,
    },
    log::Log,
    recorded,
};
use crate::{
    krpc::{Peer, call},
    world::soon,
};

/// A frame with this meta, whatever it is, and this body.
fn framed(meta: &[u8], body: &[u8]) -> Vec<u8> {
    let mut out = b"KR".to_vec();
    out.put_u16(u16::try_from(meta.len()).unwrap());
    out.put_u32(u32::try_from(meta.len() + body.len()).unwrap());
    out.extend_from_slice(meta);
    out.extend_from_slice(body);
    out
}

/// The header of a frame, with these lengths of the meta and of both.
fn header(meta: u16, both: u32) -> Vec<u8> {
    let mut out = b"KR".to_vec();
    out.put_u16(meta);
    out.put_u32(both);
    out
}

fn echo(text: &str) -> Vec<u8> {
    let mut out = BytesMut::new();
    let request = EchoReq {
        text: text.to_owned(),
    };
    let (meta, body) = (call(DESK, ECHO), request.encode_to_vec());
    frame::encode(&meta, &body, Layout::V2, DEFAULT_MAX_FRAME, &mut out).unwrap();
    out.into()
}

#[tokio::test]
async fn what_is_no_frame_ends_its_connection_with_a_line_in_the_log() {
    let log = Log::keep();
    let app = serve(Clerk::new().service()).await;
    let mut other = Peer::at(at(&app)).await;
    let recorded = |name: &str| recorded(&format!("v2.invalid.{name}"));
    for (what, bytes, reason) in [
        (
            "one wrong byte of the magic",
            recorded("magic_second_byte_wrong"),
            "not a krpc frame",
        ),
        ("no meta", recorded("metalen_zero"), "meta of 0 bytes"),
        (
            "no direction",
            recorded("direction_zero"),
            "meta with direction 0",
        ),
        (
            "a byte too long",
            recorded("packetlen_over_max"),
            "frame of 1000008 bytes",
        ),
        (
            "a length that is negative in Java",
            header(6, u32::MAX),
            "frame of 4294967303 bytes",
        ),
        (
            "the least of those",
            header(6, 1 << 31),
            "frame of 2147483656 bytes",
        ),
        (
            "a meta longer than the frame",
            header(7, 6),
            "meta of 7 bytes",
        ),
        (
            "a meta longer than Java can say",
            header(1 << 15, 1 << 16),
            "meta of 32768 bytes",
        ),
        (
            "neither request nor response",
            framed(b"\x08\x03\x10\x65\x18\x01", b""),
            "direction 3",
        ),
        (
            "service 0",
            framed(b"\x08\x01\x18\x01\x20\x01", b""),
            "service 0, message 1",
        ),
        (
            "message 0",
            framed(b"\x08\x01\x10\x65\x20\x01", b""),
            "service 101, message 0",
        ),
        (
            "message -1",
            framed(
                b"\x08\x01\x10\x65\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                b"",
            ),
            "service 101, message -1",
        ),
        (
            "a meta cut short",
            framed(b"\x08\x01\x10\x65\x18", b""),
            "no protobuf",
        ),
        (
            "a text longer than the meta",
            framed(b"\x08\x01\x10\x65\x18\x01\x3a\x05ab", b""),
            "no protobuf",
        ),
        (
            "a number without end",
            framed(&[&b"\x08\x01\x10\x65\x20"[..], &[0xff; 12]].concat(), b""),
            "no protobuf",
        ),
        (
            "HTTP",
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            "not a krpc frame",
        ),
        (
            "TLS",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
            "not a krpc frame",
        ),
    ] {
        let mut peer = Peer::at(at(&app)).await;
        peer.echoes().await;
        let own = peer.stream.local_addr().unwrap().to_string();
        peer.says(&bytes).await;
        soon(what, peer.is_closed()).await;
        let lines = log.lines(&["WARN", "connection ended", &own, reason]);
        assert_eq!(lines.len(), 1, "{what}: {:?}", log.lines(&[&own]));
        other.echoes().await;
    }
}

#[tokio::test]
async fn a_frame_of_the_longest_length_is_taken() {
    let app = serve(Clerk::new().service()).await;
    let mut peer = Peer::at(at(&app)).await;
    // A heartbeat of a million bytes: its body is nobody's.
    let begin = recorded("v2.invalid.packetlen_at_max");
    peer.says(&begin).await;
    peer.says(&vec![0; DEFAULT_MAX_FRAME - begin.len()]).await;
    peer.hears(&frame::HEARTBEAT_RESPONSE).await;
    peer.echoes().await;
}

#[tokio::test]
async fn the_limit_of_a_frame_is_the_configured_one() {
    let app = Bootstrap::new("desk").server(local().max_package_size(2000_usize));
    let app = start(app.service(Clerk::new().service())).await;
    let of_length = |length: usize| {
        let rest = echo(&"x".repeat(1000)).len() - 1000;
        let frame = echo(&"x".repeat(length - rest));
        assert_eq!(frame.len(), length);
        frame
    };
    let mut peer = Peer::at(at(&app)).await;
    peer.says(&of_length(2000)).await;
    assert_eq!(peer.answer().await, (77, 0));
    peer.says(&of_length(2001)).await;
    peer.is_closed().await;
}

#[tokio::test]
async fn a_request_that_breaks_off_anywhere_is_nobodys() {
    let app = serve(Clerk::new().service()).await;
    let mut other = Peer::at(at(&app)).await;
    let request = echo("hello");
    for end in 0..request.len() {
        let mut peer = Peer::at(at(&app)).await;
        peer.says(&request[..end]).await;
        peer.stream.shutdown().await.unwrap();
        peer.is_closed().await;
    }
    other.echoes().await;
}

#[tokio::test]
async fn lengths_that_lie_within_their_frame_harm_nobody_else() {
    let app = serve(Clerk::new().service()).await;
    let mut other = Peer::at(at(&app)).await;
    let request = echo("hello");
    for lie in 0..=request.len() {
        let mut peer = Peer::at(at(&app)).await;
        let mut lying = request.clone();
        lying[2..4].copy_from_slice(&u16::try_from(lie).unwrap().to_be_bytes());
        peer.says(&lying).await;
        peer.stream.shutdown().await.unwrap();
        // A meta that ends between two fields is one; whatever comes of it, it ends.
        let mut answer = Vec::new();
        let end = tokio::io::AsyncReadExt::read_to_end(&mut peer.stream, &mut answer);
        let _ = soon("the end", end).await;
        other.echoes().await;
    }
}

/// The same numbers at every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.roll()).unwrap() % of.len()]
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let count = self.roll() % most;
        (0..count).map(|_| self.roll().to_le_bytes()[0]).collect()
    }
}

#[tokio::test]
async fn ten_thousand_frames_of_nonsense_are_answered_or_dropped() {
    let log = Log::keep();
    let app = serve(Clerk::new().service()).await;
    let (mut peer, mut other) = (Peer::at(at(&app)).await, Peer::at(at(&app)).await);
    let mut dice = Dice(7);
    let (mut sent, mut answers) = (BytesMut::new(), 0);
    for _ in 0..10_000 {
        let meta = Meta {
            direction: dice.one_of(&[Direction::Request, Direction::Request, Direction::Response]),
            service_id: dice.one_of(&[2, 10, 11, 99, DESK, 102, i32::MAX]),
            // What holds would hold.
            msg_id: dice.one_of(&[1, 4, 5, 6, i32::MAX]),
            sequence: dice.one_of(&[0, 1, -1, i32::MIN, i32::MAX]),
            timeout_ms: dice.one_of(&[0, -1, 5000, i32::MIN]),
            ret_code: dice.one_of(&[0, 1, -622, -623, i32::MIN]),
            beside: Beside::of(Unread::default(), dice.bytes(30).into()),
            compress: dice.one_of(&[0, 0, 1, 2, 3, -1]),
            encrypt: dice.one_of(&[0, 0, 1, 2, -1]),
            ..Meta::default()
        };
        let body = dice.bytes(40);
        frame::encode(&meta, &body, Layout::V2, DEFAULT_MAX_FRAME, &mut sent).unwrap();
        answers += u32::from(meta.direction == Direction::Request && meta.sequence != 0);
    }
    let (mut reading, mut writing) = peer.stream.into_split();
    let write = async { writing.write_all(&sent).await.unwrap() };
    let read = async {
        let mut bytes = BytesMut::new();
        for _ in 0..answers {
            let frame = loop {
                let frame = frame::decode(&mut bytes, Layout::V2, DEFAULT_MAX_FRAME).unwrap();
                match frame {
                    Some(frame) => break frame,
                    None => {
                        let read = tokio::io::AsyncReadExt::read_buf(&mut reading, &mut bytes);
                        assert_ne!(soon("an answer", read).await.unwrap(), 0);
                    }
                }
            };
            assert_eq!(frame.meta.direction, Direction::Response);
        }
        bytes
    };
    let notice = async {
        for _ in 0..20 {
            other.echoes().await;
        }
    };
    let ((), rest, ()) = tokio::join!(write, read, notice);
    assert!(rest.is_empty());
    peer = Peer::over(reading.reunite(writing).unwrap());
    peer.echoes().await;
    let lines = log.lines(&["request failed"]).len();
    assert!((1..200).contains(&lines), "{lines}: nonsense fills no log");
}

#[tokio::test]
async fn bytes_of_nonsense_end_each_their_own_connection() {
    let app = serve(Clerk::new().service()).await;
    let mut other = Peer::at(at(&app)).await;
    let mut dice = Dice(11);
    for _ in 0..200 {
        let mut peer = Peer::at(at(&app)).await;
        // A meta of nonsense, at times with a good beginning.
        let mut meta = dice
            .one_of(&[&b""[..], b"\x08\x01\x10\x65\x18\x01"])
            .to_vec();
        meta.extend(dice.bytes(200));
        meta.push(0xff);
        peer.says(&framed(&meta, &dice.bytes(50))).await;
        peer.is_closed().await;
    }
    other.echoes().await;
}

#[tokio::test]
async fn a_trace_of_nonsense_is_none_and_the_request_is_answered() {
    let app = serve(Clerk::new().service()).await;
    let mut peer = Peer::at(at(&app)).await;
    let long = [&b"\x3a\x83\x20\x12\x80\x20"[..], &[b'x'; 4096]].concat();
    for (what, trace) in [
        ("no message", &b"\x3a\x02\xff\xff"[..]),
        ("text that is none", b"\x3a\x04\x12\x02\xff\xfe"),
        ("a tag without a value", b"\x3a\x04\x2a\x02k1"),
        ("only signs", b"\x3a\x06\x2a\x04&=&="),
        ("cut short", b"\x3a\x03\x12\x09a"),
        ("text where a number should be", b"\x3a\x03\x32\x01a"),
        ("peers that are none", b"\x3a\x08\x0a\x06,,:::,"),
        ("of the first version", b"\x2a\x02::"),
        ("of both", b"\x2a\x02::\x28\x01"),
        ("very long", &long),
    ] {
        let meta = [&b"\x08\x01\x10\x65\x18\x01\x20\x05"[..], trace].concat();
        peer.says(&framed(&meta, b"\x0a\x02hi")).await;
        let frame = peer.hear().await;
        assert_eq!((frame.meta.ret_code, &*frame.body), (0, &b"\x12\x02hi"[..]));
        assert_eq!(frame.meta.sequence, 5, "{what}");
    }
}

#[tokio::test]
async fn a_body_that_would_become_far_more_memory_than_it_is_long_is_not_decoded() {
    let app = serve(Clerk::new().service()).await;
    let mut peer = Peer::at(at(&app)).await;
    // A name, and notes of which each takes two bytes here and 24 and more in memory.
    let body = |notes: usize| [&b"\x0a\x01n"[..], &b"\x22\0".repeat(notes)].concat();
    for (notes, code) in [(5_000, 0), (300_000, -625)] {
        let frame = peer.ask(call(DESK, CHECK), &body(notes)).await;
        assert_eq!(frame.meta.ret_code, code, "{notes}");
    }
    // Packed small, it is the same.
    let mut zlib = BytesMut::new();
    compress(Compression::Zlib, &body(120_000), &mut zlib).unwrap();
    assert!(zlib.len() < 2000);
    let meta = Meta {
        compress: 1,
        ..call(DESK, CHECK)
    };
    assert_eq!(peer.ask(meta, &zlib).await.meta.ret_code, -625);
    peer.echoes().await;
}

/// Few bytes that want to become many.
fn bombs() -> Vec<(&'static str, i32, Vec<u8>)> {
    let zeroes = vec![0; 20 << 20];
    let mut zlib = BytesMut::new();
    compress(Compression::Zlib, &zeroes, &mut zlib).unwrap();
    let mut just_too_long = BytesMut::new();
    let plain = &zeroes[..DEFAULT_MAX_FRAME + 1];
    compress(Compression::Zlib, plain, &mut just_too_long).unwrap();
    let mut snappy = BytesMut::new();
    compress(Compression::Snappy, plain, &mut snappy).unwrap();
    vec![
        ("zlib", 1, zlib.to_vec()),
        ("zlib, a byte too long", 1, just_too_long.to_vec()),
        ("zlib, cut short", 1, zlib[..1000].to_vec()),
        ("zlib, and more", 1, [&just_too_long[..], b"x"].concat()),
        ("no zlib", 1, vec![0x78; 100]),
        ("snappy, a byte too long", 2, snappy.to_vec()),
        (
            "snappy that says 4 GiB",
            2,
            b"\xff\xff\xff\xff\x0f\x00x".to_vec(),
        ),
        (
            "snappy that says more",
            2,
            b"\xff\xff\xff\xff\xff\x0f".to_vec(),
        ),
        (
            "snappy that copies from before its begin",
            2,
            b"\x0a\x05\xff\xff".to_vec(),
        ),
    ]
}

#[tokio::test]
async fn bombs_are_refused_as_requests_and_as_answers() {
    let app = serve(Clerk::new().service()).await;
    let mut peer = Peer::at(at(&app)).await;
    let (listener, address) = listener().await;
    let (_caller, desk) = caller(address).await;
    let mut server = accepted(&listener).await;
    for (what, compress, body) in bombs() {
        let meta = Meta {
            compress,
            ..call(DESK, ECHO)
        };
        let frame = peer.ask(meta, &body).await;
        assert_eq!((frame.meta.ret_code, &*frame.body), (-625, &b""[..]));
        peer.echoes().await;

        let answer = desk.echo(EchoReq::default()).start();
        let asked = server.hear().await.meta;
        let meta = Meta {
            compress,
            ..answer_to(&asked, 0)
        };
        server.send(&meta, &body).await;
        let status = soon("the answer", answer).await.unwrap_err();
        assert_eq!(status.code(), Code::DECODE_RES_ERROR, "{what}");
    }
}

#[tokio::test]
async fn a_server_of_nonsense_loses_its_connection_and_its_callers_are_told() {
    let (listener, address) = listener().await;
    let (app, desk) = caller(address).await;
    let mut server = accepted(&listener).await;
    let client = app.client("default").unwrap();
    let calls = [(); 3].map(|()| desk.echo(EchoReq::default()).start());
    for _ in &calls {
        server.hear().await;
    }
    server.says(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    for call in calls {
        let status = soon("the end", call).await.unwrap_err();
        assert_eq!(status.code(), Code::CONNECTION_BROKEN);
    }
    assert!(client.connections().is_empty());
}

#[tokio::test]
async fn a_client_bears_answers_that_are_nobodys_and_bodies_that_are_none() {
    let (listener, address) = listener().await;
    let (_app, desk) = caller(address).await;
    let mut server = accepted(&listener).await;
    for sequence in [0, 1, -1, 65_536, i32::MAX] {
        let nobodys = Meta {
            sequence,
            ..answer_to(&call(DESK, ECHO), 0)
        };
        server.send(&nobodys, b"\xff").await;
    }
    server.is_refused(call(DESK, HOLD), -627).await;
    let answer = desk.echo(EchoReq::default()).start();
    let asked = server.hear().await.meta;
    server.send(&answer_to(&asked, 0), b"\x12\x02hi").await;
    assert_eq!(soon("the answer", answer).await.unwrap().text, "hi");
    let answer = desk.echo(EchoReq::default()).start();
    let asked = server.hear().await.meta;
    server.send(&answer_to(&asked, 0), b"\x12\x05hi").await;
    let status = soon("the answer", answer).await.unwrap_err();
    assert_eq!(status.code(), Code::DECODE_RES_ERROR, "a body cut short");
}
