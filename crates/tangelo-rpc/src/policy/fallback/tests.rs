use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, UNIX_EPOCH},
};

use serde_json::json;

use super::*;

fn read(file: &str, text: &str) -> Result<Fallback, FallbackError> {
    Fallback::read(Path::new(file), text)
}

/// What is wrong with this file, line by line.
fn mistakes(file: &str, text: &str) -> Vec<String> {
    read(file, text).unwrap_err().mistakes
}

fn fallback(entries: Value) -> Fallback {
    serde_json::from_value(entries).unwrap()
}

/// What is answered to a call of `UserService.login`, 100.1.
fn answer(fallback: &Fallback, user: &str) -> Option<Value> {
    fallback.find("UserService", "login", 100, 1, &|key| {
        (key == "user.name").then(|| user.into())
    })
}

const ANSWER: &str = r#"{"retCode": -1, "tags": ["a", 2.5, true], "user": {"id": 7}}"#;

const FILES: [(&str, &str); 3] = [
    (
        "fallback.toml",
        r#"
        [[fallback]]
        for = "userservice.login"
        match = "user.name == abc"
        results = { retCode = -1, tags = ["a", 2.5, true], user = { id = 7 } }

        [[fallback]]
        for = "100.1"
        [fallback.results]
        at = 2026-11-05
        "#,
    ),
    (
        "fallback.JSON",
        r#"[
            {"for": "userservice.login", "match": "user.name == abc",
             "results": {"retCode": -1, "tags": ["a", 2.5, true], "user": {"id": 7}}},
            {"for": "100.1", "match": null, "results": {"at": "2026-11-05"}}
        ]"#,
    ),
    (
        "fallback.yml",
        "
- { for: userservice.login,   match: user.name ==abc,  results: {retCode: -1, tags: [a, 2.5, true],
      user: {id: 7}}  }
- for: 100.1
  match:
  results:
    at: 2026-11-05
",
    ),
];

#[test]
fn toml_json_and_krpcs_yaml_say_the_same() {
    for (file, text) in FILES {
        let fallback = read(file, text).unwrap();
        let expected: Value = serde_json::from_str(ANSWER).unwrap();
        assert_eq!(answer(&fallback, "abc"), Some(expected), "{file}");
        let other = Some(json!({"at": "2026-11-05"}));
        assert_eq!(answer(&fallback, "xyz"), other, "{file}");
    }
}

#[test]
fn krpcs_own_example_loads() {
    let text = "- { for: userservice.login,   match: userName ==abc && password == 123,  \
                results: {retCode: 0, retMsg: abc}  }\n\
                - { for: userservice.login,  match: , results: {retCode: -1000000, retMsg: abc, \
                userId: 111}  }\n";
    let fallback = read("fallback.yaml", text).unwrap();
    let ask = |password: &'static str| {
        let lookup = move |key: &str| match key {
            "userName" => Some("abc".into()),
            "password" => Some(password.into()),
            _ => None,
        };
        fallback
            .find("UserService", "Login", 100, 1, &lookup)
            .unwrap()
    };
    assert_eq!(ask("123"), json!({"retCode": 0, "retMsg": "abc"}));
    assert_eq!(
        ask("124"),
        json!({"retCode": -1_000_000, "retMsg": "abc", "userId": 111})
    );
}

#[test]
fn names_fit_in_any_case_and_numbers_by_themselves() {
    let entry = |target: &str| fallback(json!([{"for": target, "results": {}}]));
    for target in ["UserService.login", "USERSERVICE.Login", "100.1", " 100.1 "] {
        assert_eq!(answer(&entry(target), "x"), Some(json!({})), "{target}");
    }
    for target in [
        "UserService.logout",
        "user.UserService.login",
        "100.2",
        "101.1",
        "1.100",
    ] {
        assert_eq!(answer(&entry(target), "x"), None, "{target}");
    }
    let entry = entry("user.UserService.login");
    let found = entry.find("user.UserService", "login", 100, 1, &|_| None);
    assert_eq!(found, Some(json!({})));
}

#[test]
fn the_first_entry_that_fits_answers_whether_it_has_names_or_numbers() {
    let fallback = fallback(json!([
        {"for": "100.2", "results": {"entry": 0}},
        {"for": "UserService.login", "match": "user.name == a", "results": {"entry": 1}},
        {"for": "100.1", "match": "user.name in a,b", "results": {"entry": 2}},
        {"for": "UserService.login", "match": "user.name =~ \"[a-c]\"", "results": {"entry": 3}},
    ]));
    let entry = |user| answer(&fallback, user).map(|answer| answer["entry"].clone());
    assert_eq!(entry("a"), Some(json!(1)));
    assert_eq!(entry("b"), Some(json!(2)));
    assert_eq!(entry("c"), Some(json!(3)));
    assert_eq!(entry("d"), None);
    assert_eq!(answer(&Fallback::default(), "a"), None);
}

