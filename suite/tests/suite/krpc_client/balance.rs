//! Who of several servers is called.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use tangelo::rpc::{
    client::{RouteConfig, balance},
    config::RefererConfig,
};

use super::{WorkerClient, calling, held, keyed, node::Node, referer, server, spread, work};

fn balanced<'a>(nodes: impl IntoIterator<Item = &'a Node>, by: &str) -> RefererConfig {
    referer(nodes).load_balance(balance::by_name(by).unwrap())
}

fn routes(json: &str) -> RouteConfig {
    serde_json::from_str(json).unwrap()
}

#[tokio::test]
async fn rr_calls_one_server_after_the_other() {
    let nodes = Node::each(["a", "b", "c"], &[]).await;
    let (_app, client) = calling(referer(&nodes)).await;
    let mut order = Vec::new();
    for id in 0..30 {
        order.push(server(client.work(work(id)).await));
    }
    for round in order.chunks(3) {
        assert_eq!(round, ["a", "b", "c"]);
    }
    // Calls at the same time are no others.
    let answers = join_all((0..30).map(|id| client.work(work(id)))).await;
    let mut spread = BTreeMap::<String, u32>::new();
    for answer in answers {
        *spread.entry(server(answer)).or_default() += 1;
    }
    assert!(spread.values().all(|calls| *calls == 10), "{spread:?}");
}

#[tokio::test]
async fn random_calls_all_of_them_in_no_order() {
    let nodes = Node::each(["a", "b", "c"], &[]).await;
    let (_app, client) = calling(balanced(&nodes, "random")).await;
    let mut order = Vec::new();
    for id in 0..300 {
        order.push(server(client.work(work(id)).await));
    }
    for name in ["a", "b", "c"] {
        // A hundred, and eight standard deviations from it.
        let calls = order.iter().filter(|server| *server == name).count();
        assert!((35..=165).contains(&calls), "{name}: {calls} of 300");
    }
    let twice = order.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert!(
        (35..=165).contains(&twice),
        "the same again: {twice} of 300"
    );
}

#[tokio::test]
async fn responsetime_gives_a_slow_server_less() {
    let mut nodes = Node::each(["slow", "b", "c"], &[]).await;
    nodes[0].tell("delay 100").await;
    let (_app, client) = calling(balanced(&nodes, "responsetime")).await;
    let caller = async |_| spread(&client, 60).await;
    let each = join_all((0..4).map(caller)).await;
    let calls = |name| {
        each.iter()
            .filter_map(|spread| spread.get(name))
            .sum::<u32>()
    };
    let (slow, b, c) = (calls("slow"), calls("b"), calls("c"));
    assert!(slow < b / 3 && slow < c / 3, "{slow}, {b}, {c}");
    // It is not forgotten: its time is measured.
    assert!(slow > 0);
}

#[tokio::test]
async fn leastactive_calls_whom_fewer_calls_keep_busy() {
    let [mut a, mut b] = Node::each(["a", "b"], &[]).await;
    let (_app, client) = calling(balanced([&a, &b], "leastactive")).await;
    let first = client.work(held(1)).start();
    let (busy, other) = tokio::select! {
        _ = a.holds() => (&mut a, "b"),
        _ = b.holds() => (&mut b, "a"),
    };
    let all_of_them = BTreeMap::from([(other.to_owned(), 20)]);
    assert_eq!(spread(&client, 20).await, all_of_them);
    // When it is idle again they are equals.
    busy.tell("release 1").await;
    assert_eq!(server(first.await), busy.name);
    assert_eq!(spread(&client, 60).await.len(), 2);
}

/// Which server runs the calls of each key.
async fn owners(client: &WorkerClient) -> Vec<String> {
    let keys = 0..60;
    join_all(keys.map(async |key| server(client.work(keyed(key.to_string())).await))).await
}

