//! Back ends that are down, go, and come again, as their callers notice it.

use std::time::Duration;

use serde_json::json;
use tangelo::{
    registry::Instance,
    server::{Handlers, Server},
};
use tokio::task::JoinSet;

use crate::{
    client::{DOORS, Door, Said},
    world::{
        DEADLINE, Heard, Hold, World, back_at_a_place_of_its_own, chat, client, connector, front,
        soon,
    },
};

const HOLD: &str = "chat.main.hold";
const ECHO: &str = "chat.main.echo";

/// A front end, and a back end that may go and come, which is the only one of its type.
struct Fixture {
    world: World,
    place: Instance,
    front: Server,
    hold: Hold,
}

impl Fixture {
    async fn new() -> Self {
        let (place, door) = (back_at_a_place_of_its_own("chat-1"), front("connector-1"));
        let world = World::fixed(&[&place, &door]);
        Self {
            front: world.start(connector(Handlers::new()), door).await,
            world,
            place,
            hold: Hold::new(),
        }
    }

    async fn start_back(&self) -> Server {
        let handlers = Handlers::new().add("hold", self.hold.handler());
        let back = self.world.start(chat(handlers), self.place.clone()).await;
        soon("the servers meet", self.front.connected()).await;
        back
    }
}

#[tokio::test]
async fn a_back_end_that_is_down_is_answered_503_until_it_is_up() {
    let fixture = Fixture::new().await;
    for over in DOORS {
        let mut client = client(&fixture.front, over).await;
        client.is_refused(ECHO, &json!({}), 503).await;
        client.notify(ECHO, &json!({})).await;
        client.was_ignored("connector.main.echo").await;
    }
    let _back = fixture.start_back().await;
    for over in DOORS {
        let mut client = client(&fixture.front, over).await;
        assert_eq!(client.ask(ECHO, &json!([1])).await, json!([1]));
    }
}

#[tokio::test]
async fn a_back_end_that_is_killed_is_answered_502_for_what_ran_and_503_after() {
    let fixture = Fixture::new().await;
    let back = fixture.start_back().await;
    let mut clients = Vec::new();
    for over in DOORS {
        let mut client = client(&fixture.front, over).await;
        client.request(HOLD, &json!({})).await;
        client.request(HOLD, &json!({})).await;
        fixture.hold.entered(2).await;
        clients.push(client);
    }
    assert!(back.leave(Duration::ZERO).await > 0);
    for client in &mut clients {
        let mut ids = Vec::new();
        for _ in 0..2 {
            let Said::Reply(id, answer) = client.hear().await else {
                panic!("expected an answer");
            };
            assert_eq!(answer["code"], 502);
            ids.push(id);
        }
        ids.sort_unstable();
        assert_eq!(ids, [1, 2]);
        client.is_refused(ECHO, &json!({}), 503).await;
        client.was_ignored("connector.main.echo").await;
    }
    let _back = fixture.start_back().await;
    for client in &mut clients {
        client.was_ignored(ECHO).await;
    }
}

#[tokio::test]
async fn a_back_end_that_drains_answers_what_runs_and_new_requests_are_answered_503() {
    let fixture = Fixture::new().await;
    let back = fixture.start_back().await;
    for over in DOORS {
        let mut client = client(&fixture.front, over).await;
        client.was_ignored(ECHO).await;
    }
    let mut client = client(&fixture.front, Door::Tcp).await;
    let held = client.request(HOLD, &json!({})).await;
    fixture.hold.entered(1).await;
    let (cut_off, ()) = tokio::join!(soon("the back end leaves", back.leave(DEADLINE)), async {
        // What the front end asks before it has heard of it is answered.
        soon("the front end hears of it", async {
            while client.ask(ECHO, &json!({})).await == json!({}) {}
        })
        .await;
        client.is_refused(ECHO, &json!({}), 503).await;
        client.notify(ECHO, &json!({})).await;
        fixture.hold.release(1);
        assert_eq!(client.reply(held).await, json!({}));
    });
    assert_eq!(cut_off, 0);
    client.is_refused(ECHO, &json!({}), 503).await;
}

#[tokio::test]
async fn a_type_whose_last_server_has_left_the_registry_is_answered_503_not_404() {
    let world = World::new();
    let back = world.back("chat-1", chat(Handlers::new())).await;
    let server = world.front("connector-1", connector(Handlers::new())).await;
    soon("the servers meet", server.connected()).await;
    let mut client = client(&server, Door::Tcp).await;
    client.was_ignored(ECHO).await;
    soon("the back end leaves", back.leave(DEADLINE)).await;
    client.is_refused(ECHO, &json!({}), 503).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_back_end_that_leaves_under_load_answers_200_or_503_and_never_502() {
    const SESSIONS: u32 = 16;
    const AT_ONCE: u32 = 8;
    let fixture = Fixture::new().await;
    let back = fixture.start_back().await;
    let mut busy = Heard::new();
    let mut sessions = JoinSet::new();
    for number in 0..SESSIONS {
        let over = DOORS[number as usize % 2];
        let mut client = client(&fixture.front, over).await;
        let tell = busy.teller();
        sessions.spawn(async move {
            let (mut asked, mut answered, mut refused) = (0, 0, 0);
            while refused == 0 || answered < asked {
                while refused == 0 && asked - answered < AT_ONCE {
                    asked = client.request(ECHO, &json!("word")).await;
                }
                let Said::Reply(_, answer) = client.hear().await else {
                    panic!("expected an answer");
                };
                if answer != "word" {
                    assert_eq!(answer["code"], 503, "answer {answered} of {asked}");
                    refused += 1;
                }
                answered += 1;
                if answered == 100 {
                    tell(number);
                }
            }
        });
    }
    for _ in 0..SESSIONS {
        busy.next("every session is busy").await;
    }
    let patience = Duration::from_secs(10);
    assert_eq!(soon("the back end leaves", back.leave(patience)).await, 0);
    soon("all requests are answered", sessions.join_all()).await;
}