/// A clock that goes on by a second, and ids that count.
#[derive(Debug, Default)]
struct Counting {
    seconds: AtomicU32,
    ids: AtomicU32,
}

impl Sources for Counting {
    fn now(&self) -> SystemTime {
        let seconds = self.seconds.fetch_add(1, Ordering::Relaxed);
        UNIX_EPOCH + Duration::from_millis(1_700_000_000_123) + Duration::from_secs(seconds.into())
    }

    fn uuid(&self) -> String {
        format!("id-{}", self.ids.fetch_add(1, Ordering::Relaxed))
    }
}

#[test]
fn placeholders_are_made_anew_for_each_answer() {
    let results = json!({
        "ts": "{ts}", "text": "at {now} ({ts})", "ids": ["{uuid}", {"two": "{uuid}-{uuid}"}],
        "number": 1, "other": "{uid} {TS} {",
    });
    let fallback = fallback(json!([{"for": "100.1", "results": results}]));
    let fallback = fallback.with_sources(Arc::new(Counting::default()));
    assert_eq!(
        answer(&fallback, "x").unwrap(),
        json!({
            "ts": "1700000000123", "text": "at 2023-11-14T22:13:20.123Z (1700000000123)",
            "ids": ["id-0", {"two": "id-1-id-2"}], "number": 1, "other": "{uid} {TS} {",
        })
    );
    let second = answer(&fallback, "x").unwrap();
    assert_eq!(second["ts"], "1700000001123");
    assert_eq!(second["ids"][0], "id-3");
}

#[test]
fn a_clock_far_off_does_no_harm() {
    #[derive(Debug)]
    struct Off(SystemTime);

    impl Sources for Off {
        fn now(&self) -> SystemTime {
            self.0
        }

        fn uuid(&self) -> String {
            String::new()
        }
    }

    let results = json!({"text": "{ts} {now}"});
    let fallback = fallback(json!([{"for": "100.1", "results": results}]));
    let at = |time| answer(&fallback.clone().with_sources(Arc::new(Off(time))), "x").unwrap();
    let before = UNIX_EPOCH - Duration::from_secs(1);
    assert_eq!(at(before)["text"], "0 1970-01-01T00:00:00.000Z");
    let after = UNIX_EPOCH + Duration::from_secs(300_000_000_000);
    assert_eq!(at(after)["text"], "300000000000000 ");
}

#[test]
fn production_has_the_time_and_ids_of_its_own() {
    let fallback = fallback(json!([{"for": "100.1", "results": {"id": "{uuid}", "ts": "{ts}"}}]));
    let (one, other) = (
        answer(&fallback, "x").unwrap(),
        answer(&fallback, "x").unwrap(),
    );
    assert_ne!(one["id"], other["id"]);
    assert_eq!(one["id"].as_str().unwrap().len(), 36);
    assert!(one["ts"].as_str().unwrap().parse::<u64>().unwrap() > 1_700_000_000_000);
}

