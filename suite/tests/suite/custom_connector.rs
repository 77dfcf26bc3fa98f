//! A connector of the application's own: here, words with a comma between them, a line for a frame, over TCP.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tangelo::{
    connector::{
        Custom, Limits, Options,
        custom::{BoxError, Codec, CustomConnector, Decoded, FrameReceiver, FrameSender, Socket},
    },
    registry::{Instance, Memory},
    server::{Blueprint, CloseReason, Handlers, HostFilter, Json, Routes, Server, Session},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::world::{Heard, alone, connector, door, echo, front, small_ears, soon, until};

const ECHO: &str = "connector.main.echo";
/// Handshakes begin with it, where clients say who they are.
const HELLO: &str = "hello ";

/// What the connector's code is called with, and does.
#[derive(Clone, Debug, PartialEq)]
enum Did {
    Sent(usize),
    Welcomed(Value),
    Closing(String),
    Disconnected,
    Stopped,
}

type Tell = Arc<dyn Fn(Did) + Send + Sync>;

/// A line for a frame, over TCP.
#[derive(Clone)]
struct Lines {
    address: SocketAddr,
    listener: Option<Arc<TcpListener>>,
    codec: Codec<String>,
    tell: Tell,
    /// Clients say who they are before anything else.
    greets: bool,
    /// The next client is not accepted, in this way.
    trouble: Arc<AtomicBool>,
    panics: bool,
    stop_hangs: bool,
}

struct Reader {
    stream: BufReader<OwnedReadHalf>,
    greets: bool,
}

struct Writer {
    stream: OwnedWriteHalf,
    tell: Tell,
}

impl Lines {
    fn new() -> Self {
        Self {
            address: "127.0.0.1:0".parse().unwrap(),
            listener: None,
            codec: Codec::new()
                .encode(encode)
                .decode(|line: String| decode(&line)),
            tell: Arc::new(|_| {}),
            greets: false,
            trouble: Arc::default(),
            panics: false,
            stop_hangs: false,
        }
    }

    fn heard(heard: &Heard<Did>) -> Self {
        let tell = heard.teller();
        Self {
            tell: Arc::new(tell),
            ..Self::new()
        }
    }
}

/// `3,connector.main.echo,[1]`; `-` in place of an id is a notify.
fn decode(line: &str) -> Result<Decoded, BoxError> {
    let mut words = line.splitn(3, ',');
    let mut word = || words.next().ok_or("not three words");
    let (id, route, body) = (word()?, word()?, word()?.to_owned());
    match id {
        "-" => Ok(Decoded::notify(route, body)),
        "alive" => Ok(Decoded::Alive),
        "panic" => panic!("on purpose"),
        id => Ok(Decoded::request(id.parse()?, route, body)),
    }
}

/// `3,connector.main.echo,[1]`, `-,onChat,[1]`.
fn encode(id: Option<u32>, route: &str, body: &[u8]) -> Result<String, BoxError> {
    let body = std::str::from_utf8(body)?;
    match body {
        "\"fail\"" => return Err("not that".into()),
        "\"panic\"" => panic!("on purpose"),
        _ => {}
    }
    let id = id.map_or("-".to_owned(), |id| id.to_string());
    Ok(format!("{id},{route},{body}\n"))
}

impl CustomConnector for Lines {
    type Frame = String;
    type Receiver = Reader;
    type Sender = Writer;

    fn codec(&self) -> Codec<String> {
        self.codec.clone()
    }

    async fn start(&mut self) -> io::Result<()> {
        self.listener = Some(Arc::new(TcpListener::bind(self.address).await?));
        Ok(())
    }

    async fn accept(&mut self) -> io::Result<Socket<Reader, Writer>> {
        let (stream, peer) = self.listener.as_ref().unwrap().accept().await?;
        if self.trouble.swap(false, Ordering::SeqCst) {
            assert!(!self.panics, "on purpose");
            return Err(io::Error::other("trouble"));
        }
        let (reader, writer) = stream.into_split();
        let reader = Reader {
            stream: BufReader::new(reader),
            greets: self.greets,
        };
        let writer = Writer {
            stream: writer,
            tell: Arc::clone(&self.tell),
        };
        Ok(Socket::new(reader, writer).peer(peer))
    }

    async fn stop(&mut self) {
        self.listener = None;
        (self.tell)(Did::Stopped);
        if self.stop_hangs {
            std::future::pending().await
        }
    }

    fn address(&self) -> Option<SocketAddr> {
        self.listener.as_ref()?.local_addr().ok()
    }
}

