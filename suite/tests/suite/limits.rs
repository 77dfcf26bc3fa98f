//! What a client may make a server hold, and what happens at the limit.

use std::time::Duration;

use serde_json::{Value, json};
use tangelo::{
    Result,
    connector::{Hybrid, Limits as ConnectorLimits},
    remotes,
    server::{
        Blueprint, Body, Channels, HandlerExt, Handlers, Json, Limits, Receivers, Session,
        filters::{RateLimit, Serial, Timeout},
    },
};
use tangelo_wire::pomelo::package::Kind;

use crate::{
    client::{Client, DOORS, Door, Said, package, request},
    world::{Hold, PLACES, alone, both, chat, client, connector, door, pair, small_ears, soon},
};

const ECHO: &str = "connector.main.echo";

/// A request for an echo whose package has this many bytes of body.
fn echo_of(id: u32, length: usize) -> Vec<u8> {
    let rest = request(id, ECHO, b"\"\"").len() - 4;
    let text = "x".repeat(length - rest);
    let request = request(id, ECHO, format!("\"{text}\"").as_bytes());
    assert_eq!(request.len() - 4, length);
    request.to_vec()
}

/// A handshake of this many bytes.
fn long_hello(length: usize) -> Vec<u8> {
    let short = r#"{"sys":{"x":""}}"#;
    let filler = "x".repeat(length - short.len());
    package(
        Kind::Handshake,
        short.replace("\"\"", &format!("\"{filler}\"")).as_bytes(),
    )
    .to_vec()
}

#[tokio::test]
async fn before_the_handshake_a_package_has_4_kib_and_not_a_byte_more() {
    let server = alone(connector(Handlers::new())).await;
    for over in DOORS {
        let mut client = Client::silent(over, door(&server)).await;
        client.send_bytes(&long_hello(4096)).await;
        assert!(matches!(client.hear().await, Said::Hello(_)));
        // Not acknowledged yet.
        client.send_bytes(&echo_of(1, 4097)).await;
        client.is_closed().await;

        let mut client = Client::silent(over, door(&server)).await;
        client.send_bytes(&long_hello(4097)).await;
        client.is_closed().await;
    }
}

#[tokio::test]
async fn after_it_64_kib_and_not_a_byte_more() {
    let server = alone(connector(Handlers::new())).await;
    at_most(&server, 64 << 10).await;
}

#[tokio::test]
async fn or_what_the_server_is_told() {
    for limit in [100, 200_000] {
        let limits = ConnectorLimits {
            package: limit,
            ..ConnectorLimits::default()
        };
        let hybrid = Hybrid::new().limits(limits);
        let server = alone(connector(Handlers::new()).connector(hybrid)).await;
        at_most(&server, limit).await;
    }
}

async fn at_most(server: &tangelo::server::Server, limit: usize) {
    for over in DOORS {
        let mut client = client(server, over).await;
        client.send_bytes(&echo_of(1, limit)).await;
        assert!(client.reply(1).await.is_string());
        client.send_bytes(&echo_of(2, limit + 1)).await;
        client.is_closed().await;
    }
}

#[tokio::test]
async fn a_length_over_the_limit_is_enough_to_be_cut_off() {
    let server = alone(connector(Handlers::new())).await;
    let mut client = client(&server, Door::Tcp).await;
    client.send_bytes(&[4, 1, 0, 1]).await;
    client.is_closed().await;
}

#[tokio::test]
async fn of_100_notifies_at_once_64_run_here_as_on_a_back_end() {
    for way in [|blueprint| blueprint, with_filters] as [fn(Blueprint) -> Blueprint; 2] {
        let (here, there) = (Hold::new(), Hold::new());
        let (server, _back) = pair(
            way(connector(Handlers::new().add("hold", here.handler()))),
            chat(Handlers::new().add("hold", there.handler())),
        )
        .await;
        for (hold, route) in [(here, "connector.main.hold"), (there, "chat.main.hold")] {
            let mut client = client(&server, Door::Tcp).await;
            for round in 0..2 {
                for _ in 0..100 {
                    client.notify(route, &json!({})).await;
                }
                client.is_refused(ECHO, &json!(round), 429).await;
                hold.entered(64).await;
                hold.release(64);
                // The places are free when the back end has said so.
                let freed = async {
                    loop {
                        let id = client.request(ECHO, &json!(round)).await;
                        if client.reply(id).await == round {
                            break;
                        }
                    }
                };
                soon("room again", freed).await;
            }
        }
    }
}

fn with_filters(blueprint: Blueprint) -> Blueprint {
    blueprint.global_before(|| async {})
}

#[tokio::test]
async fn of_65_requests_at_once_one_is_answered_429_and_64_are_answered() {
    let (here, there) = (Hold::new(), Hold::new());
    let (server, _back) = pair(
        connector(Handlers::new().add("hold", here.handler())),
        chat(Handlers::new().add("hold", there.handler())),
    )
    .await;
    for (hold, route) in [(here, "connector.main.hold"), (there, "chat.main.hold")] {
        for over in DOORS {
            let mut client = client(&server, over).await;
            for _ in 0..64 {
                client.request(route, &json!({})).await;
            }
            hold.entered(64).await;
            client.is_refused(route, &json!({}), 429).await;
            // A notify too many is dropped, and heartbeats are heard still.
            client.notify(route, &json!({})).await;
            client.is_refused(route, &json!({}), 429).await;
            hold.release(64);
            let mut answered: Vec<Value> = Vec::new();
            let mut ids = Vec::new();
            for _ in 0..64 {
                let Said::Reply(id, answer) = client.hear().await else {
                    panic!("expected 64 answers");
                };
                ids.push(id);
                answered.push(answer);
            }
            ids.sort_unstable();
            assert_eq!(ids, (1..=64).collect::<Vec<_>>());
            assert!(answered.iter().all(|answer| *answer == json!({})));
            client.was_ignored(ECHO).await;
        }
    }
}

