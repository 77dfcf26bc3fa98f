use serde_json::{Value, json};

use super::*;

/// A chapter, whichever it is.
struct Chapter {
    name: &'static str,
    keys: &'static [Key],
    refused: &'static [Refused],
    /// Sets a key of a new one, and shows what came of it.
    set: fn(&str, &Value) -> Result<String, SettingError>,
    /// Shows a new one.
    new: fn() -> String,
}

macro_rules! chapter {
    ($name:literal, $config:ident) => {
        Chapter {
            name: $name,
            keys: $config::KEYS,
            refused: $config::REFUSED,
            set: |key, value| {
                let mut config = $config::default();
                config.set(key, value).map(|()| format!("{config:?}"))
            },
            new: || format!("{:?}", $config::default()),
        }
    };
}

const CHAPTERS: [Chapter; 9] = [
    chapter!("application", ApplicationConfig),
    chapter!("registry", RegistryConfig),
    chapter!("client", ClientConfig),
    chapter!("server", ServerConfig),
    chapter!("webserver", WebServerConfig),
    chapter!("service", ServiceConfig),
    chapter!("referer", RefererConfig),
    chapter!("method", MethodConfig),
    chapter!("monitor", MonitorConfig),
];

type Parameter = (&'static str, Option<&'static str>);

/// The parameters of krpc's documentation, each with its default there: none where it says of none, or
/// where ours is another for a reason that stands beside it.
const KRPCS: [(&str, &[Parameter]); 9] = [
    (
        "application",
        &[
            ("name", Some("\"default_app\"")),
            ("mockFile", None),
            ("errorMsgConverter", Some("\"error.properties\"")),
            ("flowControl", None),
        ],
    ),
    (
        "registry",
        &[("id", None), ("type", None), ("address", None)],
    ),
    (
        "client",
        &[
            // Not one of its own that nobody could guess.
            ("id", None),
            ("pingSeconds", Some("60")),
            ("maxPackageSize", Some("1_000_000")),
            ("connectTimeout", Some("15_000")),
            ("reconnectSeconds", Some("1")),
            ("ioThreads", None),
            ("connections", Some("1")),
            ("notifyThreads", None),
            ("notifyMaxThreads", None),
            ("notifyQueueSize", None),
            ("threads", Some("0")),
            ("maxThreads", Some("0")),
            ("queueSize", Some("10_000")),
        ],
    ),
    (
        "server",
        &[
            ("id", None),
            ("port", Some("5600")),
            ("host", Some("\"*\"")),
            ("idleSeconds", Some("180")),
            ("maxPackageSize", Some("1_000_000")),
            ("maxConns", Some("500_000")),
            ("ioThreads", None),
            ("notifyThreads", None),
            ("notifyMaxThreads", None),
            ("notifyQueueSize", None),
            ("threads", Some("0")),
            ("maxThreads", Some("0")),
            ("queueSize", Some("10_000")),
        ],
    ),
    (
        "webserver",
        &[
            ("id", None),
            ("port", Some("8600")),
            ("host", Some("\"*\"")),
            ("idleSeconds", Some("60")),
            ("maxContentLength", Some("1_000_000")),
            ("maxConns", Some("500_000")),
            ("ioThreads", None),
            ("notifyThreads", None),
            ("notifyMaxThreads", None),
            ("notifyQueueSize", None),
            ("threads", Some("0")),
            ("maxThreads", Some("0")),
            ("queueSize", Some("10_000")),
            ("sessionService", Some("\"memory\"")),
            ("jsonConverter", None),
            ("routesFile", Some("\"routes.xml\"")),
            ("sessionIdCookieName", Some("\"JSESSIONID\"")),
            ("sessionIdCookiePath", Some("\"\"")),
            ("protoDir", Some("\"proto\"")),
        ],
    ),
    (
        "service",
        &[
            ("id", None),
            ("interfaceName", None),
            ("impl", None),
            ("transport", None),
            ("reverse", Some("false")),
            ("registryNames", None),
            ("group", None),
            ("threads", Some("-1")),
            ("maxThreads", Some("0")),
            ("queueSize", Some("10_000")),
            ("flowControl", None),
        ],
    ),
    (
        "referer",
        &[
            ("id", None),
            ("interfaceName", None),
            ("serviceId", None),
            ("transport", None),
            ("reverse", Some("false")),
            ("direct", None),
            ("registryName", None),
            ("group", None),
            ("timeout", Some("3000")),
            ("retryLevel", Some("\"no_retry\"")),
            ("retryCount", Some("0")),
            ("loadBalance", Some("\"rr\"")),
            // A word; krpc's 0 means the same.
            ("zip", None),
            ("minSizeToZip", Some("10_000")),
        ],
    ),
    (
        "method",
        // What a method does not say is as its service or referer has it.
        &[
            ("pattern", None),
            ("timeout", None),
            ("retryLevel", None),
            ("retryCount", None),
            ("threads", None),
            ("maxThreads", None),
            ("queueSize", None),
            ("flowControl", None),
        ],
    ),
    (
        "monitor",
        &[
            ("maskFields", None),
            ("maxRepeatedSizeToLog", Some("1")),
            ("logFormatter", Some("\"simple\"")),
            ("logThreads", Some("1")),
            ("logQueueSize", Some("10_000")),
            ("serverAddr", None),
            ("printDefault", Some("false")),
        ],
    ),
];

