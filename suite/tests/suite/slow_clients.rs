//! Clients that do not keep up with reading: what is left out for them, or that they have to go.

use std::time::Duration;

use serde_json::{Value, json};
use tangelo::{
    Result,
    server::{
        Blueprint, Buffered, Channels, FrontendSession, Handlers, Json, Limits, Server, Session,
    },
};

use crate::{
    client::{Client, DOORS, Door, Said},
    world::{alone, chat, client, connector, pair, small_ears, soon},
};

const ECHO: &str = "connector.main.echo";
/// Bytes that may wait for a session.
const QUEUE: usize = 512 << 10;
/// Bytes of a push.
const LARGE: usize = 16_000;
/// More such pushes than sockets hold.
const MANY: u64 = 500;

fn binding() -> Blueprint {
    async fn bind(Json(uid): Json<String>, session: FrontendSession) -> Result<()> {
        Ok(session.bind(&uid).await?)
    }
    let limits = Limits {
        queue: QUEUE,
        ..Limits::default()
    };
    connector(Handlers::new().add("bind", bind)).limits(limits)
}

/// A client that does not read much, and its session.
async fn deaf(server: &Server, over: Door) -> (Client, Session) {
    let mut client = Client::over(over, small_ears(server).await).await;
    client.shake_hands().await;
    assert_eq!(
        client.ask("connector.main.bind", &json!("u")).await,
        json!({})
    );
    let session = server.context().sessions().by_uid("u").remove(0);
    (client, session)
}

/// A number, in a large message.
fn numbered(number: u64) -> Value {
    json!([number, "x".repeat(LARGE)])
}

/// Moves that the session hears of while its client does not read. Every hundredth time it is told
/// something that may not be left out.
async fn move_about(session: &Session, other: &mut Client) {
    for number in 1..=MANY {
        session.push("onMove", &numbered(number)).unwrap();
        if number % 100 == 0 {
            session.push("onChat", &number).unwrap();
            assert_eq!(other.ask(ECHO, &json!(number)).await, number);
        }
    }
}

/// Hears everything up to the last move; returns how many moves there were.
async fn catch_up(client: &mut Client) -> u64 {
    let (mut moves, mut last, mut chat) = (0, 0, 0);
    while last < MANY {
        match client.hear().await {
            Said::Push(route, body) if route == "onMove" => {
                let number = body[0].as_u64().unwrap();
                assert!(number > last, "{number} after {last}");
                (last, moves) = (number, moves + 1);
            }
            Said::Push(route, body) => {
                chat += 100;
                assert_eq!((route.as_str(), body), ("onChat", json!(chat)));
                assert!(last <= chat, "said after {chat}, and heard before: {last}");
            }
            other => panic!("{other:?}"),
        }
    }
    // Of what was said with the last move.
    if chat < MANY {
        assert_eq!(client.push("onChat").await, MANY);
    }
    moves
}

#[tokio::test]
async fn of_a_replaceable_route_it_hears_the_newest_and_all_else_in_order() {
    let server = alone(binding().replaceable("onMove")).await;
    let mut other = client(&server, Door::Tcp).await;
    for over in DOORS {
        let (mut deaf, session) = deaf(&server, over).await;
        move_about(&session, &mut other).await;
        let moves = catch_up(&mut deaf).await;
        assert!(moves < MANY, "nothing was left out");
        deaf.was_ignored(ECHO).await;
    }
}

#[tokio::test]
async fn also_when_it_comes_through_a_buffer() {
    let buffer = Buffered::new().flush_interval(Duration::from_millis(1));
    let server = alone(binding().replaceable("onMove").push_scheduler(buffer)).await;
    let mut other = client(&server, Door::Tcp).await;
    for over in DOORS {
        let (mut deaf, session) = deaf(&server, over).await;
        move_about(&session, &mut other).await;
        assert!(catch_up(&mut deaf).await < MANY, "nothing was left out");
        deaf.was_ignored(ECHO).await;
    }
}

#[tokio::test]
async fn of_a_route_with_keys_it_hears_the_newest_of_each() {
    let server = alone(binding().replaceable_by("onMove", |message| message["id"].clone())).await;
    for over in DOORS {
        let (mut deaf, session) = deaf(&server, over).await;
        let filler = "x".repeat(LARGE);
        for number in 1..=MANY {
            let message = json!({ "id": number % 10, "at": number, "filler": filler });
            session.push("onMove", &message).unwrap();
            // Its connection's task gets its turn.
            tokio::task::yield_now().await;
        }
        let (mut heard, mut newest) = (0, [0; 10]);
        while newest.iter().sum::<u64>() < (0..10).map(|id| MANY - id).sum() {
            let message = deaf.push("onMove").await;
            let (id, at) = (message["id"].as_u64(), message["at"].as_u64());
            let newest = newest.get_mut(id.unwrap() as usize).unwrap();
            assert!(at.unwrap() > *newest);
            (*newest, heard) = (at.unwrap(), heard + 1);
        }
        assert!(heard < MANY, "nothing was left out");
    }
}

#[tokio::test]
async fn a_client_that_reads_in_time_hears_all() {
    let server = alone(binding().replaceable("onMove")).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        client.ask("connector.main.bind", &json!("u")).await;
        let session = server.context().sessions().by_uid("u").remove(0);
        for number in 1..=500 {
            session.push("onMove", &number).unwrap();
            assert_eq!(client.push("onMove").await, number);
        }
        drop(session);
        drop(client);
        let sessions = server.context().sessions();
        crate::world::until("it is gone", || sessions.count() == 0).await;
    }
}

#[tokio::test]
async fn of_any_other_route_nothing_is_left_out_it_is_cut_off_and_nobody_waits() {
    async fn join(session: Session, channels: Channels) -> Result<()> {
        Ok(channels.get_or_create("all").add(&session)?)
    }
    let (server, back) = pair(
        binding().replaceable("onMove"),
        chat(Handlers::new().add("join", join)),
    )
    .await;
    for over in DOORS {
        let (mut deaf, _) = deaf(&server, over).await;
        let mut other = client(&server, Door::Tcp).await;
        other.ask("connector.main.bind", &json!("other")).await;
        for client in [&mut deaf, &mut other] {
            assert_eq!(client.ask("chat.main.join", &json!({})).await, json!({}));
        }
        let (sessions, all) = (
            server.context().sessions(),
            back.context().channels().get_or_create("all"),
        );
        let mut told = 0;
        let flood = async {
            while !sessions.by_uid("u").is_empty() {
                told += 1;
                all.push("onChat", &numbered(told)).unwrap();
                assert_eq!(other.push("onChat").await[0], told);
            }
        };
        soon("it is cut off", flood).await;
        assert!(told * LARGE as u64 > QUEUE as u64, "cut off after {told}");
        assert_eq!(sessions.by_uid("other").len(), 1);
        drop(other);
        crate::world::until("all are gone", || sessions.count() == 0).await;
    }
}
