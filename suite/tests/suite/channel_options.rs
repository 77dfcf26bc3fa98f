//! What channels can be like, on a back end and on a front end.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};
use tangelo::server::{Blueprint, ChannelError, ChannelOptions, Session};
use tangelo_runtime::{Stop, Tasks};
use tracing::Span;

use crate::{
    client::Said,
    rooms::{Place, heard},
    world::{DEADLINE, until, with_room},
};

const ROOM: &str = "room";

fn as_it_is(blueprint: Blueprint) -> Blueprint {
    blueprint
}

#[tokio::test]
async fn for_bound_sessions_only_nobody_else_comes_in() {
    for place in Place::each(as_it_is).await {
        let options = ChannelOptions::new().bound_only();
        let room = place.channels().create(ROOM, options).unwrap();
        let mut member = place.member("a", ROOM).await;
        let mut guest = place.guest().await;
        place.is_refused(&mut guest, ROOM).await;
        room.push("on", &json!(1)).unwrap();
        heard(&mut [&mut member], &[json!(1)]).await;
        heard(&mut [&mut guest], &[]).await;
    }
}

#[tokio::test]
async fn for_bound_sessions_only_whoever_is_unbound_hears_nothing_more_and_leaves() {
    for mut place in Place::each(as_it_is).await {
        let options = ChannelOptions::new().bound_only();
        let room = place.channels().create(ROOM, options).unwrap();
        let mut stays = place.member("a", ROOM).await;
        let mut goes = place.member("b", ROOM).await;
        goes.ask("connector.main.unbind", &json!({})).await;
        // Its server may not have heard of it yet.
        room.push("on", &json!(1)).unwrap();
        heard(&mut [&mut stays], &[json!(1)]).await;
        heard(&mut [&mut goes], &[]).await;
        assert_eq!(place.left.next("it leaves").await, "b*room");
        assert_eq!(*room.uids(), ["a".into()]);

        // Nor does it as somebody else, until that one comes in.
        goes.ask("connector.main.bind", &json!("c")).await;
        room.push("on", &json!(2)).unwrap();
        heard(&mut [&mut goes], &[]).await;
        place.join(&mut goes, ROOM).await;
        room.push("on", &json!(3)).unwrap();
        heard(&mut [&mut goes], &[json!(3)]).await;
        heard(&mut [&mut stays], &[json!(2), json!(3)]).await;
        drop(goes);
        assert_eq!(place.left.next("it goes").await, "c*room");
        place.left.is_silent();
    }
}

#[tokio::test]
async fn for_bound_sessions_only_it_has_to_be_the_user_it_is_added_as() {
    for mut place in Place::each(as_it_is).await {
        let options = ChannelOptions::new().bound_only().last_value("on");
        let room = place.channels().create(ROOM, options).unwrap();
        room.push("on", &json!(1)).unwrap();
        let mut client = place.client("a").await;
        let session = place.front.context().sessions().by_uid("a").remove(0);
        match room.add_by_id("b", session.id(), "connector-1") {
            // Another server hears of it from the session's own.
            Ok(()) => assert_eq!(place.left.next("it leaves").await, "b*room"),
            Err(error) => assert!(matches!(error, ChannelError::NotBound), "{error}"),
        }
        assert_eq!(room.amount(), 0);
        heard(&mut [&mut client], &[]).await;
        room.add_by_id("a", session.id(), "connector-1").unwrap();
        heard(&mut [&mut client], &[json!(1)]).await;
        place.left.is_silent();
    }
}

#[tokio::test]
async fn without_options_whoever_is_unbound_stays_and_guests_can_be_added() {
    for place in Place::each(as_it_is).await {
        let room = place.channels().get_or_create(ROOM);
        let mut guest = place.client("guest").await;
        let session = place.front.context().sessions().by_uid("guest").remove(0);
        guest.ask("connector.main.unbind", &json!({})).await;
        room.add_by_id("guest-1", session.id(), "connector-1")
            .unwrap();
        let mut member = place.member("a", ROOM).await;
        member.ask("connector.main.unbind", &json!({})).await;
        room.push("on", &json!(1)).unwrap();
        heard(&mut [&mut guest, &mut member], &[json!(1)]).await;
        assert_eq!(*room.uids(), ["guest-1".into(), "a".into()]);
    }
}

