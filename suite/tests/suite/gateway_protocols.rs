//! HTTP/1 and HTTP/2, plain and over TLS; responses that are compressed; proxies that speak for others.

use std::{fs, io::Read, net::SocketAddr, path::PathBuf, sync::Arc};

use bytes::Bytes;
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::ServerName;
use tangelo_gateway::{Compression, Gateway, Limits};
use tangelo_tls::Certificate;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, crypto::ring},
};

use crate::{
    gateway_world::{Browser, SHORT, Site, builder, gateway, start},
    world::{soon, until},
};

/// A gateway that speaks TLS, and clients that trust it.
struct Safe {
    gateway: Gateway,
    trusted: RootCertStore,
}

/// A certificate for localhost with its key, as files of this name, and who trusts it.
pub(crate) fn certificate(name: &str) -> (PathBuf, PathBuf, RootCertStore) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("gateway-{name}"));
    fs::create_dir_all(&folder).unwrap();
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut trusted = RootCertStore::empty();
    trusted.add(made.cert.der().clone()).unwrap();
    (certificate, key, trusted)
}

/// Connects over TLS, to speak this.
pub(crate) async fn connect_safely(
    address: SocketAddr,
    trusted: RootCertStore,
    protocol: &str,
) -> TlsStream<TcpStream> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let stream = crate::client::connect(address).await;
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    soon("TLS", connector.connect(name, stream)).await.unwrap()
}

impl Safe {
    async fn new(name: &str) -> Self {
        let (certificate, key, trusted) = certificate(name);
        let limits = Limits {
            header_time: SHORT * 20,
            ..Limits::default()
        };
        let gateway = builder(&Site::default())
            .certificate(Certificate::files(certificate, key))
            .limits(limits);
        Self {
            gateway: start(gateway).await,
            trusted,
        }
    }

    async fn connect(&self, protocol: &str) -> TlsStream<TcpStream> {
        connect_safely(self.gateway.address(), self.trusted.clone(), protocol).await
    }
}

type Sender = http2::SendRequest<Full<Bytes>>;

/// A client of HTTP/2.
async fn http_2<S>(stream: S) -> Sender
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let tasks = tangelo_runtime::Tasks::default();
    tasks.spawn(tracing::Span::none(), async move {
        let _ = connection.await;
    });
    sender
}

async fn ask(
    sender: &mut Sender,
    request: Request<Full<Bytes>>,
) -> (StatusCode, serde_json::Value) {
    let response = soon("an answer", sender.send_request(request))
        .await
        .unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

fn get(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).unwrap()
}

#[tokio::test]
async fn http_2_is_spoken_over_tls_with_those_who_choose_it() {
    let safe = Safe::new("h2").await;
    let mut sender = http_2(safe.connect("h2").await).await;
    let (status, json) = ask(&mut sender, get("https://localhost/echo?text=a")).await;
    assert_eq!((status, &json["text"]), (StatusCode::OK, &"a".into()));
    assert_eq!(
        (&json["httpHost"], &json["httpSchema"]),
        (&"localhost".into(), &"https".into())
    );
    let mut browser = Browser::over(safe.connect("http/1.1").await);
    assert_eq!(browser.get("/echo").await.json()["httpSchema"], "https");
}

#[tokio::test]
async fn the_sessions_cookie_goes_over_tls_alone_if_it_came_over_it() {
    let safe = Safe::new("cookie").await;
    let mut browser = Browser::over(safe.connect("http/1.1").await);
    let said = browser.get("/echo1").await;
    assert!(
        said.header("set-cookie").unwrap().ends_with("; Secure"),
        "{said:?}"
    );
}

#[tokio::test]
async fn who_does_not_speak_tls_where_it_is_spoken_is_closed() {
    let safe = Safe::new("plain").await;
    let mut browser = Browser::of(&safe.gateway).await;
    browser.send("GET /echo HTTP/1.1\r\nhost: a\r\n\r\n").await;
    until("it is closed", || safe.gateway.connections() == 0).await;
}

