//! What members of channels are told, and who is said to have got it: on a back end and on a front end.

use std::time::Duration;

use bytes::{BufMut, Bytes};
use serde_json::json;
use tangelo::server::{Blueprint, ChannelOptions, Limits, Member, Receivers, Server, SessionId};
use tangelo_wire::krpc::meta::{Direction, Meta};
use tokio::time::Instant;

use crate::{
    client::Client,
    krpc::{Peer, call},
    rooms::{Place, heard},
    world::{DEADLINE, Heard, World, chat, small_ears, soon, until},
};

const ROOM: &str = "room";

fn as_it_is(blueprint: Blueprint) -> Blueprint {
    blueprint
}

fn uids(members: &[Member]) -> Vec<&str> {
    members.iter().map(|member| &*member.uid).collect()
}

#[tokio::test]
async fn a_push_is_for_all_or_for_some_or_for_all_but_one_or_for_whom_the_caller_chooses() {
    for place in Place::each(as_it_is).await {
        let room = place.room(ROOM);
        let mut clients = Vec::new();
        for uid in ["a", "b", "c"] {
            clients.push(place.member(uid, ROOM).await);
        }
        room.push("on", &json!([1, "😀"])).unwrap();
        assert_eq!(room.push_to(&["b", "nobody"], "on", &2).unwrap(), 1);
        assert_eq!(room.push_to(&["nobody"], "on", &2).unwrap(), 0);
        room.push_except("b", "on", &3).unwrap();
        let amount = || room.amount();
        // Asked while no lock is held.
        let chosen = room.push_where("on", &4, |member| amount() == 3 && &*member.uid > "a");
        assert_eq!(chosen.unwrap(), 2);
        let [a, b, c] = &mut *clients else { panic!() };
        let all = json!([1, "😀"]);
        heard(&mut [a], &[all.clone(), json!(3)]).await;
        heard(&mut [b], &[all.clone(), json!(2), json!(4)]).await;
        heard(&mut [c], &[all, json!(3), json!(4)]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_hears_all_in_order_and_one_of_it_what_is_his_in_its_place_up_to_the_last_words() {
    const CROWD: usize = 150;
    const PUSHES: usize = 30;
    for place in Place::each(as_it_is).await {
        let room = place.room(ROOM);
        let mut clients = Vec::new();
        for number in 0..CROWD {
            clients.push(place.member(&number.to_string(), ROOM).await);
        }
        // Each push finds many whom nobody has woken for the one before.
        for number in 0..PUSHES {
            room.push("on", &number).unwrap();
            let uid = (number * 5 % CROWD).to_string();
            assert_eq!(room.push_to(&[&uid], "on", &"yours").unwrap(), 1);
        }
        room.push_confirmed(Receivers::All, "on", &"bye", DEADLINE)
            .await
            .unwrap();
        let hear = async {
            for (member, client) in clients.iter_mut().enumerate() {
                for number in 0..PUSHES {
                    assert_eq!(client.push("on").await, json!(number));
                    if number * 5 % CROWD == member {
                        assert_eq!(client.push("on").await, json!("yours"));
                    }
                }
                assert_eq!(client.push("on").await, json!("bye"));
                client.is_closed().await;
            }
        };
        let (cut_off, ()) = tokio::join!(place.front.shutdown(DEADLINE), hear);
        assert_eq!(cut_off, 0);
    }
}

#[tokio::test]
async fn what_is_no_json_or_too_long_for_a_frame_is_an_error_and_nobody_hears_it() {
    const LONGEST: usize = 930_000;
    for place in Place::each(as_it_is).await {
        let empty = place.channels().get_or_create("empty");
        let room = place.room(ROOM);
        let mut client = place.member("a", ROOM).await;
        let no_json = std::collections::HashMap::from([((1, 2), 3)]);
        let too_long = "x".repeat(LONGEST + 10_000);
        for channel in [&room, &empty] {
            channel.push("on", &no_json).unwrap_err();
            channel.push("on", &too_long).unwrap_err();
            let confirmed = channel.push_confirmed(Receivers::All, "on", &too_long, DEADLINE);
            confirmed.await.unwrap_err();
            channel.push("on", &too_long[..LONGEST]).unwrap();
        }
        heard(&mut [&mut client], &[json!(too_long[..LONGEST])]).await;
    }
}

#[tokio::test]
async fn a_confirmed_push_says_that_all_have_got_it() {
    for place in Place::each(as_it_is).await {
        let room = place.room(ROOM);
        let confirm = |receivers, number: i32| {
            let confirmed = room.push_confirmed(receivers, "on", &number, DEADLINE);
            async { soon("all say so", confirmed).await.unwrap().unreached }
        };
        assert_eq!(confirm(Receivers::All, 0).await, []);
        let mut clients = Vec::new();
        for uid in ["a", "b"] {
            clients.push(place.member(uid, ROOM).await);
        }
        assert_eq!(confirm(Receivers::All, 1).await, []);
        assert_eq!(confirm(Receivers::Uids(&["a", "nobody"]), 2).await, []);
        assert_eq!(confirm(Receivers::Except("a"), 3).await, []);
        let b = |member: &Member| &*member.uid == "b";
        assert_eq!(confirm(Receivers::Where(&b), 4).await, []);
        let [a, b] = &mut *clients else { panic!() };
        heard(&mut [a], &[json!(1), json!(2)]).await;
        heard(&mut [b], &[json!(1), json!(3), json!(4)]).await;
    }
}

#[tokio::test]
async fn a_confirmed_push_is_under_way_in_order_whether_or_not_anybody_waits() {
    for place in Place::each(as_it_is).await {
        let options = ChannelOptions::new().last_value("on");
        let room = place.channels().create(ROOM, options).unwrap();
        let mut client = place.member("a", ROOM).await;
        room.push("on", &1).unwrap();
        let waits = room.push_confirmed(Receivers::All, "on", &2, DEADLINE);
        room.push("on", &3).unwrap();
        drop(room.push_confirmed(Receivers::All, "on", &4, DEADLINE));
        heard(
            &mut [&mut client],
            &[json!(1), json!(2), json!(3), json!(4)],
        )
        .await;
        assert_eq!(soon("it has got it", waits).await.unwrap().unreached, []);
    }
}

#[tokio::test]
async fn a_confirmed_push_names_those_whose_session_has_closed() {
    for place in Place::each(as_it_is).await {
        let room = place.room(ROOM);
        let mut stays = place.member("a", ROOM).await;
        if place.at == "chat" {
            // Its front end knows no such session; it is told so after this.
            room.add_by_id("b", 7.into(), "connector-1").unwrap();
        }
        let confirmed = room.push_confirmed(Receivers::All, "on", &1, DEADLINE);
        let unreached = soon("all say so", confirmed).await.unwrap().unreached;
        let expected: &[&str] = if place.at == "chat" { &["b"] } else { &[] };
        assert_eq!(uids(&unreached), expected);
        heard(&mut [&mut stays], &[json!(1)]).await;
    }
}

#[tokio::test]
async fn a_confirmed_push_names_those_whose_clients_do_not_keep_up() {
    let small_queue = |blueprint: Blueprint| {
        blueprint.limits(Limits {
            queue: 64 << 10,
            ..Limits::default()
        })
    };
    for mut place in Place::each(small_queue).await {
        let room = place.room(ROOM);
        let mut keeps_up = place.member("a", ROOM).await;
        let door = crate::client::DOORS[0];
        let mut deaf = Client::over(door, small_ears(&place.front).await).await;
        deaf.shake_hands().await;
        deaf.ask("connector.main.bind", &json!("deaf")).await;
        place.join(&mut deaf, ROOM).await;
        let large = json!("x".repeat(30_000));
        let unreached = loop {
            let confirmed = room.push_confirmed(Receivers::All, "on", &large, DEADLINE);
            let unreached = soon("all say so", confirmed).await.unwrap().unreached;
            assert_eq!(keeps_up.push("on").await, large);
            if !unreached.is_empty() {
                break unreached;
            }
        };
        assert_eq!(uids(&unreached), ["deaf"]);
        assert_eq!(place.left.next("it is cut").await, "deaf*room");
    }
}

/// Says hello as a front end of its own, whose clients nobody knows.
pub(crate) async fn stranger(server: &Server, id: &str) -> Peer {
    let mut peer = Peer::of(server).await;
    let mut hello = vec![0x0a, id.len() as u8];
    hello.extend(id.as_bytes());
    hello.extend(b"\x12\x09connector\x18\x01\x28\x01\x30\x01");
    let answer = peer.ask(call(10, 1), &hello).await;
    assert_eq!(answer.meta.ret_code, 0);
    peer
}

const PUSH: (i32, i32) = (13, 1);
const JOINED: (i32, i32) = (13, 2);
const LEFT: (i32, i32) = (13, 3);
const CLOSED: (i32, i32) = (12, 1);

/// A sign of life, where a test takes its time.
const HEARTBEAT: (i32, i32) = (1, 1);

/// The next thing it is told.
async fn told(peer: &mut Peer) -> ((i32, i32), Bytes, i32) {
    loop {
        let frame = peer.hear().await;
        let meta = frame.meta;
        assert_eq!(meta.direction, Direction::Request);
        let method = (meta.service_id, meta.msg_id);
        if method != HEARTBEAT {
            return (method, frame.body, meta.sequence);
        }
    }
}

async fn closed(peer: &mut Peer, session: u64) {
    let mut body = vec![0x09];
    body.put_u64_le(session);
    let meta = Meta {
        service_id: CLOSED.0,
        msg_id: CLOSED.1,
        ..Meta::default()
    };
    peer.send(&meta, &body).await;
}

/// A room on a back end without clients, who hears of those that leave.
async fn back() -> (Server, Heard<String>) {
    let left = Heard::new();
    let tell = left.teller();
    let blueprint = chat(tangelo::server::Handlers::new())
        .on_leave(move |_, member| tell(member.uid.to_string()));
    (World::new().back("chat-1", blueprint).await, left)
}

#[tokio::test]
async fn a_confirmed_push_names_those_whose_front_end_does_not_say_so_in_time() {
    const WITHIN: Duration = Duration::from_millis(50);
    let (back, _left) = back().await;
    let _silent = stranger(&back, "connector-8").await;
    let mut knows = stranger(&back, "connector-9").await;
    let room = back.context().channels().get_or_create(ROOM);
    for (session, frontend_id) in [(1, "connector-8"), (2, "connector-9"), (3, "connector-9")] {
        let uid = session.to_string();
        room.add_by_id(&uid, session.into(), frontend_id).unwrap();
    }
    let answers = async {
        loop {
            if let (PUSH, _, sequence) = told(&mut knows).await {
                let meta = Meta {
                    direction: Direction::Response,
                    sequence,
                    timeout_ms: 0,
                    ..call(PUSH.0, PUSH.1)
                };
                // It has not told session 3.
                knows.send(&meta, b"\x12\x08\x03\0\0\0\0\0\0\0").await;
            }
        }
    };
    let begun = Instant::now();
    let confirmed = room.push_confirmed(Receivers::All, "on", &1, WITHIN);
    let unreached = tokio::select! {
        () = answers => unreachable!(),
        confirmed = soon("the time is over", confirmed) => confirmed.unwrap().unreached,
    };
    assert!(begun.elapsed() >= WITHIN);
    let mut unreached = uids(&unreached);
    unreached.sort_unstable();
    assert_eq!(unreached, ["1", "3"]);
}

#[tokio::test]
async fn a_confirmed_push_names_those_whose_front_end_is_lost() {
    let (back, _left) = back().await;
    let room = back.context().channels().get_or_create(ROOM);
    for is_lost_before in [false, true] {
        let mut lost = stranger(&back, "connector-9").await;
        room.add_by_id("a", 1.into(), "connector-9").unwrap();
        assert_eq!(told(&mut lost).await.0, JOINED);
        let mut lost = Some(lost);
        if is_lost_before {
            lost.take();
            let reachable = || {
                let added = room.add_by_id("b", 2.into(), "connector-9");
                room.leave_by_uid("b");
                added.is_ok()
            };
            until("it is lost", || !reachable()).await;
        }
        let begun = Instant::now();
        let confirmed = room.push_confirmed(Receivers::All, "on", &1, DEADLINE);
        drop(lost);
        let unreached = soon("it is lost", confirmed).await.unwrap().unreached;
        assert_eq!(uids(&unreached), ["a"]);
        assert!(
            begun.elapsed() < DEADLINE / 2,
            "nobody waits for those who are gone"
        );
        room.leave_by_uid("a");
    }
}

#[tokio::test]
async fn a_push_to_ten_thousand_members_of_a_front_end_is_one_frame_on_each_connection() {
    const MEMBERS: u64 = 10_000;
    let (back, mut left) = back().await;
    let mut front = stranger(&back, "connector-9").await;
    let room = back.context().channels().get_or_create(ROOM);
    for session in 1..=MEMBERS {
        let uid = session.to_string();
        room.add_by_id(&uid, session.into(), "connector-9").unwrap();
        assert_eq!(told(&mut front).await.0, JOINED);
    }
    assert_eq!(room.amount() as u64, MEMBERS);
    // Every other one leaves.
    for session in (1..=MEMBERS).step_by(2) {
        assert!(room.leave_by_id(session.into(), "connector-9"));
        assert_eq!(told(&mut front).await.0, LEFT);
    }
    let expected: Vec<_> = (2..=MEMBERS).step_by(2).map(SessionId::from).collect();
    let members = room.members();
    let sessions: Vec<_> = members.iter().map(|member| member.session).collect();
    assert_eq!(sessions, expected, "in the order they came");

    for number in 1..=3 {
        room.push("on", &number).unwrap();
    }
    for number in 1..=3 {
        let (method, body, sequence) = told(&mut front).await;
        assert_eq!((method, sequence), (PUSH, 0));
        // Eight bytes for each, and what is around them.
        let around = body.len() as u64 - MEMBERS / 2 * 8;
        assert!(around < 20, "{around}");
        assert_eq!(body.last(), Some(&(b'0' + number)));
    }

    // Those who are left go.
    for session in (2..=MEMBERS).step_by(2) {
        closed(&mut front, session).await;
        assert_eq!(left.next("it leaves").await, session.to_string());
    }
    assert_eq!(room.amount(), 0);
    assert!(back.context().channels().names().is_empty());
}

#[tokio::test]
async fn everybody_is_taken_out_of_a_channel_that_is_destroyed_with_one_frame() {
    let (back, _left) = back().await;
    let mut front = stranger(&back, "connector-9").await;
    let room = back.context().channels().get_or_create(ROOM);
    for session in 1..=100 {
        room.add_by_id("a", session.into(), "connector-9").unwrap();
        assert_eq!(told(&mut front).await.0, JOINED);
    }
    assert!(room.destroy());
    let (method, body, _) = told(&mut front).await;
    assert_eq!(method, LEFT);
    assert!(body.len() > 100 * 8);
}
