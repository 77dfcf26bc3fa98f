//! A service needs its numbers, and a mistake is told with its place and its remedy.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{fs, path::PathBuf};

use tangelo_rpc_build::Builder;

/// What becomes of a .proto file with this service.
fn compile(name: &str, service: &str) -> Result<String, String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("test.proto");
    let head = "syntax = \"proto3\";\npackage test;\nimport \"krpcext.proto\";\n";
    let messages = "message Req {}\nmessage Res { int32 retCode = 1; }\nmessage Bare {}\n";
    fs::write(&file, format!("{head}{messages}{service}")).unwrap();
    Builder::new()
        .out_dir(&folder)
        .compile(&[file])
        .map(|()| fs::read_to_string(folder.join("test.rs")).unwrap())
        .map_err(|error| error.to_string())
}

#[test]
fn numbers_and_comments_are_in_the_code() {
    let code = compile(
        "whole",
        "// Users.\nservice User { option (krpc.serviceId) = 100;\n// Lets a user in.\nrpc login(Req) returns (Res) { option (krpc.msgId) = 7; } }",
    )
    .unwrap();
    for part in [
        "pub trait User",
        "UserServer",
        "UserClient",
        "/// Lets a user in.",
        "7 =>",
        "SERVICE_ID: i32 = 100",
    ] {
        assert!(code.contains(part), "{part} is missing in\n{code}");
    }
}

#[test]
fn the_old_numbers_of_the_options_are_read_as_well() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("old");
    fs::create_dir_all(&folder).unwrap();
    let options = "syntax = \"proto3\";\npackage krpc;\nimport \"descriptor.proto\";\nextend google.protobuf.ServiceOptions { int32 serviceId = 1001; }\nextend google.protobuf.MethodOptions { int32 msgId = 1002; }\n";
    fs::write(folder.join("krpcext.proto"), options).unwrap();
    let service = "service Old { option (krpc.serviceId) = 101; rpc call(Req) returns (Res) { option (krpc.msgId) = 3; } }";
    let code = compile("old", service).unwrap();
    assert!(
        code.contains("SERVICE_ID: i32 = 101") && code.contains("3 =>"),
        "{code}"
    );
}

#[test]
fn mistakes_name_file_thing_and_remedy() {
    let method = "rpc call(Req) returns (Res)";
    let mistakes = [
        ("no-service", format!("service A {{ {method} {{ option (krpc.msgId) = 1; }} }}"), "A: needs its number: `option (krpc.serviceId)"),
        ("no-message", format!("service A {{ option (krpc.serviceId) = 100; {method}; }}"), "A.call: needs its number"),
        ("clash", format!("service A {{ option (krpc.serviceId) = 100; {method} {{ option (krpc.msgId) = 1; }} rpc other(Req) returns (Res) {{ option (krpc.msgId) = 1; }} }}"), "has number 1, which"),
        ("no-ret-code", "service A { option (krpc.serviceId) = 100; rpc call(Req) returns (Bare) { option (krpc.msgId) = 1; } }".to_owned(), "`int32 retCode = 1;`"),
        ("stream", "service A { option (krpc.serviceId) = 100; rpc call(Req) returns (stream Res) { option (krpc.msgId) = 1; } }".to_owned(), "streams"),
    ];
    for (name, service, words) in mistakes {
        let error = compile(name, &service).unwrap_err();
        assert!(
            error.starts_with("test.proto: ") && error.contains(words),
            "{name}: {error}"
        );
    }
    let two = "service A { rpc call(Req) returns (Bare); }\nservice B {}";
    let error = compile("all", two).unwrap_err();
    let lines: Vec<_> = error.lines().collect();
    assert!(
        matches!(&*lines, [a, call, answer, b] if a.contains(" A: needs") && call.contains(" A.call: needs")
            && answer.contains(" A.call: answers with Bare") && b.contains(" B: needs")),
        "{error}"
    );
    let error = compile("syntax", "service {").unwrap_err();
    assert!(error.contains("test.proto"), "{error}");
}
