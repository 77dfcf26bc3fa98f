//! Web sessions: a secret in a cookie, an id for services, and what a login changes.

use std::sync::Arc;

use serde_json::json;
use tangelo_gateway::session::{
    Looked, MemoryLimits, MemorySessions, Session, SessionCookie, SessionStore,
};

use crate::gateway_world::{Browser, Said, Site, builder, gateway, start};

/// Asks with this secret.
async fn with(browser: &mut Browser, secret: &str, path: &str) -> Said {
    let line = format!("cookie: JSESSIONID={secret}\r\n");
    browser.get_with(path, &line).await
}

#[tokio::test]
async fn a_new_client_gets_a_secret_and_its_service_an_id_that_is_another() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    let said = browser.get("/echo1").await;
    let secret = said.cookie().unwrap().to_owned();
    let line = said.header("set-cookie").unwrap();
    assert_eq!(line, format!("JSESSIONID={secret}; HttpOnly; SameSite=Lax"));
    assert_eq!(said.header("cache-control"), Some("no-store"));
    let id = said.json()["sessionId"].as_str().unwrap().to_owned();
    assert!(id.len() == 32 && secret.len() == 32 && id != secret);
    // It stays, and is not set again.
    let said = with(&mut browser, &secret, "/echo1").await;
    assert_eq!(
        (said.cookie(), &said.json()["sessionId"]),
        (None, &json!(id))
    );
}

#[tokio::test]
async fn a_url_without_a_session_sets_no_cookie_and_shows_no_id() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    let said = browser.get("/echo?sessionId=7").await;
    assert_eq!((said.cookie(), said.json().get("sessionId")), (None, None));
}

#[tokio::test]
async fn a_secret_of_the_clients_own_choice_is_not_taken() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    let chosen = "0123456789abcdef0123456789abcdef";
    let said = with(&mut browser, chosen, "/echo1").await;
    assert!(said.cookie().is_some_and(|secret| secret != chosen));
    assert_ne!(said.json()["sessionId"], chosen);
}

#[tokio::test]
async fn a_login_is_required_where_the_url_says_so() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    let said = browser.get("/echo3").await;
    assert_eq!(said.is_refused(401, -664), "not login yet");
    assert_eq!(said.cookie(), None);
    // A session alone is no login.
    let secret = browser.get("/echo1").await.cookie().unwrap().to_owned();
    with(&mut browser, &secret, "/echo3")
        .await
        .is_refused(401, -664);
}

#[tokio::test]
async fn a_login_has_a_new_secret_and_the_same_id_and_the_old_secret_opens_nothing() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    let said = browser.get("/echo1").await;
    let (old, id) = (
        said.cookie().unwrap().to_owned(),
        said.json()["sessionId"].clone(),
    );
    let said = with(&mut browser, &old, "/login1?name=ming&flag=1").await;
    let new = said.cookie().unwrap().to_owned();
    assert_ne!(new, old);
    // What goes to the session does not go to the client.
    assert_eq!(said.json().get("session"), None);
    let said = with(&mut browser, &new, "/echo3").await;
    assert_eq!(
        (&said.json()["userId"], &said.json()["sessionId"]),
        (&json!("ming"), &id)
    );
    with(&mut browser, &old, "/echo3")
        .await
        .is_refused(401, -664);
    // Who was overtaken by his login is a stranger, and keeps the cookie that he has got meanwhile.
    let said = with(&mut browser, &old, "/echo2").await;
    assert_eq!((said.cookie(), said.json().get("userId")), (None, None));
    assert_ne!(said.json()["sessionId"], id);
}

#[tokio::test]
async fn a_login_without_a_session_before_begins_one() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    let secret = browser.get("/login?name=ming&flag=1").await;
    let secret = secret.cookie().unwrap().to_owned();
    let said = with(&mut browser, &secret, "/echo3").await;
    assert_eq!(said.json()["userId"], "ming");
}

