//! Push schedulers: when replies and pushes leave, and whether.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tangelo::{
    Result,
    connector::{Connection, Connector, Error, Event, Hybrid, Listener, Opening, Outgoing},
    rpc::Reply,
    server::{
        Blueprint, BroadcastOptions, Buffered, Channels, Direct, FrontendSession, Handlers, Json,
        Limits, Outbound, OutboundKind, PushScheduler, PushSchedulers, PushSender, Server, Session,
        SessionId,
    },
};
use tangelo_wire::pomelo::handshake::Hello;
use tokio::time::Instant;

use crate::{
    client::{Client, DOORS, Door, Said, request},
    world::{DEADLINE, Heard, Hold, World, alone, chat, client, connector, pair, soon, until},
};

const ECHO: &str = "connector.main.echo";
const PUSH: &str = "connector.main.push";
/// Longer than any test waits.
const NEVER: Duration = Duration::from_secs(3600);

/// Tells its own session 1, 2, 3 … on `on`, then answers.
async fn push(Json(count): Json<u32>, session: Session) -> Result<()> {
    for number in 1..=count {
        session.push("on", &number)?;
    }
    Ok(())
}

fn pushing() -> Blueprint {
    async fn kick(Json(count): Json<u32>, session: FrontendSession) -> Result<()> {
        push(Json(count), Session::clone(&session)).await?;
        session.kick("enough").await
    }
    async fn bind(session: FrontendSession) -> Result<()> {
        Ok(session.bind("u").await?)
    }
    async fn large() -> Json<String> {
        Json("x".repeat(40_000))
    }
    let handlers = Handlers::new().add("push", push).add("kick", kick);
    connector(handlers.add("bind", bind).add("large", large))
}

/// So many clients, all of one user.
async fn crowd(server: &Server, count: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for over in DOORS.into_iter().cycle().take(count) {
        let mut client = client(server, over).await;
        assert_eq!(
            client.ask("connector.main.bind", &json!({})).await,
            json!({})
        );
        clients.push(client);
    }
    clients
}

fn buffered(interval: Duration) -> Buffered {
    Buffered::new().flush_interval(interval)
}

/// Hears 1, 2, 3 … on `on`.
async fn hear_all(client: &mut Client, count: u32) {
    for number in 1..=count {
        assert_eq!(client.push("on").await, number);
    }
}

/// A scheduler that is a function.
struct Own<F>(F);

impl<F: Fn(Outbound, &PushSender) + Send + Sync + 'static> PushScheduler for Own<F> {
    fn schedule(&self, message: Outbound, sender: &PushSender) {
        (self.0)(message, sender);
    }
}

async fn with(scheduler: impl PushScheduler) -> Server {
    alone(pushing().push_scheduler(scheduler)).await
}

/// A hybrid connector that counts how often each connection had something to write.
#[derive(Clone, Debug, Default)]
struct Writes(Hybrid, Arc<AtomicUsize>);

struct CountingListener(Box<dyn Listener>, Arc<AtomicUsize>);

struct CountingConnection {
    inner: Box<dyn Connection>,
    queued: bool,
    writes: Arc<AtomicUsize>,
}

impl Connector for Writes {
    fn listen<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> Pin<Box<dyn Future<Output = io::Result<Box<dyn Listener>>> + Send + 'a>> {
        Box::pin(async move {
            let listener = self.0.listen(host, port).await?;
            let counting = CountingListener(listener, Arc::clone(&self.1));
            Ok(Box::new(counting) as Box<dyn Listener>)
        })
    }
}

impl Listener for CountingListener {
    fn address(&self) -> SocketAddr {
        self.0.address()
    }

    fn accept(&mut self) -> Pin<Box<dyn Future<Output = io::Result<Opening>> + Send + '_>> {
        Box::pin(async move {
            let Opening { peer, connection } = self.0.accept().await?;
            let writes = Arc::clone(&self.1);
            let connection = Box::pin(async move {
                let counting = CountingConnection {
                    inner: connection.await?,
                    queued: false,
                    writes,
                };
                Ok(Box::new(counting) as Box<dyn Connection>)
            });
            Ok(Opening { peer, connection })
        })
    }
}

