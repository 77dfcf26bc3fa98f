//! What a definition says is in the code.

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
