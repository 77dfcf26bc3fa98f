//! Handlers that are run in a manner of their own: with a deadline, on a thread, only for clients that stay.

use std::{
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tangelo::server::{Answered, Blueprint, HandlerExt, Handlers, Json, Limits, Request, Session};

use crate::{
    client::{DOORS, Door},
    world::{Heard, Hold, PLACES, alone, both, chat, client, connector, pair},
};

const SHORT: Duration = Duration::from_millis(50);

/// The same blueprint; and one that requests pass filters in.
const WAYS: [fn(Blueprint) -> Blueprint; 2] = [
    |blueprint| blueprint,
    |blueprint| blueprint.before(|| async {}).after(|_: Answered| async {}),
];

#[tokio::test]
async fn a_handler_with_a_deadline_is_answered_504_then_and_others_are_not() {
    for way in WAYS {
        let hold = Hold::new();
        let handlers = || {
            Handlers::new()
                .add("short", hold.handler().deadline(SHORT))
                .add("long", hold.handler())
        };
        let (server, _back) = both(handlers, way).await;
        for over in DOORS {
            let mut client = client(&server, over).await;
            for place in PLACES {
                let long = client
                    .request(&format!("{place}.main.long"), &json!({}))
                    .await;
                hold.entered(1).await;
                client
                    .is_refused(&format!("{place}.main.short"), &json!({}), 504)
                    .await;
                hold.entered(1).await;
                client.was_ignored(&format!("{place}.main.echo")).await;
                hold.release(1);
                client.reply(long).await;
            }
        }
    }
}

#[tokio::test]
async fn a_back_end_may_have_less_time_than_the_front_end_and_not_more() {
    let limits = |deadline: Duration| {
        move |server: Blueprint| server.change_limits(|limits| limits.deadline = Some(deadline))
    };
    let long = Duration::from_secs(600);
    for (connector_has, chat_has) in [(long, SHORT), (SHORT, long)] {
        for way in WAYS {
            let hold = Hold::new();
            let handlers = Handlers::new().add("wait", hold.handler());
            let (server, _back) = pair(
                limits(connector_has)(way(connector(Handlers::new()))),
                limits(chat_has)(way(chat(handlers))),
            )
            .await;
            let mut client = client(&server, Door::Tcp).await;
            client.is_refused("chat.main.wait", &json!({}), 504).await;
        }
    }
}

#[tokio::test]
async fn the_time_of_before_filters_is_the_handlers() {
    let hold = Hold::new();
    let make = |blueprint: Blueprint| {
        let hold = hold.clone();
        blueprint.before(move || {
            let hold = hold.clone();
            async move { hold.pass().await }
        })
    };
    async fn at_once() {}
    let handlers = || Handlers::new().add("at_once", at_once.deadline(SHORT));
    let (server, _back) = both(handlers, make).await;
    let mut client = client(&server, Door::Tcp).await;
    for place in PLACES {
        client
            .is_refused(&format!("{place}.main.at_once"), &json!({}), 504)
            .await;
        hold.entered(1).await;
    }
}

#[tokio::test]
async fn and_so_is_the_time_that_an_earlier_request_takes_in_them() {
    let hold = Hold::new();
    let make = |blueprint: Blueprint| {
        let hold = hold.clone();
        blueprint.before(move |Json(body): Json<Value>| {
            let hold = hold.clone();
            async move {
                if body == "hold" {
                    hold.pass().await;
                }
            }
        })
    };
    async fn at_once() {}
    let handlers = || Handlers::new().add("at_once", at_once.deadline(SHORT));
    let (server, _back) = both(handlers, make).await;
    let mut client = client(&server, Door::Tcp).await;
    for place in PLACES {
        let earlier = client
            .request(&format!("{place}.main.echo"), &json!("hold"))
            .await;
        hold.entered(1).await;
        client
            .is_refused(&format!("{place}.main.at_once"), &json!({}), 504)
            .await;
        hold.release(1);
        assert_eq!(client.reply(earlier).await, "hold");
    }
}

#[tokio::test]
async fn a_handler_sees_when_its_answer_is_due_and_the_servers_deadline_comes_first() {
    async fn due(request: Request) -> Json<u64> {
        let left = request
            .deadline()
            .duration_since(tokio::time::Instant::now());
        Json(left.as_secs())
    }
    let secs = Duration::from_secs;
    for way in WAYS {
        let handlers = || {
            Handlers::new()
                .add("sooner", due.deadline(secs(5)))
                .add("later", due.deadline(secs(100)))
        };
        let make = |blueprint: Blueprint| {
            way(blueprint).limits(Limits {
                deadline: Some(secs(20)),
                ..Limits::default()
            })
        };
        let (server, _back) = both(handlers, make).await;
        let mut client = client(&server, Door::Tcp).await;
        for place in PLACES {
            for (method, due) in [("sooner", 4), ("later", 19)] {
                let answer = client
                    .ask(&format!("{place}.main.{method}"), &json!({}))
                    .await;
                assert_eq!(answer, due, "{place} {method}");
            }
        }
    }
}

/// Blocks its thread until the test says a word.
fn blocks() -> (
    mpsc::Sender<()>,
    impl Fn() -> std::future::Ready<()> + Clone,
) {
    let (go_on, blocked) = mpsc::channel();
    let blocked = Arc::new(Mutex::new(blocked));
    let block = move || {
        let _ = blocked.lock().unwrap().recv_timeout(crate::world::DEADLINE);
        std::future::ready(())
    };
    (go_on, block)
}

#[tokio::test]
async fn a_blocking_handler_keeps_nobody_waiting() {
    async fn sums(Json((one, other)): Json<(u32, u32)>, session: Session) -> Json<Value> {
        tokio::task::yield_now().await;
        Json(json!([one + other, session.frontend_id()]))
    }
    for way in WAYS {
        let (go_on, block) = blocks();
        let handlers = || {
            Handlers::new()
                .add("block", block.clone().blocking())
                .add("sums", sums.blocking())
        };
        // In this test all else is one thread.
        let (server, _back) = both(handlers, way).await;
        for over in DOORS {
            let mut client = client(&server, over).await;
            for place in PLACES {
                let blocked = client
                    .request(&format!("{place}.main.block"), &json!({}))
                    .await;
                client.was_ignored(&format!("{place}.main.echo")).await;
                let sum = client
                    .ask(&format!("{place}.main.sums"), &json!([1, 2]))
                    .await;
                assert_eq!(sum, json!([3, "connector-1"]));
                go_on.send(()).unwrap();
                client.reply(blocked).await;
            }
        }
    }
}

#[tokio::test]
async fn a_blocking_handler_that_panics_or_does_not_understand_is_answered_so() {
    async fn panics() {
        panic!("on purpose, on a thread");
    }
    async fn takes(_: Json<u32>) {}
    let handlers = || {
        Handlers::new()
            .add("panics", panics.blocking())
            .add("takes", takes.blocking())
    };
    let (server, _back) = both(handlers, |blueprint| blueprint).await;
    let mut client = client(&server, Door::Tcp).await;
    for place in PLACES {
        client
            .is_refused(&format!("{place}.main.panics"), &json!({}), 500)
            .await;
        client
            .is_refused(&format!("{place}.main.takes"), &json!("x"), 400)
            .await;
    }
}

#[tokio::test]
async fn as_many_handlers_block_as_may_and_one_more_is_answered_503() {
    let (go_on, block) = blocks();
    let limits = Limits {
        blocking: 2,
        ..Limits::default()
    };
    let handlers = || Handlers::new().add("block", block.clone().blocking());
    let (server, _back) = both(handlers, |blueprint| blueprint.limits(limits)).await;
    let mut client = client(&server, Door::Tcp).await;
    for place in PLACES {
        let route = format!("{place}.main.block");
        let first = client.request(&route, &json!({})).await;
        let second = client.request(&route, &json!({})).await;
        client.is_refused(&route, &json!({}), 503).await;
        for _ in 0..2 {
            go_on.send(()).unwrap();
        }
        for _ in [first, second] {
            client.hear().await;
        }
        let again = client.request(&route, &json!({})).await;
        go_on.send(()).unwrap();
        client.reply(again).await;
    }
}

#[tokio::test]
async fn a_blocking_handler_is_answered_504_at_its_deadline_and_its_thread_counts_on() {
    let (go_on, block) = blocks();
    let limits = Limits {
        blocking: 1,
        ..Limits::default()
    };
    let handlers = || Handlers::new().add("block", block.clone().blocking().deadline(SHORT));
    let (server, _back) = both(handlers, |blueprint| blueprint.limits(limits)).await;
    let mut client = client(&server, Door::Tcp).await;
    for place in PLACES {
        let route = format!("{place}.main.block");
        client.is_refused(&route, &json!({}), 504).await;
        client.is_refused(&route, &json!({}), 503).await;
        go_on.send(()).unwrap();
    }
}

/// Tells when it begins, and when it is done or dropped.
fn tells(heard: &Heard<&'static str>, hold: &Hold) -> Handlers {
    struct Dropped<T: Fn(&'static str)>(T);
    impl<T: Fn(&'static str)> Drop for Dropped<T> {
        fn drop(&mut self) {
            (self.0)("over");
        }
    }
    let (tell, hold) = (heard.teller(), hold.clone());
    let handler = move || {
        let (tell, hold) = (tell.clone(), hold.clone());
        async move {
            let _over = Dropped(tell.clone());
            hold.pass().await;
            tell("done");
        }
    };
    Handlers::new()
        .add("stays", handler.clone())
        .add("goes", handler.cancel_with_client())
}

#[tokio::test]
async fn a_handler_runs_on_when_its_client_has_gone_unless_it_is_told_otherwise() {
    for way in WAYS {
        let (mut heard, hold) = (Heard::new(), Hold::new());
        let (server, _back) = both(|| tells(&heard, &hold), way).await;
        for over in DOORS {
            for place in PLACES {
                let (mut leaves, mut stays) =
                    (client(&server, over).await, client(&server, over).await);
                let other = stays
                    .request(&format!("{place}.main.goes"), &json!({}))
                    .await;
                leaves
                    .request(&format!("{place}.main.stays"), &json!({}))
                    .await;
                leaves
                    .request(&format!("{place}.main.goes"), &json!({}))
                    .await;
                hold.entered(3).await;
                drop(leaves);
                assert_eq!(
                    heard.next("what goes with its client is over").await,
                    "over"
                );
                heard.is_silent();
                hold.release(2);
                for _ in 0..2 {
                    assert_eq!(heard.next("what stays is done").await, "done");
                    assert_eq!(heard.next("and over").await, "over");
                }
                stays.reply(other).await;
            }
        }
    }
}

#[tokio::test]
async fn a_notify_that_goes_with_its_client_goes_too() {
    for way in WAYS {
        let (mut heard, hold) = (Heard::new(), Hold::new());
        let server = alone(way(connector(tells(&heard, &hold)))).await;
        let mut leaves = client(&server, Door::Tcp).await;
        leaves.notify("connector.main.goes", &json!({})).await;
        hold.entered(1).await;
        drop(leaves);
        assert_eq!(heard.next("it is over").await, "over");
    }
}

#[tokio::test]
async fn what_goes_with_its_client_goes_with_a_front_end_that_is_lost() {
    for way in WAYS {
        let (mut heard, hold) = (Heard::new(), Hold::new());
        let (server, _back) = both(|| tells(&heard, &hold), way).await;
        let mut client = client(&server, Door::Tcp).await;
        client.request("chat.main.goes", &json!({})).await;
        hold.entered(1).await;
        server.leave(Duration::ZERO).await;
        assert_eq!(heard.next("it is over").await, "over");
    }
}

#[tokio::test]
async fn a_deadline_does_not_come_late_however_many_wait() {
    let hold = Hold::new();
    let handlers = || Handlers::new().add("short", hold.handler().deadline(SHORT));
    let (server, _back) = both(handlers, |blueprint| blueprint).await;
    let mut client = client(&server, Door::Tcp).await;
    for place in PLACES {
        let begun = Instant::now();
        for _ in 0..60 {
            client
                .request(&format!("{place}.main.short"), &json!({}))
                .await;
        }
        for _ in 0..60 {
            client.hear().await;
        }
        assert!(begun.elapsed() >= SHORT);
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "long before the server's deadline"
        );
    }
}
