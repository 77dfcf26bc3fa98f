//! What is told to every client of a type of front ends, and to users wherever they are.

use serde_json::{Value, json};
use tangelo::{
    Result,
    registry::Instance,
    server::{
        Blueprint, BroadcastOptions, Broadcasted, Channels, FrontendSession, Handlers, Json,
        Server, Session,
    },
};

use crate::{
    client::{Client, DOORS, Said},
    rooms::heard,
    world::{self, DEADLINE, World, chat, connector, soon, until},
};

/// Two connectors and a gate, which are front ends, and a back end.
struct Fixture {
    connectors: [Server; 2],
    gate: Server,
    back: Server,
}

impl Fixture {
    async fn new() -> Self {
        Self::with(|blueprint| blueprint).await
    }

    /// `more` is what connectors are made of besides.
    async fn with(more: impl Fn(Blueprint) -> Blueprint) -> Self {
        let world = World::new();
        let back = world.back("chat-1", chat(pushes())).await;
        let connector = || more(connector(entry(pushes())));
        let connectors = [
            world.front("connector-1", connector()).await,
            world.front("connector-2", connector()).await,
        ];
        let gate = Blueprint::new("gate").heartbeat(None);
        let gate = gate.handler("main", entry(Handlers::new()).add("echo", world::echo));
        let gate = world.front("gate-1", gate).await;
        for front in [&connectors[0], &connectors[1], &gate] {
            soon("the servers meet", front.connected()).await;
        }
        Self {
            connectors,
            gate,
            back,
        }
    }

    /// A client on each connector over each door, bound to `uid-1` to `uid-4`.
    async fn four(&self) -> Vec<Client> {
        let mut clients = Vec::new();
        for number in 0..4 {
            let front = &self.connectors[number % 2];
            let mut client = world::client(front, DOORS[number / 2]).await;
            let uid = json!(format!("uid-{}", number + 1));
            client.ask("connector.main.bind", &uid).await;
            clients.push(client);
        }
        clients
    }

    fn channels(&self) -> &Channels {
        self.back.context().channels()
    }
}

fn entry(handlers: Handlers) -> Handlers {
    async fn bind(Json(uid): Json<String>, session: FrontendSession) -> Result<()> {
        Ok(session.bind(&uid).await?)
    }
    async fn set(Json(level): Json<i64>, session: FrontendSession) -> Result<()> {
        session.set("level", &level)
    }
    handlers.add("bind", bind).add("set", set)
}

/// `all` tells every connector's client, `users` some users, each with a push before and after.
fn pushes() -> Handlers {
    async fn all(Json(body): Json<Value>, session: Session, channels: Channels) -> Result<()> {
        session.push("on", &json!("before"))?;
        channels.broadcast("connector", "on", &body, &BroadcastOptions::new())?;
        session.push("on", &json!("after"))
    }
    async fn users(
        Json(users): Json<Vec<(String, String)>>,
        session: Session,
        channels: Channels,
    ) -> Result<()> {
        let users: Vec<_> = users.iter().map(|(uid, at)| (&**uid, &**at)).collect();
        session.push("on", &json!("before"))?;
        channels.push_by_uids("on", &json!("users"), &users)?;
        session.push("on", &json!("after"))
    }
    Handlers::new().add("all", all).add("users", users)
}

fn each(clients: &mut [Client]) -> Vec<&mut Client> {
    clients.iter_mut().collect()
}

#[tokio::test]
async fn a_broadcast_reaches_every_client_of_the_type_once_and_no_other() {
    let fixture = Fixture::new().await;
    let mut clients = fixture.four().await;
    // Two sessions of a user, and one of nobody.
    let mut same = world::client(&fixture.connectors[0], DOORS[0]).await;
    same.ask("connector.main.bind", &json!("uid-1")).await;
    clients.push(same);
    clients.push(world::client(&fixture.connectors[1], DOORS[1]).await);
    let mut other = world::client(&fixture.gate, DOORS[0]).await;
    other.ask("gate.main.bind", &json!("uid-1")).await;

    let all = BroadcastOptions::new();
    let body = json!({"news": "😀"});
    fixture
        .channels()
        .broadcast("connector", "on", &body, &all)
        .unwrap();
    heard(&mut each(&mut clients), &[body]).await;
    other.was_ignored("gate.main.echo").await;

    let confirmed = fixture
        .channels()
        .broadcast_confirmed("connector", "on", &2, &all, DEADLINE);
    let far = soon("all say so", confirmed).await.unwrap();
    let expected = Broadcasted {
        reached: 6,
        unreached: Vec::new(),
    };
    assert_eq!(far, expected);
    heard(&mut each(&mut clients), &[json!(2)]).await;
    other.was_ignored("gate.main.echo").await;

    // There is nobody to be missed.
    let nobody = fixture
        .channels()
        .broadcast_confirmed("nothing", "on", &3, &all, DEADLINE);
    assert_eq!(nobody.await.unwrap(), Broadcasted::default());
}