/// What the session of this secret holds.
async fn held(store: &MemorySessions, secret: &str) -> Session {
    match store.find(secret).await.unwrap() {
        Looked::Found(session) => session,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_login_adds_to_what_is_there_and_the_id_stays() {
    let store = Arc::new(MemorySessions::new(MemoryLimits::default()));
    let gateway = start(builder(&Site::default()).sessions(store.clone())).await;
    let mut browser = Browser::of(&gateway).await;
    let first = browser.get("/echo1").await.cookie().unwrap().to_owned();
    let put = |name: &str| [(name.to_owned(), "1".to_owned())].into();
    assert!(store.merge(&first, put("cart")).await.unwrap());
    let said = with(&mut browser, &first, "/login?name=ming&flag=1").await;
    let mings = said.cookie().unwrap().to_owned();
    assert!(held(&store, &mings).await.values.contains_key("cart"));
    assert!(store.merge(&mings, put("admin")).await.unwrap());
    let before = held(&store, &mings).await;
    let said = with(&mut browser, &mings, "/login?name=hong&flag=1").await;
    let after = held(&store, said.cookie().unwrap()).await;
    let names: Vec<_> = after.values.keys().map(String::as_str).collect();
    assert_eq!(names, ["admin", "cart", "loginFlag", "userId"]);
    assert_eq!(after.values["userId"], "hong");
    assert_eq!(after.id, before.id);
    assert_eq!(store.find(&mings).await, Ok(Looked::Exchanged));
}

#[tokio::test]
async fn what_is_in_the_session_goes_before_what_the_client_says() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    let secret = browser.get("/login?name=ming&flag=1").await;
    let secret = secret.cookie().unwrap().to_owned();
    let said = with(&mut browser, &secret, "/echo3?userId=root&sessionId=1").await;
    assert_eq!(said.json()["userId"], "ming");
    assert_ne!(said.json()["sessionId"], "1");
    // Nor may he say it where there is nothing of it in his session yet.
    let said = browser.get("/echo2?userId=root").await;
    assert_eq!(said.json().get("userId"), None);
}

#[tokio::test]
async fn a_session_ends_where_the_service_says_so() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    let secret = browser.get("/login?name=ming&flag=1").await;
    let secret = secret.cookie().unwrap().to_owned();
    let said = with(&mut browser, &secret, "/login?flag=0").await;
    let line = said.header("set-cookie").unwrap();
    assert_eq!(line, "JSESSIONID=; HttpOnly; SameSite=Lax; Max-Age=0");
    with(&mut browser, &secret, "/echo3")
        .await
        .is_refused(401, -664);
}

#[tokio::test]
async fn a_service_adds_to_a_session_without_a_new_secret() {
    let gateway = gateway().await;
    let mut browser = Browser::of(&gateway).await;
    let secret = browser.get("/echo1").await.cookie().unwrap().to_owned();
    let said = with(&mut browser, &secret, "/login?name=guest").await;
    assert_eq!(said.cookie(), None);
    let said = with(&mut browser, &secret, "/echo2").await;
    assert_eq!(said.json()["userId"], "guest");
}

#[tokio::test]
async fn those_without_a_cookie_push_nobody_out_who_has_logged_in() {
    let limits = MemoryLimits {
        sessions: 5,
        ..MemoryLimits::default()
    };
    let store = Arc::new(MemorySessions::new(limits));
    let gateway = start(builder(&Site::default()).sessions(store.clone())).await;
    let mut browser = Browser::of(&gateway).await;
    let secret = browser.get("/login?name=ming&flag=1").await;
    let secret = secret.cookie().unwrap().to_owned();
    for _ in 0..20 {
        browser.get("/echo1").await;
    }
    assert_eq!(store.len(), 5);
    assert_eq!(with(&mut browser, &secret, "/echo3").await.status, 200);
}

#[tokio::test]
async fn a_session_that_would_be_too_large_is_not_kept_and_the_client_told_so() {
    let limits = MemoryLimits {
        session_bytes: 64,
        ..MemoryLimits::default()
    };
    let store = Arc::new(MemorySessions::new(limits));
    let gateway = start(builder(&Site::default()).sessions(store)).await;
    let mut browser = Browser::of(&gateway).await;
    let path = format!("/login?flag=1&name={}", "x".repeat(64));
    let said = browser.get(&path).await;
    assert_eq!((said.status, said.cookie()), (500, None));
}

#[tokio::test]
async fn the_cookie_is_called_and_placed_as_the_settings_say() {
    let cookie = SessionCookie {
        name: "SID".to_owned(),
        path: "/".to_owned(),
        ..SessionCookie::default()
    };
    let gateway = start(builder(&Site::default()).session_cookie(cookie)).await;
    let mut browser = Browser::of(&gateway).await;
    let said = browser.get("/echo1").await;
    let line = said.header("set-cookie").unwrap();
    assert!(
        line.starts_with("SID=") && line.contains("Path=/"),
        "{line}"
    );
}
