//! Clients that show a token in the handshake, and are bound to its user.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use tangelo::{
    Error, Result,
    auth::{Jwt, Refused, Verified, bearer},
    registry::Instance,
    rpc::Status,
    server::{Blueprint, Handlers, Hello, Json, Limits, Server, Session, SingleSession, Uid},
};
use tangelo_wire::pomelo::package::Kind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    client::{Client, DOORS, Door, Said, connect},
    letting_in::{greet, is_turned_away},
    log::Log,
    world::{Heard, World, alone, connector, door, front, soon, until},
};

const SECRET: [u8; 32] = *b"nobody knows this, nobody at all";
const WHO: &str = "connector.main.who";

/// A front end that tells clients who they are.
fn telling() -> Blueprint {
    async fn who(session: Session) -> Result<Json<Value>> {
        Ok(Json(json!(&*session.uid()?)))
    }
    connector(Handlers::new().add("who", who))
}

fn jwt() -> Jwt {
    Jwt::hs256(SECRET).unwrap().leeway(0)
}

/// A token that counts for so many seconds.
fn token(uid: &str, seconds: i64) -> String {
    let now = i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap();
    let claims = json!({"sub": uid, "exp": now + seconds, "level": 7});
    encode(
        &Header::default(),
        &claims,
        &EncodingKey::from_secret(&SECRET),
    )
    .unwrap()
}

fn showing(token: impl Into<Value>) -> Value {
    json!({ "sys": {}, "user": { "token": token.into() } })
}

fn unauthorized(why: &str) -> Value {
    json!({ "code": 401, "msg": why })
}

/// Is let in, and is this user.
async fn is_user(server: &Server, over: Door, said: &Value, uid: &str) -> Client {
    let (mut client, answer) = greet(server, over, said).await;
    assert_eq!(answer["code"], 200, "{answer}");
    client.send(Kind::HandshakeAck, b"").await;
    assert_eq!(client.ask(WHO, &json!({})).await, uid);
    client
}

#[tokio::test]
async fn a_good_token_binds_its_user() {
    let mut bound = Heard::new();
    let tell = bound.teller();
    let blueprint = telling().authenticate(jwt());
    let server = alone(blueprint.on_bind(move |_, uid| tell(uid.to_owned()))).await;
    let mut clients = Vec::new();
    for over in DOORS {
        clients.push(is_user(&server, over, &showing(token("ann", 60)), "ann").await);
        assert_eq!(bound.next("it is bound").await, "ann");
    }
    assert_eq!(server.context().sessions().by_uid("ann").len(), 2);
}

#[tokio::test]
async fn no_token_and_a_bad_one_are_answered_401_with_the_reason() {
    let server = alone(telling().authenticate(jwt())).await;
    let good = token("ann", 60);
    let forged = format!("{}x", good.split_at(good.len() - 1).0);
    for over in DOORS {
        for (said, why) in [
            (json!({"sys": {}}), "no token"),
            (json!({"sys": {}, "user": "ann"}), "no token"),
            (showing(Value::Null), "no token"),
            (showing(json!({})), "a token is text"),
            (showing(7), "a token is text"),
            (showing(""), "token invalid"),
            (showing("\u{1f600}"), "token invalid"),
            (showing(forged.clone()), "token invalid"),
            (showing(token("ann", -10)), "token expired"),
            (showing(token("", 60)), "token names no user"),
        ] {
            is_turned_away(&server, over, &said, unauthorized(why)).await;
        }
    }
    assert_eq!(server.context().sessions().count(), 0);
}

#[tokio::test]
async fn a_user_that_cannot_be_is_refused() {
    let server = alone(telling().authenticate(jwt())).await;
    let longest = "x".repeat(Limits::UID);
    is_user(&server, Door::Tcp, &showing(token(&longest, 60)), &longest).await;
    let (mut client, answer) =
        greet(&server, Door::Tcp, &showing(token(&(longest + "x"), 60))).await;
    assert_eq!(answer["code"], 500, "{answer}");
    client.is_closed().await;
}

#[tokio::test]
async fn what_the_application_is_asked_knows_the_user_and_not_the_token() {
    let blueprint =
        telling()
            .authenticate(jwt())
            .on_handshake(async |hello: Hello, session: Session| {
                let verified = hello.verified.ok_or_else(|| Error::new("nobody"))?;
                let is_bound = session.uid().is_ok();
                Ok::<_, Error>(json!([
                    verified.uid,
                    verified.claims["level"],
                    hello.user,
                    is_bound
                ]))
            });
    let server = alone(blueprint).await;
    let said = json!({"sys": {}, "user": {"token": token("ann", 60), "map": "sea"}});
    let (_, answer) = greet(&server, Door::Tcp, &said).await;
    assert_eq!(answer["user"], json!(["ann", 7, {"map": "sea"}, false]));
}