#[tokio::test]
async fn the_number_at_once_can_be_set() {
    let hold = Hold::new();
    let limits = Limits {
        in_flight: 2,
        ..Limits::default()
    };
    let handlers = Handlers::new().add("hold", hold.handler());
    let server = alone(connector(handlers).limits(limits)).await;
    let mut client = client(&server, Door::Tcp).await;
    client.request("connector.main.hold", &json!({})).await;
    client.notify("connector.main.hold", &json!({})).await;
    hold.entered(2).await;
    client.is_refused(ECHO, &json!({}), 429).await;
    hold.release(2);
    assert_eq!(client.reply(1).await, json!({}));
}

async fn large() -> Body {
    Body(format!("\"{}\"", "x".repeat(60_000)).into())
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off_and_disturbs_nobody() {
    let server = alone(connector(Handlers::new().add("large", large))).await;
    let mut other = client(&server, Door::Tcp).await;
    for over in DOORS {
        let mut deaf = Client::over(over, small_ears(&server).await).await;
        deaf.shake_hands().await;
        // It goes on asking until it notices that nobody is there.
        let flood = async {
            let large = request(1, "connector.main.large", b"");
            let mut asked = 0_u32;
            while deaf.try_send(&large).await {
                asked += 1;
                if asked.is_multiple_of(100) {
                    assert_eq!(other.ask(ECHO, &json!(asked)).await, asked);
                }
            }
            asked
        };
        let asked = soon("a client that does not read is cut off", flood).await;
        assert!(asked > 17, "1 MiB fits 17 answers, cut off after {asked}");
    }
    other.was_ignored(ECHO).await;
}

#[tokio::test]
async fn a_client_that_reads_may_ask_for_more_at_once_than_the_outgoing_limit() {
    // 3 MB of answers, asked for in one write.
    let server = alone(connector(Handlers::new().add("large", large))).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        let all: Vec<u8> = (1..=50)
            .flat_map(|id| request(id, "connector.main.large", b""))
            .collect();
        client.send_bytes(&all).await;
        for id in 1..=50 {
            client.reply(id).await;
        }
    }
}

#[tokio::test]
async fn what_waits_for_a_session_is_bounded() {
    async fn push(Json((count, size)): Json<(usize, usize)>, session: Session) {
        for _ in 0..count {
            session.push("on", &"x".repeat(size)).unwrap();
        }
    }
    let limits = Limits {
        queue: 64 << 10,
        ..Limits::default()
    };
    let limited = |blueprint: Blueprint| blueprint.limits(limits);
    let server = alone(limited(connector(Handlers::new().add("push", push)))).await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        // Taken out of the queue nothing counts any more.
        for id in 1..=3 {
            client
                .request("connector.main.push", &json!([40, 1000]))
                .await;
            for _ in 0..40 {
                client.push("on").await;
            }
            assert_eq!(client.reply(id).await, json!({}));
        }
        client
            .request("connector.main.push", &json!([70, 1000]))
            .await;
        // There is no answer after pushes that are missing.
        while let Said::Push(..) = client.hear().await {}
        client.is_closed().await;
    }
}

#[tokio::test]
async fn limits_and_times_may_be_as_large_as_can_be_said() {
    const EVER: Duration = Duration::MAX;
    async fn join(session: Session, channels: Channels) -> Result<()> {
        session.bind("u").await?;
        Ok(channels.get_or_create("all").add(&session)?)
    }
    async fn noop() {}
    let make = |blueprint: Blueprint| {
        blueprint
            .heartbeat(EVER)
            .limits(Limits {
                in_flight: u32::MAX,
                queue: usize::MAX,
                deadline: Some(EVER),
                blocking: usize::MAX,
            })
            .max_connections(usize::MAX)
            .filter(Serial::new(EVER))
            .filter(Timeout::new(EVER))
            .filter(RateLimit::new(u32::MAX, EVER))
    };
    let handlers = || {
        Handlers::new()
            .add("join", join)
            .add("noop", noop.deadline(EVER))
            .add("block", noop.blocking())
    };
    let (server, back) = both(handlers, |blueprint| {
        make(blueprint).remote("main", remotes! { noop })
    })
    .await;
    for over in DOORS {
        let mut client = client(&server, over).await;
        assert_eq!(client.hear().await, Said::Heartbeat);
        for place in PLACES {
            for method in ["noop", "block", "join"] {
                let route = format!("{place}.main.{method}");
                assert_eq!(client.ask(&route, &json!({})).await, json!({}), "{route}");
            }
        }
    }
    let call = back
        .context()
        .rpc()
        .invoke::<()>("connector.main.noop", "key", &());
    soon("an answer", async { call.timeout(EVER).await })
        .await
        .unwrap();
    let all = back.context().channels().get_or_create("all");
    let confirmed = all.push_confirmed(Receivers::All, "on", &1, EVER);
    soon("all say so", confirmed).await.unwrap();
    for server in [server, back] {
        assert_eq!(soon("it ends", server.shutdown(EVER)).await, 0);
    }
}