#[tokio::test]
async fn http_2_is_spoken_in_plain_with_those_who_begin_with_it() {
    let gateway = gateway().await;
    let mut sender = http_2(crate::client::connect(gateway.address()).await).await;
    let (status, json) = ask(&mut sender, get("http://localhost/echo?text=a")).await;
    assert_eq!((status, &json["text"]), (StatusCode::OK, &"a".into()));
    let request = Request::post("http://localhost/echo")
        .header("content-type", "application/json")
        .body(Full::from(r#"{"number":7}"#))
        .unwrap();
    assert_eq!(ask(&mut sender, request).await.1["number"], 7);
    // Errors, too.
    let (status, json) = ask(&mut sender, get("http://localhost/nothing")).await;
    assert_eq!(
        (status, &json["retCode"]),
        (StatusCode::NOT_FOUND, &(-661).into())
    );
}

#[tokio::test]
async fn put_and_post_are_not_taken_for_http_2_and_may_come_byte_by_byte() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    for byte in b"PUT /echo HTTP/1.1\r\nhost: a\r\n\r\n" {
        browser.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    browser.hear().await.is_refused(405, -662);
}

#[tokio::test]
async fn an_http_2_connection_without_requests_is_closed_after_its_time() {
    let limits = Limits {
        idle: SHORT,
        ..Limits::default()
    };
    let gateway = start(builder(&Site::default()).limits(limits)).await;
    let mut sender = http_2(crate::client::connect(gateway.address()).await).await;
    ask(&mut sender, get("http://localhost/echo")).await;
    until("it is closed", || gateway.connections() == 0).await;
    assert!(
        sender
            .send_request(get("http://localhost/echo"))
            .await
            .is_err()
    );
}

/// A client of HTTP/2 that has asked so often for a long answer, and takes a byte of each.
async fn takes_a_byte_of(gateway: &Gateway, requests: u32) -> TcpStream {
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let [_, a, b, c] = (payload.len() as u32).to_be_bytes();
        let head = [a, b, c, kind, flags];
        [&head[..], &stream.to_be_bytes(), payload].concat()
    };
    let mut stream = crate::client::connect(gateway.address()).await;
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // INITIAL_WINDOW_SIZE is 1.
    bytes.extend(frame(4, 0, 0, &[0, 4, 0, 0, 0, 1]));
    let path = b"/answer?length=500000";
    // GET, http, the path, the host.
    let fields = [
        &[0x82, 0x86, 0x04, path.len() as u8][..],
        path,
        &[0x01, 1, b'a'],
    ];
    for request in 0..requests {
        bytes.extend(frame(1, 5, 2 * request + 1, &fields.concat()));
    }
    stream.write_all(&bytes).await.unwrap();
    stream
}

#[tokio::test]
async fn who_reads_nothing_of_an_answer_is_closed_however_often_it_says_ping() {
    let limits = Limits {
        idle: 4 * SHORT,
        ..Limits::default()
    };
    let gateway = start(builder(&Site::default()).limits(limits)).await;
    let mut stream = takes_a_byte_of(&gateway, 3).await;
    let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let pinging = async {
        let mut read = vec![0; 4096];
        // Each answer to a PING is read, and the next one follows.
        while stream.write_all(&ping).await.is_ok() {
            match stream.read(&mut read).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
    };
    soon("it is closed", pinging).await;
}

#[tokio::test]
async fn answers_beyond_the_memory_for_compressing_are_sent_as_they_are() {
    let compression = Compression {
        memory: 4 << 20,
        ..Compression::default()
    };
    let gateway = start(builder(&Site::default()).compression(compression)).await;
    let line = "accept-encoding: br\r\n";
    let mut browser = Browser::of(&gateway).await;
    for _ in 0..5 {
        let said = browser.get_with("/answer?length=200000", line).await;
        assert_eq!(said.header("content-encoding"), Some("br"));
        let mut text = String::new();
        let mut decoder = brotli::Decompressor::new(&said.body[..], 4096);
        decoder.read_to_string(&mut text).unwrap();
        assert!(text.contains(&"x".repeat(200_000)));
    }
    let none = Compression {
        memory: 1 << 20,
        ..compression
    };
    let gateway = start(builder(&Site::default()).compression(none)).await;
    let mut browser = Browser::of(&gateway).await;
    let said = browser.get_with("/answer?length=200000", line).await;
    assert_eq!(
        (said.header("content-encoding"), said.header("vary")),
        (None, Some("accept-encoding"))
    );
    // What is short is compressed at once.
    let said = browser.get_with("/answer?length=20000", line).await;
    assert_eq!(said.header("content-encoding"), Some("br"));
}

#[tokio::test]
async fn headers_of_http_2_are_counted_and_cookies_are_one() {
    let limits = Limits {
        headers: 10,
        ..Limits::default()
    };
    let gateway = start(builder(&Site::default()).limits(limits)).await;
    let mut sender = http_2(crate::client::connect(gateway.address()).await).await;
    let with = |count: usize, name: &str| {
        let mut request = get("http://localhost/echo");
        for _ in 0..count {
            let name = http::HeaderName::try_from(name).unwrap();
            let value = http::HeaderValue::from_static("a=b");
            request.headers_mut().append(name, value);
        }
        request
    };
    for (count, name, status) in [(10, "x-a", 200), (11, "x-a", 431), (50, "cookie", 200)] {
        let said = soon("an answer", sender.send_request(with(count, name))).await;
        assert_eq!(said.unwrap().status(), status, "{count} {name}");
    }
}

#[tokio::test]
async fn a_long_answer_is_compressed_as_the_client_takes_it_best() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    for (accept, coding) in [
        ("gzip", Some("gzip")),
        ("br", Some("br")),
        ("zstd", Some("zstd")),
        ("gzip;q=0", None),
        ("identity", None),
        ("*;q=0, gzip", Some("gzip")),
    ] {
        let line = format!("accept-encoding: {accept}\r\n");
        let said = browser.get_with("/answer?length=5000", &line).await;
        assert_eq!(said.header("content-encoding"), coding, "{accept}");
        assert_eq!(said.header("vary"), Some("accept-encoding"));
        assert_eq!(said.body.len() < 1000, coding.is_some(), "{accept}");
        // It is all there before it is sent, compressed or not.
        assert!(said.header("content-length").is_some(), "{accept}");
        if coding == Some("gzip") {
            let mut text = String::new();
            let mut decoder = flate2::read::GzDecoder::new(&said.body[..]);
            decoder.read_to_string(&mut text).unwrap();
            assert!(text.contains(&"x".repeat(5000)));
        }
    }
    // A short one is not worth it.
    let said = browser
        .get_with("/answer?length=10", "accept-encoding: gzip\r\n")
        .await;
    assert_eq!(
        (said.header("content-encoding"), said.header("vary")),
        (None, None)
    );
}

#[tokio::test]
async fn nothing_is_compressed_where_it_is_switched_off() {
    let off = Compression {
        enabled: false,
        ..Compression::default()
    };
    let gateway = start(builder(&Site::default()).compression(off)).await;
    let mut browser = Browser::of(&gateway).await;
    let said = browser
        .get_with("/answer?length=5000", "accept-encoding: gzip\r\n")
        .await;
    assert_eq!(said.header("content-encoding"), None);
}

#[tokio::test]
async fn a_proxy_that_is_believed_says_that_its_client_speaks_tls() {
    let lines = "x-forwarded-for: 1.2.3.4\r\nx-forwarded-proto: https\r\n";
    let believed = builder(&Site::default()).believe_proxies(["127.0.0.0/8".parse().unwrap()]);
    for (gateway, schema) in [(start(believed).await, "https"), (gateway().await, "http")] {
        let mut browser = Browser::of(&gateway).await;
        let said = browser.get_with("/echo", lines).await;
        assert_eq!(said.json()["httpSchema"], schema);
    }
}

#[tokio::test]
async fn a_request_in_the_form_for_proxies_is_for_the_host_in_it() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    browser
        .send("GET http://there/echo HTTP/1.1\r\nhost: here\r\n\r\n")
        .await;
    assert_eq!(browser.hear().await.json()["httpHost"], "there");
}
