//! Channels on a back end, with members on two front ends.

use std::time::Duration;

use serde_json::{Value, json};
use tangelo::{
    Result,
    registry::Instance,
    server::{Blueprint, Channel, Channels, FrontendSession, Handlers, Json, Server, Session},
};

use crate::{
    client::{Client, DOORS, Said},
    world::{
        DEADLINE, Heard, Hold, World, back_at_a_place_of_its_own, chat, client, connector, front,
        soon, until,
    },
};

const ROOM: &str = "room";

/// Two front ends and a back end, which has the channels and may go and come.
struct Fixture {
    world: World,
    place: Instance,
    fronts: Vec<Server>,
    back: Server,
    hold: Hold,
    left: Heard<String>,
}

impl Fixture {
    async fn new() -> Self {
        let place = back_at_a_place_of_its_own("chat-1");
        let doors = [front("connector-1"), front("connector-2")];
        let world = World::fixed(&[&place, &doors[0], &doors[1]]);
        let (hold, left) = (Hold::new(), Heard::new());
        let back = world.start(rooms(&hold, &left), place.clone()).await;
        let mut fronts = Vec::new();
        for door in doors {
            fronts.push(world.start(connector(binding()), door).await);
        }
        let fixture = Self {
            world,
            place,
            fronts,
            back,
            hold,
            left,
        };
        fixture.met().await;
        fixture
    }

    async fn met(&self) {
        for front in &self.fronts {
            soon("the servers meet", front.connected()).await;
        }
    }

    fn room(&self) -> Channel {
        self.back.context().channels().get_or_create(ROOM)
    }

    fn members(&self) -> Vec<String> {
        let members = self.room().members();
        members
            .iter()
            .map(|member| member.uid.to_string())
            .collect()
    }

    /// A member for each front end and door: a, b, c, d.
    async fn four(&self) -> Vec<Client> {
        let mut clients = Vec::new();
        for (number, uid) in ["a", "b", "c", "d"].into_iter().enumerate() {
            let mut client = self.client(number, uid).await;
            assert_eq!(client.ask("chat.main.join", &json!(ROOM)).await, json!({}));
            clients.push(client);
        }
        assert_eq!(self.members(), ["a", "b", "c", "d"]);
        clients
    }

    /// A client bound to this user.
    async fn client(&self, number: usize, uid: &str) -> Client {
        let front = self.fronts.get(number % 2).unwrap();
        let mut client = client(front, *DOORS.get(number / 2 % 2).unwrap()).await;
        client.ask("connector.main.bind", &json!(uid)).await;
        client
    }
}

fn binding() -> Handlers {
    async fn bind(Json(uid): Json<String>, session: FrontendSession) -> Result<()> {
        Ok(session.bind(&uid).await?)
    }
    Handlers::new().add("bind", bind)
}

/// Handlers that join, at once or when they are let, and leave; `left` hears of those who are gone.
fn rooms(hold: &Hold, left: &Heard<String>) -> Blueprint {
    async fn join(Json(room): Json<String>, session: Session, channels: Channels) -> Result<()> {
        Ok(channels.get_or_create(&room).add(&session)?)
    }
    async fn leave(
        Json(room): Json<String>,
        session: Session,
        channels: Channels,
    ) -> Result<Json<bool>> {
        Ok(Json(channels.get_or_create(&room).leave(&session)))
    }
    async fn join_as(Json(uid): Json<String>, session: Session, channels: Channels) -> Result<()> {
        let (id, frontend_id) = (session.id(), session.frontend_id());
        Ok(channels
            .get_or_create(ROOM)
            .add_by_id(&uid, id, frontend_id)?)
    }
    let hold = hold.clone();
    let join_late = move |session: Session, channels: Channels| {
        let hold = hold.clone();
        async move {
            hold.pass().await;
            channels.get_or_create(ROOM).add(&session)
        }
    };
    let tell = left.teller();
    let handlers = Handlers::new()
        .add("join", join)
        .add("join_as", join_as)
        .add("leave", leave)
        .add("join_late", join_late);
    chat(handlers).on_leave(move |channel, member| {
        assert!(!channel.members().contains(member), "it is out already");
        tell(format!("{}*{}", member.uid, channel.name()));
    })
}

