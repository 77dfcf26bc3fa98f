//! TLS on the doors for clients: beside plain TCP and WebSocket on one port, or alone; with certificates
//! that are exchanged meanwhile.

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use rcgen::CertifiedKey;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::json;
use tangelo::{
    App,
    connector::{Certificate, Hybrid, Mqtt},
    registry::Memory,
    server::{Body, Handlers, Limits, Routes, Server},
};
use tangelo_wire::pomelo::package::Kind;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, crypto::ring, version::TLS12},
};

use crate::{
    client::{Client, DOORS, Door, Said, connect, hello, package, request},
    log::Log,
    mqtt,
    world::{alone, connector, door, front, small_ears, soon, until},
};

const ECHO: &str = "connector.main.echo";

/// The files of a certificate, and what is in them now.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    now: CertifiedKey<rcgen::KeyPair>,
}

fn made() -> CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

impl Files {
    fn new(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("door-tls-{name}"));
        fs::create_dir_all(&folder).unwrap();
        let files = Self {
            certificate: folder.join("cert.pem"),
            key: folder.join("key.pem"),
            now: made(),
        };
        files.write();
        files
    }

    fn write(&self) {
        fs::write(&self.certificate, self.now.cert.pem()).unwrap();
        fs::write(&self.key, self.now.signing_key.serialize_pem()).unwrap();
    }

    fn renew(&mut self) {
        self.now = made();
        self.write();
    }

    fn certificate(&self) -> Certificate {
        Certificate::files(&self.certificate, &self.key)
    }

    fn der(&self) -> CertificateDer<'static> {
        self.now.cert.der().clone()
    }
}

async fn serving(door: Hybrid) -> Server {
    alone(connector(Handlers::new()).connector(door)).await
}

pub(crate) fn trusting(certificate: CertificateDer<'static>) -> TlsConnector {
    let mut trusted = RootCertStore::empty();
    trusted.add(certificate).unwrap();
    let settings = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(settings))
}

pub(crate) async fn safely(
    trusting: &TlsConnector,
    stream: TcpStream,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    soon("TLS is there", trusting.connect(name, stream)).await
}

async fn safe(files: &Files, address: SocketAddr) -> TlsStream<TcpStream> {
    safely(&trusting(files.der()), connect(address).await)
        .await
        .unwrap()
}

async fn safe_client(files: &Files, over: Door, server: &Server) -> Client {
    let mut client = Client::over(over, safe(files, door(server)).await).await;
    client.shake_hands().await;
    client
}

#[tokio::test]
async fn mqtt_comes_through_one_port_in_the_open_and_safely() {
    let files = Files::new("mqtt");
    let of_both = Mqtt::new().tls(files.certificate());
    let server = alone(connector(Handlers::new()).connector(of_both)).await;
    let safe = mqtt::client::Client::over(safe(&files, door(&server)).await, 5);
    let plain = mqtt::client::Client::silent(&server, 5).await;
    for mut client in [safe, plain] {
        client.enter(60, &[]).await;
        client.hears_nothing().await;
    }
    let only_safe = Mqtt::new().tls(files.certificate()).only_tls();
    let server = alone(connector(Handlers::new()).connector(only_safe)).await;
    let mut plain = mqtt::client::Client::silent(&server, 5).await;
    plain.send(&[0x10]).await;
    plain.is_cut().await;
}

#[tokio::test]
async fn one_port_serves_tcp_and_websocket_in_the_open_and_safely() {
    let files = Files::new("one-port");
    let server = serving(Hybrid::new().tls(files.certificate())).await;
    for over in DOORS {
        let mut safe = safe_client(&files, over, &server).await;
        let mut plain = Client::connect(over, door(&server)).await;
        for client in [&mut safe, &mut plain] {
            assert_eq!(client.ask(ECHO, &json!([1])).await, json!([1]));
        }
    }
}