#[tokio::test]
async fn hash_calls_the_same_server_for_the_same_key_and_one_that_goes_moves_only_its_own() {
    let mut nodes = Node::each(["a", "b", "c"], &[]).await;
    let (app, client) = calling(balanced(&nodes, "hash:hashField=key")).await;
    let before = owners(&client).await;
    for name in ["a", "b", "c"] {
        let keys = before.iter().filter(|owner| *owner == name).count();
        assert!(keys >= 5, "{name} has {keys} of 60");
    }
    assert_eq!(owners(&client).await, before);
    // Another client, elsewhere or later, chooses alike.
    let (_other_app, other) = calling(balanced(&nodes, "hash:hashField=key")).await;
    assert_eq!(owners(&other).await, before);

    nodes[1].kill().await;
    super::connected(&app, 2).await;
    let after = owners(&client).await;
    for (before, after) in before.iter().zip(&after) {
        assert!(after == before || before == "b", "{before} to {after}");
    }
    let inherited = |heir: &str| {
        let both = before.iter().zip(&after);
        both.filter(|(before, after)| *before == "b" && *after == heir)
            .count()
    };
    assert!(inherited("a") > 0 && inherited("c") > 0);
}

#[tokio::test]
async fn a_key_given_with_the_call_counts_before_the_field() {
    let nodes = Node::each(["a", "b", "c"], &[]).await;
    let (_app, client) = calling(balanced(&nodes, "hash:hashField=key")).await;
    let of_field = server(client.work(keyed("anna")).await);
    let as_anna = client.with_key("anna");
    for key in 0..20 {
        assert_eq!(server(as_anna.work(keyed(key.to_string())).await), of_field);
    }
}

#[tokio::test]
async fn weights_are_shares_and_a_weight_of_0_is_none() {
    let nodes = Node::each(["a", "b", "c"], &[]).await;
    let [a, b, c] = nodes.each_ref().map(Node::address);
    let weights = routes(&format!(
        r#"{{"serviceId": 200, "weights": [
            {{"addr": "{a}", "weight": 300}},
            {{"addr": "{b}", "weight": 100}},
            {{"addr": "{c}", "weight": 0}}
        ]}}"#
    ));
    let (_app, client) = calling(referer(&nodes).routes(weights.clone())).await;
    let in_turn = spread(&client, 40).await;
    assert_eq!(
        in_turn,
        BTreeMap::from([("a".into(), 30), ("b".into(), 10)])
    );

    let (_app, client) = calling(balanced(&nodes, "random").routes(weights)).await;
    let by_chance = spread(&client, 400).await;
    assert!(
        (230..370).contains(&by_chance["a"]) && by_chance.len() == 2,
        "{by_chance:?}"
    );
}

#[tokio::test]
async fn rules_send_calls_of_a_label_or_a_message_where_they_say() {
    let nodes = Node::each(["a", "canary"], &[]).await;
    let [a, canary] = nodes.each_ref().map(Node::address);
    let rules = routes(&format!(
        r#"{{"serviceId": 200, "rules": [
            {{"from": "dyeing == new", "to": "addr == {canary}", "priority": 2}},
            {{"from": "application == calling", "to": "addr == {a}", "priority": 1}}
        ]}}"#
    ));
    let (_app, client) = calling(referer(&nodes).routes(rules)).await;
    assert_eq!(
        spread(&client, 10).await,
        BTreeMap::from([("a".into(), 10)])
    );
    let new = spread(&client.with_label("new"), 10).await;
    assert_eq!(new, BTreeMap::from([("canary".into(), 10)]));
}

#[tokio::test]
async fn a_service_that_is_disabled_is_not_called() {
    let mut node = Node::start("a", &[]).await;
    let disabled = routes(r#"{"serviceId": 200, "disabled": true}"#);
    let (_app, client) = calling(referer([&node]).routes(disabled)).await;
    let refused = client.work(work(1)).await.unwrap_err();
    assert_eq!(refused.code(), tangelo::rpc::Code::NO_CONNECTION);
    let reason = refused.reason().to_string();
    assert!(reason.contains("routing rules"), "{reason}");
    assert_eq!(node.executed().await, 0);
}
