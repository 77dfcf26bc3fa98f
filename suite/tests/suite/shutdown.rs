//! How servers end.

use std::time::Duration;

use serde_json::json;
use tangelo::server::{Handlers, Session};

use crate::{
    client::{Client, DOORS, Door, Said},
    world::{
        DEADLINE, Heard, Hold, alone, chat, client, connector, door, pair, small_ears, soon,
        with_room,
    },
};

#[tokio::test]
async fn closing_doors_answers_what_runs_and_refuses_new_requests() {
    let (here, there) = (Hold::new(), Hold::new());
    let (server, back) = pair(
        connector(Handlers::new().add("hold", here.handler())),
        chat(Handlers::new().add("hold", there.handler())),
    )
    .await;
    let mut clients = Vec::new();
    for over in DOORS {
        let mut client = client(&server, over).await;
        client.request("connector.main.hold", &json!({})).await;
        client.request("chat.main.hold", &json!({})).await;
        here.entered(1).await;
        there.entered(1).await;
        clients.push(client);
    }
    let mut idle = client(&server, Door::Tcp).await;
    let (cut_off, ()) = tokio::join!(
        soon("the doors close", server.close_doors(DEADLINE)),
        async {
            for client in &mut clients {
                client
                    .is_refused("connector.main.echo", &json!({}), 503)
                    .await;
                client.is_refused("chat.main.echo", &json!({}), 503).await;
            }
            // Nothing runs for this one, so it goes at once.
            idle.is_closed().await;
            here.release(2);
            for client in &mut clients {
                assert_eq!(client.reply(1).await, json!({}));
            }
            there.release(2);
            for client in &mut clients {
                assert_eq!(client.reply(2).await, json!({}));
                client.is_closed().await;
            }
        }
    );
    assert_eq!(cut_off, 0);
    assert_eq!(soon("it leaves", server.leave(DEADLINE)).await, 0);
    assert_eq!(soon("its back end leaves", back.leave(DEADLINE)).await, 0);
    assert_eq!(server.context().sessions().count(), 0);
}

#[tokio::test]
async fn closing_doors_loses_nothing_that_was_said_to_a_client_that_reads_late() {
    const REQUESTS: u32 = 60;
    const PUSHES: u32 = 80;
    let (hold, mut done) = (Hold::new(), Heard::new());
    let large = {
        let (hold, done) = (hold.clone(), done.teller());
        move |session: Session| {
            let (hold, done) = (hold.clone(), done.clone());
            async move {
                hold.pass().await;
                for _ in 0..PUSHES {
                    session.push("on", &"x".repeat(2_000))?;
                }
                done(());
                Ok::<_, tangelo::Error>(())
            }
        }
    };
    for over in DOORS {
        let blueprint = connector(Handlers::new().add("large", large.clone()));
        let server = alone(with_room(blueprint)).await;
        let mut client = Client::over(over, small_ears(&server).await).await;
        client.shake_hands().await;
        for _ in 0..REQUESTS {
            client.request("connector.main.large", &json!({})).await;
        }
        hold.entered(REQUESTS).await;
        hold.release(REQUESTS as usize);
        let closing = soon("the doors close", server.close_doors(DEADLINE));
        let hear = async {
            for _ in 0..REQUESTS {
                done.next("a handler is done").await;
            }
            let (mut pushes, mut replies) = (0, 0);
            while replies < REQUESTS {
                match client.hear().await {
                    Said::Push(..) => pushes += 1,
                    Said::Reply(..) => replies += 1,
                    other => panic!("{other:?} after {replies} answers"),
                }
                assert!(pushes >= PUSHES * replies);
            }
            client.is_closed().await;
        };
        let (cut_off, ()) = tokio::join!(closing, hear);
        assert_eq!(cut_off, 0);
    }
}

#[tokio::test]
async fn behind_closed_doors_nobody_is_let_in() {
    let server = alone(connector(Handlers::new())).await;
    let mut early = Client::silent(Door::Tcp, door(&server)).await;
    assert_eq!(
        soon("the doors close", server.close_doors(DEADLINE)).await,
        0
    );
    early.is_closed().await;
    let refused = tokio::net::TcpStream::connect(door(&server)).await;
    refused.unwrap_err();
}

#[tokio::test]
async fn a_handler_that_outlives_the_patience_is_cut_off_and_counted() {
    let hold = Hold::new();
    let server = alone(connector(Handlers::new().add("hold", hold.handler()))).await;
    let mut patient = client(&server, Door::Tcp).await;
    patient.request("connector.main.hold", &json!({})).await;
    hold.entered(1).await;
    let _idle = client(&server, Door::WebSocket).await;
    let patience = Duration::from_millis(100);
    assert_eq!(
        soon("the doors close", server.close_doors(patience)).await,
        1
    );
    patient.is_closed().await;
    assert_eq!(server.context().sessions().count(), 0);
}

#[tokio::test]
async fn a_component_that_stops_when_told_holds_nobody_up() {
    let mut ended = Heard::new();
    struct Tell(Box<dyn Fn(()) + Send + Sync>);
    impl Drop for Tell {
        fn drop(&mut self) {
            (self.0)(());
        }
    }
    let tell = Tell(Box::new(ended.teller()));
    let blueprint = connector(Handlers::new()).component("page", |_| async move {
        Ok::<_, std::io::Error>(async move {
            let _tell = tell;
            std::future::pending::<()>().await;
        })
    });
    let server = alone(blueprint).await;
    ended.is_silent();
    assert_eq!(soon("it leaves", server.leave(DEADLINE)).await, 0);
    ended.next("the component has ended").await;
}
