//! Connections made safe by TLS, and what has no place there.

use std::{path::Path, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tangelo::{
    Bootstrap, RpcApp,
    rpc::{
        Code, Status,
        config::{ClientConfig, RefererConfig, ServerConfig},
    },
};
use tokio::{io::AsyncReadExt, net::TcpStream, time::Instant};

use super::{
    desk::{Clerk, DeskClient, EchoReq, at, file, local, serve, start, stops},
    log::Log,
};
use crate::{
    krpc::Peer,
    world::{DEADLINE, soon, until},
};

/// Who signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// Files of a certificate and its key.
struct Identity {
    certificate: String,
    key: String,
}

fn pem(name: &str, text: &str) -> String {
    file(name, text).to_str().unwrap().to_owned()
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// The file that those trust who trust it.
    fn file(&self) -> String {
        pem("ca.pem", &self.0.pem())
    }

    /// A certificate for these names.
    fn signs(&self, names: &[&str]) -> Identity {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity {
            certificate: pem("cert.pem", &certificate.pem()),
            key: pem("key.pem", &key.serialize_pem()),
        }
    }
}

/// The server's side.
fn safe(identity: &Identity) -> ServerConfig {
    local()
        .tls_cert(&identity.certificate)
        .tls_key(&identity.key)
}

async fn server(config: ServerConfig) -> RpcApp {
    start(
        Bootstrap::new("desk")
            .server(config)
            .service(Clerk::new().service()),
    )
    .await
}

async fn client(of: &RpcApp, config: ClientConfig) -> (RpcApp, DeskClient) {
    let referer = RefererConfig::new::<DeskClient>("desk").to(&at(of).to_string());
    let app = Bootstrap::new("caller").client(config);
    let app = start(app.referer_with(referer.timeout(DEADLINE))).await;
    let desk = app.referer("desk").unwrap();
    (app, desk)
}

async fn echo(desk: &DeskClient, length: usize) -> Result<usize, Status> {
    let text = "x".repeat(length);
    Ok(desk.echo(EchoReq { text }).await?.text.len())
}

fn trusting(authority: &Authority) -> ClientConfig {
    ClientConfig::default().tls_ca(authority.file())
}

/// No call gets through, and the client says why.
async fn is_refused(server: &RpcApp, config: ClientConfig, reason: &str) {
    let log = Log::keep();
    let (_app, desk) = client(server, config).await;
    let status = echo(&desk, 5).await.unwrap_err();
    let refused = [
        Code::NO_CONNECTION,
        Code::SEND_FAILED,
        Code::CONNECTION_BROKEN,
    ];
    assert!(refused.contains(&status.code()), "{status}");
    until(reason, || !log.lines(&["WARN", reason]).is_empty()).await;
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_is_served() {
    let authority = Authority::new();
    let server = server(safe(&authority.signs(&["127.0.0.1"]))).await;
    let (app, desk) = client(&server, trusting(&authority)).await;
    assert_eq!(echo(&desk, 5).await.unwrap(), 5);
    // The server is done with its clients before the client hears it.
    stops(&server).await;
    stops(&app).await;
}

#[tokio::test]
async fn long_answers_arrive_whole_however_slowly_they_are_read() {
    let authority = Authority::new();
    let server = server(safe(&authority.signs(&["127.0.0.1"]))).await;
    let (_app, desk) = client(&server, trusting(&authority)).await;
    let calls = (0..40).map(|call| echo(&desk, 900_000 + call));
    let answers = soon("the answers", futures_util::future::join_all(calls)).await;
    for (call, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), 900_000 + call);
    }
}

#[tokio::test]
async fn a_server_of_an_authority_nobody_trusts_is_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = server(safe(&authority.signs(&["127.0.0.1"]))).await;
    is_refused(&server, trusting(&other), "invalid peer certificate").await;
}

#[tokio::test]
async fn the_name_is_the_addresss_unless_it_is_set() {
    let authority = Authority::new();
    let server = server(safe(&authority.signs(&["desk.example"]))).await;
    is_refused(&server, trusting(&authority), "not valid for name").await;
    let named = trusting(&authority).tls_server_name("till.example");
    is_refused(&server, named, "not valid for name").await;
    let named = trusting(&authority).tls_server_name("desk.example");
    let (_app, desk) = client(&server, named).await;
    assert_eq!(echo(&desk, 5).await.unwrap(), 5);
}

#[tokio::test]
async fn a_server_that_knows_its_clients_refuses_all_others() {
    let (servers, clients, other) = (Authority::new(), Authority::new(), Authority::new());
    let config = safe(&servers.signs(&["127.0.0.1"])).tls_client_ca(clients.file());
    let server = server(config).await;
    let known = |of: &Authority| {
        let identity = of.signs(&["a client"]);
        let config = trusting(&servers).tls_cert(identity.certificate);
        config.tls_key(identity.key)
    };
    is_refused(&server, trusting(&servers), "connection").await;
    is_refused(&server, known(&other), "connection").await;
    let (_app, desk) = client(&server, known(&clients)).await;
    assert_eq!(echo(&desk, 5).await.unwrap(), 5);
}

#[tokio::test]
async fn who_speaks_no_tls_is_closed_and_nobody_else_notices() {
    let authority = Authority::new();
    let server = server(safe(&authority.signs(&["127.0.0.1"]))).await;
    let (_app, desk) = client(&server, trusting(&authority)).await;
    for _ in 0..10 {
        let mut peer = Peer::at(at(&server)).await;
        peer.says(b"KR\x00\x06\x00\x00\x00\x06\x08\x01\x10\x01\x18\x01")
            .await;
        // An alert, at the most.
        let mut alert = Vec::new();
        let end = peer.stream.read_to_end(&mut alert);
        let _ = soon("the end", end).await;
        assert!(alert.len() < 20, "{alert:?}");
        assert_eq!(echo(&desk, 5).await.unwrap(), 5);
    }
}