impl FrameReceiver<String> for Reader {
    async fn receive(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        match line.trim_end() {
            "receive panics" => panic!("on purpose"),
            "receive fails" => Err(io::Error::other("on purpose")),
            "" => Ok(None),
            line => Ok(Some(line.to_owned())),
        }
    }

    async fn hello(&mut self) -> io::Result<Value> {
        if !self.greets {
            return Ok(json!({}));
        }
        let line = self.receive().await?.unwrap_or_default();
        let hello = line.strip_prefix(HELLO).ok_or(io::ErrorKind::InvalidData)?;
        Ok(serde_json::from_str(hello)?)
    }
}

impl FrameSender<String> for Writer {
    async fn send(&mut self, frame: String) -> io::Result<()> {
        self.send_batch(vec![frame]).await
    }

    async fn send_batch(&mut self, frames: Vec<String>) -> io::Result<()> {
        (self.tell)(Did::Sent(frames.len()));
        assert!(!frames.iter().any(|frame| frame.contains("send panics")));
        self.stream.write_all(frames.concat().as_bytes()).await
    }

    async fn welcome(&mut self, answer: Value) -> io::Result<()> {
        (self.tell)(Did::Welcomed(answer));
        Ok(())
    }

    async fn closing(&mut self, reason: &str) -> io::Result<()> {
        (self.tell)(Did::Closing(reason.to_owned()));
        self.stream
            .write_all(format!("bye,{reason}\n").as_bytes())
            .await
    }

    async fn disconnect(&mut self) {
        (self.tell)(Did::Disconnected);
    }
}

/// Answers, pushes what it is told to its client, and says how sessions ended.
fn blueprint(connector: Custom<Lines>) -> Blueprint {
    async fn push(Json(told): Json<Vec<Value>>, session: Session) -> tangelo::Result<()> {
        for value in told {
            session.push("onChat", &value)?;
        }
        Ok(())
    }
    async fn kick(session: Session) {
        let _ = session.kick("enough").await;
    }
    let handlers = Handlers::new().add("push", push).add("kick", kick);
    crate::world::connector(handlers).connector(connector)
}

/// What is not answered is refused after some milliseconds.
fn slow(connector: Custom<Lines>) -> Blueprint {
    let handlers = Handlers::new().add("never", std::future::pending::<()>);
    let blueprint = crate::world::connector(handlers).connector(connector);
    blueprint.change_limits(|limits| limits.deadline = Some(Duration::from_millis(20)))
}

fn made(lines: Lines) -> Custom<Lines> {
    Custom::new(move |host, port, _| {
        let address = format!("{host}:{port}").parse().unwrap();
        Ok(Lines {
            address,
            ..lines.clone()
        })
    })
}

async fn serve(lines: Lines) -> Server {
    alone(blueprint(made(lines))).await
}

/// Why it does not start.
async fn problem(connector: Custom<Lines>) -> String {
    let (instance, registry) = (front("connector-1"), Arc::new(Memory::new()));
    let started = Server::start(blueprint(connector), instance, registry, Routes::new()).await;
    started.unwrap_err().to_string()
}

struct Client(BufReader<TcpStream>);

impl Client {
    async fn new(server: &Server) -> Self {
        Self::over(TcpStream::connect(door(server)).await.unwrap())
    }

    fn over(stream: TcpStream) -> Self {
        Self(BufReader::new(stream))
    }

    async fn says(&mut self, line: &str) {
        let line = format!("{line}\n");
        let _ = self.0.get_mut().write_all(line.as_bytes()).await;
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        // A connection that is cut off ends in either way.
        let _ = soon("a line", self.0.read_line(&mut line)).await;
        line.trim_end().to_owned()
    }

    async fn hears(&mut self, expected: &str) {
        assert_eq!(self.line().await, expected);
    }

    async fn echoes(&mut self) {
        self.says("7,connector.main.echo,[7]").await;
        self.hears("7,connector.main.echo,[7]").await;
    }

    /// Some milliseconds pass.
    async fn ticks(&mut self) {
        self.says("1,connector.main.never,{}").await;
        let line = self.line().await;
        assert!(line.contains("\"code\":504"), "{line}");
    }

    async fn is_cut(&mut self) {
        self.hears("").await;
    }
}