/// Nothing but this push arrived at each.
async fn all_hear(clients: &mut [Client], what: &Value) {
    for client in clients {
        assert_eq!(client.push("on").await, *what);
        client.was_ignored("chat.main.echo").await;
    }
}

#[tokio::test]
async fn a_push_reaches_every_member_once() {
    let fixture = Fixture::new().await;
    let mut clients = fixture.four().await;
    fixture.room().push("on", &json!([1, "😀"])).unwrap();
    all_hear(&mut clients, &json!([1, "😀"])).await;
    // Nobody is in another room of the same back end.
    fixture
        .back
        .context()
        .channels()
        .get_or_create("other")
        .push("on", &2)
        .unwrap();
    all_hear(&mut [], &json!(2)).await;
    for client in &mut clients {
        client.was_ignored("chat.main.echo").await;
    }
}

#[tokio::test]
async fn a_push_can_be_for_some_or_for_all_but_one() {
    let fixture = Fixture::new().await;
    let mut clients = fixture.four().await;
    assert_eq!(
        fixture
            .room()
            .push_to(&["b", "nobody", "d"], "on", &1)
            .unwrap(),
        2
    );
    fixture.room().push_except("b", "on", &2).unwrap();
    for (client, expected) in clients.iter_mut().zip([&[2][..], &[1], &[2], &[1, 2]]) {
        for number in expected {
            assert_eq!(client.push("on").await, *number);
        }
        client.was_ignored("chat.main.echo").await;
    }
    assert_eq!(fixture.room().push_to(&["nobody"], "on", &1).unwrap(), 0);
    fixture
        .room()
        .push_except("nobody", "on", &json!(3))
        .unwrap();
    all_hear(&mut clients, &json!(3)).await;
}

#[tokio::test]
async fn a_member_is_bound_to_a_user() {
    let fixture = Fixture::new().await;
    let mut clients = fixture.four().await;
    let mut nobody = client(fixture.fronts.first().unwrap(), DOORS[0]).await;
    nobody.is_refused("chat.main.join", &json!(ROOM), 500).await;
    assert_eq!(fixture.members(), ["a", "b", "c", "d"]);
    fixture.room().push("on", &json!(1)).unwrap();
    all_hear(&mut clients, &json!(1)).await;
    nobody.was_ignored("chat.main.echo").await;
}

#[tokio::test]
async fn a_user_is_in_a_channel_with_each_of_his_sessions_once() {
    let mut fixture = Fixture::new().await;
    let mut clients = Vec::new();
    for number in 0..4 {
        let mut client = fixture.client(number, "a").await;
        client.ask("chat.main.join", &json!(ROOM)).await;
        client.is_refused("chat.main.join", &json!(ROOM), 500).await;
        clients.push(client);
    }
    assert_eq!(fixture.members(), ["a"; 4]);
    let room = fixture.room();
    assert_eq!((room.amount(), room.uids().len()), (4, 1));
    let last = room.members().pop();
    assert_eq!(room.member("a"), last);
    room.push("on", &json!(1)).unwrap();
    all_hear(&mut clients, &json!(1)).await;
    assert_eq!(room.push_to(&["a", "a"], "on", &json!(2)).unwrap(), 4);
    all_hear(&mut clients, &json!(2)).await;

    // One goes; the others stay, until the user is taken out.
    drop(clients.remove(1));
    assert_eq!(fixture.left.next("one goes").await, "a*room");
    assert_eq!(clients[0].ask("chat.main.leave", &json!(ROOM)).await, true);
    assert_eq!(room.members().pop(), last);
    assert_eq!(room.leave_by_uid("a"), 2);
    assert_eq!((room.leave_by_uid("a"), room.amount()), (0, 0));
    assert_eq!(room.member("a"), None);
}