impl Connection for CountingConnection {
    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        events: &mut Vec<Event>,
        most: usize,
    ) -> Poll<Result<(), Error>> {
        self.inner.poll_receive(context, events, most)
    }

    fn queue(&mut self, outgoing: Outgoing<'_>) -> Result<(), Error> {
        self.queued = true;
        self.inner.queue(outgoing)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if std::mem::take(&mut self.queued) {
            self.writes.fetch_add(1, Ordering::SeqCst);
        }
        self.inner.poll_flush(context)
    }

    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.inner.poll_close(context)
    }

    fn met(&mut self, hello: &Hello) {
        self.inner.met(hello);
    }

    fn handshake_done(&mut self) {
        self.inner.handshake_done();
    }

    fn peer(&self) -> SocketAddr {
        self.inner.peer()
    }
}

#[tokio::test]
async fn direct_is_the_default_and_can_be_named() {
    for blueprint in [pushing(), pushing().push_scheduler(Direct)] {
        let server = alone(blueprint).await;
        for over in DOORS {
            let mut client = client(&server, over).await;
            client.request(PUSH, &json!(3)).await;
            hear_all(&mut client, 3).await;
            assert_eq!(client.reply(1).await, json!({}));
        }
    }
}

#[tokio::test]
async fn what_is_buffered_leaves_in_one_write_per_session_and_flush_the_reply_too() {
    let writes = Writes::default();
    let blueprint = pushing().connector(writes.clone());
    let interval = Duration::from_millis(5);
    let server = alone(blueprint.push_scheduler(buffered(interval))).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        client.was_ignored(ECHO).await;
        let before = writes.1.load(Ordering::SeqCst);
        let asked = Instant::now();
        let id = client.request(PUSH, &json!(100)).await;
        hear_all(&mut client, 100).await;
        assert_eq!(client.reply(id).await, json!({}));
        assert!(asked.elapsed() >= interval, "{:?}", asked.elapsed());
        assert_eq!(writes.1.load(Ordering::SeqCst), before + 1);
    }
}

#[tokio::test]
async fn unless_told_otherwise_it_is_flushed_every_20_ms() {
    let server = with(Buffered::default()).await;
    let mut client = client(&server, Door::Tcp).await;
    let asked = Instant::now();
    client.ask(ECHO, &json!(1)).await;
    assert!(asked.elapsed() >= Duration::from_millis(20));
}

#[tokio::test]
async fn a_session_for_which_much_waits_is_flushed_before_the_time() {
    let server = with(buffered(NEVER)).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        let large = "x".repeat(32 << 10);
        // With its quotes that makes 64 KiB and 4 bytes.
        for _ in 0..2 {
            client.request(ECHO, &json!(large)).await;
        }
        let (one, two) = (client.hear().await, client.hear().await);
        assert!(matches!((one, two), (Said::Reply(1, _), Said::Reply(2, _))));
    }
}

#[tokio::test]
async fn a_client_that_reads_may_be_told_more_at_once_than_may_wait_for_it() {
    let at_once = Own(|message: Outbound, sender: &PushSender| sender.send(message));
    let limits = Limits {
        queue: 200 << 10,
        ..Limits::default()
    };
    let blueprint = || pushing().limits(limits);
    for server in [
        alone(blueprint().push_scheduler(Buffered::default())).await,
        alone(blueprint().push_scheduler(at_once)).await,
    ] {
        for over in DOORS {
            let mut client = client(&server, over).await;
            // 2 MB of answers, asked for in one write.
            let all: Vec<u8> = (1..=50)
                .flat_map(|id| request(id, "connector.main.large", b""))
                .collect();
            client.send_bytes(&all).await;
            for id in 1..=50 {
                client.reply(id).await;
            }
        }
    }
}

