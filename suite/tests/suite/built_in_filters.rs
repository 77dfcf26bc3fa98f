//! The filters that are there already.

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tangelo::{
    Result,
    server::{
        Answered, Blueprint, Handlers, Json, Session,
        filters::{RateLimit, Serial, Time, Timeout, TooBusy},
    },
};

use crate::{
    client::{DOORS, Door, Said},
    log::Log,
    world::{Heard, Hold, PLACES, alone, both, chat, client, connector, pair, until},
};

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(3600);

/// Tells the number it is asked with, then waits.
fn begins(heard: &Heard<u64>, hold: &Hold) -> Handlers {
    let (tell, hold) = (heard.teller(), hold.clone());
    Handlers::new().add("begin", move |Json(number): Json<u64>| {
        tell(number);
        let hold = hold.clone();
        async move {
            hold.pass().await;
            Json(number)
        }
    })
}

/// Each way the filter may be added.
const WAYS: [fn(Blueprint, Serial) -> Blueprint; 2] = [
    |blueprint, serial| blueprint.filter(serial),
    |blueprint, serial| blueprint.global_filter(serial),
];

#[tokio::test]
async fn serial_lets_one_request_of_a_session_after_the_other_through() {
    for way in WAYS {
        let (mut heard, hold) = (Heard::new(), Hold::new());
        let make = |blueprint: Blueprint| way(blueprint, Serial::new(LONG));
        let (server, _back) = both(|| begins(&heard, &hold), make).await;
        for over in DOORS {
            for place in PLACES {
                let route = format!("{place}.main.begin");
                let mut client = client(&server, over).await;
                let mut other = crate::world::client(&server, over).await;
                for number in 1..=10 {
                    client.request(&route, &json!(number)).await;
                }
                for number in 1..=10 {
                    assert_eq!(heard.next("the next one begins").await, number);
                    other.request(&route, &json!(100)).await;
                    assert_eq!(heard.next("another session's as well").await, 100);
                    heard.is_silent();
                    hold.release(2);
                    other.hear().await;
                    assert!(matches!(client.hear().await, Said::Reply(_, told) if told == number));
                }
            }
        }
    }
}

#[tokio::test]
async fn serial_waits_for_what_failed_or_was_never_there_no_longer_than_for_other_requests() {
    async fn panics() {
        panic!("on purpose");
    }
    let make = |blueprint: Blueprint| blueprint.filter(Serial::new(LONG));
    let (server, _back) = both(|| Handlers::new().add("panics", panics), make).await;
    let mut client = client(&server, Door::Tcp).await;
    for place in PLACES {
        for method in ["panics", "nothing", "echo"] {
            client
                .request(&format!("{place}.main.{method}"), &json!({}))
                .await;
            client
                .notify(&format!("{place}.main.{method}"), &json!({}))
                .await;
        }
        for _ in 0..3 {
            assert!(matches!(client.hear().await, Said::Reply(..)));
        }
    }
}

#[tokio::test]
async fn serial_begins_the_next_request_when_the_time_of_the_one_before_it_expires() {
    let (mut heard, hold) = (Heard::new(), Hold::new());
    let make = |blueprint: Blueprint| blueprint.filter(Serial::new(SHORT));
    let (server, _back) = both(|| begins(&heard, &hold), make).await;
    let mut client = client(&server, Door::Tcp).await;
    for place in PLACES {
        let route = format!("{place}.main.begin");
        let begun = Instant::now();
        let mut ids = Vec::new();
        for number in 0..3 {
            ids.push(client.request(&route, &json!(number)).await);
        }
        for number in 0..3 {
            assert_eq!(heard.next("one begins").await, number);
            assert!(begun.elapsed() >= number as u32 * SHORT);
        }
        // What has expired runs on, and its answer is its own.
        hold.release(3);
        let mut answers = Vec::new();
        for _ in 0..3 {
            let Said::Reply(id, number) = client.hear().await else {
                panic!("expected an answer");
            };
            answers.push((id, number));
        }
        answers.sort_by_key(|(id, _)| *id);
        let all: Vec<_> = ids
            .into_iter()
            .zip((0..3).map(|number| json!(number)))
            .collect();
        assert_eq!(answers, all);
    }
}

#[tokio::test]
async fn serial_begins_the_next_request_when_the_after_filters_inside_it_are_done() {
    let (mut heard, hold) = (Heard::new(), Hold::new());
    let (inside, outside) = (Hold::new(), Hold::new());
    let held = |hold: &Hold| {
        let hold = hold.clone();
        move |_: Answered| {
            let hold = hold.clone();
            async move { hold.pass().await }
        }
    };
    let make = |blueprint: Blueprint| {
        blueprint
            .after(held(&outside))
            .filter(Serial::new(LONG))
            .after(held(&inside))
    };
    let (server, _back) = both(|| begins(&heard, &hold), make).await;
    let mut client = client(&server, Door::Tcp).await;
    for place in PLACES {
        let route = format!("{place}.main.begin");
        hold.release(2);
        let first = client.request(&route, &json!(1)).await;
        let second = client.request(&route, &json!(2)).await;
        assert_eq!(heard.next("the first").await, 1);
        client.reply(first).await;
        inside.entered(1).await;
        heard.is_silent();
        inside.release(1);
        assert_eq!(heard.next("the second").await, 2);
        client.reply(second).await;
        inside.entered(1).await;
        inside.release(1);
        outside.entered(2).await;
        outside.release(2);
        hold.entered(2).await;
    }
}

