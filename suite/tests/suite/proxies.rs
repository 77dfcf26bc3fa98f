//! Clients behind proxies: who they are is said by PROXY protocol or by a header, and believed of those that
//! are trusted alone. Proxies come from several addresses of this machine; Linux has all of 127/8.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde_json::{Value, json};
use tangelo::{
    connector::{Certificate, ForwardHeader, Hybrid},
    server::{Blueprint, Handlers, HostFilter, Json, Limits, Server, Session, filters::RateLimit},
};
use tangelo_wire::pomelo::package::Kind;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::Instant,
};

use crate::{
    client::{Client, Door, hello, package},
    log::Log,
    world::{alone, connector, door, pair, soon, until},
};

/// The proxy that is trusted, and somebody else.
const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 7, 1);
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 8, 1);
const WHO: &str = "connector.main.who";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Tells clients their own address.
fn telling(hybrid: Hybrid) -> Blueprint {
    async fn who(session: Session) -> Json<Value> {
        Json(json!(session.address().to_string()))
    }
    connector(Handlers::new().add("who", who)).connector(hybrid)
}

fn proxied() -> Hybrid {
    Hybrid::new().proxy_protocol_from(["127.0.7.0/24"]).unwrap()
}

fn forwarded(header: ForwardHeader) -> Hybrid {
    Hybrid::new()
        .forwarded_from(["127.0.7.0/24"], header)
        .unwrap()
}

async fn from(address: Ipv4Addr, server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    let stream = socket.connect(door(server)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// A connection that begins like this.
async fn beginning(address: Ipv4Addr, server: &Server, header: &[u8]) -> TcpStream {
    let mut stream = from(address, server).await;
    stream.write_all(header).await.unwrap();
    stream
}

/// A header of version 2: this command, family, what belongs to it.
fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[0x20 | command, family], &length, rest].concat()
}

/// From 192.0.2.7:4321 to 198.51.100.1:80.
const ADDRESSES: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0x10, 0xe1, 0, 80];
const LINE: &str = "PROXY TCP4 192.0.2.7 198.51.100.1 4321 80\r\n";
const CLIENT: &str = "192.0.2.7:4321";

async fn is_closed(mut stream: TcpStream) {
    let mut heard = Vec::new();
    let _ = soon("it is closed", stream.read_to_end(&mut heard)).await;
    assert!(heard.is_empty(), "{heard:?}");
}