#[tokio::test]
async fn guests_are_let_in_without_a_user_where_they_may_and_bad_tokens_are_not() {
    let blueprint = telling().authenticate(jwt()).allow_guests();
    let blueprint =
        blueprint.on_handshake(async |hello: Hello, _| Ok::<_, Error>(hello.verified.is_none()));
    let server = alone(blueprint).await;
    for over in DOORS {
        let (mut client, answer) = greet(&server, over, &json!({"sys": {}})).await;
        assert_eq!(answer, json!({"code": 200, "sys": {}, "user": true}));
        client.send(Kind::HandshakeAck, b"").await;
        client.is_refused(WHO, &json!({}), 500).await;
        let _ann = is_user(&server, over, &showing(token("ann", 60)), "ann").await;
        let bad = showing("bad");
        is_turned_away(&server, over, &bad, unauthorized("token invalid")).await;
    }
}

/// Opens a WebSocket as `path`, with this header; and says hello.
async fn opened(server: &Server, path: &str, header: &str, said: &Value) -> (Client, Value) {
    let mut stream = connect(door(server)).await;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: suite\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{header}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(
            soon("the opening is answered", stream.read_u8())
                .await
                .unwrap(),
        );
    }
    let mut client = Client::upgraded(stream).await;
    client
        .send(Kind::Handshake, said.to_string().as_bytes())
        .await;
    let Said::Hello(answer) = client.hear().await else {
        panic!("no answer to the handshake");
    };
    (client, answer)
}

#[tokio::test]
async fn a_token_may_come_with_the_opening_of_a_websocket() {
    let server = alone(telling().authenticate(jwt())).await;
    let (ann, nothing) = (token("ann", 60), json!({"sys": {}}));
    let header = |value: &str| format!("Authorization: {value}\r\n");
    for (path, header) in [
        ("/".to_owned(), header(&format!("Bearer {ann}"))),
        ("/".to_owned(), header(&format!("bearer  {ann} "))),
        (format!("/game?token={ann}"), String::new()),
        (
            format!("/?room=7&token={}", ann.replace('.', "%2E")),
            String::new(),
        ),
        // Of both, the header.
        ("/?token=bad".to_owned(), header(&format!("Bearer {ann}"))),
        (format!("/?token={ann}"), header("Basic YW5uOnNlY3JldA==")),
    ] {
        let (mut client, answer) = opened(&server, &path, &header, &nothing).await;
        assert_eq!(answer["code"], 200, "{path} {header}");
        client.send(Kind::HandshakeAck, b"").await;
        assert_eq!(client.ask(WHO, &json!({})).await, "ann");
    }
    for (path, header, why) in [
        ("/?token=bad", String::new(), "token invalid"),
        ("/?token=", String::new(), "token invalid"),
        ("/?token=%ff", String::new(), "token invalid"),
        ("/?Token=x&atoken=x", String::new(), "no token"),
        ("/token=x", String::new(), "no token"),
        ("/", header("Bearer"), "no token"),
        ("/", header("Bearer bad"), "token invalid"),
    ] {
        let (mut client, answer) = opened(&server, path, &header, &nothing).await;
        assert_eq!(answer, unauthorized(why), "{path} {header}");
        client.is_closed().await;
    }
    // What the handshake says counts before it.
    let path = format!("/?token={ann}");
    let (_, answer) = opened(&server, &path, "", &showing("bad")).await;
    assert_eq!(answer, unauthorized("token invalid"));
}

#[tokio::test]
async fn a_function_of_the_application_says_whose_a_token_is() {
    let server = alone(telling().authenticate(bearer(
        async |token: String| match token.as_str() {
            "of ann" => Ok(Verified::new("ann")),
            "of seven" => Ok(Verified::from(Uid::from(7))),
            "old" => Err(Refused::unauthorized("log in again").because("it is in the log")),
            "banned" => Err(Error::from(Status::new(403, "you know why")).into()),
            _ => Err(Error::new("the database is gone").into()),
        },
    )))
    .await;
    for over in DOORS {
        is_user(&server, over, &showing("of ann"), "ann").await;
        is_user(&server, over, &showing("of seven"), "7").await;
        for (token, answer) in [
            ("old", unauthorized("log in again")),
            ("banned", json!({ "code": 403, "msg": "you know why" })),
            ("else", json!({ "code": 500, "msg": "the server failed" })),
        ] {
            is_turned_away(&server, over, &showing(token), answer).await;
        }
    }
}