#[tokio::test]
async fn a_client_that_asks_for_tls_takes_nothing_less() {
    let server = serve(Clerk::new().service()).await;
    is_refused(&server, trusting(&Authority::new()), "cannot connect").await;
}

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_come_is_not_waited_for_long() {
    let authority = Authority::new();
    let server = server(safe(&authority.signs(&["127.0.0.1"]))).await;
    let mut silent = TcpStream::connect(at(&server)).await.unwrap();
    let since = Instant::now();
    let mut byte = [0];
    let end = silent.read(&mut byte);
    assert_eq!(soon("the end", end).await.unwrap(), 0);
    let waited = since.elapsed();
    assert!(
        (HANDSHAKE..HANDSHAKE * 11 / 10).contains(&waited),
        "{waited:?}"
    );
}

#[tokio::test]
async fn a_handshake_that_does_not_come_keeps_no_server_from_stopping() {
    let authority = Authority::new();
    let server = server(safe(&authority.signs(&["127.0.0.1"]))).await;
    let mut silent = TcpStream::connect(at(&server)).await.unwrap();
    // It was let in: those before it in the queue were.
    let (app, desk) = client(&server, trusting(&authority)).await;
    assert_eq!(echo(&desk, 5).await.unwrap(), 5);
    stops(&app).await;
    let since = Instant::now();
    stops(&server).await;
    assert!(since.elapsed() < HANDSHAKE / 2);
    let _ = soon("the end", silent.read(&mut [0])).await;
}

/// What is wrong with these settings, as the start tells it.
async fn mistakes(server: Option<ServerConfig>, client: Option<ClientConfig>) -> String {
    let mut app = Bootstrap::new("desk");
    if let Some(server) = server {
        app = app.server(server).service(Clerk::new().service());
    }
    if let Some(client) = client {
        app = app
            .client(client)
            .referer::<DeskClient>("desk", "127.0.0.1:1");
    }
    app.start().await.unwrap_err().to_string()
}

#[tokio::test]
async fn every_mistake_in_the_files_is_told_at_the_start() {
    let authority = Authority::new();
    let (one, two) = (authority.signs(&["one"]), authority.signs(&["two"]));
    let nothing = pem("nothing.pem", "");
    let nonsense = pem(
        "nonsense.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let missing = "no/such/file.pem";
    assert!(!Path::new(missing).exists());
    for (what, server, words) in [
        (
            "a certificate without a key",
            local().tls_cert(&one.certificate),
            ["tls_key: is missing", "go together"],
        ),
        (
            "a key without a certificate",
            local().tls_key(&one.key),
            ["tls_cert: is missing", "go together"],
        ),
        (
            "an authority for clients alone",
            local().tls_client_ca(authority.file()),
            ["is missing, and tls_key", "tls_client_ca"],
        ),
        (
            "a certificate that is not there",
            safe(&one).tls_cert(missing),
            ["tls_cert: ", missing],
        ),
        (
            "a key that is not there",
            safe(&one).tls_key(missing),
            ["tls_key: ", missing],
        ),
        (
            "an authority that is not there",
            safe(&one).tls_client_ca(missing),
            ["tls_client_ca: ", missing],
        ),
        (
            "a file without a certificate",
            safe(&one).tls_cert(&nothing),
            ["tls_cert: ", "no certificate"],
        ),
        (
            "a file without a key",
            safe(&one).tls_key(&one.certificate),
            ["tls_key: ", &one.certificate],
        ),
        (
            "a certificate of nonsense",
            safe(&one).tls_cert(&nonsense),
            ["tls_cert: ", ""],
        ),
        (
            "an authority of nonsense",
            safe(&one).tls_client_ca(&nonsense),
            ["tls_client_ca: ", &nonsense],
        ),
        (
            "somebody else's key",
            safe(&one).tls_key(&two.key),
            ["tls_cert: ", "key"],
        ),
    ] {
        let told = mistakes(Some(server), None).await;
        let all = words.iter().all(|word| told.contains(word));
        assert!(all && told.contains("server.default."), "{what}: {told}");
    }
    let trusting = || trusting(&authority);
    for (what, client, words) in [
        (
            "a certificate, and nobody to trust",
            ClientConfig::default().tls_cert(&one.certificate),
            ["tls_ca: is missing", ""],
        ),
        (
            "a name, and nobody to trust",
            ClientConfig::default().tls_server_name("one"),
            ["tls_ca: is missing", ""],
        ),
        (
            "an authority that is not there",
            ClientConfig::default().tls_ca(missing),
            ["tls_ca: ", missing],
        ),
        (
            "a file without an authority",
            ClientConfig::default().tls_ca(&nothing),
            ["tls_ca: ", "no certificate"],
        ),
        (
            "a certificate without a key",
            trusting().tls_cert(&one.certificate),
            ["tls_key: is missing", "go together"],
        ),
        (
            "somebody else's key",
            trusting().tls_cert(&one.certificate).tls_key(&two.key),
            ["tls_cert: ", "key"],
        ),
        (
            "a name that is none",
            trusting().tls_server_name("not a name"),
            ["tls_server_name: ", ""],
        ),
    ] {
        let told = mistakes(None, Some(client)).await;
        let all = words.iter().all(|word| told.contains(word));
        assert!(all && told.contains("client.default."), "{what}: {told}");
    }
}