#[tokio::test]
async fn a_session_is_in_a_channel_once_under_whatever_user() {
    const AS: &str = "chat.main.join_as";
    let mut fixture = Fixture::new().await;
    for number in 0..4 {
        let mut client = fixture.client(number, "a").await;
        assert_eq!(client.ask(AS, &json!("one")).await, json!({}));
        client.is_refused(AS, &json!("other"), 500).await;
        client.is_refused(AS, &json!("one"), 500).await;
        client.is_refused("chat.main.join", &json!(ROOM), 500).await;
        assert_eq!(fixture.members(), ["one"]);
        fixture.room().push("on", &json!(1)).unwrap();
        all_hear(&mut [client], &json!(1)).await;
        // It has closed, and nothing of it stays.
        assert_eq!(fixture.left.next("it leaves").await, "one*room");
        assert!(fixture.members().is_empty());
        fixture.left.is_silent();
    }
}

#[tokio::test]
async fn whoever_leaves_is_out_and_may_come_again() {
    let mut fixture = Fixture::new().await;
    let mut clients = fixture.four().await;
    assert_eq!(clients[1].ask("chat.main.leave", &json!(ROOM)).await, true);
    assert_eq!(clients[1].ask("chat.main.leave", &json!(ROOM)).await, false);
    assert_eq!(fixture.members(), ["a", "c", "d"]);
    fixture.room().push("on", &json!(1)).unwrap();
    clients[1].was_ignored("chat.main.echo").await;
    assert_eq!(clients[0].push("on").await, 1);

    assert_eq!(
        clients[1].ask("chat.main.join", &json!(ROOM)).await,
        json!({})
    );
    assert_eq!(fixture.members(), ["a", "c", "d", "b"]);
    fixture.room().push("on", &json!(2)).unwrap();
    assert_eq!(clients[1].push("on").await, 2);
    assert_eq!(clients[0].push("on").await, 2);
    // Leaving is no news to the application; going is.
    fixture.left.is_silent();
    drop(clients.remove(1));
    assert_eq!(fixture.left.next("b goes").await, "b*room");
}

#[tokio::test]
async fn whoever_disconnects_leaves_every_channel_and_the_application_hears_it_once() {
    let mut fixture = Fixture::new().await;
    let mut clients = fixture.four().await;
    for client in &mut clients {
        assert_eq!(
            client.ask("chat.main.join", &json!("other")).await,
            json!({})
        );
    }
    for uid in ["a", "b", "c", "d"] {
        drop(clients.remove(0));
        let mut left = [
            fixture.left.next("it leaves one").await,
            fixture.left.next("and the other").await,
        ];
        left.sort();
        assert_eq!(left, [format!("{uid}*other"), format!("{uid}*room")]);
    }
    assert!(fixture.members().is_empty());
    fixture.left.is_silent();
    // The same user comes again.
    let mut again = fixture.client(0, "a").await;
    assert_eq!(again.ask("chat.main.join", &json!(ROOM)).await, json!({}));
    assert_eq!(fixture.members(), ["a"]);
}