#[test]
fn all_mistakes_are_told_at_once_with_their_lines() {
    let toml = "\n[[fallback]]\nfor = \"login\"\nmatch = \"a = 1\"\nresult = {}\n\n\
                [[fallback]]\nfor = 100.1\nmatch = 1\nresults = []\n";
    assert_eq!(
        mistakes("conf/fallback.toml", toml),
        [
            "conf/fallback.toml:2: needs `results`",
            "conf/fallback.toml:2: `for`: expected a text like \"service.method\" or \"100.1\", \
             found \"login\"",
            "conf/fallback.toml:2: `match`: at character 3: expected `==`, `!=`, `=~`, `!~`, `in` \
             or `not_in`",
            "conf/fallback.toml:2: `result`: there is no such key; there are `for`, `match` and \
             `results`",
            "conf/fallback.toml:7: `for`: expected a text like \"service.method\" or \"100.1\", \
             found 100.1",
            "conf/fallback.toml:7: `match`: expected an expression as a text, found 1",
            "conf/fallback.toml:7: `results`: expected the fields of a response, found []",
        ]
    );
    let json = "[\n {\"for\": \"a.b\", \"results\": {}},\n {}, 5,\n\n {\"for\": \".b\"}]";
    assert_eq!(
        mistakes("f.json", json),
        [
            "f.json:3: needs `for`",
            "f.json:3: needs `results`",
            "f.json:3: expected an entry with `for` and `results`, found 5",
            "f.json:5: needs `results`",
            "f.json:5: `for`: expected a text like \"service.method\" or \"100.1\", found \".b\"",
        ]
    );
    let yaml = "# mocks\n- for: 100.1\n  results: {a: .nan}\n- for: a.\n  results: {}\n- x\n";
    assert_eq!(
        mistakes("f.yaml", yaml),
        [
            "f.yaml:3: this is no number that an answer can hold",
            "f.yaml:4: `for`: expected a text like \"service.method\" or \"100.1\", found \"a.\"",
            "f.yaml:6: expected an entry with `for` and `results`, found \"x\"",
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_names_the_line() {
    for (file, text, line) in [
        ("f.toml", "[[fallback]]\nfor = \n", "f.toml:2: "),
        ("f.toml", "[[fallback]]\n[other]\n", "f.toml:2: "),
        (
            "f.toml",
            "[[fallback]]\nresults = {a = inf}\n",
            "f.toml:1: inf is no number",
        ),
        ("f.json", "[\n{,}]", "f.json:2: "),
        ("f.json", "{}", "f.json:1: "),
        ("f.json", "", "f.json:1: "),
        ("f.yaml", "- a: b\n- [c\n", "f.yaml:"),
        ("f.yaml", "a: b\n", "f.yaml:1: expected a list"),
        ("f.yaml", "- for: a.b\n  for: c.d\n", "f.yaml:2: "),
        (
            "f.yaml",
            "--- []\n--- []\n",
            "f.yaml:2: expected one document",
        ),
        ("f.xml", "", "f.xml:1: expected a .toml"),
        ("fallback", "", "fallback:1: expected a .toml"),
    ] {
        let mistakes = mistakes(file, text);
        assert!(
            mistakes.len() == 1 && mistakes[0].starts_with(line),
            "{mistakes:?}"
        );
    }
}

#[test]
fn an_empty_file_has_no_entries() {
    for (file, text) in [
        ("f.toml", ""),
        ("f.json", "[]"),
        ("f.yaml", ""),
        ("f.yaml", "# none\n"),
    ] {
        assert!(read(file, text).unwrap().rules.is_empty(), "{file}");
    }
}

#[test]
fn yaml_numbers_before_and_after_the_point_stay_apart() {
    let text = "# ä\n- for: 100.10\n  results: {entry: 10}\n- for: 100.1\n  results: {entry: 1}\n";
    let fallback = read("f.yaml", text).unwrap();
    assert_eq!(answer(&fallback, "x"), Some(json!({"entry": 1})));
    let tenth = fallback.find("UserService", "other", 100, 10, &|_| None);
    assert_eq!(tenth, Some(json!({"entry": 10})));
}

#[test]
fn yaml_nests_as_deep_as_the_limit_says_and_no_deeper() {
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!("- {{for: 100.1, results: {{a: {open}{close}}}}}\n")
    };
    // The entry and its results are two of them.
    assert!(read("f.yaml", &nested(63)).is_ok());
    assert_eq!(
        mistakes("f.yaml", &nested(64)),
        ["f.yaml:1: nested deeper than 64"]
    );
}

#[test]
fn yaml_references_that_multiply_are_refused() {
    let mut text = String::from("- &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let references = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("- &a{level} [{references}]\n"));
    }
    assert!(mistakes("f.yaml", &text)[0].contains("alias"));
}

#[test]
fn entries_may_stand_in_a_larger_configuration() {
    #[derive(Debug, Deserialize)]
    struct Config {
        fallback: Fallback,
    }

    let text = "[[fallback]]\nfor = \"100.1\"\nresults = { a = 1 }\n";
    let config: Config = ::toml::from_str(text).unwrap();
    assert_eq!(answer(&config.fallback, "x"), Some(json!({"a": 1})));
    let error = ::toml::from_str::<Config>("[[fallback]]\nfor = \"100\"\n[[fallback]]\n");
    let error = error.unwrap_err().to_string();
    for mistake in [
        "[0]: needs `results`",
        "[0]: `for`: expected",
        "[1]: needs `for`",
    ] {
        assert!(error.contains(mistake), "{error}");
    }
}
