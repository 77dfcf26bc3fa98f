use super::*;

const OWN_HOST: &str = "10.0.0.9";

fn rules(json: &str) -> RouteRules {
    let config: RouteConfig = serde_json::from_str(json).unwrap();
    RouteRules::new(&config, OWN_HOST).unwrap()
}

fn with_rules(json: &str) -> RouteRules {
    rules(&format!(r#"{{"serviceId": 100, "rules": {json}}}"#))
}

const ADDRESSES: [&str; 3] = ["10.0.0.1:5600", "10.0.0.2:5600", "10.0.0.9:5601"];

/// Which of the three addresses a call of this message may go to.
fn admitted(rules: &RouteRules, msg_id: i32) -> Vec<usize> {
    let admitted = rules.decide(&|key| match key {
        "msgId" => Some(msg_id.to_string().into()),
        "host" => Some(OWN_HOST.into()),
        "dyeing" => Some("".into()),
        _ => None,
    });
    let indexes = 0..ADDRESSES.len();
    indexes
        .filter(|index| admitted.admits(ADDRESSES[*index]))
        .collect()
}

#[test]
fn a_configuration_reads_as_krpc_writes_it() {
    let rules = rules(
        r#"{"serviceId":100,"disabled":true,"weights":[{"addr":"10.0.0.1","weight":50}],
            "rules":[{"from":"msgId == 1","to":"host == 10.0.0.1","priority":2}],"later":1}"#,
    );
    assert_eq!((rules.service_id(), rules.is_disabled()), (100, true));
    assert_eq!(rules.weight_of("10.0.0.1:5600"), 50);
    assert_eq!(admitted(&rules, 1), [0]);
}

#[test]
fn missing_and_null_lists_are_empty() {
    for json in [
        r#"{"serviceId":100}"#,
        r#"{"serviceId":100,"weights":null,"rules":null}"#,
        r#"{"serviceId":100,"weights":[],"rules":[]}"#,
    ] {
        let rules = rules(json);
        assert!(!rules.is_disabled());
        assert_eq!(rules.weight_of("10.0.0.1:5600"), 100);
        assert_eq!(admitted(&rules, 1), [0, 1, 2]);
        assert!(rules.decide(&|_| None).is_all());
    }
}

#[test]
fn weights_are_looked_up_from_the_exact_address_to_patterns_of_the_host() {
    let all = r#"[{"addr":"10.0.*.1","weight":4},{"addr":"10.0.0.1","weight":3},
        {"addr":"10.0.0.1:56*","weight":2},{"addr":"10.0.0.1:5600","weight":1}]"#;
    let mut weights: Vec<serde_json::Value> = serde_json::from_str(all).unwrap();
    for expected in [1, 2, 3, 4, 100] {
        let json = serde_json::json!({"serviceId": 100, "weights": weights}).to_string();
        assert_eq!(rules(&json).weight_of("10.0.0.1:5600"), expected);
        weights.pop();
    }
}

#[test]
fn the_first_of_several_weights_counts() {
    let rules = rules(
        r#"{"serviceId":100,"weights":[{"addr":"10.*.*.*:*","weight":0},{"addr":"*.0.0.1:*",
            "weight":7},{"addr":" 10.0.0.2 ","weight":5},{"addr":"10.0.0.2","weight":6}]}"#,
    );
    assert_eq!(rules.weight_of("10.0.0.1:5600"), 0);
    assert_eq!(rules.weight_of("11.0.0.1:5600"), 7);
    assert_eq!(rules.weight_of("10.0.0.2"), 5);
    assert_eq!(rules.weight_of("example:5600"), 100);
}

#[test]
fn the_first_rule_that_is_about_a_call_decides_for_it() {
    let rules = with_rules(
        r#"[{"from":"msgId == 1","to":"host == 10.0.0.1"},
            {"from":"msgId == 1,2","to":"addr == 10.0.0.*:5600"},
            {"from":"msgId == 3","to":"host != 10.0.0.2"},
            {"from":"msgId == 4","to":"host == 10.9.9.9"}]"#,
    );
    assert_eq!(admitted(&rules, 1), [0]);
    assert_eq!(admitted(&rules, 2), [0, 1]);
    assert_eq!(admitted(&rules, 3), [0, 2]);
    assert_eq!(admitted(&rules, 4), [0; 0], "a rule may lead to nobody");
    assert_eq!(admitted(&rules, 5), [0, 1, 2], "no rule is about this");
}

#[test]
fn rules_of_higher_priority_come_first_and_equal_ones_as_written() {
    let rules = with_rules(
        r#"[{"from":"","to":"host == 10.0.0.1","priority":-1},
            {"from":"msgId == 1","to":"host == 10.0.0.2"},
            {"from":"msgId == 1,2","to":"host == 10.0.0.9"},
            {"from":"msgId == 2,3","to":"host == 10.0.0.2","priority":2}]"#,
    );
    assert_eq!(admitted(&rules, 1), [1]);
    assert_eq!(admitted(&rules, 2), [1]);
    assert_eq!(admitted(&rules, 3), [1]);
    assert_eq!(admitted(&rules, 4), [0]);
}

#[test]
fn a_rule_that_leads_nowhere_never_decides() {
    let rules = with_rules(r#"[{"from":"msgId == 1"},{"to":" "},{"to":"host == 10.0.0.2"}]"#);
    assert_eq!(admitted(&rules, 1), [1]);
    assert!(with_rules(r#"[{"to":null}]"#).decide(&|_| None).is_all());
}

#[test]
fn host_stands_for_the_own_address() {
    let rules = with_rules(r#"[{"to":"host == $host"}]"#);
    assert_eq!(admitted(&rules, 1), [2]);
    let rules = with_rules(r#"[{"to":"addr == $host:5600,$host:5601"}]"#);
    assert_eq!(admitted(&rules, 1), [2]);
}

#[test]
fn what_is_empty_counts_as_missing() {
    let rules =
        with_rules(r#"[{"from":"dyeing != a","to":"host == 10.0.0.1"},{"to":"host == 10.0.0.2"}]"#);
    assert_eq!(admitted(&rules, 1), [1]);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let config: RouteConfig = serde_json::from_str(
        r#"{"serviceId":100,"weights":[{"addr":"","weight":1}],"rules":[
            {"from":"msgId = 1","to":"msgId == 1"},
            {"from":"msgId == 1","to":"host == 1 && addr == 2"},
            {"from":"host == 1","to":"!host == 1"},
            {"from":"","to":"host =="}]}"#,
    )
    .unwrap();
    let error = RouteRules::new(&config, OWN_HOST).unwrap_err();
    assert_eq!(
        error.to_string(),
        "routing of service 100:\n  \
         weights[0].addr: expected an address\n  \
         rules[0].from: at character 7: expected `==`, `!=`, `=~`, `!~`, `in` or `not_in`\n  \
         rules[0].to: expected one comparison with `host` or `addr`\n  \
         rules[1].to: expected one comparison with `host` or `addr`\n  \
         rules[2].to: expected one comparison with `host` or `addr`\n  \
         rules[3].to: at character 8: expected a value, in double quotes if it is empty or begins so"
    );
}
