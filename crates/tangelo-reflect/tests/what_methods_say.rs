//! What a .proto file says of its methods beside their numbers.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{fs, path::Path};

use tangelo_reflect::{Pool, comment::Commented, compile::compile, http_rules};

const HEAD: &str = "syntax = \"proto3\";\npackage user;\nimport \"krpcext.proto\";\n\
    import \"google/api/annotations.proto\";\n\
    // Who asks.\nmessage Req {\n  string name = 1; // Of the user.\n}\nmessage Res { int32 retCode = 1; }\n";

/// The service with one method that has these options, by way of a set with its comments.
fn pool(test: &str, options: &str) -> Pool {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.proto"));
    let source = format!(
        "{HEAD}// Users.\nservice User {{\n  option (krpc.serviceId) = 100;\n  // Finds one.\n  \
         rpc find(Req) returns (Res) {{ option (krpc.msgId) = 1; {options} }}\n}}\n"
    );
    fs::write(&file, source).unwrap();
    let mut compiled = compile(&[&file], &[] as &[&Path]).unwrap();
    let mut pool = Pool::new();
    let set = compiled.descriptor_set_with_comments(false);
    pool.add_set("user", &set).unwrap();
    pool
}

/// Its addresses, each as method, path and body.
fn rules(test: &str, options: &str) -> Result<Vec<String>, String> {
    let pool = pool(test, options);
    let method = pool.service(100).unwrap().method(1).unwrap();
    let rules = http_rules(&method.descriptor)?;
    let shown = |rule: &tangelo_reflect::HttpRule| {
        let (method, path, body) = (&rule.method, &rule.path, &rule.body);
        format!("{method} {path} {body}").trim_end().to_owned()
    };
    Ok(rules.iter().map(shown).collect())
}

#[test]
fn comments_are_told_where_the_set_has_them() {
    let pool = pool("comments", "");
    let method = pool.service(100).unwrap().method(1).unwrap();
    let comment = |it: &dyn Commented| it.comment();
    assert_eq!(comment(&method.descriptor).as_deref(), Some("Finds one."));
    let service = method.descriptor.parent_service();
    assert_eq!(comment(service).as_deref(), Some("Users."));
    assert_eq!(comment(&method.input).as_deref(), Some("Who asks."));
    let name = method.input.get_field_by_name("name").unwrap();
    assert_eq!(comment(&name).as_deref(), Some("Of the user."));
    assert_eq!(comment(&method.output), None);
}

#[test]
fn a_method_says_all_its_addresses() {
    let options = "option (google.api.http) = { get: \"/v1/{name}\" \
        additional_bindings { post: \"/v1/users\" body: \"*\" } \
        additional_bindings { custom { kind: \"HEAD\" path: \"/v1/{name}\" } } };";
    let said = rules("addresses", options).unwrap();
    assert_eq!(
        said,
        ["GET /v1/{name}", "POST /v1/users *", "HEAD /v1/{name}"]
    );
    assert_eq!(rules("none", ""), Ok(vec![]));
}

#[test]
fn what_a_method_cannot_say_is_told() {
    for (test, options, told) in [
        ("no_path", "body: \"*\"", "no path"),
        ("no_kind_path", "custom { kind: \"GET\" }", "no path"),
        (
            "nested",
            "get: \"/a\" additional_bindings { get: \"/b\" additional_bindings { get: \"/c\" } }",
            "within additional_bindings",
        ),
    ] {
        let options = format!("option (google.api.http) = {{ {options} }};");
        let error = rules(test, &options).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
}
