//! Bodies that travel compressed.

use std::sync::Arc;

use tangelo::{
    Bootstrap, RpcApp,
    rpc::{Codec, CodecError, codegen::prost::Message as _, config::RefererConfig},
};
use tangelo_wire::krpc::{
    compress::{Compression, compress, decompress},
    frame::Frame,
    meta::Meta,
};

use super::desk::{
    BellClient, Clerk, DESK, DeskClient, ECHO, EchoReq, EchoRes, RingReq, accepted, answer_to, at,
    listener, local, serve, start,
};
use crate::{
    krpc::{Peer, call},
    world::{soon, until},
};

const LIMIT: usize = 1_000_000;
const BOTH: [(&str, Compression); 2] =
    [("zlib", Compression::Zlib), ("snappy", Compression::Snappy)];

fn zipped(kind: Compression, body: &[u8]) -> Vec<u8> {
    let mut out = bytes::BytesMut::new();
    compress(kind, body, &mut out).unwrap();
    out.into()
}

/// A request whose encoded message has this many bytes, more than 130.
fn echo_of(bytes: usize) -> EchoReq {
    let text = "x".repeat(bytes - 3 - usize::from(bytes > 16_386));
    let request = EchoReq { text };
    assert_eq!(request.encoded_len(), bytes);
    request
}

async fn zipping(to: &str, zip: &str, min_size: usize) -> (RpcApp, DeskClient) {
    let referer = RefererConfig::new::<DeskClient>("desk").to(to);
    let referer = referer.zip(zip).min_size_to_zip(min_size);
    let app = start(Bootstrap::new("caller").referer_with(referer)).await;
    let desk = app.referer("desk").unwrap();
    (app, desk)
}

#[tokio::test]
async fn requests_longer_than_the_threshold_are_compressed_as_the_referer_says() {
    let (listener, address) = listener().await;
    for (zip, kind) in [
        ("zlib", Some(Compression::Zlib)),
        ("1", Some(Compression::Zlib)),
        ("Snappy", Some(Compression::Snappy)),
        ("2", Some(Compression::Snappy)),
        ("none", None),
        ("0", None),
    ] {
        let (_app, desk) = zipping(&address.to_string(), zip, 1000).await;
        let mut peer = accepted(&listener).await;
        for length in [1000, 1001] {
            let request = echo_of(length);
            let answer = desk.echo(request.clone()).start();
            let Frame { meta, body, .. } = peer.hear().await;
            match kind.filter(|_| length > 1000) {
                None => {
                    assert_eq!(meta.compress, 0, "{zip}, {length}");
                    assert_eq!(body.len(), length);
                }
                Some(kind) => {
                    assert_eq!(meta.compress, kind as i32, "{zip}, {length}");
                    assert!(body.len() < length / 2);
                    let plain = decompress(kind, &body, LIMIT).unwrap();
                    assert_eq!(EchoReq::decode(plain).unwrap(), request);
                }
            }
            peer.send(&answer_to(&meta, 0), b"").await;
            soon("the answer", answer).await.unwrap();
        }
    }
}

#[tokio::test]
async fn answers_longer_than_krpcs_threshold_are_compressed_as_the_request_was() {
    let app = serve(Clerk::new().service()).await;
    let mut peer = Peer::at(at(&app)).await;
    for (_, kind) in BOTH {
        for length in [10_000, 10_001] {
            let request = echo_of(length);
            let meta = Meta {
                compress: kind as i32,
                ..call(DESK, ECHO)
            };
            peer.send(&meta, &zipped(kind, &request.encode_to_vec()))
                .await;
            let Frame { meta, body, .. } = peer.hear().await;
            let plain = if length > 10_000 {
                assert_eq!(meta.compress, kind as i32);
                decompress(kind, &body, LIMIT).unwrap()
            } else {
                assert_eq!((meta.compress, body.len()), (0, length));
                body
            };
            assert_eq!(EchoRes::decode(plain).unwrap().text, request.text);
        }
    }
    // A client that does not compress may not be able to.
    let request = echo_of(20_000);
    let frame = peer.ask(call(DESK, ECHO), &request.encode_to_vec()).await;
    assert_eq!((frame.meta.compress, frame.body.len()), (0, 20_000));
}

#[tokio::test]
async fn a_call_is_the_same_whether_it_travels_compressed_or_not() {
    let app = serve(Clerk::new().service()).await;
    for zip in ["zlib", "snappy", "none"] {
        let (_app, desk) = zipping(&at(&app).to_string(), zip, 10_000).await;
        for length in [200, 10_000, 10_001, 900_000] {
            let request = echo_of(length);
            let answer = desk.echo(request.clone()).await.unwrap();
            assert_eq!(answer.text, request.text, "{zip}, {length}");
        }
    }
}

