//! Answers from files: for when nobody can answer, and instead of services that are not there yet.

use std::{fs, path::PathBuf};

use tangelo::{
    Bootstrap, RpcApp,
    rpc::{Code, config::RefererConfig},
};

use super::{
    RelayReq, WorkReq, WorkerClient, connected, keyed,
    node::{Node, a_place_of_its_own},
    server, work,
};

/// A file of answers in one of the forms, and its name.
fn file(test: &str, form: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.{form}"));
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The same in Tangelo's form and in krpc's.
const ANSWERS: [(&str, &str); 2] = [
    (
        "toml",
        r#"
        [[fallback]]
        for = "worker.work"
        match = "key == anna && id != 7"
        results = { retCode = -100, retMsg = "sorry at {ts}", server = "{uuid}", id = 3 }

        [[fallback]]
        for = "200.1"
        match = "key == ming"
        results = { server = "nobody" }
        "#,
    ),
    (
        "yaml",
        "\
- { for: worker.work, match: key == anna && id != 7, results: { retCode: -100, retMsg: 'sorry at {ts}', server: '{uuid}', id: 3 } }
- { for: 200.1, match: key == ming, results: { server: nobody } }
",
    ),
];

async fn calling(
    address: &str,
    change: impl FnOnce(Bootstrap) -> Bootstrap,
) -> (RpcApp, WorkerClient) {
    let referer = RefererConfig::new::<WorkerClient>("worker").to(address);
    let bootstrap = change(Bootstrap::new("calling").referer_with(referer));
    let app = bootstrap.start().await.unwrap();
    let client = app.referer("worker").unwrap();
    (app, client)
}

/// Answers as the files say.
async fn is_canned(client: &WorkerClient) {
    let anna = client.work(keyed("anna")).await.unwrap();
    assert_eq!((anna.ret_code, anna.id), (-100, 3));
    let again = client.work(keyed("anna")).await.unwrap();
    assert_ne!(anna.server, again.server, "made anew for each answer");
    let time = anna.ret_msg.strip_prefix("sorry at ").unwrap();
    assert!(time.parse::<u64>().unwrap() > 1_700_000_000_000, "{time}");
    let ming = client.work(keyed("ming")).await.unwrap();
    assert_eq!((ming.ret_code, &*ming.server), (0, "nobody"));
}

#[tokio::test]
async fn a_fallback_answers_while_no_server_can_and_not_longer() {
    for (form, text) in ANSWERS {
        let answers = file("fallback", form, text);
        let place = a_place_of_its_own();
        let mut first = Node::start("a", &[&place]).await;
        let address = first.address().to_owned();
        let settings = first.same_address();
        first.kill().await;

        let fallback = |it: Bootstrap| it.application(|app| app.fallback_file(answers));
        let (app, client) = calling(&address, fallback).await;
        is_canned(&client).await;
        // Nobody has an answer to these.
        let seven = WorkReq {
            id: 7,
            ..keyed("anna")
        };
        for request in [keyed("xenia"), seven] {
            let status = client.work(request).await.unwrap_err();
            assert_eq!(status.code(), Code::NO_CONNECTION, "{form}");
        }
        let status = client.relay(RelayReq::default()).await.unwrap_err();
        assert_eq!(status.code(), Code::NO_CONNECTION, "{form}");

        let _again = Node::start("b", &settings.each_ref().map(String::as_str)).await;
        connected(&app, 1).await;
        assert_eq!(server(client.work(keyed("ming")).await), "b", "{form}");
    }
}

#[tokio::test]
async fn a_fallback_is_no_answer_to_what_a_server_has_refused_or_lost() {
    let answers = file("refused", "toml", ANSWERS[0].1);
    let mut a = Node::start("a", &[]).await;
    let fallback = |it: Bootstrap| it.application(|app| app.fallback_file(answers));
    let (app, client) = calling(a.address(), fallback).await;
    connected(&app, 1).await;
    let held = WorkReq {
        hold: true,
        ..keyed("ming")
    };
    let call = client.work(held).start();
    a.holds().await;
    a.kill().await;
    // It may have run: nobody may say otherwise.
    assert_eq!(call.await.unwrap_err().code(), Code::CONNECTION_BROKEN);
    connected(&app, 0).await;
    assert_eq!(server(client.work(keyed("ming")).await), "nobody");
}

#[tokio::test]
async fn a_mock_answers_instead_of_the_server_and_what_it_has_no_answer_for_is_sent() {
    for (form, text) in ANSWERS {
        let answers = file("mock", form, text);
        let mut a = Node::start("a", &[]).await;
        let mock = |it: Bootstrap| it.application(|app| app.mock_file(answers));
        let (app, client) = calling(a.address(), mock).await;
        connected(&app, 1).await;
        is_canned(&client).await;
        assert_eq!(a.executed().await, 0, "{form}");
        assert_eq!(server(client.work(keyed("xenia")).await), "a");
        assert_eq!(a.executed().await, 1, "{form}");
        a.kill().await;
        connected(&app, 0).await;
        let status = client.work(work(1)).await.unwrap_err();
        assert_eq!(status.code(), Code::NO_CONNECTION, "{form}");
        is_canned(&client).await;
    }
}

#[tokio::test]
async fn a_breaker_that_is_forced_open_lets_the_fallback_be_seen() {
    let answers = file("forced", "toml", ANSWERS[0].1);
    let mut a = Node::start("a", &[]).await;
    let fallback = |it: Bootstrap| {
        it.application(|app| app.fallback_file(answers))
            .set("referer.worker.breaker_force_close", true)
    };
    let (_app, client) = calling(a.address(), fallback).await;
    is_canned(&client).await;
    assert_eq!(a.executed().await, 0);
}

#[tokio::test]
async fn mistakes_in_a_file_of_answers_are_told_with_their_lines_when_the_application_starts() {
    let text = "[[fallback]]\nfor = \"worker.work\"\n\n[[fallback]]\nresults = {}\nwhen = 1\n";
    let answers = file("mistaken", "toml", text);
    let referer = RefererConfig::new::<WorkerClient>("worker").to("127.0.0.1:1");
    let bootstrap = Bootstrap::new("calling").referer_with(referer);
    let bootstrap = bootstrap.application(|app| app.mock_file(answers.clone()));
    let mistakes = bootstrap.start().await.unwrap_err().to_string();
    for line in [1, 4] {
        assert!(
            mistakes.contains(&format!("{answers}:{line}: ")),
            "{mistakes}"
        );
    }
}
