use std::time::Duration;

use super::*;
use crate::policy::node::Outcome;

const SEED: u64 = 20;

fn nodes(weights: &[u32]) -> Vec<Arc<Node>> {
    let node = |(index, weight): (usize, &u32)| {
        let node = Node::new(format!("10.0.0.{index}:5600").into(), None);
        node.set_weight(*weight);
        Arc::new(node)
    };
    weights.iter().enumerate().map(node).collect()
}

fn choice(nodes: &[Arc<Node>]) -> Choice<'_> {
    Choice {
        nodes,
        key: None,
        msg_id: 1,
        now: Instant::now(),
    }
}

/// How often each node is picked.
fn spread(balance: &dyn Balance, nodes: &[Arc<Node>], picks: usize) -> Vec<usize> {
    let (choice, mut counts) = (choice(nodes), vec![0; nodes.len()]);
    for _ in 0..picks {
        counts[balance.pick(&choice)] += 1;
    }
    counts
}

/// Whether each count is near its share, in percent of all.
fn near(counts: &[usize], shares: [f64; 3]) -> bool {
    let all: usize = counts.iter().sum();
    let distance =
        |(count, share): (&usize, f64)| (*count as f64 / all as f64 * 100.0 - share).abs();
    counts
        .iter()
        .zip(shares)
        .map(distance)
        .all(|distance| distance < 1.0)
}

/// One of each, by its name.
fn all() -> [(&'static str, Arc<dyn Balance>); 5] {
    [
        ("roundrobin", Arc::new(RoundRobin::default())),
        ("random", Arc::new(Random::seeded(SEED))),
        ("leastactive", Arc::new(LeastActive::seeded(SEED))),
        ("responsetime", Arc::new(ResponseTime::seeded(SEED))),
        ("hash", Arc::new(ConsistentHash::seeded("x", SEED))),
    ]
}

/// `count` calls that begin and do not end.
fn busy(node: &Arc<Node>, count: usize) {
    for _ in 0..count {
        std::mem::forget(node.enter(Instant::now()));
    }
}

/// A call that took this many milliseconds.
fn call(node: &Arc<Node>, now: Instant, millis: u64) {
    let pass = node.enter(now);
    pass.finish(now + Duration::from_millis(millis), Outcome::Ok);
}

#[test]
fn weight_0_gets_nothing_with_and_without_a_key() {
    for (name, balance) in all() {
        let nodes = nodes(&[0, 100, 0, 7]);
        let counts = spread(&*balance, &nodes, 1_000);
        assert!(counts[0] == 0 && counts[2] == 0, "{name}: {counts:?}");
        assert!(counts[1] > 0 && counts[3] > 0, "{name}: {counts:?}");
        for key in 0..1_000_u32 {
            let key = key.to_string();
            let keyed = Choice {
                key: Some(key.as_bytes()),
                ..choice(&nodes)
            };
            assert!([1, 3].contains(&balance.pick(&keyed)), "{name}");
        }
    }
}

#[test]
fn weight_0_everywhere_counts_as_no_weight() {
    for (name, balance) in all() {
        let counts = spread(&*balance, &nodes(&[0, 0, 0]), 30_000);
        assert!(near(&counts, [33.3; 3]), "{name}: {counts:?}");
    }
}

#[test]
fn idle_nodes_share_calls_by_weight() {
    // Of two nodes drawn by weight the faster is taken; so this does not hold for response times.
    for (name, balance) in all()
        .into_iter()
        .filter(|(name, _)| *name != "responsetime")
    {
        let counts = spread(&*balance, &nodes(&[100, 200, 300]), 30_000);
        assert!(near(&counts, [16.7, 33.3, 50.0]), "{name}: {counts:?}");
    }
}

#[test]
fn one_node_is_chosen_whatever_it_weighs() {
    for weight in [0, 1, u32::MAX] {
        for (name, balance) in all() {
            assert_eq!(balance.pick(&choice(&nodes(&[weight]))), 0, "{name}");
        }
    }
}

#[test]
fn the_largest_weights_do_no_harm() {
    for (name, balance) in all() {
        let counts = spread(&*balance, &nodes(&[u32::MAX; 3]), 30_000);
        assert!(near(&counts, [33.3; 3]), "{name}: {counts:?}");
    }
}

#[test]
fn the_same_seed_makes_the_same_choices_and_production_has_its_own() {
    let picks = |balance: &dyn Balance| -> Vec<usize> {
        let nodes = nodes(&[100; 8]);
        (0..64).map(|_| balance.pick(&choice(&nodes))).collect()
    };
    assert_eq!(picks(&Random::seeded(1)), picks(&Random::seeded(1)));
    assert_ne!(picks(&Random::seeded(1)), picks(&Random::seeded(2)));
    assert_ne!(picks(&Random::default()), picks(&Random::default()));
}

#[test]
fn round_robin_takes_equal_nodes_in_their_order() {
    let (balance, nodes) = (RoundRobin::default(), nodes(&[100; 3]));
    let picks: Vec<_> = (0..6).map(|_| balance.pick(&choice(&nodes))).collect();
    assert_eq!(picks, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn round_robin_gives_each_its_weight_exactly_and_evenly_spread() {
    let (balance, nodes) = (RoundRobin::default(), nodes(&[50, 20, 10]));
    let picks: Vec<_> = (0..80).map(|_| balance.pick(&choice(&nodes))).collect();
    let count = |index| picks.iter().filter(|pick| **pick == index).count();
    assert_eq!([count(0), count(1), count(2)], [50, 20, 10]);
    let rows = picks.chunk_by(|one, other| one == other).map(<[_]>::len);
    assert_eq!(rows.max(), Some(2), "{picks:?}");
}

/// How often each node is picked by four threads at once.
fn spread_of_threads(balance: &dyn Balance, nodes: &[Arc<Node>], picks: usize) -> Vec<usize> {
    let mut counts = vec![0; nodes.len()];
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| spread(balance, nodes, picks)))
            .collect();
        for thread in threads {
            for (count, picked) in counts.iter_mut().zip(thread.join().unwrap()) {
                *count += picked;
            }
        }
    });
    counts
}

