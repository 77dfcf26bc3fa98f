//! One session alone for a user, also across front ends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use futures_util::{FutureExt, future::join_all};
use parking_lot::Mutex;
use serde_json::json;
use tangelo::{
    Result, handlers,
    registry::{Instance, Memory, Registry},
    rpc::Code,
    server::{
        BindError, Blueprint, Handlers, Json, Routes, Server, Session, SessionId, SessionState,
        SingleSession, Uid,
    },
};
use tokio::{sync::watch, time::Instant};

use crate::{
    client::{Client, Door, Said},
    world::{Heard, Hold, World, chat, client, soon, until},
};

/// A front end whose clients are told their ids, and bind themselves.
fn front_end(server_type: &str) -> Blueprint {
    async fn id(session: Session) -> Json<SessionId> {
        Json(session.id())
    }
    async fn bind(Json(uid): Json<Uid>, session: Session) -> Result<()> {
        Ok(session.bind(uid).await?)
    }
    let blueprint = Blueprint::new(server_type).heartbeat(None);
    blueprint.handler("who", handlers! { id, bind })
}

/// A front end whose users have one session.
fn single(single: SingleSession) -> Blueprint {
    front_end("connector").single_session(single)
}

/// A front end that others can ask.
fn front(id: &str) -> Instance {
    Instance {
        port: Some(0),
        ..crate::world::front(id)
    }
}

/// Front ends that have met, `connector-1` and so on.
async fn fronts<const N: usize>(world: &World, config: &SingleSession) -> [Server; N] {
    let starting = (1..=N).map(|number| {
        let instance = front(&format!("connector-{number}"));
        world.start(single(config.clone()), instance)
    });
    let servers = join_all(starting).await;
    for server in &servers {
        soon("they meet", server.connected()).await;
    }
    servers.try_into().unwrap()
}

/// A client and its session.
async fn player(server: &Server) -> (Client, Session) {
    let mut client = client(server, Door::Tcp).await;
    let route = format!("{}.who.id", server.context().server_type());
    let id = client.ask(&route, &json!({})).await;
    let id = serde_json::from_value(id).unwrap();
    (client, server.context().sessions().get(id).unwrap())
}

async fn is_taken(session: &Session, uid: &str) {
    let refused = session.bind(uid).await;
    assert!(
        matches!(refused, Err(BindError::Taken)),
        "{uid}: {refused:?}"
    );
    assert!(session.uid().is_err());
}

/// How many sessions of this user there are.
fn count(servers: &[&Server], uid: &str) -> usize {
    let here = |server: &&Server| server.context().sessions().by_uid(uid).len();
    servers.iter().map(here).sum()
}

async fn hears_kick(client: &mut Client, reason: &str) {
    assert_eq!(client.hear().await, Said::Kick(json!({ "reason": reason })));
    client.is_closed().await;
}

#[tokio::test]
async fn a_second_session_of_a_user_is_refused_on_any_front_end() {
    let world = World::new();
    let servers: [_; 3] = fronts(&world, &SingleSession::refuse_new()).await;
    for user in 0..20 {
        let uid = format!("u{user}");
        let (client, session) = player(&servers[0]).await;
        session.bind(&uid).await.unwrap();
        session.bind(&uid).await.unwrap();
        for server in &servers {
            let (_client, second) = player(server).await;
            is_taken(&second, &uid).await;
            second
                .bind(format!("other {user} {}", second.frontend_id()))
                .await
                .unwrap();
        }
        assert_eq!(session.state(), SessionState::Inited);

        // Unbound, or gone, the user is free.
        session.unbind().await.unwrap();
        let (other_client, other) = player(&servers[1]).await;
        other.bind(&uid).await.unwrap();
        is_taken(&session, &uid).await;
        drop(other_client);
        until("it is gone", || other.state() == SessionState::Closed).await;
        session.bind(&uid).await.unwrap();
        drop(client);
    }
}