#[tokio::test]
async fn what_is_compressed_may_be_longer_than_a_frame_but_not_when_it_is_read() {
    // The same limit holds for the frame, and for the body out of its compression.
    let app = Bootstrap::new("desk").server(local().max_package_size(20_000_usize));
    let app = start(app.service(Clerk::new().service())).await;
    let (_app, desk) = zipping(&at(&app).to_string(), "zlib", 1000).await;
    let answer = desk.echo(echo_of(20_000)).await.unwrap();
    assert_eq!(answer.text.len(), 20_000 - 4);
    let status = desk.echo(echo_of(20_001)).await.unwrap_err();
    assert_eq!(status.code().0, -625);
    desk.echo(echo_of(200)).await.unwrap();
}

#[tokio::test]
async fn an_answer_longer_than_a_frame_is_an_error_and_the_connection_stays() {
    let app = Bootstrap::new("desk").server(local().max_package_size(2000_usize));
    let app = start(app.service(Clerk::new().service())).await;
    let mut peer = Peer::at(at(&app)).await;
    // Short as it travels, and as long as it may be when it is read: so is the answer, and its meta.
    for (length, code) in [(1900, 0), (2000, -626)] {
        let meta = Meta {
            compress: Compression::Zlib as i32,
            ..call(DESK, ECHO)
        };
        let body = zipped(Compression::Zlib, &echo_of(length).encode_to_vec());
        let frame = peer.ask(meta, &body).await;
        assert_eq!(frame.meta.ret_code, code);
        assert_eq!(frame.body.is_empty(), code != 0);
    }
    peer.echoes().await;
}

/// Turns every bit; of a body that is all zeroes it makes a lie.
#[derive(Debug)]
struct Turned;

impl Codec for Turned {
    fn number(&self) -> i32 {
        9
    }

    fn name(&self) -> &str {
        "turned"
    }

    fn compress(&self, body: &[u8], out: &mut bytes::BytesMut) -> Result<(), CodecError> {
        out.extend(body.iter().map(|byte| !byte));
        Ok(())
    }

    fn decompress(&self, bytes: &[u8], limit: usize) -> Result<bytes::Bytes, CodecError> {
        match bytes.first() {
            Some(0) => Ok(vec![0; limit + 1].into()),
            Some(1) => Err("not one of mine".into()),
            _ => Ok(bytes.iter().map(|byte| !byte).collect()),
        }
    }
}

#[tokio::test]
async fn an_application_compresses_in_a_manner_of_its_own() {
    let turned = || Arc::new(Turned) as Arc<dyn Codec>;
    let app = Bootstrap::new("desk").server(local()).codec(turned());
    let app = start(app.service(Clerk::new().service())).await;
    let mut peer = Peer::at(at(&app)).await;
    let meta = Meta {
        compress: 9,
        ..call(DESK, ECHO)
    };
    let frame = peer
        .ask(meta.clone(), &b"\x0a\x02hi".map(|byte| !byte))
        .await;
    assert_eq!((frame.meta.ret_code, &*frame.body), (0, &b"\x12\x02hi"[..]));
    // What it makes too long, and what it does not take.
    for body in [[0; 8], [1; 8]] {
        let frame = peer.ask(meta.clone(), &body).await;
        assert_eq!((frame.meta.ret_code, &*frame.body), (-625, &b""[..]));
    }
    let referer = RefererConfig::new::<DeskClient>("desk").to(&at(&app).to_string());
    let referer = referer.zip("turned").min_size_to_zip(1000_usize);
    let caller = Bootstrap::new("caller").codec(turned());
    let caller = start(caller.referer_with(referer)).await;
    let desk: DeskClient = caller.referer("desk").unwrap();
    for length in [1000, 1001, 20_000] {
        let request = echo_of(length);
        let answer = desk.echo(request.clone()).await.unwrap();
        assert_eq!(answer.text, request.text);
    }
}

#[tokio::test]
async fn calls_to_clients_are_compressed_as_their_referer_says() {
    let referer = RefererConfig::new::<BellClient>("bell").reverse(true);
    let referer = referer.zip("zlib").min_size_to_zip(3_usize);
    let app = Bootstrap::new("server")
        .server(local())
        .referer_with(referer);
    let app = start(app.service(Clerk::new().service())).await;
    let mut peer = Peer::at(at(&app)).await;
    let server = app.server("default").unwrap();
    until("it is connected", || server.connections().len() == 1).await;
    let name = server.connections()[0].name().to_string();
    let bell: BellClient = app.push("bell", &name).unwrap();
    for (times, length) in [(1 << 13, 3), (1 << 14, 4)] {
        let request = RingReq { times };
        assert_eq!(request.encoded_len(), length);
        let rung = bell.ring(request).start();
        let Frame { meta, body, .. } = peer.hear().await;
        let plain = match meta.compress {
            0 => body,
            1 => decompress(Compression::Zlib, &body, LIMIT).unwrap(),
            other => panic!("{other}"),
        };
        assert_eq!(meta.compress, i32::from(length > 3));
        assert_eq!(RingReq::decode(plain).unwrap(), request);
        peer.send(&answer_to(&meta, 0), b"").await;
        soon("the answer", rung).await.unwrap();
    }
}