#[tokio::test]
async fn a_session_that_closes_while_it_is_added_does_not_stay() {
    let mut fixture = Fixture::new().await;
    for number in 0..4 {
        let mut client = fixture.client(number, "u").await;
        client.request("chat.main.join_late", &json!({})).await;
        fixture.hold.entered(1).await;
        drop(client);
        let sessions = || {
            fixture
                .fronts
                .iter()
                .map(|front| front.context().sessions().count())
        };
        until("its session closes", || sessions().sum::<usize>() == 0).await;
        fixture.hold.release(1);
        assert_eq!(fixture.left.next("it leaves again").await, "u*room");
        assert!(fixture.members().is_empty());
    }
    fixture.left.is_silent();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_that_close_while_they_are_added_do_not_stay() {
    let fixture = Fixture::new().await;
    // Nobody waits for anybody here.
    let mut clients = Vec::new();
    for number in 0..200 {
        let mut client = fixture.client(number, &number.to_string()).await;
        client.notify("chat.main.join", &json!(ROOM)).await;
        clients.push(client);
        if number % 10 == 9 {
            clients.clear();
        }
    }
    until("nobody is left", || {
        let sessions = fixture
            .fronts
            .iter()
            .map(|front| front.context().sessions().count());
        sessions.sum::<usize>() == 0 && fixture.members().is_empty()
    })
    .await;
    let mut probe = fixture.client(0, "probe").await;
    // What was under way for those who are gone has arrived by now.
    probe.was_ignored("chat.main.echo").await;
    until("nobody came again", || fixture.members().is_empty()).await;
}

#[tokio::test]
async fn on_leave_may_use_the_channels() {
    let mut told = Heard::new();
    let tell = told.teller();
    let world = World::new();
    let join = |Json(room): Json<String>, session: Session, channels: Channels| {
        std::future::ready(channels.get_or_create(&room).add(&session))
    };
    let blueprint = chat(Handlers::new().add("join", join)).on_leave(move |channel, member| {
        channel.push("gone", &*member.uid).unwrap();
        let others = channel.members();
        for other in &others {
            channel.leave_by_uid(&other.uid);
        }
        tell(others.len());
    });
    let _back = world.back("chat-1", blueprint).await;
    let front = world.front("connector-1", connector(binding())).await;
    soon("the servers meet", front.connected()).await;
    let mut clients = Vec::new();
    for uid in ["a", "b"] {
        let mut client = client(&front, DOORS[0]).await;
        client.ask("connector.main.bind", &json!(uid)).await;
        for room in ["one", "two"] {
            assert_eq!(client.ask("chat.main.join", &json!(room)).await, json!({}));
        }
        clients.push(client);
    }
    drop(clients.remove(0));
    for _ in ["one", "two"] {
        assert_eq!(told.next("the last member is sent away").await, 1);
        assert_eq!(clients[0].push("gone").await, "a");
    }
}

#[tokio::test]
async fn a_front_end_that_is_shut_down_takes_its_members_along() {
    let mut fixture = Fixture::new().await;
    let mut clients = fixture.four().await;
    let first = fixture.fronts.remove(0);
    assert_eq!(
        soon("its doors close", first.close_doors(DEADLINE)).await,
        0
    );
    assert_eq!(soon("it leaves", first.leave(DEADLINE)).await, 0);
    let mut left = [
        fixture.left.next("one leaves").await,
        fixture.left.next("the other leaves").await,
    ];
    left.sort();
    assert_eq!(left, ["a*room", "c*room"]);
    assert_eq!(fixture.members(), ["b", "d"]);
    fixture.room().push("on", &json!(1)).unwrap();
    clients[0].is_closed().await;
    clients[2].is_closed().await;
    assert_eq!(clients[1].push("on").await, 1);
    assert_eq!(clients[3].push("on").await, 1);
}

#[tokio::test]
async fn a_front_end_that_dies_takes_its_members_along() {
    let mut fixture = Fixture::new().await;
    let mut clients = fixture.four().await;
    fixture.fronts.remove(0).leave(Duration::ZERO).await;
    let mut left = [
        fixture.left.next("one leaves").await,
        fixture.left.next("the other leaves").await,
    ];
    left.sort();
    assert_eq!(left, ["a*room", "c*room"]);
    fixture.room().push("on", &json!(1)).unwrap();
    assert_eq!(clients[1].push("on").await, 1);
    assert_eq!(clients[3].push("on").await, 1);
    fixture.left.is_silent();
}

#[tokio::test]
async fn a_back_end_that_is_started_again_has_its_members_again() {
    let mut fixture = Fixture::new().await;
    let mut clients = fixture.four().await;
    // One who left before is not brought again, one who goes in between neither.
    let mut gone = fixture.client(0, "gone").await;
    for method in ["join", "leave"] {
        gone.ask(&format!("chat.main.{method}"), &json!(ROOM)).await;
    }
    let mut going = fixture.client(0, "going").await;
    going.ask("chat.main.join", &json!(ROOM)).await;
    for _ in 0..2 {
        fixture.back.leave(Duration::ZERO).await;
        let sessions = fixture.fronts[0].context().sessions().clone();
        if !sessions.by_uid("going").is_empty() {
            drop(std::mem::replace(
                &mut going,
                fixture.client(0, "other").await,
            ));
            until("it goes", || sessions.by_uid("going").is_empty()).await;
        }
        let rooms = rooms(&fixture.hold, &fixture.left);
        fixture.back = fixture.world.start(rooms, fixture.place.clone()).await;
        fixture.met().await;
        until("all four are back", || fixture.members().len() >= 4).await;
        let mut members = fixture.members();
        members.sort();
        assert_eq!(members, ["a", "b", "c", "d"]);

        fixture.room().push("on", &json!(1)).unwrap();
        all_hear(&mut clients, &json!(1)).await;
        clients[2]
            .is_refused("chat.main.join", &json!(ROOM), 500)
            .await;
    }
    fixture.left.is_silent();
    drop(clients.remove(0));
    assert_eq!(fixture.left.next("a goes").await, "a*room");
}

#[tokio::test]
async fn who_went_while_a_back_end_was_down_is_announced_when_it_is_back() {
    const MOST: Duration = Duration::from_secs(8);
    let place = back_at_a_place_of_its_own("chat-1");
    let doors = [front("connector-1"), front("connector-2")];
    let world = World::fixed(&[&place, &doors[0], &doors[1]]);
    let rooms = || {
        let join = |session: Session, channels: Channels| {
            std::future::ready(channels.get_or_create(ROOM).add(&session))
        };
        chat(Handlers::new().add("join", join)).on_leave(|channel, member| {
            channel.push("gone", &*member.uid).unwrap();
        })
    };
    let back = world.start(rooms(), place.clone()).await;
    let mut clients = Vec::new();
    let mut fronts = Vec::new();
    for door in doors {
        let front = world.start(connector(binding()), door).await;
        soon("the servers meet", front.connected()).await;
        for over in DOORS {
            let mut client = client(&front, over).await;
            let uid = clients.len().to_string();
            client.ask("connector.main.bind", &json!(uid)).await;
            client.ask("chat.main.join", &json!({})).await;
            clients.push(client);
        }
        fronts.push(front);
    }
    back.leave(Duration::ZERO).await;
    for front in &fronts {
        let mut chats = front.context().servers().of_type("chat");
        let remote = chats.next().unwrap();
        until("its end is noticed", || !remote.is_up()).await;
    }
    drop(clients.remove(0));
    let sessions = fronts[0].context().sessions();
    until("it goes", || sessions.count() == 1).await;

    let back = world.start(rooms(), place).await;
    for client in &mut clients {
        client.patience = MOST;
        assert_eq!(client.push("gone").await, "0");
    }
    assert_eq!(
        back.context()
            .channels()
            .get_or_create(ROOM)
            .members()
            .len(),
        3
    );
    for client in &mut clients {
        client.was_ignored("chat.main.echo").await;
    }
}

#[tokio::test]
async fn a_push_to_many_is_heard_before_the_reply_that_came_after_it() {
    let fixture = Fixture::new().await;
    let mut clients = fixture.four().await;
    for number in 0..50 {
        fixture.room().push("on", &number).unwrap();
        for client in &mut clients {
            client.request("chat.main.echo", &json!(number)).await;
        }
    }
    for client in &mut clients {
        let (mut pushes, mut replies) = (0, 0);
        while pushes < 50 || replies < 50 {
            match client.hear().await {
                Said::Push(_, number) => {
                    assert_eq!(number, pushes);
                    pushes += 1;
                }
                Said::Reply(_, number) => {
                    assert_eq!(number, replies);
                    replies += 1;
                    assert!(pushes >= replies, "a reply overtook the push before it");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