#[tokio::test]
async fn what_is_buffered_is_flushed_before_a_session_is_kicked() {
    let server = with(buffered(NEVER)).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        let id = client.request(PUSH, &json!(2)).await;
        client.request("connector.main.kick", &json!(0)).await;
        hear_all(&mut client, 2).await;
        assert_eq!(client.reply(id).await, json!({}));
        assert_eq!(
            client.hear().await,
            Said::Kick(json!({ "reason": "enough" }))
        );
        client.is_closed().await;
    }
}

/// A buffer that is watched.
struct Watched {
    buffer: Buffered,
    scheduled: Box<dyn Fn(OutboundKind) + Send + Sync>,
    ticks: Arc<AtomicUsize>,
}

impl Watched {
    fn new(
        interval: Duration,
        scheduled: impl Fn(OutboundKind) + Send + Sync + 'static,
    ) -> (Self, Arc<AtomicUsize>) {
        let ticks = Arc::new(AtomicUsize::new(0));
        let watched = Self {
            buffer: buffered(interval),
            scheduled: Box::new(scheduled),
            ticks: Arc::clone(&ticks),
        };
        (watched, ticks)
    }
}

impl PushScheduler for Watched {
    fn schedule(&self, message: Outbound, sender: &PushSender) {
        let kind = message.kind();
        self.buffer.schedule(message, sender);
        (self.scheduled)(kind);
    }

    fn tick(&self, sender: &PushSender) {
        self.ticks.fetch_add(1, Ordering::SeqCst);
        self.buffer.tick(sender);
    }

    fn closing(&self, session: SessionId, sender: &PushSender) {
        self.buffer.closing(session, sender);
    }

    fn stop(&self, sender: &PushSender) {
        self.buffer.stop(sender);
    }
}

#[tokio::test]
async fn what_is_buffered_is_flushed_when_the_server_closes_its_doors() {
    for over in DOORS {
        let mut scheduled = Heard::new();
        let (buffer, _) = Watched::new(NEVER, scheduled.teller());
        let server = with(buffer).await;
        let mut client = client(&server, over).await;
        let id = client.request(PUSH, &json!(5)).await;
        while scheduled.next("all is scheduled").await != OutboundKind::Response {}
        let closing = soon("the doors close", server.close_doors(DEADLINE));
        let hear = async {
            hear_all(&mut client, 5).await;
            assert_eq!(client.reply(id).await, json!({}));
            client.is_closed().await;
        };
        let (cut_off, ()) = tokio::join!(closing, hear);
        assert_eq!(cut_off, 0);
    }
}

#[tokio::test]
async fn what_is_said_behind_closed_doors_is_not_buffered() {
    for over in DOORS {
        let hold = Hold::new();
        let handlers = Handlers::new().add("hold", hold.handler());
        let server = alone(connector(handlers).push_scheduler(buffered(NEVER))).await;
        let mut client = client(&server, over).await;
        client.request("connector.main.hold", &json!({})).await;
        hold.entered(1).await;
        let closing = soon("the doors close", server.close_doors(DEADLINE));
        let hear = async {
            client.is_refused(ECHO, &json!({}), 503).await;
            hold.release(1);
            assert_eq!(client.reply(1).await, json!({}));
            client.is_closed().await;
        };
        let (cut_off, ()) = tokio::join!(closing, hear);
        assert_eq!(cut_off, 0);
    }
}

#[tokio::test]
async fn one_tick_flushes_all_sessions() {
    let (buffer, ticks) = Watched::new(Duration::from_millis(20), |_| {});
    let server = with(buffer).await;
    let mut clients = crowd(&server, 20).await;
    let before = ticks.load(Ordering::SeqCst);
    for session in server.context().sessions().by_uid("u") {
        session.push("on", &1).unwrap();
        session.push("on", &2).unwrap();
    }
    for client in &mut clients {
        hear_all(client, 2).await;
    }
    assert_eq!(ticks.load(Ordering::SeqCst), before + 1);
}