#[tokio::test]
async fn serial_lets_no_session_wait_for_one_that_has_gone() {
    let (mut heard, hold) = (Heard::new(), Hold::new());
    let server = connector(Handlers::new()).global_filter(Serial::new(LONG));
    let (server, _back) = pair(server, chat(begins(&heard, &hold))).await;
    for _ in 0..3 {
        let mut client = client(&server, Door::Tcp).await;
        client.request("chat.main.begin", &json!(1)).await;
        client.request("chat.main.begin", &json!(2)).await;
        assert_eq!(heard.next("the first").await, 1);
        drop(client);
    }
    until("all sessions close", || {
        server.context().sessions().count() == 0
    })
    .await;
    heard.is_silent();
}

#[tokio::test]
async fn timeout_warns_of_a_request_that_takes_long_and_ends_nothing() {
    let log = Log::keep();
    let hold = Hold::new();
    let make = |blueprint: Blueprint| blueprint.filter(Timeout::new(SHORT));
    let handlers = || Handlers::new().add("hold", hold.handler());
    let (server, _back) = both(handlers, make).await;
    let mut client = client(&server, Door::Tcp).await;
    for place in PLACES {
        client.was_ignored(&format!("{place}.main.echo")).await;
        let route = format!("{place}.main.hold");
        let id = client.request(&route, &json!({})).await;
        until("the warning is written", || {
            log.lines(&["WARN", "request timeout", &route]).len() == 1
        })
        .await;
        hold.release(1);
        assert_eq!(client.reply(id).await, json!({}));
    }
    assert_eq!(log.lines(&["request timeout"]).len(), 2);
}

#[tokio::test]
async fn timeout_watches_as_many_requests_as_it_is_told_to() {
    let log = Log::keep();
    let hold = Hold::new();
    let server = connector(Handlers::new().add("hold", hold.handler()));
    let server = alone(server.filter(Timeout::new(SHORT).most(3))).await;
    let mut client = client(&server, Door::Tcp).await;
    for _ in 0..2 {
        for _ in 0..5 {
            client.request("connector.main.hold", &json!({})).await;
        }
        let logged = log.lines(&["request timeout"]).len();
        until("the warnings are written", || {
            log.lines(&["request timeout"]).len() == logged + 3
        })
        .await;
        hold.release(5);
        for _ in 0..5 {
            client.hear().await;
        }
    }
    assert_eq!(log.lines(&["request timeout"]).len(), 6);
}

#[tokio::test]
async fn time_writes_a_line_with_route_code_and_time_used() {
    async fn fails() -> Result<()> {
        Err(tangelo::rpc::Status::new(777, "no").into())
    }
    let log = Log::keep();
    let hold = Hold::new();
    let handlers = || {
        Handlers::new()
            .add("hold", hold.handler())
            .add("fails", fails)
    };
    let make = |blueprint: Blueprint| blueprint.filter(Time::new());
    let (server, _back) = both(handlers, make).await;
    let mut client = client(&server, Door::Tcp).await;
    let used = |line: &str| -> f64 {
        let (_, used) = line.split_once("time_used_ms=").unwrap();
        used.split_whitespace().next().unwrap().parse().unwrap()
    };
    for place in PLACES {
        let route = format!("{place}.main.hold");
        let begun = Instant::now();
        let id = client.request(&route, &json!("a password")).await;
        hold.entered(1).await;
        let held = Instant::now();
        tokio::time::sleep(SHORT / 5).await;
        let held = held.elapsed();
        hold.release(1);
        client.reply(id).await;
        until("the line is written", || {
            log.lines(&["con-log", &route]).len() == 1
        })
        .await;
        let lines = log.lines(&["con-log", &route]);
        let used = used(&lines[0]);
        assert!(used >= held.as_secs_f64() * 1e3 && used <= begun.elapsed().as_secs_f64() * 1e3);
        assert!(
            !lines[0].contains("code=") && !lines[0].contains("password"),
            "{lines:?}"
        );

        let route = format!("{place}.main.fails");
        client.is_refused(&route, &json!({}), 777).await;
        until("the line is written", || {
            log.lines(&["con-log", &route, "code=777"]).len() == 1
        })
        .await;
    }
}