async fn asks_who(door: Door, stream: TcpStream) -> String {
    let mut client = Client::over(door, stream).await;
    client.shake_hands().await;
    let told = client.ask(WHO, &json!({})).await;
    told.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn both_versions_say_who_the_client_is() {
    let server = alone(telling(proxied())).await;
    let mut six = [0; 36];
    six[..16].copy_from_slice(
        &"2001:db8::7"
            .parse::<std::net::Ipv6Addr>()
            .unwrap()
            .octets(),
    );
    six[32..34].copy_from_slice(&4321_u16.to_be_bytes());
    let more = [&ADDRESSES[..], &[0x04, 0, 3, 1, 2, 3]].concat();
    let headers = [
        (LINE.as_bytes().to_vec(), CLIENT),
        (
            b"PROXY TCP6 2001:db8::7 2001:db8::1 4321 80\r\n".to_vec(),
            "[2001:db8::7]:4321",
        ),
        (version_2(1, 0x11, &ADDRESSES), CLIENT),
        (version_2(1, 0x11, &more), CLIENT),
        (version_2(1, 0x21, &six), "[2001:db8::7]:4321"),
    ];
    for (header, client) in headers {
        for door in [Door::Tcp, Door::WebSocket] {
            let stream = beginning(PROXY, &server, &header).await;
            assert_eq!(asks_who(door, stream).await, client);
        }
    }
}

#[tokio::test]
async fn a_proxy_that_speaks_for_itself_is_the_client() {
    let server = alone(telling(proxied())).await;
    for header in [
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(),
        version_2(0, 0x00, &[]),
        version_2(0, 0x11, &ADDRESSES),
        version_2(1, 0x00, &[]),
    ] {
        let stream = beginning(PROXY, &server, &header).await;
        let own = stream.local_addr().unwrap().to_string();
        assert_eq!(asks_who(Door::Tcp, stream).await, own);
    }
}

#[tokio::test]
async fn everything_may_come_a_byte_at_a_time() {
    let server = alone(telling(proxied())).await;
    for header in [LINE.as_bytes().to_vec(), version_2(1, 0x11, &ADDRESSES)] {
        let mut stream = from(PROXY, &server).await;
        for byte in [&header[..], &package(Kind::Handshake, hello().as_bytes())].concat() {
            stream.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut client = Client::over(Door::Tcp, stream).await;
        client.hear().await;
        client.send(Kind::HandshakeAck, b"").await;
        assert_eq!(client.ask(WHO, &json!({})).await, CLIENT);
    }
}

#[tokio::test]
async fn everything_may_come_at_once() {
    let server = alone(telling(proxied())).await;
    for header in [LINE.as_bytes().to_vec(), version_2(1, 0x11, &ADDRESSES)] {
        let hello = package(Kind::Handshake, hello().as_bytes());
        let all = [&header[..], &hello, &package(Kind::HandshakeAck, b"")].concat();
        let mut client = Client::over(Door::Tcp, beginning(PROXY, &server, &all).await).await;
        client.hear().await;
        assert_eq!(client.ask(WHO, &json!({})).await, CLIENT);
    }
}

#[tokio::test]
async fn a_trusted_proxy_that_says_nothing_or_nonsense_is_closed() {
    let server = alone(telling(proxied())).await;
    let headers: [&[u8]; 13] = [
        // What clients say.
        &package(Kind::Handshake, hello().as_bytes()),
        b"GET / HTTP/1.1\r\n",
        &[0x16, 3, 1, 0, 5],
        // Lines.
        b"PROXY TCP4 192.0.2.7\r\n",
        b"PROXY TCP4 192.0.2.700 198.51.100.1 4321 80\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 4321 99999\r\n",
        b"PROXY TCP5 192.0.2.7 198.51.100.1 4321 80\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 4321 80\n",
        b"PROXX ",
        // Bytes.
        b"\r\n\r\n\0\r\nQUIX\n",
        &version_2(2, 0x11, &ADDRESSES),
        &version_2(1, 0x11, &ADDRESSES[..11]),
        &version_2(1, 0x71, &ADDRESSES),
    ];
    for header in headers {
        is_closed(beginning(PROXY, &server, header).await).await;
    }
    let version_3 = [SIGNATURE, &[0x31, 0x11, 0, 12], &ADDRESSES].concat();
    is_closed(beginning(PROXY, &server, &version_3).await).await;
}

#[tokio::test]
async fn a_header_has_so_many_bytes_and_no_more() {
    use tangelo::connector::Limits;
    let server = alone(telling(proxied())).await;
    let line = |length: usize| {
        let filler = "x".repeat(length - "PROXY UNKNOWN \r\n".len());
        format!("PROXY UNKNOWN {filler}\r\n").into_bytes()
    };
    let bytes = |length: usize| {
        let filler = vec![0; length - 16 - ADDRESSES.len()];
        version_2(1, 0x11, &[&ADDRESSES[..], &filler].concat())
    };
    for most in [line(107), bytes(Limits::PROXY_HEADER)] {
        asks_who(Door::Tcp, beginning(PROXY, &server, &most).await).await;
    }
    for more in [line(108), bytes(Limits::PROXY_HEADER + 1)] {
        is_closed(beginning(PROXY, &server, &more).await).await;
    }
    // Its length says so much already.
    let claims = [SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat();
    is_closed(beginning(PROXY, &server, &claims).await).await;
}

#[tokio::test]
async fn of_strangers_it_is_no_protocol_spoken_here() {
    let log = Log::keep();
    let server = alone(telling(proxied())).await;
    for header in [LINE.as_bytes().to_vec(), version_2(1, 0x11, &ADDRESSES)] {
        let mut stream = beginning(STRANGER, &server, &header).await;
        let mut heard = Vec::new();
        let _ = soon("it is closed", stream.read_to_end(&mut heard)).await;
        let heard = String::from_utf8_lossy(&heard);
        assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 400 "));
    }
    // They need none.
    let stream = from(STRANGER, &server).await;
    let own = stream.local_addr().unwrap().to_string();
    assert_eq!(asks_who(Door::Tcp, stream).await, own);
    assert_eq!(log.lines(&["192.0.2.7"]), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_does_not_say_it_in_time_is_cut_off() {
    let server = alone(telling(proxied())).await;
    let opened = Instant::now();
    let mut silent = from(PROXY, &server).await;
    let mut half = beginning(PROXY, &server, &LINE.as_bytes()[..20]).await;
    let mut said = beginning(PROXY, &server, LINE.as_bytes()).await;
    for stream in [&mut silent, &mut half, &mut said] {
        let end = tokio::time::timeout(Duration::from_secs(60), stream.read(&mut [0])).await;
        assert!(matches!(end.unwrap(), Ok(0) | Err(_)));
    }
    let waited = opened.elapsed();
    assert!(
        (Limits::HANDSHAKE..Limits::HANDSHAKE * 2).contains(&waited),
        "{waited:?}"
    );
}

#[tokio::test]
async fn tls_begins_behind_the_header() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("proxies-tls");
    std::fs::create_dir_all(&folder).unwrap();
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let hybrid = proxied()
        .tls(Certificate::files(&certificate, &key))
        .only_tls();
    let server = alone(telling(hybrid)).await;
    let trusting = crate::door_tls::trusting(made.cert.der().clone());
    for header in [LINE.as_bytes().to_vec(), version_2(1, 0x11, &ADDRESSES)] {
        for door in [Door::Tcp, Door::WebSocket] {
            let stream = beginning(PROXY, &server, &header).await;
            let stream = crate::door_tls::safely(&trusting, stream).await.unwrap();
            let mut client = Client::over(door, stream).await;
            client.shake_hands().await;
            assert_eq!(client.ask(WHO, &json!({})).await, CLIENT);
        }
    }
    is_closed(beginning(PROXY, &server, format!("{LINE}GET / ").as_bytes()).await).await;
}

#[tokio::test]
async fn a_back_end_is_told_the_clients_address() {
    async fn who(session: Session) -> Json<Value> {
        Json(json!(session.address().to_string()))
    }
    let back = crate::world::chat(Handlers::new().add("who", who));
    let (front, _back) = pair(telling(proxied()), back).await;
    let stream = beginning(PROXY, &front, LINE.as_bytes()).await;
    let mut client = Client::over(Door::Tcp, stream).await;
    client.shake_hands().await;
    assert_eq!(client.ask("chat.main.who", &json!({})).await, CLIENT);
}

/// Opens a WebSocket with this header.
async fn opening(address: Ipv4Addr, server: &Server, headers: &str) -> (TcpStream, String) {
    let mut stream = from(address, server).await;
    let request = format!(
        "GET / HTTP/1.1\r\nHost: suite\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let byte = soon("the opening is answered", stream.read_u8()).await;
        head.push(byte.unwrap().into());
    }
    (stream, head)
}

async fn opened_by(address: Ipv4Addr, server: &Server, headers: &str) -> String {
    let (stream, head) = opening(address, server, headers).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let mut client = Client::upgraded(stream).await;
    client.shake_hands().await;
    let told = client.ask(WHO, &json!({})).await;
    told.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_header_of_a_trusted_proxy_says_who_opens_a_websocket() {
    let server = alone(telling(forwarded(ForwardHeader::XForwardedFor))).await;
    for (headers, client) in [
        ("X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7:0"),
        ("x-forwarded-for: 192.0.2.7:4321\r\n", CLIENT),
        ("X-Forwarded-For: 6.6.6.6, 192.0.2.7\r\n", "192.0.2.7:0"),
        (
            "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 192.0.2.7, 127.0.7.9\r\n",
            "192.0.2.7:0",
        ),
        // The other header is the client's own invention.
        (
            "X-Forwarded-For: 192.0.2.7\r\nForwarded: for=6.6.6.6\r\n",
            "192.0.2.7:0",
        ),
    ] {
        assert_eq!(
            opened_by(PROXY, &server, headers).await,
            client,
            "{headers}"
        );
    }
    let server = alone(telling(forwarded(ForwardHeader::Forwarded))).await;
    let headers = "Forwarded: for=6.6.6.6, for=\"[2001:db8::7]:4321\";proto=https\r\n\
                   X-Forwarded-For: 6.6.6.6\r\n";
    assert_eq!(
        opened_by(PROXY, &server, headers).await,
        "[2001:db8::7]:4321"
    );
}

#[tokio::test]
async fn without_the_header_or_over_tcp_a_trusted_proxy_is_the_client() {
    let server = alone(telling(forwarded(ForwardHeader::XForwardedFor))).await;
    let told = opened_by(PROXY, &server, "").await;
    assert!(told.starts_with("127.0.7.1:"), "{told}");
    let told = asks_who(Door::Tcp, from(PROXY, &server).await).await;
    assert!(told.starts_with("127.0.7.1:"), "{told}");
}

#[tokio::test]
async fn a_strangers_header_means_nothing() {
    let server = alone(telling(forwarded(ForwardHeader::XForwardedFor))).await;
    for headers in [
        "X-Forwarded-For: 6.6.6.6\r\n",
        "X-Forwarded-For: garbage\r\n",
    ] {
        let told = opened_by(STRANGER, &server, headers).await;
        assert!(told.starts_with("127.0.8.1:"), "{told}");
    }
}

#[tokio::test]
async fn nonsense_of_a_trusted_proxy_is_answered_400() {
    let server = alone(telling(forwarded(ForwardHeader::XForwardedFor))).await;
    let (_, head) = opening(PROXY, &server, "X-Forwarded-For: garbage\r\n").await;
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
}

#[tokio::test]
async fn the_proxy_that_speaks_proxy_protocol_may_speak_for_one_that_forwards() {
    let hybrid = proxied();
    let hybrid = hybrid.forwarded_from(["192.0.2.0/24"], ForwardHeader::XForwardedFor);
    let server = alone(telling(hybrid.unwrap())).await;
    let mut stream = beginning(PROXY, &server, LINE.as_bytes()).await;
    let request = "GET / HTTP/1.1\r\nHost: suite\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         X-Forwarded-For: 203.0.113.5\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon("the answer", stream.read_u8()).await.unwrap());
    }
    let mut client = Client::upgraded(stream).await;
    client.shake_hands().await;
    assert_eq!(client.ask(WHO, &json!({})).await, "203.0.113.5:0");
}

#[tokio::test]
async fn the_host_filter_judges_the_client_and_never_the_proxy() {
    let hosts = HostFilter::new();
    hosts.set_allowed(["192.0.2.0/24"]).unwrap();
    hosts.deny("192.0.2.66").unwrap();
    let hybrid = proxied();
    let hybrid = hybrid.forwarded_from(["127.0.9.1"], ForwardHeader::XForwardedFor);
    let blueprint = telling(hybrid.unwrap()).host_filter(hosts.clone());
    let server = alone(blueprint).await;
    let line = |client: &str| format!("PROXY TCP4 {client} 198.51.100.1 4321 80\r\n").into_bytes();
    let stream = beginning(PROXY, &server, &line("192.0.2.7")).await;
    let mut stays = Client::over(Door::Tcp, stream).await;
    stays.shake_hands().await;
    for client in ["192.0.2.66", "203.0.113.5"] {
        let first = [
            &line(client)[..],
            &package(Kind::Handshake, hello().as_bytes()),
        ]
        .concat();
        is_closed(beginning(PROXY, &server, &first).await).await;
    }
    // The same by header.
    let forwarding = Ipv4Addr::new(127, 0, 9, 1);
    let told = opened_by(forwarding, &server, "X-Forwarded-For: 192.0.2.8\r\n").await;
    assert_eq!(told, "192.0.2.8:0");
    let (stream, _) = opening(forwarding, &server, "X-Forwarded-For: 192.0.2.66\r\n").await;
    is_closed(stream).await;
    // Who asks a function is asked the same.
    hosts.deny_if_async(|address| async move { address.to_string() == "192.0.2.9" });
    let first = [
        &line("192.0.2.9")[..],
        &package(Kind::Handshake, hello().as_bytes()),
    ]
    .concat();
    is_closed(beginning(PROXY, &server, &first).await).await;
    assert_eq!(server.context().connections().refused(), 4);
    until("the others are gone", || {
        server.context().connections().count() == 1
    })
    .await;
    // And who is there already may have to go.
    hosts.deny("192.0.2.7").unwrap();
    assert_eq!(
        server.context().connections().enforce_host_filter().await,
        1
    );
    while !matches!(stays.hear().await, crate::client::Said::End) {}
}

#[tokio::test]
async fn a_rate_limit_by_address_is_one_of_clients() {
    let limit = RateLimit::new(1, Duration::from_secs(3600)).by_address();
    let server = alone(telling(proxied()).filter(limit)).await;
    for client in ["192.0.2.7", "192.0.2.8"] {
        for expected in [None, Some(429)] {
            let line = format!("PROXY TCP4 {client} 198.51.100.1 4321 80\r\n");
            let stream = beginning(PROXY, &server, line.as_bytes()).await;
            let mut client = Client::over(Door::Tcp, stream).await;
            client.shake_hands().await;
            let told = client.ask(WHO, &json!({})).await;
            assert_eq!(told.get("code"), expected.map(Value::from).as_ref());
        }
    }
}

#[tokio::test]
async fn the_log_and_the_list_of_logins_have_the_clients_address() {
    let log = Log::keep();
    async fn bind(session: tangelo::server::FrontendSession) -> tangelo::Result<()> {
        Ok(session.bind("u").await?)
    }
    let blueprint = connector(Handlers::new().add("bind", bind)).connector(proxied());
    let server = alone(blueprint).await;
    let stream = beginning(PROXY, &server, LINE.as_bytes()).await;
    let mut client = Client::over(Door::Tcp, stream).await;
    client.shake_hands().await;
    client.ask("connector.main.bind", &json!({})).await;
    let address: SocketAddr = CLIENT.parse().unwrap();
    assert_eq!(server.context().connections().logins(1)[0].address, address);
    client.send_bytes(&[9; 8]).await;
    client.is_closed().await;
    until("it is told", || {
        !log.lines(&["connection closed", CLIENT]).is_empty()
    })
    .await;
}