#[tokio::test]
async fn what_a_session_says_from_any_thread_is_buffered() {
    let server = with(buffered(Duration::from_millis(1))).await;
    let mut clients = crowd(&server, 2).await;
    let sessions = server.context().sessions().by_uid("u");
    // No runtime there.
    let speaks = std::thread::spawn(move || {
        for session in sessions {
            session.push("on", &1).unwrap();
        }
    });
    for client in &mut clients {
        hear_all(client, 1).await;
    }
    speaks.join().unwrap();
}

/// What a scheduler was told of a message.
fn described(message: &Outbound) -> Value {
    json!({
        "kind": format!("{:?}", message.kind()),
        "id": message.id(),
        "route": message.route(),
        "body": serde_json::from_slice::<Value>(message.body()).unwrap(),
        "receivers": message.receivers().len(),
    })
}

#[tokio::test]
async fn a_scheduler_is_told_all_about_a_message_and_decides_when_it_leaves_and_whether() {
    let mut told = Heard::new();
    let tell = told.teller();
    let server = with(Own(move |message: Outbound, sender: &PushSender| {
        tell(described(&message));
        let odd = message.body().last().is_some_and(|byte| byte % 2 == 1);
        if message.kind() == OutboundKind::Response || odd {
            sender.send(message);
        }
    }))
    .await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        assert_eq!(client.request(PUSH, &json!(4)).await, 1);
        assert_eq!(client.push("on").await, 1);
        assert_eq!(client.push("on").await, 3);
        assert_eq!(client.reply(1).await, json!({}));
        for number in 1..=4 {
            let push =
                json!({"kind": "Push", "id": null, "route": "on", "body": number, "receivers": 1});
            assert_eq!(told.next("a push").await, push);
        }
        let reply = json!({"kind": "Response", "id": 1, "route": PUSH, "body": {}, "receivers": 1});
        assert_eq!(told.next("the reply").await, reply);
        // A notify is not answered.
        client.notify(ECHO, &json!(1)).await;
        assert_eq!(client.ask(ECHO, &json!(2)).await, 2);
        assert_eq!(told.next("the next reply").await["id"], 2);
    }
}

#[tokio::test]
async fn what_a_handler_says_to_it_beside_the_reply_is_heard() {
    async fn urgent(Json(options): Json<Value>) -> Reply {
        let options = Some(Arc::new(options));
        Reply {
            options,
            ..Reply::json("{}")
        }
    }
    let mut told = Heard::new();
    let tell = told.teller();
    let own = Own(move |message: Outbound, sender: &PushSender| {
        tell(message.options().cloned());
        sender.send(message);
    });
    let handlers = Handlers::new().add("urgent", urgent);
    let server = alone(connector(handlers).push_scheduler(own)).await;
    let mut client = client(&server, Door::Tcp).await;
    let options = json!({ "priority": 7 });
    assert_eq!(
        client.ask("connector.main.urgent", &options).await,
        json!({})
    );
    assert_eq!(told.next("a reply").await, Some(options));
    client.was_ignored(ECHO).await;
    assert_eq!(told.next("another").await, None);
}

#[tokio::test]
async fn refusals_pass_it_like_replies() {
    let mut told = Heard::new();
    let tell = told.teller();
    let limits = Limits {
        in_flight: 1,
        ..Limits::default()
    };
    let hold = Hold::new();
    let handlers = Handlers::new().add("hold", hold.handler());
    let own = Own(move |message: Outbound, sender: &PushSender| {
        tell(described(&message));
        sender.send(message);
    });
    let server = alone(connector(handlers).limits(limits).push_scheduler(own)).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        let id = client.request("connector.main.hold", &json!({})).await;
        hold.entered(1).await;
        client.is_refused(ECHO, &json!({}), 429).await;
        hold.release(1);
        client.reply(id).await;
        client
            .is_refused("connector.no.such", &json!({}), 404)
            .await;
        client.is_refused("nobody.main.echo", &json!({}), 404).await;
        for (route, code) in [
            (ECHO, 429),
            ("connector.main.hold", 0),
            ("connector.no.such", 404),
            ("nobody.main.echo", 404),
        ] {
            let told = told.next("a refusal").await;
            assert_eq!(told["route"], route);
            assert_eq!(told["body"]["code"].as_u64().unwrap_or_default(), code);
        }
    }
}