#[tokio::test]
async fn its_requests_are_answered_and_its_notifies_are_not() {
    let server = serve(Lines::new()).await;
    let mut client = Client::new(&server).await;
    client.says("-,connector.main.echo,[1]").await;
    client.says("0,connector.main.echo,[1]").await;
    client.says("3,connector.main.echo,[1]").await;
    client.hears("3,connector.main.echo,[1]").await;
    client.says("4,connector.main.push,[1,2]").await;
    client.hears("-,onChat,1").await;
    client.hears("-,onChat,2").await;
    client.hears("4,connector.main.push,{}").await;
    client.says("5,connector.main.none,{}").await;
    let line = client.line().await;
    assert!(
        line.starts_with("5,connector.main.none,{\"code\":404"),
        "{line}"
    );
}

#[tokio::test]
async fn a_factory_gets_host_port_and_the_options_as_they_are() {
    let mut made_with = Heard::new();
    let (tell, lines) = (made_with.teller(), Lines::new());
    let connector = Custom::new(move |host: &str, port, options: &Options| {
        tell((host.to_owned(), port, options.clone()));
        Ok(lines.clone())
    });
    let options = json!({ "encoding": "gbk", "deep": { "list": [1, null] } });
    let instance = Instance {
        client_host: Some("127.0.0.1".to_owned()),
        settings: options.as_object().unwrap().clone(),
        ..front("connector-1")
    };
    let server = Server::start(
        blueprint(connector),
        instance,
        Arc::new(Memory::new()),
        Routes::new(),
    );
    let server = server.await.unwrap();
    let (host, port, got) = made_with.next("the factory is called").await;
    assert_eq!(
        (host.as_str(), port, Value::Object(got)),
        ("127.0.0.1", 0, options)
    );
    made_with.is_silent();
    Client::new(&server).await.echoes().await;
}