#[tokio::test]
async fn a_broadcast_for_bound_sessions_reaches_each_of_those_once() {
    let fixture = Fixture::new().await;
    let mut bound = fixture.four().await;
    let mut same = world::client(&fixture.connectors[0], DOORS[0]).await;
    same.ask("connector.main.bind", &json!("uid-1")).await;
    bound.push(same);
    let mut guests = [
        world::client(&fixture.connectors[0], DOORS[0]).await,
        world::client(&fixture.connectors[1], DOORS[1]).await,
    ];
    let options = BroadcastOptions::new().bound_only();
    let told = fixture
        .channels()
        .broadcast_confirmed("connector", "on", &1, &options, DEADLINE);
    assert_eq!(soon("all say so", told).await.unwrap().reached, 5);
    heard(&mut each(&mut bound), &[json!(1)]).await;
    heard(&mut each(&mut guests), &[]).await;
}

#[tokio::test]
async fn a_filter_decides_for_each_receiver_of_a_broadcast_on_its_front_end_with_a_parameter() {
    let filters = |blueprint: Blueprint| {
        blueprint.push_filter("level", |session, push, least| {
            assert_eq!((push.route(), &**push.body()), ("on", &b"1"[..]));
            let level = session.get::<i64>("level");
            level.is_ok_and(|level| Some(level) >= least.as_i64())
        })
    };
    let fixture = Fixture::with(filters).await;
    let mut clients = fixture.four().await;
    for (client, level) in clients.iter_mut().zip([1, 2, 3]) {
        client.ask("connector.main.set", &json!(level)).await;
    }
    let options = BroadcastOptions::new().filter("level", 2);
    let told = fixture
        .channels()
        .broadcast_confirmed("connector", "on", &1, &options, DEADLINE);
    assert_eq!(soon("all say so", told).await.unwrap().reached, 2);
    let [a, b, c, d] = &mut *clients else {
        panic!()
    };
    heard(&mut [a, d], &[]).await;
    heard(&mut [b, c], &[json!(1)]).await;

    let unknown = BroadcastOptions::new().filter("unknown", 2);
    let channels = fixture.channels();
    channels.broadcast("connector", "on", &1, &unknown).unwrap();
    let told = channels.broadcast_confirmed("connector", "on", &1, &unknown, DEADLINE);
    let far = soon("all say so", told).await.unwrap();
    let expected = Broadcasted {
        reached: 0,
        unreached: vec!["connector-1".into(), "connector-2".into()],
    };
    assert_eq!(far, expected);
    heard(&mut [a, b, c, d], &[]).await;
}

#[tokio::test]
async fn a_broadcast_says_which_front_ends_it_did_not_reach() {
    let place = world::back_at_a_place_of_its_own("chat-1");
    let doors: [Instance; 3] = ["connector-1", "connector-2", "gate-1"].map(world::front);
    let world = World::fixed(&[&place, &doors[0], &doors[1], &doors[2]]);
    let back = world.start(chat(Handlers::new()), place).await;
    let front = world
        .start(connector(Handlers::new()), doors[0].clone())
        .await;
    soon("the servers meet", front.connected()).await;
    let mut client = world::client(&front, DOORS[0]).await;
    let all = BroadcastOptions::new();
    let channels = back.context().channels();
    let told = channels.broadcast_confirmed("connector", "on", &1, &all, DEADLINE);
    let expected = Broadcasted {
        reached: 1,
        unreached: vec!["connector-2".into()],
    };
    assert_eq!(soon("all say so", told).await.unwrap(), expected);
    heard(&mut [&mut client], &[json!(1)]).await;
}

