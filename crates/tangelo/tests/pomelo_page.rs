//! The page for those who come from Pomelo says what can be configured, all of it and nothing else.

use std::fmt::Write;

use tangelo::config::Key;

const PAGE: &str = include_str!("../../../docs/pomelo.md");

fn code(text: &str) -> String {
    match text {
        "" => String::new(),
        _ => format!("`{text}`"),
    }
}

#[test]
fn every_key_of_a_server_stands_in_the_table() {
    let mut table =
        String::from("| tangelo.toml | servers.json | default | meaning |\n|---|---|---|---|\n");
    for key in Key::ALL {
        let (name, pomelo) = (code(key.name()), code(key.pomelo()));
        let (default, meaning) = (code(key.default()), key.meaning());
        let _ = writeln!(table, "| {name} | {pomelo} | {default} | {meaning} |");
    }
    let table = table.replace("|  |", "| |").replace("|  |", "| |");
    assert!(PAGE.contains(&table), "put into docs/pomelo.md:\n\n{table}");
}

/// What the page's tables name stands in lines that compile.
#[test]
fn every_call_that_the_tables_name_is_there() {
    const LINES: &str = include_str!("pomelo_page.rs");
    let (_, tables) = PAGE.split_once("\n## The command line\n").unwrap();
    let rows = tables.lines().filter(|line| line.starts_with('|'));
    let right = rows.filter_map(|row| row.trim_end_matches('|').rsplit_once("| "));
    let codes = right.flat_map(|(_, right)| right.split('`').skip(1).step_by(2));
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    let calls = codes.flat_map(|code| {
        let before = code.match_indices('(').map(|(at, _)| &code[..at]);
        before.map(|before| {
            before
                .rsplit(|character| !is_name(character))
                .next()
                .unwrap()
        })
    });
    let missing: Vec<_> = calls
        // Types and variants, the word, and the one function that the page defines.
        .filter(|name| name.starts_with(char::is_lowercase) && !["fn", "send"].contains(name))
        .filter(|name| {
            let called = [".", "::"].map(|dot| format!("{dot}{name}"));
            let called = called
                .iter()
                .flat_map(|name| [format!("{name}("), format!("{name}::<")]);
            !called.into_iter().any(|called| LINES.contains(&called))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

mod lines {
    //! The right side of the tables, as code. It is compiled and not run.

    #![allow(dead_code, reason = "that it compiles is the test")]

    use std::{sync::Arc, time::Duration};

    use serde_json::{Map, Value, json};
    use tangelo::{
        auth::{self, Jwt},
        prelude::*,
        rpc::{Definition, Service},
        server::{Blueprint, BroadcastOptions, GlobalChannelStore, PresenceStore, Receivers},
    };

    type Outcome = Result<()>;

    struct World;

    impl Component for World {}

    struct Audit;

    impl Filter for Audit {}

    struct Brings;

    impl Plugin for Brings {}

    async fn check(request: Request) -> Result<Request> {
        Ok(request)
    }

    fn doors(server: Blueprint) -> Blueprint {
        server
    }

    async fn look(_: Session, _: Answered) {}

    async fn send() {}

    async fn add() {}

    async fn application() -> Outcome {
        let running = App::from_args()
            .config("conf")
            .env("production")
            .environment()
            .set("area-1", "port", 7000)
            .state(5_u8)
            .plugin(Brings)
            .server("area", |server| server.state(5_u16).load("world", World))
            .server("gate", doors)
            .server("connector", doors)
            .route("area", |session| session.get("area"))
            .route_to("area", |session, _| session.get("area"))
            .route_async("area", |_, _| async {
                Ok(RouteTo::Server("area-1".to_owned()))
            })
            .route_rule("chat", RouteRule::Crc32)
            .start()
            .await?;
        let config: &Config = running.config();
        let _: Option<Value> = config.read::<Value>("name.json")?;
        let _ = (config.servers(), config.master());
        running.shutdown(Duration::from_secs(10)).await;
        Ok(())
    }

    fn serve() -> std::process::ExitCode {
        App::new().rpc(Bootstrap::new("krpc")).serve()
    }

    fn server(server: Blueprint, hosts: HostFilter) -> Blueprint {
        let _ = hosts.deny("192.0.2.0/24");
        hosts.deny_if(|_| false);
        hosts.deny_if_async(|_| async { false });
        server
            .handler("chatHandler", handlers! { send })
            .remote("chatRemote", remotes! { add, kickAll: add })
            .filter(Audit)
            .before(check)
            .after(look)
            .global_filter(Audit)
            .global_before(check)
            .global_after(look)
            .error_handler(|error: Error, _: &Request| error)
            .global_error_handler(|error: Error, _: &Request| error)
            .filter(Serial::default())
            .filter(Timeout::default())
            .filter(Time::new())
            .filter(TooBusy::default())
            .rpc_filter(RpcLog)
            .rpc_before(|_| Ok(()))
            .rpc_after(|_, _| ())
            .rpc_error_handler(|error, _| error)
            .rpc_fail_mode(FailMode::OVER)
            .job("roomCron.tidy", async || {})
            .on_bind(|_, _| ())
            .on_unbind(|_, _| ())
            .on_close(|_, _| ())
            .on_servers_added(|_, _| ())
            .on_servers_removed(|_, _| ())
            .on_servers_replaced(|_, _| ())
            .before_start(|_| async { Ok(()) })
            .after_start(|_| async { Ok(()) })
            .after_start_all(|_| async { Ok(()) })
            .before_shutdown(|_| async { Ok(()) })
            .connector(Hybrid::new().tls(Certificate::files("cert.pem", "key.pem")))
            .heartbeat(Duration::from_secs(3))
            .host_filter(hosts)
            .push_filter("name", |_, _, _| true)
            .single_session(SingleSession::refuse_new())
            .single_session(SingleSession::kick_old())
            .push_scheduler(Direct)
            .push_scheduler(Buffered::new().flush_interval(Duration::from_millis(20)))
            .push_scheduler(PushSchedulers::new().with("a", Direct).select(|_| "a"))
    }

    fn encodings(server: Blueprint, json: &str) -> [Blueprint; 2] {
        let server = server.dictionary(["onMove"]);
        [
            server.client_protos(json).server_protos(json),
            Blueprint::new("connector").decode_io_protos(json, json),
        ]
    }

    fn letting_in(
        server: Blueprint,
        secret: &[u8],
    ) -> Result<Blueprint, Box<dyn std::error::Error>> {
        async fn whose(_: String) -> Result<Uid> {
            Ok(Uid::from("uid"))
        }
        Ok(server
            .check_client(|_, _| true)
            .on_handshake(async |_: Hello, _: Session| Ok::<_, Error>(json!({})))
            .authenticate(Jwt::hs256(secret)?)
            .authenticate(auth::bearer(whose))
            .use_crypto(true))
    }

    fn typed<S: Service + Definition>(server: Blueprint, service: S) -> Blueprint {
        server.service(|_| service)
    }

    fn context(context: &Context, servers: &Servers, entry: &Value) -> Outcome {
        let _ = (
            context.server_id(),
            context.server_type(),
            context.instance(),
        );
        let _ = (
            context.component::<World>(),
            context.component_named::<World>("world"),
        );
        let _ = servers.registered("type");
        let _ = servers.of_type("type").count();
        context.jobs().add(Job::from_pomelo(entry)?)?;
        context.jobs().remove("id");
        let _ = (
            context.connections().statistics(),
            context.sessions(),
            context.channels(),
        );
        Ok(())
    }

    async fn calls(rpc: Rpc, session: Session) -> Outcome {
        let args = ("a", "b");
        let rpc = rpc.with_timeout(Duration::from_secs(1));
        let _: Value = rpc.invoke("chat.chatRemote.add", &session, &args).await?;
        let to_one = rpc
            .invoke("type.remote.method", "", &args)
            .to_server("area-1");
        let _: Value = to_one
            .timeout(Duration::from_secs(1))
            .fail_mode(FailMode::OVER)
            .await?;
        let _ = rpc.notify("type.remote.method", "", &args).to_all().await?;
        Ok(())
    }

    fn failing() -> Result<impl IntoReply> {
        let error = Error::new("no");
        match error.code() {
            0 => Ok(Json(5).with_options(json!({}))),
            _ => Err(error.with_body(json!({ "code": 777 }))),
        }
    }

    async fn session(session: Session, request: &mut Request) -> Outcome {
        let _ = (
            session.id(),
            session.frontend_id(),
            session.uid()?,
            session.address(),
        );
        session.bind("uid").await?;
        session.unbind().await?;
        let _ = session.get::<Value>("k")?;
        session.set("k", &5)?;
        session.remove("k");
        session.push_setting("k").await?;
        session.push_settings().await?;
        session.kick("reason").await?;
        request.set_json(&5)?;
        request.session().set("k", &5)?;
        request.insert(5);
        Ok(())
    }

    async fn sessions(sessions: &Sessions, others: BackendSessions, id: SessionId) -> Outcome {
        let _ = (sessions.get(id), sessions.by_uid("uid"));
        sessions.kick_by_uid("uid", "reason");
        sessions.kick_by_id(id, "reason");
        sessions.push_by_id(id, "route", &5)?;
        sessions.push_by_uid("uid", "route", &5)?;
        sessions.import(id, "k", &5)?;
        sessions.import_all(id, Map::<String, Value>::new())?;
        let _ = (sessions.all(), sessions.bound(), sessions.count());
        let _ = others.get("connector-1", id).await?;
        let _ = others.by_uid("connector-1", "uid").await?;
        others.kick_by_id("connector-1", id, "reason").await?;
        others.kick_by_uid("connector-1", "uid", "reason").await?;
        Ok(())
    }

    async fn channels(channels: Channels, session: Session) -> Outcome {
        channels.create("name", ChannelOptions::new())?;
        let channel = channels.get_or_create("name");
        channel.add(&session)?;
        channel.add_by_uid("uid", "connector-1").await?;
        let _ = (channel.uids(), channel.member("uid"), channel.amount());
        channel.push("route", &5)?;
        let within = Duration::from_secs(1);
        channel
            .push_confirmed(Receivers::All, "route", &5, within)
            .await?;
        channel.leave(&session);
        channel.leave_by_uid("uid");
        channels.get("name")?;
        channels.push_by_uids("route", &5, &[("uid", "connector-1")])?;
        channels.broadcast("connector", "route", &5, &BroadcastOptions::new())?;
        channels.destroy("name");
        Ok(())
    }

    async fn everywhere(global: GlobalChannels, presence: Presence) -> Outcome {
        global.add("name", "uid", "connector-1").await?;
        global.leave("name", "uid", "connector-1").await?;
        let _ = global.members("name").await?;
        let _ = global.members_at("name", "connector-1").await?;
        global.push("name", "route", &5).await?;
        global.destroy("name").await?;
        let uids = ["uid"];
        let _ = (
            presence.frontends_of("uid").await?,
            presence.is_online("uid").await?,
        );
        let _ = presence.are_online(&uids).await?;
        presence.push_by_uids(&uids, "route", &5).await?;
        Ok(())
    }

    fn stores(
        server: Blueprint,
        context: &Context,
        (channels, presence): (Arc<dyn GlobalChannelStore>, Arc<dyn PresenceStore>),
    ) -> Blueprint {
        let _ = (context.global_channels(), context.presence());
        server.global_channels(channels).presence(presence)
    }
}