#[test]
fn round_robin_gives_no_turn_twice_between_threads() {
    let counts = spread_of_threads(&RoundRobin::default(), &nodes(&[100; 2]), 2_000);
    assert_eq!(counts, [4_000, 4_000]);
}

#[test]
fn weight_0_gets_nothing_however_callers_take_each_others_turns() {
    for (name, balance) in all() {
        let counts = spread_of_threads(&*balance, &nodes(&[0, 100, 0]), 2_000);
        assert_eq!(counts, [0, 8_000, 0], "{name}");
    }
}

#[test]
fn least_active_takes_the_node_with_the_fewest_calls_under_way() {
    let (balance, nodes) = (LeastActive::seeded(SEED), nodes(&[100; 3]));
    busy(&nodes[0], 2);
    busy(&nodes[1], 1);
    busy(&nodes[2], 2);
    assert_eq!(spread(&balance, &nodes, 100), [0, 100, 0]);
    busy(&nodes[1], 1);
    let counts = spread(&balance, &nodes, 30_000);
    assert!(near(&counts, [33.3; 3]), "{counts:?}");
}

#[test]
fn response_time_takes_the_faster_of_two() {
    let (balance, nodes) = (ResponseTime::seeded(SEED), nodes(&[100; 2]));
    let now = Instant::now();
    call(&nodes[0], now, 10);
    call(&nodes[1], now, 9);
    assert_eq!(spread(&balance, &nodes, 100), [0, 100]);
}

#[test]
fn response_time_prefers_idle_nodes_of_which_nothing_is_known() {
    let (balance, nodes) = (ResponseTime::seeded(SEED), nodes(&[100; 2]));
    call(&nodes[0], Instant::now(), 0);
    assert_eq!(spread(&balance, &nodes, 100), [0, 100]);
}

#[test]
fn response_time_does_not_send_everybody_to_the_new_or_the_fastest_node() {
    for known in [[10, 10, 10], [1, 10, 10]] {
        let calls = 400;
        let (balance, nodes) = (ResponseTime::seeded(SEED), nodes(&[100; 4]));
        let now = Instant::now();
        for (node, millis) in nodes.iter().zip(known) {
            call(node, now, millis);
        }
        // All of them at once: none has ended when the next is begun.
        for _ in 0..calls {
            let index = balance.pick(&choice(&nodes));
            busy(&nodes[index], 1);
        }
        let most = nodes.iter().map(|node| node.active()).max();
        // Of four nodes a single one is among two drawn half of the time.
        assert!(most < Some(calls / 2 + 30), "{nodes:?}");
        assert!(nodes.iter().all(|node| node.active() > 10), "{nodes:?}");
    }
}

#[test]
fn response_time_keeps_two_nodes_of_one_speed_equally_busy() {
    let (balance, nodes) = (ResponseTime::seeded(SEED), nodes(&[100; 2]));
    for _ in 0..100 {
        let index = balance.pick(&choice(&nodes));
        busy(&nodes[index], 1);
    }
    assert_eq!([nodes[0].active(), nodes[1].active()], [50, 50]);
}