/// A scheduler that keeps everything until it is let go.
#[derive(Clone, Default)]
struct Keep(Arc<Mutex<Vec<(Outbound, PushSender)>>>);

impl Keep {
    fn scheduler(&self) -> impl PushScheduler {
        let Self(kept) = self.clone();
        Own(move |message: Outbound, sender: &PushSender| {
            kept.lock().push((message, sender.clone()));
        })
    }

    async fn has(&self, count: usize) {
        until("it has them", || self.0.lock().len() == count).await;
    }

    fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    fn take(&self) -> Vec<(Outbound, PushSender)> {
        std::mem::take(&mut *self.0.lock())
    }
}

#[tokio::test]
async fn what_it_keeps_leaves_when_it_is_handed_on_by_whomever() {
    let keep = Keep::default();
    let server = with(keep.scheduler()).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        client.request(PUSH, &json!(3)).await;
        keep.has(4).await;
        let kept = keep.take();
        let hand_on = move || {
            // The other way round: the order is what the scheduler makes of it.
            for (message, sender) in kept.into_iter().rev() {
                sender.send(message);
            }
        };
        std::thread::spawn(hand_on).join().unwrap();
        assert_eq!(client.reply(1).await, json!({}));
        for number in [3, 2, 1] {
            assert_eq!(client.push("on").await, number);
        }
    }
}

#[tokio::test]
async fn it_is_told_when_a_session_closes() {
    struct Closing(Keep, Box<dyn Fn(SessionId) + Send + Sync>);
    impl PushScheduler for Closing {
        fn schedule(&self, message: Outbound, sender: &PushSender) {
            self.0.0.lock().push((message, sender.clone()));
        }
        fn closing(&self, session: SessionId, _: &PushSender) {
            self.0.0.lock().retain(|(message, _)| {
                let mut receivers = message.receivers();
                !receivers.any(|receiver| receiver.id() == session)
            });
            (self.1)(session);
        }
    }
    let (keep, mut closed) = (Keep::default(), Heard::new());
    let server = with(Closing(keep.clone(), Box::new(closed.teller()))).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        client.request(PUSH, &json!(2)).await;
        keep.has(3).await;
        let receiver = keep.0.lock()[0].0.receivers().next().unwrap();
        drop(client);
        assert_eq!(closed.next("it closes").await, receiver.id());
        assert!(keep.is_empty());
    }
}

