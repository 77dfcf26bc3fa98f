//! Rules of the .proto file as JSON schemas, as far as those can say them; all of them in words.

use prost_reflect::Kind;
use serde_json::{Map, Value, json};
use tangelo_reflect::validate::WrittenRules;

use super::schema::put;

/// What holds for each value of a field.
pub(super) fn of_each(rules: &WrittenRules, kind: &Kind, schema: &mut Value) {
    if matches!(
        kind,
        Kind::Message(_) | Kind::Bytes | Kind::Bool | Kind::Enum(_)
    ) {
        return;
    }
    let is_text = matches!(kind, Kind::String);
    let mut all = Map::new();
    if rules.required && is_text {
        all.insert("minLength".to_owned(), 1.into());
    }
    let parts = [
        ("length", &rules.length, &rules.empty_or_length),
        ("nrange", &rules.nrange, &rules.empty_or_nrange),
        ("values", &rules.values, &rules.empty_or_values),
        ("match", &rules.r#match, &rules.empty_or_match),
    ];
    let mut or_empty = Map::new();
    for (name, strict, lenient) in parts {
        add(name, strict, is_text, &mut all);
        // Only a string can be empty.
        let lenient_into = if is_text { &mut or_empty } else { &mut all };
        add(name, lenient, is_text, lenient_into);
    }
    for (name, value) in all {
        put(schema, &name, value);
    }
    if !or_empty.is_empty() {
        let empty = json!({ "const": "" });
        put(schema, "anyOf", vec![empty, Value::Object(or_empty)]);
    }
}

fn add(name: &str, text: &str, is_text: bool, schema: &mut Map<String, Value>) {
    if text.is_empty() {
        return;
    }
    let mut say = |name: &str, value: Value| drop(schema.insert(name.to_owned(), value));
    let mut ends = |(least, most): (&str, &str), (min, max): (Option<i64>, Option<i64>)| {
        let told = [(least, min), (most, max)];
        for (name, end) in told {
            end.into_iter().for_each(|end| say(name, end.into()));
        }
    };
    match name {
        // Counted in UTF-16 units there, in characters here.
        "length" if is_text => {
            let (min, max) = range(text);
            ends(
                ("minLength", "maxLength"),
                (min.filter(|min| *min > 0), max),
            );
        }
        "nrange" if !is_text => ends(("minimum", "maximum"), range(text)),
        "values" => {
            let values = text
                .split(',')
                .map(str::trim)
                .filter(|value| !value.is_empty());
            let value = |text: &str| match is_text {
                true => Some(Value::from(text)),
                false => text.parse::<i64>().ok().map(Value::from),
            };
            let values: Vec<Value> = values.filter_map(value).collect();
            if !values.is_empty() {
                say("enum", values.into());
            }
        }
        "match" if is_text => match text {
            "int" | "long" => say("pattern", "^-?[0-9]{1,9}$".into()),
            "double" => say("pattern", r"^-?[0-9]{1,15}(\.[0-9]{1,15})?$".into()),
            "date" => say("format", "date".into()),
            "email" => say("format", "email".into()),
            "timestamp" => say(
                "pattern",
                "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$".into(),
            ),
            pattern if is_everywhere(pattern) => say("pattern", format!("^(?:{pattern})$").into()),
            _ => {}
        },
        _ => {}
    }
}

/// Whether an expression of Java's means the same in JavaScript.
fn is_everywhere(pattern: &str) -> bool {
    let others = [
        "(?", "&&", "\\p", "\\P", "\\Q", "\\A", "\\z", "\\Z", "\\h", "\\x{", "++", "*+", "?+", "}+",
    ];
    !others.iter().any(|other| pattern.contains(other))
}

/// What holds for how many there are.
pub(super) fn of_count(rules: &WrittenRules, schema: &mut Value) {
    let (least, most) = match schema.get("type").and_then(Value::as_str) {
        Some("array") => ("minItems", "maxItems"),
        Some("object") => ("minProperties", "maxProperties"),
        _ => return,
    };
    // None at all passes the second.
    for (text, is_strict) in [(&rules.arrlen, true), (&rules.empty_or_arrlen, false)] {
        let (min, max) = range(text);
        if let Some(min) = min.filter(|min| is_strict && *min > 0) {
            put(schema, least, min);
        }
        if let Some(max) = max {
            put(schema, most, max);
        }
    }
}

/// `n`, `min,max`, `min,-` or `-,max`.
fn range(text: &str) -> (Option<i64>, Option<i64>) {
    let number = |text: &str| text.trim().parse().ok();
    match text.split_once(',') {
        Some((min, max)) => (number(min), number(max)),
        None => (number(text), number(text)),
    }
}

/// All rules for who reads them.
pub(super) fn in_words(rules: &WrittenRules) -> Option<String> {
    let mut words = Vec::new();
    if rules.required {
        words.push("required".to_owned());
    }
    for (name, text) in [
        ("match", &rules.r#match),
        ("values", &rules.values),
        ("length", &rules.length),
        ("nrange", &rules.nrange),
        ("srange", &rules.srange),
        ("arrlen", &rules.arrlen),
        ("empty_or_match", &rules.empty_or_match),
        ("empty_or_values", &rules.empty_or_values),
        ("empty_or_length", &rules.empty_or_length),
        ("empty_or_nrange", &rules.empty_or_nrange),
        ("empty_or_srange", &rules.empty_or_srange),
        ("empty_or_arrlen", &rules.empty_or_arrlen),
    ] {
        if !text.is_empty() {
            words.push(format!("{name} `{text}`"));
        }
    }
    (!words.is_empty()).then(|| format!("Rules: {}.", words.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: &Kind, rules: &WrittenRules) -> Value {
        let mut schema = json!({});
        of_each(rules, kind, &mut schema);
        schema
    }

    #[test]
    fn rules_are_said_as_far_as_a_schema_can() {
        let rules = |set: fn(&mut WrittenRules)| {
            let mut rules = WrittenRules::default();
            set(&mut rules);
            rules
        };
        let text = Kind::String;
        let number = Kind::Int32;
        for (kind, rules, schema) in [
            (
                &text,
                rules(|it| it.required = true),
                json!({ "minLength": 1 }),
            ),
            (
                &text,
                rules(|it| it.length = "2,20".to_owned()),
                json!({ "minLength": 2, "maxLength": 20 }),
            ),
            (
                &text,
                rules(|it| it.length = "-,5".to_owned()),
                json!({ "maxLength": 5 }),
            ),
            (
                &text,
                rules(|it| it.values = "a, b".to_owned()),
                json!({ "enum": ["a", "b"] }),
            ),
            (
                &number,
                rules(|it| it.values = "1,2".to_owned()),
                json!({ "enum": [1, 2] }),
            ),
            (
                &number,
                rules(|it| it.nrange = "0,100".to_owned()),
                json!({ "minimum": 0, "maximum": 100 }),
            ),
            (
                &text,
                rules(|it| it.r#match = "date".to_owned()),
                json!({ "format": "date" }),
            ),
            (
                &text,
                rules(|it| it.r#match = "1[3-9]\\d{9}".to_owned()),
                json!({ "pattern": "^(?:1[3-9]\\d{9})$" }),
            ),
            (
                &text,
                rules(|it| it.r#match = "(?i)yes".to_owned()),
                json!({}),
            ),
            (
                &text,
                rules(|it| it.empty_or_match = "email".to_owned()),
                json!({ "anyOf": [{ "const": "" }, { "format": "email" }] }),
            ),
            (&Kind::Bytes, rules(|it| it.required = true), json!({})),
        ] {
            assert_eq!(said(kind, &rules), schema);
        }
    }

    #[test]
    fn a_count_is_said_of_lists_and_maps() {
        let rules = WrittenRules {
            arrlen: "1,3".to_owned(),
            ..WrittenRules::default()
        };
        let mut list = json!({ "type": "array" });
        of_count(&rules, &mut list);
        assert_eq!(
            list,
            json!({ "type": "array", "minItems": 1, "maxItems": 3 })
        );
        let mut text = json!({ "type": "string" });
        of_count(&rules, &mut text);
        assert_eq!(text, json!({ "type": "string" }));
    }
}