#[tokio::test]
async fn a_client_whose_user_is_taken_is_told_409() {
    let world = World::new();
    let [server] = fronts(&world, &SingleSession::refuse_new()).await;
    let mut first = client(&server, Door::Tcp).await;
    let mut second = client(&server, Door::Tcp).await;
    let bind = "connector.who.bind";
    assert_eq!(first.ask(bind, &json!("u")).await, json!({}));
    let refused = second.ask(bind, &json!("u")).await;
    assert_eq!(
        refused,
        json!({ "code": 409, "msg": "the user has another session" })
    );
    assert_eq!(second.ask(bind, &json!("v")).await, json!({}));
    second.is_refused(bind, &json!("w"), 500).await;
}

#[tokio::test]
async fn the_old_session_is_kicked_before_the_new_one_has_the_user() {
    for there in 0..2 {
        let (world, mut heard) = (World::new(), Heard::new());
        let make = || {
            let (bound, closed) = (heard.teller(), heard.teller());
            single(SingleSession::kick_old().reason("elsewhere"))
                .on_bind(move |session, uid| bound((session.id(), format!("{uid} bound"))))
                .on_close(move |session, why| {
                    let uid = session.uid().unwrap();
                    closed((session.id(), format!("{uid} closed: {why}")));
                })
        };
        let servers = [
            world.start(make(), front("connector-1")).await,
            world.start(make(), front("connector-2")).await,
        ];
        for server in &servers {
            soon("they meet", server.connected()).await;
        }
        let (mut client, mut old) = player(&servers[0]).await;
        old.bind("u").await.unwrap();
        heard.next("the first is bound").await;
        let mut players = Vec::new();
        for round in 0..5 {
            let (new_client, new) = player(&servers[(round + there) % 2]).await;
            new.bind("u").await.unwrap();
            assert_eq!(count(&[&servers[0], &servers[1]], "u"), 1);
            let closed = (old.id(), "u closed: kicked: elsewhere".to_owned());
            assert_eq!(heard.next("the old goes first").await, closed);
            let bound = (new.id(), "u bound".to_owned());
            assert_eq!(heard.next("then the new comes").await, bound);
            hears_kick(&mut client, "elsewhere").await;
            (client, old) = (new_client, new);
        }
        players.push(client);
        heard.is_silent();
    }
}

#[tokio::test]
async fn it_holds_across_the_types_that_are_named_and_no_others() {
    let world = World::new();
    let across = || SingleSession::kick_old().across(["connector", "mobile"]);
    let connector = world.start(single(across()), front("connector-1")).await;
    let mobile = world.start(
        front_end("mobile").single_session(across()),
        front("mobile-1"),
    );
    let mobile = mobile.await;
    let alone = front_end("gate");
    let alone = alone.single_session(SingleSession::refuse_new());
    let gate = world.start(alone, front("gate-1")).await;
    for server in [&connector, &mobile, &gate] {
        soon("they meet", server.connected()).await;
    }
    let (_c, on_gate) = player(&gate).await;
    on_gate.bind("u").await.unwrap();
    let (mut first, on_connector) = player(&connector).await;
    on_connector.bind("u").await.unwrap();
    let (mut second, on_mobile) = player(&mobile).await;
    on_mobile.bind("u").await.unwrap();
    hears_kick(&mut first, SingleSession::REASON).await;
    let (_third, again) = player(&connector).await;
    again.bind("u").await.unwrap();
    hears_kick(&mut second, SingleSession::REASON).await;
    assert_eq!(count(&[&connector, &mobile], "u"), 1);
    assert_eq!(on_gate.state(), SessionState::Inited);
}

