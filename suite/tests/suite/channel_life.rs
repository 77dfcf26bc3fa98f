//! How channels come to be and go, and who is in them: on a back end and on a front end.

use serde_json::json;
use tangelo::server::{Blueprint, ChannelError, ChannelOptions};

use crate::{
    rooms::{Place, heard},
    world::{DEADLINE, soon, until},
};

const ROOM: &str = "room";

fn as_it_is(blueprint: Blueprint) -> Blueprint {
    blueprint
}

#[tokio::test]
async fn a_channel_that_was_created_stays_until_it_is_destroyed() {
    for mut place in Place::each(as_it_is).await {
        let channels = place.channels();
        let missing = channels.get(ROOM).unwrap_err();
        assert!(matches!(missing, ChannelError::NotFound(_)), "{missing}");
        let room = channels.create(ROOM, ChannelOptions::new()).unwrap();
        let twice = channels.create(ROOM, ChannelOptions::new()).unwrap_err();
        assert!(matches!(twice, ChannelError::Exists(_)), "{twice}");

        let mut client = place.member("a", ROOM).await;
        client.ask(&place.route("leave"), &json!(ROOM)).await;
        assert_eq!(place.channels().names(), [ROOM.into()]);

        place.join(&mut client, ROOM).await;
        assert!(room.destroy());
        assert!(!room.destroy());
        assert!(place.channels().names().is_empty());
        room.push("on", &json!(1)).unwrap();
        heard(&mut [&mut client], &[]).await;
        assert_eq!((room.amount(), room.members()), (0, Vec::new()));
        place.is_refused(&mut client, ROOM).await;
        // Nobody is in what is made anew under the name.
        let room = place.room(ROOM);
        room.push("on", &json!(2)).unwrap();
        heard(&mut [&mut client], &[]).await;
        drop(client);
        let sessions = place.front.context().sessions();
        until("it goes", || sessions.count() == 0).await;
        // That it was in the first one is forgotten.
        let mut other = place.member("b", ROOM).await;
        heard(&mut [&mut other], &[]).await;
        place.left.is_silent();
    }
}

#[tokio::test]
async fn a_channel_that_was_made_for_somebody_goes_with_the_last() {
    for mut place in Place::each(as_it_is).await {
        let room = place.channels().get_or_create(ROOM);
        // Nothing of it is there before.
        assert!(place.channels().get(ROOM).is_err());
        room.push("on", &json!(1)).unwrap();
        let client = place.client("a").await;
        let session = place.front.context().sessions().by_uid("a").remove(0);
        room.add(&session).unwrap();
        assert_eq!(place.channels().get(ROOM).unwrap().amount(), 1);
        let twice = room.add(&session).unwrap_err();
        assert!(matches!(twice, ChannelError::AlreadyMember), "{twice}");
        assert!(room.leave(&session));
        assert!(!room.leave(&session));
        assert!(place.channels().names().is_empty());

        room.add(&session).unwrap();
        drop(client);
        assert_eq!(place.left.next("it goes").await, "a*room");
        assert!(place.channels().names().is_empty());
        // One who knows that it was there cannot bring it back without meaning to.
        let held = place.room(ROOM);
        held.destroy();
        let gone = held.add(&session).unwrap_err();
        assert!(matches!(gone, ChannelError::NotFound(_)), "{gone}");
    }
}

#[tokio::test]
async fn what_is_said_of_a_channel_first_holds() {
    for place in Place::each(as_it_is).await {
        let channels = place.channels();
        let one = channels.get_or_create_with(ROOM, ChannelOptions::new().most_members(1));
        let two = channels.get_or_create_with(ROOM, ChannelOptions::new().most_members(2));
        let _clients = [place.client("a").await, place.client("b").await];
        let session = |uid| place.front.context().sessions().by_uid(uid).remove(0);
        one.add(&session("a")).unwrap();
        assert!(matches!(two.add(&session("b")), Err(ChannelError::Full(1))));
        one.leave(&session("a"));
        for uid in ["a", "b"] {
            two.add(&session(uid)).unwrap();
        }
        assert_eq!(one.amount(), 2);
    }
}