#[tokio::test]
async fn with_a_single_session_for_each_user_another_one_is_refused() {
    for place in Place::each(as_it_is).await {
        let options = ChannelOptions::new().single_session();
        let room = place.channels().create(ROOM, options).unwrap();
        let mut first = place.member("a", ROOM).await;
        let mut second = place.client("a").await;
        place.is_refused(&mut second, ROOM).await;
        room.push("on", &json!(1)).unwrap();
        heard(&mut [&mut first], &[json!(1)]).await;
        first.ask(&place.route("leave"), &json!(ROOM)).await;
        place.join(&mut second, ROOM).await;
        place.is_refused(&mut first, ROOM).await;
        room.push("on", &json!(2)).unwrap();
        heard(&mut [&mut second], &[json!(2)]).await;
        heard(&mut [&mut first], &[]).await;
    }
}

#[tokio::test]
async fn as_many_come_in_as_it_takes_and_no_more() {
    for place in Place::each(as_it_is).await {
        let options = ChannelOptions::new().most_members(2);
        let room = place.channels().create(ROOM, options).unwrap();
        let mut clients = Vec::new();
        for uid in ["a", "b"] {
            clients.push(place.member(uid, ROOM).await);
        }
        let mut late = place.client("c").await;
        place.is_refused(&mut late, ROOM).await;
        let session = place.front.context().sessions().by_uid("c").remove(0);
        let refused = room.add(&session).unwrap_err();
        assert!(matches!(refused, ChannelError::Full(2)), "{refused}");
        assert_eq!(room.amount(), 2);

        clients[0].ask(&place.route("leave"), &json!(ROOM)).await;
        place.join(&mut late, ROOM).await;
        place.is_refused(&mut clients[0], ROOM).await;
    }
}

#[tokio::test]
async fn for_bound_sessions_only_one_is_in_as_many_channels_as_its_front_end_remembers() {
    const MOST: usize = 1024;
    for mut place in Place::each(as_it_is).await {
        let mut client = place.client("a").await;
        let session = place.front.context().sessions().by_uid("a").remove(0);
        let create = |number: usize| {
            let options = ChannelOptions::new().bound_only();
            let name = number.to_string();
            place.channels().create(&name, options).unwrap()
        };
        let rooms: Vec<_> = (0..=MOST).map(create).collect();
        let (last, others) = rooms.split_last().unwrap();
        for room in others {
            room.add_by_id("a", session.id(), "connector-1").unwrap();
        }
        let refused = last.add_by_id("a", session.id(), "connector-1");
        if place.at == "chat" {
            assert_eq!(place.left.next("it leaves").await, format!("a*{MOST}"));
        } else {
            assert!(matches!(refused, Err(ChannelError::TooManyChannels)));
        }
        assert_eq!(last.amount(), 0);
        for room in &rooms {
            room.push("on", room.name()).unwrap();
        }
        for room in others {
            assert_eq!(client.push("on").await, room.name());
        }
        heard(&mut [&mut client], &[]).await;
        place.left.is_silent();
    }
}

/// Who is on this level or above hears it; `fails` fails.
fn with_filters(blueprint: Blueprint) -> Blueprint {
    let level = |session: &Session, _: &_, least: &Value| {
        let level = session.get::<i64>("level");
        level.is_ok_and(|level| Some(level) >= least.as_i64())
    };
    blueprint
        .push_filter("level", level)
        .push_filter("fails", |_, _, _| panic!("in a filter"))
}