#[tokio::test]
async fn a_function_may_answer_with_an_id_alone_and_fail_with_anything() {
    let server = alone(telling().authenticate(bearer(async |token: String| {
        let number: u32 = token.parse().map_err(Error::from)?;
        Ok::<_, Error>(Uid::from(number))
    })))
    .await;
    is_user(&server, Door::Tcp, &showing("7"), "7").await;
    let answer = json!({ "code": 500, "msg": "the server failed" });
    is_turned_away(&server, Door::Tcp, &showing("seven"), answer).await;
}

#[tokio::test(start_paused = true)]
async fn a_verifier_that_hangs_is_not_waited_for_and_one_that_panics_is_answered_500() {
    let server = alone(telling().authenticate(bearer(async |token: String| {
        if token == "panic" {
            panic!("it may");
        }
        std::future::pending::<Result<Uid>>().await
    })))
    .await;
    let answer = json!({ "code": 500, "msg": "the server failed" });
    is_turned_away(&server, Door::Tcp, &showing("panic"), answer).await;
    let late = json!({ "code": 504, "msg": "the handshake took too long" });
    is_turned_away(&server, Door::Tcp, &showing("hang"), late).await;
}

#[tokio::test]
async fn so_many_tokens_are_verified_at_once_and_the_others_wait() {
    const MOST: usize = 256;
    let asked = Arc::new(AtomicUsize::new(0));
    let hold = Arc::new(tokio::sync::Semaphore::new(0));
    let (count, holding) = (Arc::clone(&asked), Arc::clone(&hold));
    let verifier = bearer(move |token: String| {
        count.fetch_add(1, Ordering::Relaxed);
        let hold = Arc::clone(&holding);
        async move {
            let _passes = hold.acquire().await;
            Ok::<_, Refused>(token)
        }
    });
    let server = alone(telling().authenticate(verifier)).await;
    let mut clients = Vec::new();
    for _ in 0..=MOST {
        let mut client = Client::silent(Door::Tcp, door(&server)).await;
        client
            .send(Kind::Handshake, showing("ann").to_string().as_bytes())
            .await;
        clients.push(client);
    }
    until("they are asked about", || {
        asked.load(Ordering::Relaxed) == MOST
    })
    .await;
    hold.add_permits(1);
    for mut client in clients {
        assert!(matches!(client.hear().await, Said::Hello(answer) if answer["code"] == 200));
    }
    assert_eq!(asked.load(Ordering::Relaxed), MOST + 1);
}

#[tokio::test]
async fn where_a_user_has_one_session_a_token_follows_the_same_rule() {
    let instance = |id| Instance {
        port: Some(0),
        ..front(id)
    };
    let world = World::new();
    let refusing = telling().single_session(SingleSession::refuse_new());
    let server = world
        .start(refusing.authenticate(jwt()), instance("connector-1"))
        .await;
    let said = showing(token("ann", 60));
    let mut first = is_user(&server, Door::Tcp, &said, "ann").await;
    let taken = json!({ "code": 409, "msg": "the user has another session" });
    is_turned_away(&server, Door::WebSocket, &said, taken).await;
    assert_eq!(first.ask(WHO, &json!({})).await, "ann");

    let world = World::new();
    let kicking = telling().single_session(SingleSession::kick_old());
    let kicking = kicking
        .authenticate(jwt())
        .on_handshake(async |hello: Hello, _| match hello.user["banned"] == true {
            true => Err(Error::from(Status::new(403, "no"))),
            false => Ok(()),
        });
    let server = world.start(kicking, instance("connector-1")).await;
    let mut first = is_user(&server, Door::Tcp, &said, "ann").await;
    // Who is refused takes nobody's place.
    let banned = json!({"sys": {}, "user": {"token": token("ann", 60), "banned": true}});
    is_turned_away(
        &server,
        Door::Tcp,
        &banned,
        json!({ "code": 403, "msg": "no" }),
    )
    .await;
    assert_eq!(first.ask(WHO, &json!({})).await, "ann");
    let _second = is_user(&server, Door::Tcp, &said, "ann").await;
    assert!(matches!(first.hear().await, Said::Kick(_)));
}

#[tokio::test]
async fn a_flood_of_bad_tokens_fills_no_log_and_no_log_shows_a_token() {
    let log = Log::keep();
    let secret = token("ann", -10);
    let server = alone(telling().authenticate(jwt())).await;
    for _ in 0..200 {
        let said = showing(secret.clone());
        is_turned_away(&server, Door::Tcp, &said, unauthorized("token expired")).await;
    }
    let refused = log.lines(&["client refused", "token expired"]).len();
    assert!((1..200).contains(&refused), "{:?}", log.lines(&[]));
    assert!(log.lines(&[&secret]).is_empty());
}