#[tokio::test]
async fn members_are_known_in_the_order_they_came_and_by_user() {
    for place in Place::each(as_it_is).await {
        let room = place.room(ROOM);
        let mut clients = Vec::new();
        for uid in ["c", "a", "b", "a"] {
            clients.push(place.member(uid, ROOM).await);
        }
        let uids = || -> Vec<String> {
            let members = room.members();
            let uids = members.iter().map(|member| member.uid.to_string());
            uids.collect()
        };
        assert_eq!(uids(), ["c", "a", "b", "a"]);
        assert_eq!(*room.uids(), ["c".into(), "a".into(), "b".into()]);
        assert_eq!(room.amount(), 4);
        assert_eq!(room.member("a").as_ref(), room.members().last());
        let member = room.member("b").unwrap();
        assert_eq!((&*member.uid, &*member.frontend_id), ("b", "connector-1"));
        let session = place.front.context().sessions().by_uid("b").remove(0);
        assert_eq!(member.session, session.id());
        assert!(room.has(&session));
        assert!(room.leave_by_id(member.session, "connector-1"));
        assert!(!room.leave_by_id(member.session, "connector-1"));
        assert!(!room.has(&session));
        assert_eq!(uids(), ["c", "a", "a"]);
        assert_eq!(room.leave_by_uid("a"), 2);
        assert_eq!((uids(), room.member("a")), (vec!["c".to_owned()], None));
    }
}

#[tokio::test]
async fn a_user_on_a_front_end_is_added_with_each_session_that_is_bound_to_him_there() {
    for mut place in Place::each(as_it_is).await {
        let room = place.room(ROOM);
        let mut clients = Vec::new();
        for uid in ["a", "b", "a"] {
            clients.push(place.client(uid).await);
        }
        let add = |uid, frontend_id| {
            let added = room.add_by_uid(uid, frontend_id);
            soon("the front end says who it is", added)
        };
        assert_eq!(add("a", "connector-1").await.unwrap(), 2);
        assert_eq!(add("a", "connector-1").await.unwrap(), 0, "they are in");
        let nobody = add("nobody", "connector-1").await.unwrap_err();
        assert!(matches!(nobody, ChannelError::NoSession), "{nobody}");
        let nowhere = add("a", "connector-9").await.unwrap_err();
        assert!(matches!(nowhere, ChannelError::Unreachable(_)), "{nowhere}");
        assert_eq!(room.amount(), 2);
        room.push("on", &json!(1)).unwrap();
        let [first, other, second] = &mut *clients else {
            panic!()
        };
        heard(&mut [first, second], &[json!(1)]).await;
        heard(&mut [other], &[]).await;
        clients.clear();
        for _ in 0..2 {
            assert_eq!(place.left.next("they go").await, "a*room");
        }
    }
}

#[tokio::test]
async fn whoever_goes_leaves_every_channel_and_the_application_hears_of_each() {
    for mut place in Place::each(as_it_is).await {
        let rooms = ["one", "two", "three"];
        for name in rooms {
            place
                .channels()
                .create(name, ChannelOptions::new())
                .unwrap();
        }
        let mut client = place.member("a", "one").await;
        for name in &rooms[1..] {
            place.join(&mut client, name).await;
        }
        drop(client);
        let mut left = Vec::new();
        for _ in rooms {
            left.push(place.left.next("it leaves").await);
        }
        left.sort();
        assert_eq!(left, ["a*one", "a*three", "a*two"]);
        for name in rooms {
            assert_eq!(place.channels().get(name).unwrap().amount(), 0);
        }
    }
}

#[tokio::test]
async fn members_a_back_end_has_again_after_a_restart_are_in_what_is_created_there() {
    use crate::world::{World, back_at_a_place_of_its_own, chat, client, connector, front};
    use tangelo::{
        Result,
        server::{FrontendSession, Handlers, Json},
    };

    let (at, door) = (back_at_a_place_of_its_own("chat-1"), front("connector-1"));
    let world = World::fixed(&[&at, &door]);
    let start = || world.start(chat(Handlers::new()), at.clone());
    let back = start().await;
    async fn bind(Json(uid): Json<String>, session: FrontendSession) -> Result<()> {
        Ok(session.bind(&uid).await?)
    }
    let handlers = Handlers::new().add("bind", bind);
    let front = world.start(connector(handlers), door).await;
    soon("the servers meet", front.connected()).await;
    let options = || ChannelOptions::new().most_members(1).last_value("on");
    let mut member = client(&front, crate::client::DOORS[0]).await;
    member.ask("connector.main.bind", &json!("a")).await;
    let room = back.context().channels().create(ROOM, options()).unwrap();
    room.add_by_uid("a", "connector-1").await.unwrap();
    assert_eq!(back.leave(DEADLINE).await, 0);

    let back = start().await;
    soon("the servers meet", front.connected()).await;
    let channels = back.context().channels();
    until("it is back", || channels.get(ROOM).is_ok()).await;
    let room = channels.create(ROOM, options()).unwrap();
    assert!(channels.create(ROOM, options()).is_err());
    assert_eq!(*room.uids(), ["a".into()]);
    room.push("on", &json!(1)).unwrap();
    assert_eq!(member.push("on").await, 1);
    let full = room.add_by_id("b", 7.into(), "connector-1").unwrap_err();
    assert!(matches!(full, ChannelError::Full(1)), "{full}");
}
