//! `tangelo descriptor` writes what krpc's tools and a pool load, or says all that is wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod command;

use std::{fs, path::Path};

use tangelo_reflect::Pool;

use command::dir;

const USERS: &str = "syntax = \"proto3\";\npackage user;\nimport \"krpcext.proto\";\n\
    message Req { string userName = 1 [(krpc.vld) = { required: true }]; }\nmessage Res { int32 retCode = 1; }\n\
    service UserService { option (krpc.serviceId) = 100;\n\
      rpc login(Req) returns (Res) { option (krpc.msgId) = 1; } }\n";

/// Runs the command in a directory: what it printed, else what it said was wrong.
fn tangelo(dir: &Path, args: &[&str]) -> Result<String, String> {
    let ran = command::run(dir, args, "");
    match ran.code {
        0 if ran.err.is_empty() => Ok(ran.out),
        1 if ran.out.is_empty() => Err(ran.err),
        _ => panic!("{ran:?}"),
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn one_file_is_written_beside_the_proto_file_with_krpcs_numbers() {
    let dir = dir("beside", &[("proto/userservice.proto", USERS)]);
    let out = tangelo(&dir, &["descriptor", "proto/userservice.proto"]).unwrap();
    assert!(
        out.starts_with("proto/userservice.proto.pb\n") && out.contains("100 user.UserService"),
        "{out}"
    );
    let bytes = fs::read(dir.join("proto/userservice.proto.pb")).unwrap();
    assert!(
        contains(&bytes, &[0x88, 0xb5, 0x18, 100]),
        "serviceId = 100"
    );
    assert!(contains(&bytes, &[0x90, 0xb5, 0x18, 1]), "msgId = 1");
    assert!(contains(&bytes, b"krpcext.proto"));
    // It names its import and does not hold it.
    assert!(!contains(&bytes, b"Validate") && !contains(&bytes, b"descriptor.proto"));

    let mut pool = Pool::new();
    pool.load_dir(dir.join("proto")).unwrap();
    let login = pool
        .service_by_name("UserService")
        .and_then(|users| users.method(1));
    assert_eq!(login.map(|login| &*login.name), Some("login"));
}

#[test]
fn the_command_takes_a_file_of_the_directory_it_is_in() {
    let dir = dir("here", &[("userservice.proto", USERS)]);
    tangelo(&dir, &["descriptor", "userservice.proto", "-o", "out.pb"]).unwrap();
    assert!(contains(
        &fs::read(dir.join("out.pb")).unwrap(),
        b"\x0a\x11userservice.proto"
    ));
    assert!(!dir.join("userservice.proto.pb").exists());
}

#[test]
fn imports_are_found_in_directories_that_are_given_and_included_when_asked() {
    let common = "syntax = \"proto3\";\npackage common;\nmessage Res { int32 retCode = 1; }\n";
    let user = USERS
        .replace("import", "import \"shared/common.proto\";\nimport")
        .replace("message Req", "// Who it is.\nmessage Req")
        .replace("returns (Res)", "returns (common.Res)");
    let files = [
        ("lib/shared/common.proto", common),
        ("own/a/user.proto", &*user),
    ];
    let dir = dir("include", &files);
    let file = "own/a/user.proto";
    let error = tangelo(&dir, &["descriptor", file]).unwrap_err();
    assert!(error.contains("shared/common.proto"), "{error}");

    tangelo(
        &dir,
        &[
            "descriptor",
            file,
            "-I",
            "lib",
            "-I",
            "own",
            "--include-imports",
        ],
    )
    .unwrap();
    let bytes = fs::read(dir.join("own/a/user.proto.pb")).unwrap();
    let mut pool = Pool::new();
    pool.add_set("user.proto.pb", &bytes).unwrap();
    assert!(pool.service(100).is_some());
    // Called by its path within the directory that was given, as protoc does.
    assert!(contains(&bytes, b"a/user.proto"));

    assert!(!contains(&bytes, b"Who it is."));

    let told = ["descriptor", file, "-I", "lib", "--include-source-info"];
    tangelo(&dir, &told).unwrap();
    let bytes = fs::read(dir.join("own/a/user.proto.pb")).unwrap();
    assert!(contains(&bytes, b"Who it is."));

    tangelo(&dir, &["descriptor", file, "-I", "lib", "-o", "alone.pb"]).unwrap();
    let alone = fs::read(dir.join("alone.pb")).unwrap();
    assert!(Pool::new().add_set("alone.pb", &alone).is_err());
}

#[test]
fn krpcs_own_files_beside_the_proto_file_are_used() {
    let options = "syntax = \"proto3\";\npackage krpc;\nimport \"descriptor.proto\";\n\
        extend google.protobuf.ServiceOptions { int32 serviceId = 1001; }\n\
        extend google.protobuf.MethodOptions { int32 msgId = 1002; }\n";
    let users = USERS.replace(" [(krpc.vld) = { required: true }]", "");
    let dir = dir(
        "own",
        &[("users.proto", &users), ("krpcext.proto", options)],
    );
    tangelo(&dir, &["descriptor", "users.proto"]).unwrap();
    let bytes = fs::read(dir.join("users.proto.pb")).unwrap();
    assert!(contains(&bytes, &[0xc8, 0x3e, 100]) && contains(&bytes, &[0xd0, 0x3e, 1]));
    let mut pool = Pool::new();
    pool.load_dir(&dir).unwrap();
    assert!(pool.service(100).is_some());
}

#[test]
fn all_mistakes_are_told_at_once_and_nothing_is_written() {
    let source = "syntax = \"proto3\";\nimport \"krpcext.proto\";\nmessage Req {}\nmessage Res { int32 retCode = 1; }\n\
        service A { rpc one(Req) returns (Res);\n rpc two(Res) returns (Req) { option (krpc.msgId) = 1; } }\n\
        service B { option (krpc.serviceId) = 100; rpc one(Req) returns (stream Res) { option (krpc.msgId) = 1; } }\n\
        service C { option (krpc.serviceId) = 200; }\nservice D { option (krpc.serviceId) = 200; }\n\
        service E { option (krpc.serviceId) = 99; }\n";
    let dir = dir("mistakes", &[("bad.proto", source)]);
    let error = tangelo(&dir, &["descriptor", "bad.proto"]).unwrap_err();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(
        lines,
        [
            "bad.proto:5: A: needs its number: `option (krpc.serviceId) = 100;`",
            "bad.proto:5: A.one: needs its number: `{ option (krpc.msgId) = 1; }`",
            "bad.proto:6: A.two: answers with Req, which needs `int32 retCode = 1;`",
            "bad.proto:7: B.one: streams; krpc has calls only: take `stream` away",
            "bad.proto:9: D: has number 200, which C of bad.proto:8 has already",
            "bad.proto:10: E: cannot have number 99: `option (krpc.serviceId) = 100;`, or more",
        ]
    );
    assert!(!dir.join("bad.proto.pb").exists());
}

#[test]
fn what_cannot_be_read_or_written_is_named() {
    let dir = dir(
        "named",
        &[("bad.proto", "service {"), ("good.proto", USERS)],
    );
    for (args, words) in [
        (&["descriptor", "none.proto"][..], "none.proto: "),
        (&["descriptor", "bad.proto"], "bad.proto:1:"),
        (
            &["descriptor", "good.proto", "-o", "no/where.pb"],
            "no/where.pb: ",
        ),
        (&["descriptor"], "<FILE>"),
        (&["unknown"], "unknown"),
    ] {
        let error = tangelo(&dir, args).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn help_is_no_mistake() {
    let dir = dir("help", &[("good.proto", USERS)]);
    for args in [&["--help"][..], &["--version"], &["descriptor", "--help"]] {
        assert!(tangelo(&dir, args).unwrap().contains("tangelo"));
    }
}