#[tokio::test]
async fn the_first_bytes_may_come_one_at_a_time_over_tls_and_within_it() {
    let files = Files::new("dribble");
    let server = serving(Hybrid::new().tls(files.certificate())).await;
    // A stream in between hands on one byte after the other.
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let stream = connect(door(&server)).await;
    let (mut client_says, mut client_hears) = tokio::io::split(theirs);
    let (mut server_says, mut server_hears) = stream.into_split();
    let dribble = async {
        while let Ok(byte) = client_says.read_u8().await {
            server_hears.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let answer = tokio::io::copy(&mut server_says, &mut client_hears);
    let talk = async {
        let name = ServerName::try_from("localhost").unwrap();
        let connecting = trusting(files.der()).connect(name, ours);
        let mut stream = soon("TLS is there", connecting).await.unwrap();
        for byte in package(Kind::Handshake, hello().as_bytes()) {
            stream.write_all(&[byte]).await.unwrap();
            stream.flush().await.unwrap();
        }
        let mut client = Client::over(Door::Tcp, stream).await;
        assert!(matches!(client.hear().await, Said::Hello(_)));
        client.send(Kind::HandshakeAck, b"").await;
        assert_eq!(client.ask(ECHO, &json!([1])).await, json!([1]));
    };
    tokio::select! {
        () = talk => {}
        _ = async { tokio::join!(dribble, answer) } => panic!("the server has gone"),
    }
}

#[tokio::test]
async fn several_packages_may_come_in_one_message_over_tls() {
    let files = Files::new("several");
    let server = serving(Hybrid::new().tls(files.certificate())).await;
    for over in DOORS {
        let mut client = Client::over(over, safe(&files, door(&server)).await).await;
        let mut all = package(Kind::Handshake, hello().as_bytes()).to_vec();
        all.extend_from_slice(&package(Kind::HandshakeAck, b""));
        all.extend_from_slice(&request(1, ECHO, b"[1]"));
        all.extend_from_slice(&request(2, ECHO, b"[2]"));
        client.send_bytes(&all).await;
        assert!(matches!(client.hear().await, Said::Hello(_)));
        assert_eq!(client.reply(1).await, json!([1]));
        assert_eq!(client.reply(2).await, json!([2]));
    }
}

#[tokio::test]
async fn long_answers_arrive_whole() {
    let files = Files::new("long");
    let server = serving(Hybrid::new().tls(files.certificate())).await;
    for over in DOORS {
        let mut client = safe_client(&files, over, &server).await;
        let body = json!("x".repeat(60_000));
        let ids = [
            client.request(ECHO, &body).await,
            client.request(ECHO, &body).await,
            client.request(ECHO, &body).await,
        ];
        for id in ids {
            assert_eq!(client.reply(id).await, body);
        }
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off_and_disturbs_nobody() {
    async fn large() -> Body {
        Body(format!("\"{}\"", "x".repeat(60_000)).into())
    }
    let files = Files::new("deaf");
    let blueprint = connector(Handlers::new().add("large", large));
    let server = alone(blueprint.connector(Hybrid::new().tls(files.certificate()))).await;
    let mut other = safe_client(&files, Door::Tcp, &server).await;
    for over in DOORS {
        let stream = safely(&trusting(files.der()), small_ears(&server).await).await;
        let mut deaf = Client::over(over, stream.unwrap()).await;
        deaf.shake_hands().await;
        let large = request(1, "connector.main.large", b"");
        let flood = async { while deaf.try_send(&large).await {} };
        soon("a client that does not read is cut off", flood).await;
        assert_eq!(other.ask(ECHO, &json!([1])).await, json!([1]));
    }
}

#[tokio::test]
async fn a_package_longer_than_the_limit_ends_a_safe_connection_too() {
    let files = Files::new("limit");
    let limits = tangelo::connector::Limits {
        package: 1000,
        ..Default::default()
    };
    let hybrid = Hybrid::new().limits(limits).tls(files.certificate());
    let server = serving(hybrid).await;
    for over in DOORS {
        let body = |length: usize| {
            let rest = request(1, ECHO, b"").len() - 4;
            format!("\"{}\"", "x".repeat(length - rest - 2)).into_bytes()
        };
        let mut client = safe_client(&files, over, &server).await;
        client.send_bytes(&request(1, ECHO, &body(1000))).await;
        assert!(client.reply(1).await.is_string());
        client.send_bytes(&request(1, ECHO, &body(1001))).await;
        client.is_closed().await;
    }
}

#[tokio::test]
async fn where_only_tls_is_spoken_who_does_not_is_closed() {
    let files = Files::new("only");
    let server = serving(Hybrid::new().tls(files.certificate()).only_tls()).await;
    for first in [
        package(Kind::Handshake, hello().as_bytes()),
        "GET / HTTP/1.1\r\n".into(),
    ] {
        let mut stream = connect(door(&server)).await;
        stream.write_all(&first).await.unwrap();
        let mut heard = Vec::new();
        let _ = soon("it is closed", stream.read_to_end(&mut heard)).await;
        assert!(heard.is_empty());
    }
    for over in DOORS {
        let mut client = safe_client(&files, over, &server).await;
        assert_eq!(client.ask(ECHO, &json!([1])).await, json!([1]));
    }
}

#[tokio::test]
async fn without_a_certificate_tls_is_no_package() {
    let files = Files::new("without");
    let server = serving(Hybrid::new()).await;
    let refused = safely(&trusting(files.der()), connect(door(&server)).await).await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn what_begins_like_tls_and_is_none_ends_that_connection_and_no_other() {
    let files = Files::new("garbage");
    let server = serving(Hybrid::new().tls(files.certificate())).await;
    let mut other = safe_client(&files, Door::Tcp, &server).await;
    let too_long = [&[0x16, 3, 1, 0xff, 0xff][..], &[7; 300]].concat();
    for garbage in [&[0x16; 64][..], &[0x16, 3, 1, 0, 4, 1, 2, 3, 4], &too_long] {
        let mut stream = connect(door(&server)).await;
        stream.write_all(garbage).await.unwrap();
        // Some of it may be answered with an alert.
        let _ = soon("it is closed", stream.read_to_end(&mut Vec::new())).await;
    }
    // Nothing of Pomelo and of HTTP within TLS.
    let mut stream = safe(&files, door(&server)).await;
    stream.write_all(&[9; 8]).await.unwrap();
    let _ = soon("it is closed", stream.read_to_end(&mut Vec::new())).await;
    assert_eq!(other.ask(ECHO, &json!([1])).await, json!([1]));
    until("none of them is left", || {
        server.context().connections().count() == 1
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn tls_that_is_not_done_in_time_is_cut_off_and_nothing_within_it_has_more_time() {
    let files = Files::new("slow");
    let server = serving(Hybrid::new().tls(files.certificate())).await;
    let opened = Instant::now();
    let mut half = connect(door(&server)).await;
    half.write_all(&[0x16, 3, 1]).await.unwrap();
    let mut silent = safe(&files, door(&server)).await;
    let mut upgraded = Client::over(Door::WebSocket, safe(&files, door(&server)).await).await;
    upgraded.patience = Duration::from_secs(60);
    let patience = Duration::from_secs(60);
    let _ = tokio::time::timeout(patience, half.read_to_end(&mut Vec::new()))
        .await
        .unwrap();
    let _ = tokio::time::timeout(patience, silent.read_to_end(&mut Vec::new()))
        .await
        .unwrap();
    upgraded.is_closed().await;
    let waited = opened.elapsed();
    assert!(
        (Limits::HANDSHAKE..Limits::HANDSHAKE * 2).contains(&waited),
        "{waited:?}"
    );
}

#[tokio::test]
async fn a_client_that_leaves_without_a_word_has_left() {
    let log = Log::keep();
    let files = Files::new("leaves");
    let server = serving(Hybrid::new().tls(files.certificate())).await;
    for over in DOORS {
        let client = safe_client(&files, over, &server).await;
        drop(client);
        until("it has gone", || {
            server.context().connections().count() == 0
        })
        .await;
    }
    assert_eq!(log.lines(&["connection closed"]), [""; 0]);
}

#[tokio::test]
async fn a_kicked_client_hears_the_reason_and_the_end_of_tls() {
    let files = Files::new("kick");
    let server = serving(Hybrid::new().tls(files.certificate())).await;
    for over in DOORS {
        let mut client = safe_client(&files, over, &server).await;
        assert_eq!(client.ask(ECHO, &json!([1])).await, json!([1]));
        for session in server.context().sessions().all() {
            session.kick("enough").await.unwrap();
        }
        let Said::Kick(reason) = client.hear().await else {
            panic!("not kicked");
        };
        assert_eq!(reason["reason"], "enough");
        client.is_closed().await;
    }
}

#[tokio::test]
async fn a_new_certificate_is_for_those_who_come_and_the_others_stay() {
    let mut files = Files::new("reload");
    let certificate = files.certificate();
    let server = serving(Hybrid::new().tls(certificate.clone())).await;
    let mut before = Vec::new();
    for over in DOORS {
        before.push(safe_client(&files, over, &server).await);
    }
    let old = trusting(files.der());
    files.renew();
    assert_eq!(certificate.reload(), Ok(true));
    for over in DOORS {
        let mut client = safe_client(&files, over, &server).await;
        assert_eq!(client.ask(ECHO, &json!([2])).await, json!([2]));
    }
    let refused = safely(&old, connect(door(&server)).await).await;
    assert!(refused.is_err(), "the old one is not shown any more");
    for client in &mut before {
        assert_eq!(client.ask(ECHO, &json!([1])).await, json!([1]));
    }
}

/// The clock goes on by as much as lies between two looks; it does not run ahead while sockets are waited for.
async fn a_look_later() {
    tokio::time::pause();
    tokio::time::advance(Certificate::LOOK_EVERY).await;
    tokio::time::resume();
}

#[tokio::test]
async fn files_that_change_are_noticed_by_themselves_and_bad_ones_change_nothing() {
    let log = Log::keep();
    let mut files = Files::new("watch");
    let server = serving(Hybrid::new().tls(files.certificate())).await;
    let mut first = safe_client(&files, Door::Tcp, &server).await;
    // Its handshake has been done when it hears this.
    first.was_ignored(ECHO).await;
    let before = trusting(files.der());
    // A certificate is there and its key is not yet: nothing changes, and it is told once.
    let key = fs::read(&files.key).unwrap();
    files.renew();
    let new_key = fs::read(&files.key).unwrap();
    fs::write(&files.key, key).unwrap();
    for _ in 0..3 {
        a_look_later().await;
        let old = safely(&before, connect(door(&server)).await).await;
        assert!(old.is_ok());
    }
    assert_eq!(
        log.lines(&["WARN", "the certificate stays as it was"])
            .len(),
        1
    );
    fs::write(&files.key, new_key).unwrap();
    a_look_later().await;
    let mut second = safe_client(&files, Door::WebSocket, &server).await;
    for client in [&mut first, &mut second] {
        assert_eq!(client.ask(ECHO, &json!([1])).await, json!([1]));
    }
}

#[tokio::test]
async fn a_server_whose_certificate_cannot_be_used_does_not_start() {
    let files = Files::new("broken");
    fs::write(&files.key, "no key").unwrap();
    let missing = files.certificate.with_file_name("missing.pem");
    for (hybrid, reason) in [
        (Hybrid::new().tls(files.certificate()), "key.pem"),
        (
            Hybrid::new().tls(Certificate::files(&missing, &files.key)),
            "missing.pem",
        ),
        (Hybrid::new().only_tls(), "there is no certificate"),
    ] {
        let blueprint = connector(Handlers::new()).connector(hybrid);
        let started = Server::start(
            blueprint,
            front("connector-1"),
            Arc::new(Memory::new()),
            Routes::new(),
        );
        let error = started.await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[tokio::test]
async fn older_clients_speak_tls_1_2() {
    let files = Files::new("older");
    let server = serving(Hybrid::new().tls(files.certificate())).await;
    let mut trusted = RootCertStore::empty();
    trusted.add(files.der()).unwrap();
    let settings = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    let older = TlsConnector::from(Arc::new(settings));
    let stream = safely(&older, connect(door(&server)).await).await.unwrap();
    let mut client = Client::over(Door::WebSocket, stream).await;
    client.shake_hands().await;
    client.was_ignored(ECHO).await;
}

#[tokio::test]
async fn tangelo_toml_says_where_the_certificate_is() {
    let files = Files::new("toml");
    let folder = files.certificate.parent().unwrap();
    let text = format!(
        "[types.connector]\nfrontend = true\nclient_port = 0\ntls_cert = {:?}\ntls_key = {:?}\ntls_only = true\n\
         [servers.connector]\nid = \"one\"\nport = 0\n",
        files.certificate, files.key
    );
    fs::write(folder.join("tangelo.toml"), text).unwrap();
    let app = App::new().config(folder.join("tangelo.toml"));
    let app = app.server("connector", |server| {
        server
            .heartbeat(None)
            .handler("main", Handlers::new().add("echo", crate::world::echo))
    });
    let running = app.start().await.unwrap();
    let server = running.server("one").unwrap();
    let mut client = safe_client(&files, Door::WebSocket, server).await;
    assert_eq!(client.ask(ECHO, &json!([1])).await, json!([1]));
    let mut plain = Client::over(Door::Tcp, connect(door(server)).await).await;
    plain.send(Kind::Handshake, hello().as_bytes()).await;
    plain.is_closed().await;
    drop(client);
    soon("the end", running.shutdown(crate::world::DEADLINE)).await;
}