fn camel_case(snake: &str) -> String {
    let mut parts = snake.split('_');
    let mut camel = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        camel.push_str(&part[..1].to_uppercase());
        camel.push_str(&part[1..]);
    }
    camel
}

#[test]
fn every_parameter_of_krpc_is_a_key_with_its_default_or_refused() {
    for (chapter, (name, parameters)) in CHAPTERS.iter().zip(KRPCS) {
        assert_eq!(chapter.name, name);
        for (parameter, default) in parameters {
            let snake = snake_case(parameter);
            let key = chapter.keys.iter().find(|key| key.name() == snake);
            let refused = chapter.refused.iter().any(|key| key.name() == snake);
            assert!(key.is_some() != refused, "{name}.{parameter}");
            if let (Some(key), Some(default)) = (key, default) {
                assert_eq!(key.default(), *default, "{name}.{parameter}");
            }
        }
    }
}

#[test]
fn every_default_is_written_as_a_file_would_say_it() {
    for chapter in &CHAPTERS {
        for key in chapter.keys.iter().filter(|key| !key.default().is_empty()) {
            let place = format!("{}.{}", chapter.name, key.name());
            let file = format!("it = {}", key.default());
            let mut file: toml::Table = toml::from_str(&file).expect(&place);
            let value = json!(file.remove("it"));
            assert_eq!(
                (chapter.set)(key.name(), &value),
                Ok((chapter.new)()),
                "{place}"
            );
        }
    }
}

#[test]
fn every_key_has_a_meaning() {
    for chapter in &CHAPTERS {
        for key in chapter.keys {
            let (name, meaning) = (key.name(), key.meaning());
            assert!(meaning.ends_with('.'), "{}.{name}: {meaning}", chapter.name);
            assert!(
                !meaning.contains("  "),
                "{}.{name}: {meaning}",
                chapter.name
            );
        }
    }
}

#[test]
fn krpcs_spelling_is_told_ours() {
    for chapter in &CHAPTERS {
        for key in chapter.keys.iter().filter(|key| key.name().contains('_')) {
            let outcome = (chapter.set)(&camel_case(key.name()), &json!(1));
            assert_eq!(outcome, Err(SettingError::Written(key.name())));
        }
    }
    let told = (CHAPTERS[2].set)("pingSeconds", &json!(1)).unwrap_err();
    assert_eq!(told.to_string(), "is written ping_seconds here");
}

#[test]
fn what_has_no_sense_here_is_refused_with_the_reason_in_both_spellings() {
    for chapter in &CHAPTERS {
        for refused in chapter.refused {
            let expected = Err(SettingError::Refused(refused.reason()));
            assert_eq!((chapter.set)(refused.name(), &json!(1)), expected);
            let camel = camel_case(refused.name());
            assert_eq!((chapter.set)(&camel, &json!(1)), expected);
            let known = chapter.keys.iter().any(|key| key.name() == refused.name());
            assert!(!known, "{}.{camel} is a key as well", chapter.name);
        }
    }
    for chapter in &CHAPTERS[2..5] {
        for pool in [
            "ioThreads",
            "notifyThreads",
            "notifyMaxThreads",
            "notifyQueueSize",
        ] {
            let told = (chapter.set)(pool, &json!(0)).unwrap_err().to_string();
            assert!(told.starts_with("has no meaning here:"), "{pool}: {told}");
        }
    }
}