#[tokio::test]
async fn a_filter_decides_for_each_receiver_by_its_session() {
    for place in Place::each(with_filters).await {
        let options = ChannelOptions::new().filter("level", 2);
        let room = place.channels().create(ROOM, options).unwrap();
        let mut clients = Vec::new();
        for (uid, level) in [("a", 1), ("b", 2), ("c", 3)] {
            let mut client = place.member(uid, ROOM).await;
            let setting = json!(["level", level]);
            client.ask("connector.main.set", &setting).await;
            clients.push(client);
        }
        let [a, b, c] = &mut *clients else { panic!() };
        room.push("on", &json!(1)).unwrap();
        // Also of those who are chosen.
        assert_eq!(room.push_to(&["a", "b"], "on", &json!(2)).unwrap(), 2);
        heard(&mut [a], &[]).await;
        heard(&mut [b], &[json!(1), json!(2)]).await;
        heard(&mut [c], &[json!(1)]).await;
        // What the session is now counts.
        a.ask("connector.main.set", &json!(["level", 2])).await;
        room.push("on", &json!(3)).unwrap();
        heard(&mut [a, b, c], &[json!(3)]).await;
    }
}

#[tokio::test]
async fn whom_a_filter_does_not_let_hear_it_now_is_not_told_later_what_is_kept() {
    for place in Place::each(with_filters).await {
        let options = ChannelOptions::new().filter("level", 2).last_value("on");
        let room = place.channels().create(ROOM, options).unwrap();
        room.push("on", &json!(1)).unwrap();
        // A channel that was made stays without members, and what it keeps with it.
        for (uid, level, hears) in [("a", 1, &[][..]), ("b", 2, &[json!(1)])] {
            let mut client = place.client(uid).await;
            let setting = json!(["level", level]);
            client.ask("connector.main.set", &setting).await;
            let id = client.request(&place.route("join"), &json!(ROOM)).await;
            for body in hears {
                assert_eq!(client.push("on").await, *body);
            }
            assert_eq!(client.reply(id).await, json!({}));
            heard(&mut [&mut client], &[]).await;
        }
    }
}

#[tokio::test]
async fn a_filter_that_fails_or_is_not_there_lets_nobody_hear_it() {
    for place in Place::each(with_filters).await {
        for filter in ["fails", "missing"] {
            let options = ChannelOptions::new()
                .filter(filter, json!({}))
                .last_value("on");
            let room = place.channels().create(filter, options).unwrap();
            let mut clients = [
                place.member("a", filter).await,
                place.member("b", filter).await,
            ];
            room.push("on", &json!(1)).unwrap();
            let mut late = place.member("c", filter).await;
            let [a, b] = &mut clients;
            heard(&mut [a, b, &mut late], &[]).await;
        }
    }
}

#[tokio::test]
async fn whoever_joins_hears_the_last_value_and_then_what_is_new() {
    for place in Place::each(as_it_is).await {
        let options = ChannelOptions::new().last_value("price").last_value("on");
        let room = place.channels().create(ROOM, options).unwrap();
        for number in 1..=3 {
            room.push("price", &number).unwrap();
            room.push("other", &number).unwrap();
        }
        room.push("on", &json!("first")).unwrap();
        room.push_to(&["nobody"], "on", &json!("not for all"))
            .unwrap();
        let mut client = place.client("a").await;
        let id = client.request(&place.route("join"), &json!(ROOM)).await;
        assert_eq!(client.push("price").await, 3);
        assert_eq!(client.push("on").await, "first");
        assert_eq!(client.reply(id).await, json!({}));
        room.push("on", &json!("second")).unwrap();
        heard(&mut [&mut client], &[json!("second")]).await;
        // Leaving and coming again is joining.
        client.ask(&place.route("leave"), &json!(ROOM)).await;
        let id = client.request(&place.route("join"), &json!(ROOM)).await;
        assert_eq!(client.push("price").await, 3);
        assert_eq!(client.push("on").await, "second");
        assert_eq!(client.reply(id).await, json!({}));
    }
}