/// The address chosen for each of many keys.
fn homes(nodes: &[Arc<Node>]) -> Vec<String> {
    let balance = ConsistentHash::new("userId");
    let home = |key: u32| {
        let key = key.to_string();
        let keyed = Choice {
            key: Some(key.as_bytes()),
            ..choice(nodes)
        };
        nodes[balance.pick(&keyed)].address().to_owned()
    };
    (0..10_000).map(home).collect()
}

#[test]
fn a_node_that_goes_gives_away_its_own_keys_and_no_others() {
    let mut nodes = nodes(&[100, 50, 100, 100]);
    let before = homes(&nodes);
    let gone = nodes.remove(2);
    let after = homes(&nodes);
    let moved = before
        .iter()
        .zip(&after)
        .filter(|(one, other)| one != other);
    assert!(moved.clone().all(|(before, _)| before == gone.address()));
    let owned = before.iter().filter(|home| *home == gone.address()).count();
    assert_eq!(moved.count(), owned);
    assert!((2_700..3_000).contains(&owned), "2/7 of the keys: {owned}");
}

#[test]
fn a_key_has_the_same_home_in_whatever_order_the_nodes_are_listed() {
    let mut nodes = nodes(&[100, 50, 100, 100]);
    let before = homes(&nodes);
    nodes.reverse();
    assert_eq!(homes(&nodes), before);
}

#[test]
fn more_weight_takes_keys_from_others_and_moves_none_between_them() {
    let nodes = nodes(&[100; 4]);
    let before = homes(&nodes);
    nodes[0].set_weight(200);
    for (before, after) in before.iter().zip(homes(&nodes)) {
        assert!(*before == after || after == nodes[0].address());
    }
}

#[test]
fn keys_are_shared_by_weight() {
    let nodes = nodes(&[100, 200, 300]);
    let homes = homes(&nodes);
    let count = |node: &Arc<Node>| homes.iter().filter(|home| *home == node.address()).count();
    let counts: Vec<_> = nodes.iter().map(count).collect();
    assert!(near(&counts, [16.7, 33.3, 50.0]), "{counts:?}");
}

#[test]
fn a_key_has_the_home_it_has_always_had() {
    let nodes = nodes(&[100, 50, 100, 100]);
    let homes: Vec<_> = homes(&nodes).into_iter().take(12).collect();
    let numbers = homes.iter().map(|home| home.as_bytes()[7] - b'0');
    assert_eq!(
        numbers.collect::<Vec<_>>(),
        [1, 0, 2, 2, 1, 3, 2, 0, 2, 1, 2, 1],
        "other builds place these keys so"
    );
}

#[test]
fn a_call_without_a_key_goes_anywhere() {
    let (balance, nodes) = (ConsistentHash::seeded("x", SEED), nodes(&[100; 3]));
    let counts = spread(&balance, &nodes, 30_000);
    assert!(near(&counts, [33.3; 3]), "{counts:?}");
    let empty = Choice {
        key: Some(b""),
        ..choice(&nodes)
    };
    let picks: Vec<_> = (0..100).map(|_| balance.pick(&empty)).collect();
    assert!((0..3).all(|index| picks.contains(&index)));
}

#[test]
fn balances_go_by_krpcs_names() {
    for (name, debug) in [
        ("rr", "RoundRobin"),
        ("roundrobin", "RoundRobin"),
        ("roundRobinWeight", "RoundRobin"),
        (" Random ", "Random"),
        ("randomweight", "Random"),
        ("LEASTACTIVE", "LeastActive"),
        ("leastactiveweight", "LeastActive"),
        ("responsetime:", "ResponseTime"),
        ("hash:hashField=userId", "ConsistentHash"),
    ] {
        let balance = by_name(name).unwrap();
        assert!(format!("{balance:?}").starts_with(debug), "{name}");
    }
}

#[test]
fn a_hash_wants_its_field() {
    for spec in ["hash:hashField=userId", "Hash: hashfield = userId ;"] {
        assert_eq!(by_name(spec).unwrap().key_field(), Some("userId"));
    }
    assert_eq!(by_name("rr").unwrap().key_field(), None);
    for spec in [
        "hash",
        "hash:",
        "hash:hashField=",
        "hash:field=x",
        "hash:hashField=a;b=c",
    ] {
        let error = by_name(spec).unwrap_err().to_string();
        assert!(error.contains("hashField="), "{error}");
    }
}

#[test]
fn an_unknown_name_is_answered_with_those_there_are() {
    let error = by_name("fastest").unwrap_err().to_string();
    assert_eq!(
        error,
        "no balance is called `fastest`; there are: roundrobin, rr, roundrobinweight, random, \
         randomweight, leastactive, leastactiveweight, responsetime, hash:hashField=x"
    );
    let error = by_name("responsetime:seconds=5").unwrap_err().to_string();
    assert_eq!(
        error,
        "the balance in `responsetime:seconds=5` takes no parameters"
    );
}