#[test]
fn an_unknown_key_is_told_those_there_are() {
    let told = (CHAPTERS[1].set)("adress", &json!("a")).unwrap_err();
    assert_eq!(
        told.to_string(),
        "unknown key; there are: id, type, address, enable_regist, enable_discover"
    );
}

#[test]
fn what_stands_in_a_file_is_not_set_alone() {
    for chapter in [&CHAPTERS[5], &CHAPTERS[6]] {
        for key in ["interface", "method"] {
            let told = (chapter.set)(key, &json!("x")).unwrap_err().to_string();
            assert_eq!(told, "stands in a file: it cannot be set alone");
        }
    }
}

#[test]
fn a_value_that_does_not_fit_is_told_what_would() {
    let whole = "expected a whole number from";
    let list = "expected a list of texts, or one text with commas, found";
    let long = "x".repeat(100);
    for (chapter, key, value, told) in [
        (
            3,
            "port",
            json!("x"),
            format!("{whole} 0 to 65535, found \"x\""),
        ),
        (
            3,
            "port",
            json!(65_536),
            format!("{whole} 0 to 65535, found 65536"),
        ),
        (
            3,
            "port",
            json!(-1),
            format!("{whole} 0 to 65535, found -1"),
        ),
        (
            3,
            "port",
            json!(1.5),
            format!("{whole} 0 to 65535, found 1.5"),
        ),
        (
            3,
            "max_conns",
            json!(-1),
            format!("{whole} 0 to {}, found -1", i64::MAX),
        ),
        (3, "host", json!(5), "expected a text, found 5".to_owned()),
        (
            3,
            "enable_encrypt",
            json!(1),
            "expected true or false, found 1".to_owned(),
        ),
        (
            6,
            "timeout",
            json!(0),
            "expected a time in milliseconds, at least 1, found 0".to_owned(),
        ),
        (6, "direct", json!(5), format!("{list} 5")),
        (6, "direct", json!(["a", 5]), format!("{list} [\"a\",5]")),
        (
            6,
            "group",
            json!([long]),
            format!("expected a text, found [\"{}...", &long[..58]),
        ),
        (
            6,
            "retry_level",
            json!(1),
            "expected a text, found 1".to_owned(),
        ),
        (
            7,
            "pattern",
            json!("1-x"),
            "`1-x` is neither a number nor a range such as 1-3".to_owned(),
        ),
    ] {
        let outcome = (CHAPTERS[chapter].set)(key, &value);
        assert_eq!(outcome, Err(SettingError::Value(told)), "{key} = {value}");
    }
    for (chapter, key, text) in [
        (
            6,
            "retry_level",
            "no retry level is called `x`; there are: no_retry, ",
        ),
        (
            6,
            "load_balance",
            "no balance is called `x`; there are: roundrobin, ",
        ),
        (
            5,
            "flow_control",
            "`x`: expected seconds=calls, as in `1=5;3=20`",
        ),
    ] {
        let told = (CHAPTERS[chapter].set)(key, &json!("x")).unwrap_err();
        assert!(told.to_string().starts_with(text), "{told}");
    }
}

#[test]
fn a_value_at_its_limit_is_taken() {
    for (chapter, key, value) in [
        (3, "port", json!(0)),
        (3, "port", json!(65_535)),
        (3, "threads", json!(-1)),
        (6, "timeout", json!(1)),
        (6, "zip", json!("")),
        (6, "retry_level", json!("TIMEOUT")),
        (7, "pattern", json!(3)),
        (5, "flow_control", json!("1=5;3=20")),
    ] {
        let outcome = (CHAPTERS[chapter].set)(key, &value);
        assert!(outcome.is_ok(), "{key} = {value}: {outcome:?}");
    }
}

#[test]
fn a_list_may_be_one_text_with_commas() {
    let set = |value: Value| {
        let mut referer = RefererConfig::default();
        referer.set("direct", &value).unwrap();
        referer.direct
    };
    let two = ["10.0.0.1:5600", "10.0.0.2:5600"];
    assert_eq!(set(json!(two)), two);
    assert_eq!(set(json!(" 10.0.0.1:5600, 10.0.0.2:5600,")), two);
    assert!(set(json!("")).is_empty() && set(json!([])).is_empty());
}