#[tokio::test]
async fn too_busy_refuses_with_503_while_the_runtime_lags_and_serves_when_it_does_not() {
    let filter = Arc::new(TooBusy::default());
    let make = |blueprint: Blueprint| blueprint.filter(Arc::clone(&filter));
    let block = || {
        // Nothing of this test runs meanwhile.
        let (_nobody, blocked) = mpsc::channel::<()>();
        let _ = blocked.recv_timeout(Duration::from_millis(600));
        std::future::ready(())
    };
    let handlers = || Handlers::new().add("block", block);
    let (server, _back) = both(handlers, make).await;
    let mut client = client(&server, Door::Tcp).await;
    for place in PLACES {
        let (echo, block) = (format!("{place}.main.echo"), format!("{place}.main.block"));
        until("the filter looks", || {
            filter.lag() < Duration::from_millis(70)
        })
        .await;
        crate::world::soon("it is not busy", async {
            while client.ask(&echo, &json!({})).await != json!({}) {}
        })
        .await;
        let blocks = client.request(&block, &json!({})).await;
        let refused = client.request(&echo, &json!({})).await;
        client.reply(blocks).await;
        let answer = client.reply(refused).await;
        assert_eq!(
            answer,
            json!({ "code": 503, "msg": "the server is too busy" })
        );
        crate::world::soon("it is not busy any more", async {
            while client.ask(&echo, &json!({})).await["code"] == 503 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn rate_limit_answers_429_beyond_so_many_requests_of_a_session_and_drops_notifies() {
    let mut heard = Heard::new();
    let handlers = || {
        let tell = heard.teller();
        Handlers::new().add("tell", move |Json(number): Json<u64>| {
            tell(number);
            std::future::ready(())
        })
    };
    let make = |blueprint: Blueprint| blueprint.filter(RateLimit::new(3, LONG));
    let (server, _back) = both(handlers, make).await;
    for over in DOORS {
        // A session has a bucket on each of the two servers.
        let (mut one, mut other) = (client(&server, over).await, client(&server, over).await);
        for place in PLACES {
            let (echo, tell) = (format!("{place}.main.echo"), format!("{place}.main.tell"));
            one.notify(&tell, &json!(1)).await;
            for _ in 0..2 {
                one.was_ignored(&echo).await;
            }
            let answer = one.ask(&echo, &json!({})).await;
            assert_eq!(answer["code"], 429, "{answer}");
            one.notify(&tell, &json!(2)).await;
            one.is_refused(&echo, &json!({}), 429).await;
            assert_eq!(heard.next("the first notify").await, 1);
            heard.is_silent();
            other.was_ignored(&echo).await;
        }
    }
}

#[tokio::test]
async fn rate_limit_may_count_the_requests_of_a_user_or_of_an_address_together() {
    async fn bind(Json(uid): Json<String>, session: Session) -> Result<()> {
        session.bind(&*uid).await?;
        Ok(())
    }
    async fn noop() {}
    // What binds is not counted.
    let counted = |limit: RateLimit| {
        connector(Handlers::new().add("bind", bind).add("noop", noop)).global_before(Only(limit))
    };
    for by_uid in [true, false] {
        let limit = RateLimit::new(3, LONG);
        let limit = if by_uid {
            limit.by_uid()
        } else {
            limit.by_address()
        };
        let server = alone(counted(limit)).await;
        const NOOP: &str = "connector.main.noop";
        let (mut one, mut same, mut stranger) = (
            client(&server, Door::Tcp).await,
            client(&server, Door::WebSocket).await,
            client(&server, Door::Tcp).await,
        );
        for client in [&mut one, &mut same] {
            client.ask("connector.main.bind", &json!("ann")).await;
        }
        one.ask(NOOP, &json!({})).await;
        one.ask(NOOP, &json!({})).await;
        assert_eq!(same.ask(NOOP, &json!({})).await, json!({}));
        same.is_refused(NOOP, &json!({}), 429).await;
        one.is_refused(NOOP, &json!({}), 429).await;
        let answer: Value = stranger.ask(NOOP, &json!({})).await;
        let refused = !by_uid;
        assert_eq!(answer["code"] == 429, refused, "{answer}");
    }
}

#[tokio::test]
async fn rate_limit_knows_the_address_of_a_client_on_a_back_end() {
    let back = chat(Handlers::new()).filter(RateLimit::new(1, LONG).by_address());
    let (server, _back) = pair(connector(Handlers::new()), back).await;
    let (mut one, mut same) = (
        client(&server, Door::Tcp).await,
        client(&server, Door::WebSocket).await,
    );
    one.was_ignored("chat.main.echo").await;
    same.is_refused("chat.main.echo", &json!({}), 429).await;
}

/// Counts requests for `noop` alone.
struct Only(RateLimit);

impl tangelo::server::Filter for Only {
    async fn before(&self, request: &mut tangelo::server::Request) -> Result<()> {
        match request.route().ends_with(b"noop") {
            true => self.0.before(request).await,
            false => Ok(()),
        }
    }
}