#[tokio::test]
async fn a_history_is_as_long_as_is_said_and_as_many_bytes() {
    for place in Place::each(as_it_is).await {
        let channels = place.channels();
        let options = ChannelOptions::new().history("on", 3);
        let by_count = channels.create("count", options.clone()).unwrap();
        // Two bytes of route and two of body.
        let by_bytes = channels.create("bytes", options.history_bytes(8)).unwrap();
        for number in 10..=15 {
            by_count.push("on", &number).unwrap();
            by_bytes.push("on", &number).unwrap();
        }
        for (channel, kept) in [("count", &[13, 14, 15][..]), ("bytes", &[14, 15])] {
            let mut client = place.client("a").await;
            client.request(&place.route("join"), &json!(channel)).await;
            for number in kept {
                assert_eq!(client.push("on").await, *number);
            }
            assert!(matches!(client.hear().await, Said::Reply(..)));
        }
        assert_eq!(ChannelOptions::MOST_HISTORY, 1000);
    }
}

#[tokio::test]
async fn a_channel_that_goes_with_its_members_keeps_nothing_beyond_them() {
    for place in Place::each(as_it_is).await {
        let options = || ChannelOptions::new().last_value("on");
        let room = place.channels().get_or_create_with(ROOM, options());
        room.push("on", &json!("to nobody")).unwrap();
        for number in 1..=2 {
            let mut clients = [place.client("a").await, place.client("b").await];
            for (uid, client) in ["a", "b"].iter().zip(&mut clients) {
                let session = place.front.context().sessions().by_uid(uid).pop().unwrap();
                room.add(&session).unwrap();
                if *uid == "a" {
                    heard(&mut [client], &[]).await;
                    room.push("on", &json!(number)).unwrap();
                }
            }
            let [a, b] = &mut clients;
            heard(&mut [a, b], &[json!(number)]).await;
            for uid in ["a", "b"] {
                assert_eq!(room.leave_by_uid(uid), 1);
            }
            drop(clients);
            let sessions = place.front.context().sessions();
            until("they go", || sessions.count() == 0).await;
        }
    }
}

/// Whoever joins while numbers are pushed hears some that are kept and then all that come.
async fn joins_without_a_gap(place: &Place, options: ChannelOptions) {
    const KEPT: usize = 5;
    let options = options.history("on", KEPT);
    let room = place.channels().create(ROOM, options).unwrap();
    let (tasks, enough) = (Tasks::new(Stop::new()), Arc::new(AtomicBool::new(false)));
    let stop = Arc::clone(&enough);
    tasks.spawn(Span::none(), async move {
        let mut number = 0_u32;
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            room.push("on", &number).unwrap();
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..20 {
        let mut client = place.client("a").await;
        let id = client.request(&place.route("join"), &json!(ROOM)).await;
        let (mut heard, mut joined) = (Vec::new(), false);
        while !joined || heard.len() < 3 * KEPT {
            match client.hear().await {
                Said::Push(_, number) => heard.push(number.as_u64().unwrap()),
                Said::Reply(answered, answer) => {
                    assert_eq!((answered, answer), (id, json!({})));
                    joined = true;
                }
                other => panic!("{other:?}"),
            }
        }
        let first = heard[0];
        let expected: Vec<_> = (first..first + heard.len() as u64).collect();
        assert_eq!(heard, expected, "{}", place.at);
    }
    enough.store(true, Ordering::Relaxed);
    assert_eq!(tasks.close(DEADLINE).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn between_what_is_kept_and_what_is_new_nothing_is_missing_and_nothing_comes_twice() {
    // Nobody is cut for being behind.
    for place in Place::each(with_room).await {
        joins_without_a_gap(&place, ChannelOptions::new()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nor_if_there_is_a_filter() {
    let with_filter =
        |blueprint: Blueprint| with_room(blueprint.push_filter("all", |_, _, _| true));
    for place in Place::each(with_filter).await {
        joins_without_a_gap(&place, ChannelOptions::new().filter("all", json!(null))).await;
    }
}
