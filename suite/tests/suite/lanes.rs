//! The connections between servers, each of which many sessions share.

use std::sync::Arc;

use bytes::BytesMut;
use serde_json::json;
use tangelo::{
    Result,
    server::{Channels, Handlers, Session},
};
use tangelo_wire::{
    krpc::{
        frame::Frame,
        meta::{Direction, Meta},
    },
    pomelo::{message, package::Kind},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

use crate::{
    client::{DOORS, Door, package},
    krpc::{Peer, call},
    world::{Heard, World, back, chat, client, connector, front, pair, soon},
};

const HELLO: (i32, i32) = (10, 1);
const FORWARD: (i32, i32) = (11, 1);
/// How a forwarded notify begins.
const NOTIFY: &[u8] = b"\x10\x01";

/// How many connections a front end keeps to a back end, here.
pub(crate) fn lanes() -> u8 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(16)) as u8
}

/// What `connector-1` says first over one of its connections.
fn hello(lane: u8, lanes: u8) -> Vec<u8> {
    let mut hello = b"\x0a\x0bconnector-1\x12\x09connector".to_vec();
    hello.extend([0x18, 1, 0x20, lane, 0x28, lanes, 0x30, 1]);
    hello
}

#[tokio::test]
async fn a_lane_survives_a_stranger_who_says_the_same_hello_and_goes() {
    async fn enter(session: Session, channels: Channels) -> Result<()> {
        let id = session.id();
        let uid = id.to_string();
        let room = channels.get_or_create("room");
        room.add_by_id(&uid, id, session.frontend_id())?;
        room.push_to(&[&uid], "on", &uid)?;
        Ok(())
    }
    let (front, back) = pair(
        connector(Handlers::new()),
        chat(Handlers::new().add("enter", enter)),
    )
    .await;
    let hellos = (0..lanes()).map(|lane| (lane, lanes())).chain([(0, 1)]);
    for (lane, lanes) in hellos {
        for is_answered in [true, false] {
            let mut stranger = Peer::of(&back).await;
            let (hello, meta) = (hello(lane, lanes), call(HELLO.0, HELLO.1));
            if is_answered {
                let answer = stranger.ask(meta, &hello).await;
                assert_eq!(answer.meta.ret_code, 0);
            } else {
                stranger.send(&meta, &hello).await;
            }
            stranger.stream.shutdown().await.unwrap();
            let mut rest = Vec::new();
            let end = stranger.stream.read_to_end(&mut rest);
            soon("the stranger is gone", end).await.unwrap();

            for number in 0..self::lanes() {
                let over = DOORS[usize::from(number) % 2];
                let mut client = client(&front, over).await;
                let id = client.request("chat.main.enter", &json!({})).await;
                client.push("on").await;
                assert_eq!(client.reply(id).await, json!({}));
            }
        }
    }
}

/// Answers the hello of a front end, reads nothing until it is let, and then answers every request.
/// Tells how many notifies have come at each request. It ends when the front end closes.
async fn stand_in(stream: TcpStream, reads: Arc<Semaphore>, heard: impl Fn(usize)) {
    let mut peer = Peer::over(stream);
    let answer = |meta: &Meta| Meta {
        direction: Direction::Response,
        timeout_ms: 0,
        ..meta.clone()
    };
    let hello = peer.hear().await.meta;
    assert_eq!((hello.service_id, hello.msg_id), HELLO);
    peer.send(&answer(&hello), b"\x1a\x06chat-1\x20\x01").await;
    drop(reads.acquire().await.unwrap());
    let mut notifies = 0;
    loop {
        let Frame { meta, body, .. } = peer.hear().await;
        if (meta.service_id, meta.msg_id) != FORWARD {
            continue;
        }
        if body.starts_with(NOTIFY) {
            notifies += 1;
            peer.send(&answer(&meta), b"").await;
        } else {
            heard(notifies);
            peer.send(&answer(&meta), b"\x22\x0412.5").await;
        }
    }
}

#[tokio::test]
async fn a_flood_of_notifies_to_a_back_end_that_does_not_read_does_not_cut_the_lane_of_others() {
    // 78 MB: more than may wait for a server at all.
    const FLOOD: usize = 1300;
    const AT_ONCE: usize = 10;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (mut place, door) = (back("chat-1"), front("connector-1"));
    place.port = Some(listener.local_addr().unwrap().port());
    let world = World::fixed(&[&place, &door]);
    let (reads, mut heard) = (Arc::new(Semaphore::new(0)), Heard::new());
    let server = world.start(connector(Handlers::new()), door).await;
    let mut backs = JoinSet::new();
    for _ in 0..lanes() {
        let accepted = soon("the front end dials", listener.accept()).await;
        let stand_in = stand_in(accepted.unwrap().0, Arc::clone(&reads), heard.teller());
        backs.spawn(stand_in);
    }
    soon("the servers meet", server.connected()).await;

    // One of the others shares the lane of the one that floods.
    let mut flooding = client(&server, Door::Tcp).await;
    let mut others = Vec::new();
    for number in 0..lanes() {
        others.push(client(&server, DOORS[usize::from(number) % 2]).await);
    }
    let mut large = BytesMut::new();
    let body = vec![b'1'; 60_000];
    message::encode_notify("chat.main.say", &body, &mut large).unwrap();
    let large = package(Kind::Data, &large).repeat(AT_ONCE);
    let flood = async {
        for _ in 0..FLOOD / AT_ONCE {
            flooding.send_bytes(&large).await;
        }
    };
    soon("the front end reads on", flood).await;
    let echo = "connector.main.echo";
    flooding.is_refused(echo, &json!(0), 429).await;
    let mut asked = Vec::new();
    for other in &mut others {
        asked.push(other.request("chat.main.ask", &json!({})).await);
    }
    assert!(backs.try_join_next().is_none(), "a lane was cut");

    reads.add_permits(1);
    let mut notifies = 0;
    for (other, id) in others.iter_mut().zip(asked) {
        assert_eq!(other.reply(id).await, 12.5);
        notifies += heard.next("a request came").await;
    }
    assert!(
        (1..=64).contains(&notifies),
        "{notifies} notifies were kept for a back end that did not read"
    );
    let freed = async {
        loop {
            let id = flooding.request("chat.main.ask", &json!({})).await;
            if flooding.reply(id).await == 12.5 {
                break;
            }
        }
    };
    soon("there is room again", freed).await;
    assert!(backs.try_join_next().is_none(), "a lane was cut");
}
