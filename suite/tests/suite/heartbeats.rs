//! Signs of life. These tests run on a clock of their own.

use std::time::Duration;

use serde_json::json;
use tangelo::server::{Handlers, Limits};
use tangelo_wire::pomelo::package::Kind;
use tokio::time::{Instant, sleep};

use crate::{
    client::{Client, DOORS, Door, Said},
    world::{alone, connector, door},
};

const INTERVAL: Duration = Duration::from_secs(3);

#[tokio::test]
async fn each_is_answered_with_one() {
    let server = alone(connector(Handlers::new()).heartbeat(INTERVAL)).await;
    for over in DOORS {
        let mut client = Client::connect(over, door(&server)).await;
        // Pomelo's server sends the first one when the handshake is acknowledged.
        assert_eq!(client.hear().await, Said::Heartbeat);
        for _ in 0..3 {
            client.send(Kind::Heartbeat, b"").await;
            assert_eq!(client.hear().await, Said::Heartbeat);
        }
        client.was_ignored("connector.main.echo").await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_silent_for_two_of_them_is_cut_off() {
    let server = alone(connector(Handlers::new()).heartbeat(INTERVAL)).await;
    for over in DOORS {
        let mut client = Client::connect(over, door(&server)).await;
        assert_eq!(client.hear().await, Said::Heartbeat);
        let silent = Instant::now();
        client.patience = INTERVAL * 10;
        client.is_closed().await;
        let waited = silent.elapsed();
        assert!(
            (INTERVAL * 2..INTERVAL * 3).contains(&waited),
            "{over:?}: {waited:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_sends_them_or_anything_else_is_not() {
    let server = alone(connector(Handlers::new()).heartbeat(INTERVAL)).await;
    let mut client = Client::connect(Door::Tcp, door(&server)).await;
    assert_eq!(client.hear().await, Said::Heartbeat);
    for round in 0..20 {
        sleep(INTERVAL * 2 - Duration::from_millis(100)).await;
        if round % 2 == 0 {
            client.send(Kind::Heartbeat, b"").await;
            assert_eq!(client.hear().await, Said::Heartbeat);
        } else {
            assert_eq!(
                client.ask("connector.main.echo", &json!(round)).await,
                round
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_away_reads_before_it_takes_somebody_for_silent() {
    let server = alone(connector(Handlers::new()).heartbeat(INTERVAL)).await;
    for over in DOORS {
        let mut client = Client::connect(over, door(&server)).await;
        assert_eq!(client.hear().await, Said::Heartbeat);
        for _ in 0..3 {
            client.send(Kind::Heartbeat, b"").await;
            tokio::time::advance(INTERVAL * 3).await;
            assert_eq!(client.hear().await, Said::Heartbeat);
        }
        client.patience = INTERVAL * 10;
        client.is_closed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_them_only_long_silence_is_the_end() {
    let server = alone(connector(Handlers::new())).await;
    let mut client = Client::connect(Door::Tcp, door(&server)).await;
    client.was_ignored("connector.main.echo").await;
    let silent = Instant::now();
    client.patience = Limits::IDLE * 2;
    client.is_closed().await;
    assert!(silent.elapsed() >= Limits::IDLE);
}
