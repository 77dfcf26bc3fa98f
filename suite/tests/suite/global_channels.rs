//! Channels whose members all servers know.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use serde_json::json;
use tangelo::server::{GlobalChannelError, GlobalChannelStore, GlobalChannels, StoreError};

use crate::{
    channel_pushes::stranger,
    rooms::heard,
    stores::Shared,
    world::{DEADLINE, soon},
};

const ALL: &str = "all";

async fn members(channels: &GlobalChannels) -> BTreeMap<String, Vec<String>> {
    soon("the store says so", channels.members(ALL))
        .await
        .unwrap()
}

fn by_frontend(members: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
    let members = members.iter();
    let texts = |uids: &[&str]| uids.iter().map(ToString::to_string).collect();
    members
        .map(|(at, uids)| ((*at).to_owned(), texts(uids)))
        .collect()
}

/// The members, as soon as they are these.
async fn are(channels: &GlobalChannels, expected: &[(&str, &[&str])]) {
    let expected = by_frontend(expected);
    soon("they are the members", async {
        while channels.members(ALL).await.unwrap() != expected {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn any_server_adds_and_takes_out_users_on_any_front_end_and_all_know_it() {
    let shared = Shared::new().await;
    let mut clients = [shared.client(1, "a").await, shared.client(2, "b").await];
    let all = [("connector-1", &["a"][..]), ("connector-2", &["b"])];
    for server in shared.servers() {
        let channels = server.context().global_channels();
        for (uid, at) in [("a", "connector-1"), ("b", "connector-2")] {
            let added = soon("he is in", channels.add(ALL, uid, at)).await;
            assert!(added.unwrap());
            assert!(!channels.add(ALL, uid, at).await.unwrap());
        }
        for server in shared.servers() {
            let channels = server.context().global_channels();
            assert_eq!(members(channels).await, by_frontend(&all));
            let here = channels.members_at(ALL, "connector-2").await.unwrap();
            assert_eq!(here, ["b"]);
            let nowhere = channels.members_at(ALL, "connector-9").await.unwrap();
            assert!(nowhere.is_empty());
        }
        for (uid, at) in [("a", "connector-1"), ("b", "connector-2")] {
            assert!(channels.leave(ALL, uid, at).await.unwrap());
            assert!(!channels.leave(ALL, uid, at).await.unwrap());
        }
        assert!(members(channels).await.is_empty());
    }
    for (client, route) in clients
        .iter_mut()
        .zip(["connector.main.enter", "chat.main.enter"])
    {
        assert_eq!(client.ask(route, &json!(ALL)).await, true);
        assert_eq!(client.ask(route, &json!(ALL)).await, false);
    }
    assert_eq!(members(shared.channels()).await, by_frontend(&all));
}

#[tokio::test]
async fn a_push_reaches_every_session_of_a_member_on_his_front_end() {
    let shared = Shared::new().await;
    let mut in_it = [
        shared.client(1, "a").await,
        shared.client(1, "a").await,
        shared.client(2, "b").await,
    ];
    let mut others = [shared.client(2, "a").await, shared.client(1, "c").await];
    let channels = shared.channels();
    for (uid, at) in [("a", "connector-1"), ("b", "connector-2")] {
        channels.add(ALL, uid, at).await.unwrap();
    }
    for (number, server) in (1..).zip(shared.servers()) {
        let channels = server.context().global_channels();
        channels.push(ALL, "on", &number).await.unwrap();
        let again = number * 10;
        let pushed = channels.push_confirmed(ALL, "on", &again, DEADLINE);
        assert_eq!(soon("all say so", pushed).await.unwrap(), []);
        let mut in_it: Vec<_> = in_it.iter_mut().collect();
        heard(&mut in_it, &[json!(number), json!(again)]).await;
    }
    channels.push("nothing", "on", &1).await.unwrap();
    let mut others: Vec<_> = others.iter_mut().collect();
    heard(&mut others, &[]).await;
}

#[tokio::test]
async fn a_member_leaves_when_his_last_session_there_closes_or_is_unbound() {
    let shared = Shared::new().await;
    let first = shared.client(1, "a").await;
    let second = shared.client(1, "a").await;
    let mut unbound = shared.client(1, "b").await;
    let elsewhere = shared.client(2, "a").await;
    let channels = shared.channels();
    for (uid, at) in [
        ("a", "connector-1"),
        ("b", "connector-1"),
        ("a", "connector-2"),
    ] {
        assert!(channels.add(ALL, uid, at).await.unwrap());
    }
    drop(first);
    unbound.ask("connector.main.unbind", &json!({})).await;
    let left: &[_] = &[("connector-1", &["a"][..]), ("connector-2", &["a"])];
    are(channels, left).await;
    drop(second);
    are(channels, &[("connector-2", &["a"])]).await;
    drop(elsewhere);
    are(channels, &[]).await;
    // Being bound again is not being in it.
    unbound.ask("connector.main.bind", &json!("b")).await;
    shared.is_on("b", &["connector-1"]).await;
    assert!(members(channels).await.is_empty());
}

#[tokio::test]
async fn nobody_is_added_who_is_not_there() {
    let shared = Shared::new().await;
    let mut client = shared.client(1, "a").await;
    for server in shared.servers() {
        let channels = server.context().global_channels();
        for (uid, at) in [("a", "connector-2"), ("b", "connector-1")] {
            let refused = channels.add(ALL, uid, at).await.unwrap_err();
            let expected = matches!(refused, GlobalChannelError::NoSession);
            assert!(expected, "{refused}");
            assert!(!channels.leave(ALL, uid, at).await.unwrap());
        }
        let refused = channels.add(ALL, "a", "connector-9").await.unwrap_err();
        let expected = matches!(refused, GlobalChannelError::Unreachable(_));
        assert!(expected, "{refused}");
    }
    client.ask("connector.main.unbind", &json!({})).await;
    for route in ["connector.main.enter", "chat.main.enter"] {
        client.is_refused(route, &json!(ALL), 500).await;
    }
    assert!(members(shared.channels()).await.is_empty());
}

#[tokio::test]
async fn everybody_is_taken_out_of_a_channel_that_is_destroyed() {
    let shared = Shared::new().await;
    let _clients = [shared.client(1, "a").await, shared.client(2, "b").await];
    let channels = shared.channels();
    for name in [ALL, "other"] {
        for (uid, at) in [("a", "connector-1"), ("b", "connector-2")] {
            channels.add(name, uid, at).await.unwrap();
        }
    }
    let destroyed = soon("it is destroyed", channels.destroy(ALL));
    assert!(destroyed.await.unwrap());
    assert!(!channels.destroy(ALL).await.unwrap());
    assert!(members(channels).await.is_empty());
    assert_eq!(channels.members("other").await.unwrap().len(), 2);
    assert!(channels.add(ALL, "a", "connector-1").await.unwrap());
}

#[tokio::test]
async fn a_user_is_in_as_many_on_a_front_end_as_he_may_be() {
    let shared = Shared::new().await;
    let _client = shared.client(1, "a").await;
    let channels = shared.fronts[0].context().global_channels();
    let add = |number: usize| {
        let name = number.to_string();
        async move { channels.add(&name, "a", "connector-1").await }
    };
    for number in 0..GlobalChannels::MOST_PER_USER {
        assert!(add(number).await.unwrap());
    }
    let refused = add(GlobalChannels::MOST_PER_USER).await.unwrap_err();
    let expected = matches!(refused, GlobalChannelError::TooMany);
    assert!(expected, "{refused}");
    let refused = shared.channels().add(ALL, "a", "connector-1").await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, GlobalChannelError::TooMany), "{refused}");
}

#[tokio::test]
async fn members_on_a_front_end_that_has_died_are_taken_out() {
    let shared = Shared::new().await;
    let mut client = shared.client(1, "a").await;
    let channels = shared.channels();
    channels.add(ALL, "a", "connector-1").await.unwrap();
    let lost = stranger(&shared.back, "connector-9").await;
    let left = [(ALL.into(), "b".into())];
    shared.channels.add("connector-9", &left).await.unwrap();
    assert_eq!(members(channels).await.len(), 2);
    drop(lost);
    let pushed = channels.push_confirmed(ALL, "on", &1, DEADLINE);
    let unreached = soon("all say so", pushed).await.unwrap();
    assert_eq!(unreached, [("b".to_owned(), "connector-9".to_owned())]);
    heard(&mut [&mut client], &[json!(1)]).await;
    are(channels, &[("connector-1", &["a"])]).await;
}

#[tokio::test]
async fn members_on_a_front_end_that_leaves_are_taken_out() {
    let mut shared = Shared::new().await;
    let _clients = [shared.client(1, "a").await, shared.client(2, "b").await];
    for (uid, at) in [("a", "connector-1"), ("b", "connector-2")] {
        shared.channels().add(ALL, uid, at).await.unwrap();
    }
    shared.fronts.remove(0).leave(Duration::ZERO).await;
    let left = by_frontend(&[("connector-2", &["b"])]);
    assert_eq!(members(shared.channels()).await, left);
}

#[tokio::test]
async fn while_the_store_fails_the_caller_hears_of_it_and_nothing_is_half_done() {
    let shared = Shared::new().await;
    let mut clients = [shared.client(1, "a").await, shared.client(1, "b").await];
    let channels = shared.channels();
    channels.add(ALL, "a", "connector-1").await.unwrap();
    shared.channels.fails.store(true, Ordering::SeqCst);
    let failed = StoreError::Failed("no connection".into());
    assert_eq!(channels.members(ALL).await, Err(failed.clone()));
    channels.members_at(ALL, "connector-1").await.unwrap_err();
    channels.push(ALL, "on", &1).await.unwrap_err();
    channels.destroy(ALL).await.unwrap_err();
    for (uid, joins) in [("b", true), ("a", false)] {
        let change = async {
            match joins {
                true => channels.add(ALL, uid, "connector-1").await,
                false => channels.leave(ALL, uid, "connector-1").await,
            }
        };
        let refused = soon("it is refused", change).await.unwrap_err();
        let GlobalChannelError::Store(said) = &refused else {
            panic!("{refused}")
        };
        assert!([&failed, &StoreError::Late].contains(&said), "{said}");
    }
    for client in &mut clients {
        client.was_ignored("connector.main.echo").await;
    }
    shared.channels.fails.store(false, Ordering::SeqCst);
    // Who was refused is not in, who wanted to leave leaves.
    are(channels, &[]).await;
    assert!(channels.add(ALL, "b", "connector-1").await.unwrap());
    let members = by_frontend(&[("connector-1", &["b"])]);
    assert_eq!(self::members(channels).await, members);
}

/// What a channel's push is beside: the store of another application is another one.
#[tokio::test]
async fn stores_are_shared_by_those_who_are_given_them() {
    let (one, other) = (Shared::new().await, Shared::new().await);
    let _client = one.client(1, "a").await;
    one.channels().add(ALL, "a", "connector-1").await.unwrap();
    assert!(members(other.channels()).await.is_empty());
    let store: Arc<dyn GlobalChannelStore> = one.channels.clone();
    assert_eq!(store.members(ALL).await.unwrap().len(), 1);
}