#[tokio::test]
async fn a_request_whose_answer_it_has_holds_no_place_among_those_that_run() {
    let keep = Keep::default();
    let limits = Limits {
        in_flight: 1,
        ..Limits::default()
    };
    let front = connector(Handlers::new()).limits(limits);
    let (server, _back) = pair(
        front.push_scheduler(keep.scheduler()),
        chat(Handlers::new()),
    )
    .await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        for route in ["chat.main.echo", ECHO] {
            for number in 1..=5 {
                client.request(route, &json!(number)).await;
                keep.has(number).await;
            }
            for (number, (message, sender)) in (1..).zip(keep.take()) {
                sender.send(message);
                let Said::Reply(_, answer) = client.hear().await else {
                    panic!("expected an answer");
                };
                assert_eq!(answer, number);
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_it_drops_is_answered_500() {
    let (server, _back) = pair(
        pushing().push_scheduler(Own(|_: Outbound, _: &PushSender| {})),
        chat(Handlers::new()),
    )
    .await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        for route in [ECHO, PUSH, "chat.main.echo", "connector.no.such"] {
            let answer = client.ask(route, &json!(3)).await;
            assert_eq!(answer["code"], 500, "{route}");
            let reason = answer["msg"].as_str().unwrap();
            assert!(reason.contains("push scheduler"), "{reason}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_it_keeps_too_long_is_answered_504_and_leaves_no_more() {
    let keep = Keep::default();
    let limits = Limits {
        deadline: Some(Duration::from_millis(50)),
        ..Limits::default()
    };
    let (server, _back) = pair(
        pushing().limits(limits).push_scheduler(keep.scheduler()),
        chat(Handlers::new()),
    )
    .await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        for route in [ECHO, "chat.main.echo"] {
            client.is_refused(route, &json!(1), 504).await;
            let id = client.request(route, &json!(2)).await;
            keep.has(2).await;
            for (message, sender) in keep.take() {
                sender.send(message);
            }
            assert_eq!(client.reply(id).await, 2);
        }
    }
}

#[tokio::test]
async fn when_it_panics_messages_go_directly_and_nobody_else_notices() {
    async fn join(session: Session, channels: Channels) -> Result<()> {
        Ok(channels.get_or_create("all").add(&session)?)
    }
    async fn shout(channels: Channels) -> Result<()> {
        channels.get_or_create("all").push("on", &7)
    }
    let (server, _back) = pair(
        pushing().push_scheduler(Own(|message: Outbound, _: &PushSender| {
            panic!("on purpose: {message:?}")
        })),
        chat(Handlers::new().add("join", join).add("shout", shout)),
    )
    .await;
    for mut client in crowd(&server, 2).await {
        client.request(PUSH, &json!(3)).await;
        hear_all(&mut client, 3).await;
        assert_eq!(client.reply(2).await, json!({}));
        assert_eq!(client.ask("chat.main.join", &json!({})).await, json!({}));
        client.request("chat.main.shout", &json!({})).await;
        assert_eq!(client.push("on").await, 7);
        assert_eq!(client.reply(4).await, json!({}));
    }
}

#[tokio::test]
async fn a_channels_push_comes_to_it_once_for_all_sessions_and_can_be_sent_to_some() {
    async fn join(session: Session, channels: Channels) -> Result<()> {
        Ok(channels.get_or_create("all").add(&session)?)
    }
    async fn set(Json(number): Json<u32>, session: FrontendSession) -> Result<()> {
        Ok(session.bind(&number.to_string()).await?)
    }
    let mut told = Heard::new();
    let tell = told.teller();
    let even = Own(move |message: Outbound, sender: &PushSender| {
        if message.kind() == OutboundKind::Response {
            return sender.send(message);
        }
        tell(message.receivers().len());
        for one in message.into_each() {
            let uid = one.receivers().next().unwrap().uid().unwrap();
            if uid.parse::<u32>().unwrap() % 2 == 0 {
                sender.send(one);
            }
        }
    });
    let front = connector(Handlers::new().add("set", set)).push_scheduler(even);
    let world = World::new();
    let back = world
        .back("chat-1", chat(Handlers::new().add("join", join)))
        .await;
    let server = world.front("connector-1", front).await;
    soon("the servers meet", server.connected()).await;
    let mut clients = Vec::new();
    for (number, over) in DOORS.into_iter().cycle().take(6).enumerate() {
        let mut client = client(&server, over).await;
        client.ask("connector.main.set", &json!(number)).await;
        client.ask("chat.main.join", &json!({})).await;
        clients.push(client);
    }
    back.context()
        .channels()
        .get_or_create("all")
        .push("on", &"x")
        .unwrap();
    // Six sessions at the most on each lane.
    let mut receivers = 0;
    let mut calls = 0;
    while receivers < 6 {
        receivers += told.next("the push").await;
        calls += 1;
    }
    assert!(calls <= std::thread::available_parallelism().unwrap().get());
    for (number, client) in clients.iter_mut().enumerate() {
        if number % 2 == 0 {
            assert_eq!(client.push("on").await, "x");
        }
        client.was_ignored(ECHO).await;
    }
}

#[tokio::test]
async fn a_broadcast_comes_to_it_as_one() {
    let mut told = Heard::new();
    let tell = told.teller();
    let own = Own(move |message: Outbound, sender: &PushSender| {
        if message.kind() != OutboundKind::Response {
            tell((message.kind(), message.receivers().len()));
        }
        sender.send(message);
    });
    let (server, back) = pair(pushing().push_scheduler(own), chat(Handlers::new())).await;
    let mut clients = crowd(&server, 6).await;
    let channels = back.context().channels();
    let options = BroadcastOptions::default();
    channels.broadcast("connector", "on", &1, &options).unwrap();
    for client in &mut clients {
        hear_all(client, 1).await;
    }
    let mut receivers = 0;
    while receivers < 6 {
        let (kind, here) = told.next("the broadcast").await;
        assert_eq!(kind, OutboundKind::Broadcast);
        receivers += here;
    }
    assert_eq!(receivers, 6);
    told.is_silent();
}

#[tokio::test]
async fn of_several_the_selector_chooses_one_for_each_message() {
    let keep = Keep::default();
    let several = PushSchedulers::new()
        .with("direct", Direct)
        .with("keep", keep.scheduler())
        .with("buffer", buffered(Duration::from_millis(1)))
        .select(|message| match (message.kind(), message.route()) {
            (OutboundKind::Response, _) => "direct".to_owned(),
            (_, "on") => "keep".to_owned(),
            (_, other) => other.to_owned(),
        });
    let server = with(several).await;
    let mut clients = crowd(&server, 2).await;
    for client in &mut clients {
        let id = client.request(PUSH, &json!(2)).await;
        assert_eq!(
            client.reply(id).await,
            json!({}),
            "what is direct overtakes"
        );
        keep.has(2).await;
        for (message, sender) in keep.take() {
            sender.send(message);
        }
        hear_all(client, 2).await;
    }
    let sessions = server.context().sessions().by_uid("u");
    // `no such` names none of them and goes directly.
    for route in ["buffer", "no such", "direct"] {
        for (session, client) in sessions.iter().zip(&mut clients) {
            session.push(route, &route).unwrap();
            assert_eq!(client.push(route).await, route);
        }
    }
}

#[tokio::test]
async fn a_selector_that_panics_or_is_missing_does_no_harm() {
    let panics = PushSchedulers::new()
        .with("drop", Own(|_: Outbound, _: &PushSender| {}))
        .select(|message| -> &str { panic!("on purpose: {message:?}") });
    let first = PushSchedulers::new()
        .with("direct", Direct)
        .with("drop", Own(|_: Outbound, _: &PushSender| {}));
    for several in [panics, first, PushSchedulers::new()] {
        let server = with(several).await;
        for over in DOORS {
            let mut client = client(&server, over).await;
            client.request(PUSH, &json!(3)).await;
            hear_all(&mut client, 3).await;
            assert_eq!(client.reply(1).await, json!({}));
        }
    }
}

#[tokio::test]
async fn several_are_flushed_and_stopped_like_one() {
    for over in DOORS {
        let several = PushSchedulers::new()
            .with("a", buffered(NEVER))
            .with("b", buffered(NEVER))
            .select(|message| match message.kind() {
                OutboundKind::Response => "a",
                _ => "b",
            });
        let server = with(several).await;
        let mut kicked = client(&server, over).await;
        kicked.request("connector.main.kick", &json!(2)).await;
        hear_all(&mut kicked, 2).await;
        // The handler answered after it had kicked.
        let mut said = kicked.hear().await;
        if matches!(said, Said::Reply(..)) {
            said = kicked.hear().await;
        }
        assert!(matches!(said, Said::Kick(_)), "{said:?}");

        let mut other = client(&server, over).await;
        other.request(PUSH, &json!(2)).await;
        other.request("connector.main.kick", &json!(0)).await;
        // Each is flushed in its turn.
        assert_eq!(other.reply(1).await, json!({}));
        hear_all(&mut other, 2).await;
    }
}