#[tokio::test]
async fn a_push_by_uids_reaches_the_sessions_of_those_users_on_those_front_ends() {
    let fixture = Fixture::new().await;
    let mut clients = fixture.four().await;
    let mut same = world::client(&fixture.connectors[0], DOORS[1]).await;
    same.ask("connector.main.bind", &json!("uid-1")).await;
    // The same user elsewhere is not meant.
    let mut elsewhere = world::client(&fixture.connectors[1], DOORS[0]).await;
    elsewhere.ask("connector.main.bind", &json!("uid-1")).await;
    let users = [
        ("uid-1", "connector-1"),
        ("uid-2", "connector-2"),
        ("uid-1", "connector-1"),
        ("uid-3", "connector-2"),
        ("uid-4", "connector-9"),
        ("nobody", "connector-1"),
    ];
    let channels = fixture.channels();
    channels.push_by_uids("on", &1, &users).unwrap();
    let told = channels.push_by_uids_confirmed("on", &2, &users, DEADLINE);
    let missed = soon("all say so", told).await.unwrap();
    let user = |uid: &str, at: &str| (uid.to_owned(), at.to_owned());
    let mut expected = vec![
        user("nobody", "connector-1"),
        user("uid-3", "connector-2"),
        user("uid-4", "connector-9"),
    ];
    expected.sort();
    let mut found = missed;
    found.sort();
    assert_eq!(found, expected);
    let [a, b, c, d] = &mut *clients else {
        panic!()
    };
    heard(&mut [a, &mut same, b], &[json!(1), json!(2)]).await;
    heard(&mut [c, d, &mut elsewhere], &[]).await;
    channels.push_by_uids("on", &3, &[]).unwrap();
}

/// What a session is told stays in order, whichever way it goes.
async fn in_order(route: &str, body: Value, between: Value, fixture: &Fixture) {
    let mut clients = fixture.four().await;
    for _ in 0..20 {
        for client in &mut clients {
            let id = client.request(route, &body).await;
            let (mut own, mut replied) = (Vec::new(), false);
            while !replied {
                match client.hear().await {
                    Said::Push(_, body) => own.push(body),
                    Said::Reply(answered, _) => {
                        assert_eq!(answered, id);
                        replied = true;
                    }
                    other => panic!("{other:?}"),
                }
            }
            // Others are told as well, in between.
            let at = |what: &Value| own.iter().position(|body| body == what).unwrap();
            let (before, after) = (at(&json!("before")), at(&json!("after")));
            let meant = own.get(before..after).unwrap();
            assert!(meant.contains(&between), "{own:?}");
        }
    }
}

#[tokio::test]
async fn a_broadcast_arrives_between_what_its_handler_said_before_and_after() {
    let fixture = Fixture::new().await;
    in_order("chat.main.all", json!(7), json!(7), &fixture).await;
}

#[tokio::test]
async fn so_does_one_of_a_front_end_to_its_own_clients() {
    let fixture = Fixture::new().await;
    in_order("connector.main.all", json!(7), json!(7), &fixture).await;
}

#[tokio::test]
async fn so_does_a_push_by_uids() {
    let fixture = Fixture::new().await;
    let users = json!([
        ["uid-1", "connector-1"],
        ["uid-2", "connector-2"],
        ["uid-3", "connector-1"],
        ["uid-4", "connector-2"]
    ]);
    let users_of = |route: &str| (route.to_owned(), users.clone());
    for (route, users) in [
        users_of("chat.main.users"),
        users_of("connector.main.users"),
    ] {
        in_order(&route, users, json!("users"), &fixture).await;
    }
}

#[tokio::test]
async fn front_ends_that_servers_can_reach_tell_the_clients_of_each_other() {
    let world = World::new();
    let mut fronts = Vec::new();
    for id in ["connector-1", "connector-2"] {
        let place = Instance {
            port: Some(0),
            ..world::front(id)
        };
        let front = world.start(connector(entry(pushes())), place);
        fronts.push(front.await);
    }
    for front in &fronts {
        soon("the servers meet", front.connected()).await;
    }
    let mut clients = Vec::new();
    for (front, uid) in fronts.iter().zip(["a", "b"]) {
        let mut client = world::client(front, DOORS[0]).await;
        client.ask("connector.main.bind", &json!(uid)).await;
        clients.push(client);
    }
    let all = BroadcastOptions::new();
    for (number, front) in (1..).zip(&fronts) {
        let channels = front.context().channels();
        let told = channels.broadcast_confirmed("connector", "on", &number, &all, DEADLINE);
        assert_eq!(soon("all say so", told).await.unwrap().reached, 2);
        let users = [("a", "connector-1"), ("b", "connector-2")];
        let told = channels.push_by_uids_confirmed("on", &(number * 10), &users, DEADLINE);
        assert_eq!(soon("all say so", told).await.unwrap(), []);
        let room = channels.get_or_create("room");
        for (uid, at) in users {
            let added = soon("it is found", room.add_by_uid(uid, at)).await;
            assert_eq!(added.unwrap(), 1);
        }
        room.push("on", &(number * 100)).unwrap();
        for client in &mut clients {
            for factor in [1, 10, 100] {
                assert_eq!(client.push("on").await, number * factor);
            }
            client.was_ignored("connector.main.echo").await;
        }
    }
    drop(clients.remove(1));
    for front in &fronts {
        let room = front.context().channels().get("room").unwrap();
        until("it leaves", || *room.uids() == ["a".into()]).await;
    }
}