#[tokio::test]
async fn an_instance_listens_where_it_likes_and_there_is_no_address_to_tell() {
    struct Pipe(Option<(OwnedReadHalf, OwnedWriteHalf)>);
    impl CustomConnector for Pipe {
        type Frame = String;
        type Receiver = Reader;
        type Sender = Writer;
        fn codec(&self) -> Codec<String> {
            Lines::new().codec
        }
        async fn start(&mut self) -> io::Result<()> {
            Ok(())
        }
        async fn accept(&mut self) -> io::Result<Socket<Reader, Writer>> {
            let Some((reader, stream)) = self.0.take() else {
                return std::future::pending().await;
            };
            let reader = Reader {
                stream: BufReader::new(reader),
                greets: false,
            };
            let tell: Tell = Arc::new(|_| {});
            Ok(Socket::new(reader, Writer { stream, tell }))
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (theirs, _) = listener.accept().await.unwrap();
    let hosts = HostFilter::new();
    hosts.allow("127.0.0.1").unwrap();
    let pipe = Custom::instance(Pipe(Some(theirs.into_split())));
    let server = alone(
        connector(Handlers::new())
            .connector(pipe)
            .host_filter(hosts),
    )
    .await;
    assert_eq!(server.client_address(), None);
    Client::over(ours).echoes().await;
}

#[tokio::test]
async fn a_frame_may_be_anything() {
    #[derive(Debug)]
    enum Frame {
        Ask(u8),
        Told(Vec<u8>),
    }
    struct Octets(TcpListener);
    struct In(OwnedReadHalf);
    struct Out(OwnedWriteHalf);
    impl CustomConnector for Octets {
        type Frame = Frame;
        type Receiver = In;
        type Sender = Out;
        fn codec(&self) -> Codec<Frame> {
            Codec::new()
                .encode(|_, _, body| Ok::<_, BoxError>(Frame::Told(body.to_vec())))
                .decode(|frame| match frame {
                    Frame::Ask(octet) => Ok(Decoded::request(1, ECHO, octet.to_string())),
                    Frame::Told(_) => Err("servers tell"),
                })
        }
        async fn start(&mut self) -> io::Result<()> {
            Ok(())
        }
        async fn accept(&mut self) -> io::Result<Socket<In, Out>> {
            let (reader, writer) = self.0.accept().await?.0.into_split();
            Ok(Socket::new(In(reader), Out(writer)))
        }
        fn address(&self) -> Option<SocketAddr> {
            self.0.local_addr().ok()
        }
    }
    impl FrameReceiver<Frame> for In {
        async fn receive(&mut self) -> io::Result<Option<Frame>> {
            use tokio::io::AsyncReadExt;
            Ok(Some(Frame::Ask(self.0.read_u8().await?)))
        }
    }
    impl FrameSender<Frame> for Out {
        async fn send(&mut self, frame: Frame) -> io::Result<()> {
            let Frame::Told(octets) = frame else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            self.0.write_all(&octets).await?;
            self.0.write_all(b"\n").await
        }
    }
    let octets = Octets(TcpListener::bind("127.0.0.1:0").await.unwrap());
    let server = alone(connector(Handlers::new()).connector(Custom::instance(octets))).await;
    let mut client = Client::new(&server).await;
    // Several answers, one after the other: it has no batches of its own.
    client.0.get_mut().write_all(&[1, 2, 255]).await.unwrap();
    for answer in ["1", "2", "255"] {
        client.hears(answer).await;
    }
}

#[tokio::test]
async fn without_encode_or_decode_the_server_does_not_start_and_says_so() {
    let with = |codec: Codec<String>| {
        made(Lines {
            codec,
            ..Lines::new()
        })
    };
    for (codec, missing) in [
        (Codec::new(), "no `encode` and no `decode`"),
        (Codec::new().encode(encode), "no `decode`"),
        (
            Codec::new().decode(|line: String| decode(&line)),
            "no `encode`",
        ),
    ] {
        let problem = problem(with(codec)).await;
        assert!(
            problem.contains(missing) && problem.contains("custom connector"),
            "{problem}"
        );
    }
    let configured = with(Codec::new())
        .encode(encode)
        .decode(|line: String| decode(&line));
    let server = alone(blueprint(configured)).await;
    Client::new(&server).await.echoes().await;
}

#[tokio::test]
async fn what_is_configured_goes_before_what_it_has_itself() {
    let loud =
        |id, route: &str, body: &[u8]| encode(id, route, body).map(|line| line.to_uppercase());
    let server = alone(blueprint(made(Lines::new()).encode(loud))).await;
    let mut client = Client::new(&server).await;
    client.says("1,connector.main.echo,[\"a\"]").await;
    client.hears("1,CONNECTOR.MAIN.ECHO,[\"A\"]").await;
    let deaf = |_: String| Ok::<_, BoxError>(Decoded::request(9, ECHO, "[9]"));
    let server = alone(blueprint(made(Lines::new()).decode(deaf))).await;
    let mut client = Client::new(&server).await;
    client.says("anything").await;
    client.hears("9,connector.main.echo,[9]").await;
}

#[tokio::test]
async fn what_fails_before_it_listens_keeps_the_server_from_starting() {
    let occupied = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = occupied.local_addr().unwrap();
    let there = Lines {
        address,
        ..Lines::new()
    };
    assert!(
        problem(Custom::new(move |_, _, _| Ok(there.clone())))
            .await
            .contains("in use")
    );
    let refuses = Custom::new(|_, _, _| Err(io::Error::other("no socket named")));
    assert!(problem(refuses).await.contains("no socket named"));
    assert!(
        problem(Custom::new(|_, _, _| panic!("on purpose")))
            .await
            .contains("on purpose")
    );
}

#[tokio::test]
async fn a_server_that_does_not_start_after_all_stops_it() {
    let mut heard = Heard::new();
    let failing = blueprint(made(Lines::heard(&heard)))
        .before_start(|_| async { Err(tangelo::Error::new("on purpose")) });
    let (instance, registry) = (front("connector-1"), Arc::new(Memory::new()));
    let started = Server::start(failing, instance, registry, Routes::new()).await;
    assert!(started.is_err());
    assert_eq!(heard.next("it is stopped").await, Did::Stopped);
}

#[tokio::test]
async fn a_frame_that_is_none_or_makes_decode_panic_ends_its_connection_alone() {
    let server = serve(Lines::new()).await;
    let mut other = Client::new(&server).await;
    other.echoes().await;
    for bad in ["nonsense", "panic,a,b", "x,a,b", "-1,a,b", "2147483648,a,b"] {
        let mut client = Client::new(&server).await;
        client.says(bad).await;
        client.is_cut().await;
    }
    let mut client = Client::new(&server).await;
    client.says(&format!("1,{},1", "r".repeat(256))).await;
    client.is_cut().await;
    other.echoes().await;
}

#[tokio::test]
async fn a_receiver_that_fails_or_panics_ends_its_connection_alone() {
    let server = serve(Lines::new()).await;
    let mut other = Client::new(&server).await;
    other.echoes().await;
    for bad in ["receive fails", "receive panics"] {
        let mut client = Client::new(&server).await;
        client.echoes().await;
        client.says(bad).await;
        client.is_cut().await;
    }
    other.echoes().await;
}

#[tokio::test]
async fn a_response_that_cannot_be_encoded_is_answered_500_and_a_push_is_left_out() {
    let server = serve(Lines::new()).await;
    let mut client = Client::new(&server).await;
    for bad in ["fail", "panic"] {
        client
            .says(&format!("1,connector.main.echo,\"{bad}\""))
            .await;
        let line = client.line().await;
        assert!(
            line.starts_with("1,connector.main.echo,{\"code\":500"),
            "{line}"
        );
        client
            .says(&format!("2,connector.main.push,[1,\"{bad}\",2]"))
            .await;
        client.hears("-,onChat,1").await;
        client.hears("-,onChat,2").await;
        client.hears("2,connector.main.push,{}").await;
    }
}

#[tokio::test]
async fn a_connection_whose_failures_cannot_be_encoded_ends() {
    let never = |_: Option<u32>, _: &str, _: &[u8]| Err::<String, _>("never");
    let server = alone(blueprint(made(Lines::new()).encode(never))).await;
    let mut client = Client::new(&server).await;
    client.says("1,connector.main.echo,1").await;
    client.is_cut().await;
}

#[tokio::test]
async fn a_sender_that_panics_ends_its_connection_alone() {
    let server = serve(Lines::new()).await;
    let (mut client, mut other) = (Client::new(&server).await, Client::new(&server).await);
    client.says("1,connector.main.echo,\"send panics\"").await;
    client.is_cut().await;
    other.echoes().await;
}

#[tokio::test]
async fn a_body_may_be_as_long_as_the_limit() {
    let limits = Limits {
        package: 10,
        ..Limits::default()
    };
    let server = alone(blueprint(made(Lines::new()).limits(limits))).await;
    let mut client = Client::new(&server).await;
    client.says("1,connector.main.echo,\"12345678\"").await;
    client.hears("1,connector.main.echo,\"12345678\"").await;
    client.says("2,connector.main.echo,\"123456789\"").await;
    client.is_cut().await;
}

#[tokio::test]
async fn the_configuration_may_change_its_limits() {
    let changed =
        blueprint(made(Lines::new())).change_connector_limits(|limits| limits.package = 3);
    let server = alone(changed).await;
    let mut client = Client::new(&server).await;
    client.says("1,connector.main.echo,123").await;
    client.hears("1,connector.main.echo,123").await;
    client.says("1,connector.main.echo,1234").await;
    client.is_cut().await;
}

#[tokio::test]
async fn what_it_says_of_itself_is_its_handshake_and_it_hears_the_answer() {
    let mut heard = Heard::new();
    let lines = Lines {
        greets: true,
        ..Lines::heard(&heard)
    };
    let server = serve(lines).await;
    let mut client = Client::new(&server).await;
    client.says("hello {\"user\":{\"token\":1}}").await;
    client.echoes().await;
    let Did::Welcomed(answer) = heard.next("it is welcomed").await else {
        panic!("the answer goes first");
    };
    assert_eq!(answer, json!({ "code": 200, "sys": {} }));

    let mut refused = Client::new(&server).await;
    refused.says("hello {\"sys\":1}").await;
    refused.is_cut().await;
    assert_eq!(heard.next("the other's answer").await, Did::Sent(1));
    assert_eq!(
        heard.next("it is refused").await,
        Did::Welcomed(json!({ "code": 500 }))
    );
    assert_eq!(heard.next("it is closed").await, Did::Disconnected);

    let mut stranger = Client::new(&server).await;
    stranger.says("7,connector.main.echo,[7]").await;
    stranger.is_cut().await;
    heard.is_silent();
}

#[tokio::test]
async fn who_is_kicked_hears_why_before_the_end() {
    let mut heard = Heard::new();
    let server = serve(Lines::heard(&heard)).await;
    let mut client = Client::new(&server).await;
    client.echoes().await;
    heard.next("it is welcomed").await;
    assert_eq!(heard.next("the answer").await, Did::Sent(1));
    client.says("-,connector.main.kick,{}").await;
    client.hears("bye,enough").await;
    client.is_cut().await;
    assert_eq!(
        heard.next("the reason").await,
        Did::Closing("enough".to_owned())
    );
    assert_eq!(heard.next("the end").await, Did::Disconnected);
}

#[tokio::test]
async fn a_client_that_leaves_has_left() {
    let mut reasons = Heard::new();
    let tell = reasons.teller();
    let watched = blueprint(made(Lines::new())).on_close(move |_, reason| tell(reason.clone()));
    let server = alone(watched).await;
    let mut client = Client::new(&server).await;
    client.echoes().await;
    drop(client);
    assert_eq!(reasons.next("its session closes").await, CloseReason::Left);
}

#[tokio::test]
async fn what_is_ready_at_once_goes_as_one_batch() {
    let mut heard = Heard::new();
    let server = serve(Lines::heard(&heard)).await;
    let mut client = Client::new(&server).await;
    client.echoes().await;
    heard.next("it is welcomed").await;
    assert_eq!(heard.next("the answer").await, Did::Sent(1));
    client.says("1,connector.main.push,[1,2,3]").await;
    assert_eq!(heard.next("the pushes and the answer").await, Did::Sent(4));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_and_the_others_are_served() {
    let limits = Limits {
        outgoing: 256 << 10,
        ..Limits::default()
    };
    let server = alone(blueprint(made(Lines::new()).limits(limits))).await;
    let (sessions, mut other) = (server.context().sessions(), Client::new(&server).await);
    other.echoes().await;
    let mut deaf = Client::over(small_ears(&server).await);
    deaf.echoes().await;
    let flood = async {
        let long = "x".repeat(16_000);
        while sessions.count() > 1 {
            deaf.says(&format!("1,connector.main.echo,\"{long}\""))
                .await;
            other.echoes().await;
        }
    };
    soon("it is cut", flood).await;
}

#[tokio::test]
async fn a_client_that_cannot_be_accepted_does_not_keep_the_next_one_out() {
    for panics in [false, true] {
        let lines = Lines {
            panics,
            trouble: Arc::new(AtomicBool::new(true)),
            ..Lines::new()
        };
        let server = serve(lines).await;
        Client::new(&server).await.is_cut().await;
        Client::new(&server).await.echoes().await;
    }
}

#[tokio::test]
async fn a_silent_client_is_cut_and_one_that_lives_is_not() {
    let idle = Duration::from_millis(300);
    let server = alone(slow(made(Lines::new()).idle(idle))).await;
    let (mut lively, mut silent) = (Client::new(&server).await, Client::new(&server).await);
    let mut clock = Client::new(&server).await;
    silent.echoes().await;
    let lives = async {
        loop {
            lively.says("alive,,").await;
            clock.ticks().await;
        }
    };
    tokio::select! {
        () = silent.is_cut() => {}
        () = lives => {}
    }
    lively.echoes().await;
}

#[tokio::test]
async fn heartbeats_of_the_server_are_no_business_of_its_clients() {
    let server = alone(slow(made(Lines::new())).heartbeat(Duration::from_millis(1))).await;
    let mut client = Client::new(&server).await;
    client.ticks().await;
    client.echoes().await;
}

#[tokio::test]
async fn it_stops_before_its_clients_go_and_they_are_answered_until_then() {
    let mut heard = Heard::new();
    let hold = crate::world::Hold::new();
    let held = connector(
        Handlers::new()
            .add("hold", hold.handler())
            .add("more", echo),
    )
    .connector(made(Lines::heard(&heard)));
    let server = alone(held).await;
    let mut client = Client::new(&server).await;
    client.says("1,connector.main.hold,{}").await;
    hold.entered(1).await;
    let (shutdown, ()) = tokio::join!(server.shutdown(crate::world::DEADLINE), async {
        while heard.next("it is stopped").await != Did::Stopped {}
        hold.release(1);
        client.hears("1,connector.main.hold,{}").await;
        client.is_cut().await;
    });
    assert_eq!(shutdown, 0);
}

#[tokio::test]
async fn one_that_does_not_stop_holds_nobody_for_long() {
    let lines = Lines {
        stop_hangs: true,
        ..Lines::new()
    };
    let server = serve(lines).await;
    Client::new(&server).await.echoes().await;
    assert_eq!(
        soon("it ends", server.shutdown(crate::world::DEADLINE)).await,
        0
    );
}

#[tokio::test]
async fn host_filters_and_limits_of_connections_hold_for_it() {
    let hosts = HostFilter::new();
    hosts.deny("127.0.0.1").unwrap();
    let server = alone(blueprint(made(Lines::new())).host_filter(hosts.clone())).await;
    Client::new(&server).await.is_cut().await;
    hosts.undeny("127.0.0.1").unwrap();
    server.context().connections().set_max_connections(1);
    let mut first = Client::new(&server).await;
    first.echoes().await;
    Client::new(&server).await.is_cut().await;
    first.echoes().await;
    drop(first);
    let connections = server.context().connections();
    until("it has gone", || connections.count() == 0).await;
}
