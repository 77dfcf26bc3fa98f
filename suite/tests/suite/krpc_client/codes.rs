//! What an answer says of its outcome: beside its message, in it, or both, and not always the same.

use std::collections::HashMap;

use tangelo::{
    Bootstrap, RpcApp,
    rpc::{Code, client::RetryLevel, codegen::prost::Message as _, config::RefererConfig},
};
use tangelo_runtime::Tasks;
use tokio::net::TcpListener;

use super::{WorkRes, WorkerClient, work};
use crate::{
    krpc::{Peer, answer_to},
    world::soon,
};

/// A server that gives each request the answer of its id: the code beside the message, and the one in it.
async fn says(answers: Vec<(i32, i32)>) -> (String, Tasks) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let tasks = Tasks::default();
    tasks.spawn(tracing::Span::none(), async move {
        let mut peer = Peer::over(listener.accept().await.unwrap().0);
        for (beside, within) in answers {
            let asked = peer.hear().await.meta;
            let message = WorkRes {
                ret_code: within,
                ret_msg: "its words".to_owned(),
                ..WorkRes::default()
            };
            peer.send(&answer_to(&asked, beside), &message.encode_to_vec())
                .await;
        }
        std::future::pending::<()>().await;
    });
    (address, tasks)
}

async fn calling(referer: RefererConfig) -> (RpcApp, WorkerClient) {
    let app = Bootstrap::new("calling").referer_with(referer);
    let app = app.start().await.unwrap();
    let client = app.referer("worker").unwrap();
    (app, client)
}

#[tokio::test]
async fn a_call_has_one_code_whatever_its_answer_says_in_two_places() {
    let said = [
        (0, 0, Ok(0)),
        (-100_001, -100_001, Ok(-100_001)),
        // The method's own word counts.
        (0, -100_001, Ok(-100_001)),
        (-100_002, -100_001, Ok(-100_001)),
        (-100_001, 0, Ok(-100_001)),
        // What the framework says is a failure, wherever.
        (-620, 0, Err(-620)),
        (-620, -100_001, Err(-620)),
        (0, -620, Err(-620)),
    ];
    let answers: Vec<_> = said
        .iter()
        .map(|(beside, within, _)| (*beside, *within))
        .collect();
    let (address, _server) = says(answers).await;
    let referer = RefererConfig::new::<WorkerClient>("worker").to(&address);
    let (_app, client) = calling(referer).await;
    for (beside, within, code) in said {
        let answer = soon("an answer", client.work(work(1))).await;
        let (told, words) = match answer {
            Ok(answer) => (Ok(answer.ret_code), answer.ret_msg),
            Err(status) => (Err(status.code().0), status.message().to_owned()),
        };
        assert_eq!(told, code, "{beside} beside {within}");
        assert_eq!(words, "its words");
    }
}

#[tokio::test]
async fn without_generated_code_it_is_the_same() {
    let (address, _server) = says(vec![(0, -100_001), (-100_001, 0), (0, -620)]).await;
    let referer = RefererConfig::new::<WorkerClient>("worker").to(&address);
    let (app, _client) = calling(referer).await;
    let dynamic = app.dynamic("worker").unwrap();
    for _ in 0..2 {
        let answer = soon("an answer", dynamic.call("work", "{}")).await.unwrap();
        let answer: HashMap<String, serde_json::Value> = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["retCode"], -100_001);
    }
    let failure = soon("an answer", dynamic.call("work", "{}")).await;
    let failure = failure.unwrap_err().to_string();
    assert!(failure.contains("its words (-620)"), "{failure}");
}

#[tokio::test]
async fn the_breaker_and_retries_hear_the_same_code_as_the_caller() {
    // It says that all is well, and in the message that it is not.
    let (address, _server) = says(vec![(0, -100_001); 4]).await;
    let referer = RefererConfig::new::<WorkerClient>("worker")
        .to(&address)
        .breaker_enabled(true)
        .breaker_window_seconds(600_u32)
        .breaker_window_min_reqs(4_u32)
        .breaker_sleep_seconds(600_u32);
    let (_app, client) = calling(referer).await;
    for _ in 0..4 {
        let answer = soon("an answer", client.work(work(1))).await.unwrap();
        assert_eq!(answer.ret_code, -100_001);
    }
    let status = client.work(work(1)).await.unwrap_err();
    assert_eq!(status.code(), Code::NO_CONNECTION);

    let (full, _server) = says(vec![(-623, -623)]).await;
    let (free, _another) = says(vec![(0, 0)]).await;
    let referer = RefererConfig::new::<WorkerClient>("worker")
        .to(&full)
        .to(&free)
        .retry_level(RetryLevel::NotAvailable)
        .retry_count(1_u32);
    let (_app, client) = calling(referer).await;
    let answer = soon("an answer", client.work(work(1))).await.unwrap();
    assert_eq!(answer.ret_code, 0);
}