#[tokio::test]
async fn front_ends_that_do_not_agree_find_it_out() {
    let world = World::new();
    let across = SingleSession::refuse_new().across(["mobile"]);
    let connector = world.start(single(across), front("connector-1")).await;
    let own = front_end("mobile").single_session(SingleSession::refuse_new());
    let mobile = world.start(own, front("mobile-1")).await;
    soon("they meet", connector.connected()).await;
    soon("they meet", mobile.connected()).await;
    let mut found_out = 0;
    for user in 0..50 {
        let (_client, session) = player(&connector).await;
        match session.bind(format!("u{user}")).await {
            Ok(()) => {}
            Err(BindError::Failed(status)) => {
                assert_eq!(status.code(), Code::EXEC_EXCEPTION);
                found_out += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    // Half of the users are held by each.
    assert!((5..45).contains(&found_out), "{found_out}");
}

#[tokio::test]
async fn it_needs_a_port_that_other_front_ends_can_ask() {
    let portless = crate::world::front("connector-1");
    let registry: Arc<dyn Registry> = Arc::new(Memory::new());
    let blueprint = single(SingleSession::kick_old());
    let started = Server::start(blueprint, portless, registry, Routes::new()).await;
    let refused = started.unwrap_err().to_string();
    assert!(
        refused.contains("single_session needs a `port`"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_back_end_that_binds_is_told_that_the_user_is_taken() {
    let world = World::new();
    let back = world.back("chat-1", chat(Handlers::new())).await;
    let [one, other] = fronts(&world, &SingleSession::refuse_new()).await;
    let (_c, first) = player(&one).await;
    let (_d, second) = player(&other).await;
    let sessions = back.context().backend_sessions();
    let there = sessions.get("connector-1", first.id()).await.unwrap();
    there.unwrap().bind("u").await.unwrap();
    let there = sessions.get("connector-2", second.id()).await.unwrap();
    is_taken(&there.unwrap(), "u").await;
}

#[tokio::test]
async fn of_two_binds_at_once_at_two_front_ends_one_wins() {
    let world = World::new();
    let [one, other]: [_; 2] = fronts(&world, &SingleSession::refuse_new()).await;
    for user in 0..100 {
        let uid = format!("u{user}");
        let ((_c, first), (_d, second)) = (player(&one).await, player(&other).await);
        let (a, b) = futures_util::join!(first.bind(&uid), second.bind(&uid));
        assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
        for lost in [a, b].into_iter().filter_map(Result::err) {
            assert!(matches!(lost, BindError::Taken), "{lost}");
        }
        assert_eq!(count(&[&one, &other], &uid), 1);
    }
}

#[tokio::test]
async fn of_many_binds_at_once_one_session_is_left_whatever_becomes_of_the_others() {
    let world = World::new();
    for config in [SingleSession::refuse_new(), SingleSession::kick_old()] {
        let servers: [_; 3] = fronts(&world, &config).await;
        let mut players = Vec::new();
        for turn in 0..30 {
            players.push(player(&servers[turn % 3]).await);
        }
        for round in 0..3 {
            let uid = format!("u{round}");
            let open = players.iter().map(|(_, session)| session);
            let open = open.filter(|session| session.state() == SessionState::Inited);
            join_all(open.map(|session| session.bind(&uid))).await;
            let servers = [&servers[0], &servers[1], &servers[2]];
            assert_eq!(count(&servers, &uid), 1);
            let bound = servers.map(|server| server.context().sessions().by_uid(&uid));
            for session in bound.into_iter().flatten() {
                assert_eq!(session.state(), SessionState::Inited);
                session.unbind().await.unwrap();
            }
            let (_client, next) = player(servers[round]).await;
            next.bind(&uid).await.unwrap();
        }
        drop(players);
        for server in servers {
            server.close_doors(Duration::ZERO).await;
            server.leave(Duration::ZERO).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn however_often_it_is_bound_and_unbound_a_user_has_one_session() {
    let world = World::new();
    let servers: [_; 2] = fronts(&world, &SingleSession::refuse_new()).await;
    let uids = ["a", "b", "c", "d"];
    let have = uids.map(|_| AtomicUsize::new(0));
    let mut players = Vec::new();
    for number in 0..8 {
        players.push(player(&servers[number % 2]).await);
    }
    let bound = AtomicUsize::new(0);
    let rounds = players
        .iter()
        .enumerate()
        .map(async |(number, (_, session))| {
            for round in 0..50 {
                let which = (number + round) % uids.len();
                // Some of it twice at once.
                let (one, other) = futures_util::join!(session.bind(uids[which]), async {
                    if round % 3 == 0 {
                        let _ = session.bind(uids[which]).await;
                    }
                });
                let () = other;
                if one.is_ok() {
                    bound.fetch_add(1, Ordering::Relaxed);
                    assert_eq!(have[which].fetch_add(1, Ordering::SeqCst), 0, "alone");
                    tokio::task::yield_now().await;
                    have[which].fetch_sub(1, Ordering::SeqCst);
                }
                session.unbind().await.unwrap();
            }
        });
    soon("all is done", join_all(rounds)).await;
    assert!(bound.load(Ordering::Relaxed) > 100, "{bound:?}");
    for uid in uids {
        assert_eq!(count(&[&servers[0], &servers[1]], uid), 0);
        players[0].1.bind(uid).await.unwrap();
        players[0].1.unbind().await.unwrap();
    }
}

/// Users of sessions on the first of these front ends.
async fn users(servers: &[Server]) -> Vec<(Client, Session, String)> {
    let mut players = Vec::new();
    for user in 0..40 {
        let (client, session) = player(&servers[0]).await;
        let uid = format!("u{user}");
        session.bind(&uid).await.unwrap();
        players.push((client, session, uid));
    }
    players
}

#[tokio::test]
async fn a_front_end_that_goes_takes_no_claims_of_others_along() {
    let world = World::new();
    let servers: [_; 3] = fronts(&world, &SingleSession::refuse_new()).await;
    let users = users(&servers).await;
    servers[2].close_doors(Duration::ZERO).await;
    servers[2].leave(Duration::ZERO).await;
    for (_, session, uid) in &users {
        let (_client, second) = player(&servers[1]).await;
        is_taken(&second, uid).await;
        assert_eq!(session.state(), SessionState::Inited);
    }
}

#[tokio::test]
async fn a_front_end_that_comes_finds_the_claims_of_others() {
    let world = World::new();
    let servers: [_; 2] = fronts(&world, &SingleSession::refuse_new()).await;
    let users = users(&servers).await;
    let config = single(SingleSession::refuse_new());
    let new = world.start(config, front("connector-9")).await;
    soon("they meet", new.connected()).await;
    soon("they meet", servers[0].connected()).await;
    soon("they meet", servers[1].connected()).await;
    for (_, session, uid) in &users {
        for server in [&new, &servers[1]] {
            let (_client, second) = player(server).await;
            is_taken(&second, uid).await;
        }
        assert_eq!(session.state(), SessionState::Inited);
    }
}

#[tokio::test]
async fn a_front_end_that_leaves_goes_on_playing_by_the_rules() {
    for (config, old_stays) in [
        (SingleSession::refuse_new(), true),
        (SingleSession::kick_old(), false),
    ] {
        let (world, hold) = (World::new(), Hold::new());
        let busy = single(config.clone());
        let busy = busy.handler("hold", Handlers::new().add("hold", hold.handler()));
        let leaving = world.start(busy, front("connector-1")).await;
        let stays = world.start(single(config), front("connector-2")).await;
        soon("they meet", leaving.connected()).await;
        soon("they meet", stays.connected()).await;
        // It does not go before this is answered.
        let (mut old_client, old) = player(&leaving).await;
        old.bind("u").await.unwrap();
        old_client.request("connector.hold.hold", &json!({})).await;
        hold.entered(1).await;
        leaving.announce();
        let closing = leaving.close_doors(crate::world::DEADLINE);
        let binding = async {
            let (client, new) = player(&stays).await;
            let bound = new.bind("u").await;
            // Both may have it for a moment, while the claim is brought.
            let gone = || match old_stays {
                true => bound.is_err() || new.state() == SessionState::Closed,
                false => old.state() == SessionState::Closed,
            };
            until("one has it alone", gone).await;
            assert_eq!(old.state() == SessionState::Inited, old_stays);
            assert_eq!(count(&[&leaving, &stays], "u"), 1);
            hold.release(1);
            client
        };
        futures_util::join!(closing, binding);
    }
}

#[tokio::test]
async fn users_of_a_front_end_that_is_gone_are_free() {
    let world = World::new();
    for config in [SingleSession::refuse_new(), SingleSession::kick_old()] {
        let servers: [_; 3] = fronts(&world, &config).await;
        let users = users(&servers).await;
        servers[0].close_doors(Duration::ZERO).await;
        servers[0].leave(Duration::ZERO).await;
        let again = users.iter().map(async |(.., uid)| {
            let (client, session) = player(&servers[1]).await;
            session.bind(uid).await.unwrap();
            client
        });
        soon("they bind", join_all(again)).await;
        for server in servers {
            server.close_doors(Duration::ZERO).await;
            server.leave(Duration::ZERO).await;
        }
    }
}

#[tokio::test]
async fn users_of_a_front_end_that_does_not_come_back_are_free_after_a_second() {
    // A list that never changes names it as before.
    let place = |id: &str| Instance {
        client_port: Some(0),
        frontend: true,
        ..crate::world::back_at_a_place_of_its_own(id)
    };
    let places = ["connector-1", "connector-2"].map(place);
    let world = World::fixed(&[&places[0], &places[1]]);
    let [one, two] = &places;
    let make = || single(SingleSession::kick_old());
    let servers = [
        world.start(make(), one.clone()).await,
        world.start(make(), two.clone()).await,
    ];
    for server in &servers {
        soon("they meet", server.connected()).await;
    }
    let users = users(&servers).await;
    servers[0].close_doors(Duration::ZERO).await;
    servers[0].leave(Duration::ZERO).await;
    let again = users.iter().map(async |(.., uid)| {
        let (client, session) = player(&servers[1]).await;
        let begun = Instant::now();
        session.bind(uid).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(3));
        client
    });
    soon("they bind", join_all(again)).await;
}

/// Shows each server only itself, until it is opened.
#[derive(Debug)]
struct Split {
    all: Memory,
    own: Mutex<Vec<(String, watch::Sender<tangelo::registry::Instances>)>>,
}

impl Split {
    /// The part that this server sees.
    fn part(self: &Arc<Self>) -> Arc<dyn Registry> {
        #[derive(Debug)]
        struct Part(Arc<Split>);

        impl Registry for Part {
            fn watch(&self) -> watch::Receiver<tangelo::registry::Instances> {
                let (sender, receiver) = watch::channel(Arc::from([]));
                self.0.own.lock().push((String::new(), sender));
                receiver
            }

            fn register(&self, instance: Instance) {
                self.0.all.register(instance);
            }

            fn deregister(&self, id: &str) {
                self.0.all.deregister(id);
            }
        }

        Arc::new(Part(Arc::clone(self)))
    }

    fn open(&self) {
        let all = self.all.watch().borrow().clone();
        for (_, own) in self.own.lock().iter() {
            own.send_replace(Arc::clone(&all));
        }
    }
}

#[tokio::test]
async fn front_ends_that_meet_late_find_out_who_has_a_user_twice() {
    for (config, old_stays) in [
        (SingleSession::refuse_new(), true),
        (SingleSession::kick_old().reason("late"), false),
    ] {
        let registry = Arc::new(Split {
            all: Memory::new(),
            own: Mutex::default(),
        });
        let mut servers = Vec::new();
        for id in ["connector-1", "connector-2"] {
            let blueprint = single(config.clone());
            let start = Server::start(blueprint, front(id), registry.part(), Routes::new());
            servers.push(start.await.unwrap());
        }
        let older = users(&servers).await;
        servers.reverse();
        let newer = users(&servers).await;
        servers.reverse();
        registry.open();
        let (stay, go) = if old_stays {
            (older, newer)
        } else {
            (newer, older)
        };
        for (_, session, _) in &go {
            let closed = || session.state() == SessionState::Closed;
            until("one of them goes", closed).await;
        }
        for (_, session, uid) in &stay {
            assert_eq!(session.state(), SessionState::Inited);
            assert_eq!(count(&[&servers[0], &servers[1]], uid), 1);
        }
        for (mut client, ..) in go {
            assert!(matches!(client.hear().await, Said::Kick(_)));
            client.is_closed().await;
        }
    }
}

/// Sessions of a front end that do not close before the test lets them.
fn held(config: SingleSession) -> (Blueprint, mpsc::Receiver<()>, mpsc::SyncSender<()>) {
    let (entered, has_entered) = mpsc::sync_channel(9);
    let (release, released) = mpsc::sync_channel::<()>(9);
    let released = Mutex::new(released);
    let blueprint = single(config).on_close(move |_, _| {
        let _ = entered.send(());
        let _ = released.lock().recv_timeout(crate::world::DEADLINE);
    });
    (blueprint, has_entered, release)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_front_end_that_does_not_answer_fails_the_bind_in_three_seconds() {
    let world = World::new();
    let (hung, entered, release) = held(SingleSession::kick_old());
    let hung = world.start(hung, front("connector-1")).await;
    let other = world.start(single(SingleSession::kick_old()), front("connector-2"));
    let other = other.await;
    soon("they meet", hung.connected()).await;
    soon("they meet", other.connected()).await;
    let (_c, old) = player(&hung).await;
    old.bind("u").await.unwrap();
    let (mut client, new) = player(&other).await;
    let begun = Instant::now();
    let failed = new.bind("u").await;
    assert!(begun.elapsed() >= Duration::from_secs(3));
    let Err(BindError::Failed(status)) = failed else {
        panic!("{failed:?}");
    };
    assert_eq!(status.code(), Code::RPC_TIMEOUT);
    assert!(new.uid().is_err());
    entered.recv().unwrap();
    release.send(()).unwrap();
    // The old one has gone, so the next who asks is bound.
    soon("it is bound", async {
        while client.ask("connector.who.bind", &json!("u")).await != json!({}) {}
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn binds_of_one_session_wait_for_each_other_and_a_kick_ends_them() {
    let world = World::new();
    let (hung, entered, release) = held(SingleSession::kick_old());
    let server = world.start(hung, front("connector-1")).await;
    let other = world.start(single(SingleSession::kick_old()), front("connector-2"));
    let other = other.await;
    soon("they meet", server.connected()).await;
    soon("they meet", other.connected()).await;

    // While the old one goes, the new one is asked for other things.
    let (_c, old) = player(&server).await;
    old.bind("u").await.unwrap();
    let (_d, new) = player(&other).await;
    let mut first = Box::pin(new.bind("u"));
    let mut same = Box::pin(new.bind("u"));
    let mut another = Box::pin(new.bind("v"));
    for _ in 0..2 {
        assert!((&mut first).now_or_never().is_none());
        assert!((&mut same).now_or_never().is_none());
        assert!((&mut another).now_or_never().is_none());
    }
    let waits = tokio::task::spawn_blocking(move || {
        entered.recv().unwrap();
        entered
    });
    let entered = tokio::select! {
        entered = waits => entered.unwrap(),
        early = &mut first => panic!("{early:?}"),
    };
    release.send(()).unwrap();
    first.await.unwrap();
    same.await.unwrap();
    assert!(matches!(another.await, Err(BindError::Bound(to)) if *to == *"u"));

    // Kicked while it is being bound, it is not.
    let (_e, third) = player(&server).await;
    third.bind("w").await.unwrap();
    let (_f, fourth) = player(&other).await;
    let mut binding = Box::pin(fourth.bind("w"));
    assert!((&mut binding).now_or_never().is_none());
    let waits = tokio::task::spawn_blocking(move || entered.recv().unwrap());
    tokio::select! {
        entered = waits => entered.unwrap(),
        early = &mut binding => panic!("{early:?}"),
    }
    fourth.kick("no").await.unwrap();
    release.send(()).unwrap();
    assert!(matches!(binding.await, Err(BindError::Closed)));
    assert_eq!(count(&[&server, &other], "w"), 0);
    let (_g, fifth) = player(&other).await;
    fifth.bind("w").await.unwrap();
}
