//! A mistake in a definition is told with file, line and remedy, and all of them at once.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use tangelo_rpc_build::Builder;

/// What begins a file: messages that are right, on the lines 1 to 6.
const HEAD: &str = "syntax = \"proto3\";\npackage test;\nimport \"krpcext.proto\";\nmessage Req {}\nmessage Res { int32 retCode = 1; }\n\n";

fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    for (file, source) in files {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, source).unwrap();
    }
    folder
}

/// What is said of these files, without the folder they are in.
fn mistakes_in(name: &str, files: &[(&str, &str)], builder: &Builder) -> String {
    let folder = folder(name, files);
    let paths: Vec<_> = files.iter().map(|(file, _)| folder.join(file)).collect();
    let error = builder
        .clone()
        .out_dir(&folder)
        .compile(&paths)
        .unwrap_err();
    // A build script shows it so.
    assert_eq!(format!("{error:?}"), error.to_string());
    assert!(!folder.join("test.rs").exists());
    error
        .to_string()
        .replace(&format!("{}/", folder.display()), "")
}

/// What is said of a file that begins with [`HEAD`] and goes on with these lines, from line 7.
fn mistakes(name: &str, lines: &str) -> String {
    let source = format!("{HEAD}{lines}");
    mistakes_in(name, &[("test.proto", &source)], &Builder::new())
}

#[test]
fn numbers_that_are_missing_taken_or_not_an_applications() {
    let lines = "service None {
  // Its comment is not its line.
  rpc call(Req) returns (Res);
  rpc minus(Req) returns (Res) { option (krpc.msgId) = -1; }
}
service Low {
  option (krpc.serviceId) = 99;
}
service One { option (krpc.serviceId) = 100; rpc a(Req) returns (Res) {
    option (krpc.msgId) = 1; }
  rpc b(Req) returns (Res) { option (krpc.msgId) = 1; }
}
service Good { option (krpc.serviceId) = 101; }
service Two {

  option (krpc.serviceId) = 101;
}
";
    assert_eq!(
        mistakes("numbers", lines),
        "test.proto:7: None: needs its number: `option (krpc.serviceId) = 100;`
test.proto:9: None.call: needs its number: `{ option (krpc.msgId) = 1; }`
test.proto:10: None.minus: cannot have number -1: `{ option (krpc.msgId) = 1; }`, or more
test.proto:13: Low: cannot have number 99: `option (krpc.serviceId) = 100;`, or more
test.proto:17: One.b: has number 1, which a has already
test.proto:22: test.Two: has number 101, which test.Good of test.proto:19 has already"
    );
}

#[test]
fn two_files_of_one_compilation_with_the_same_number() {
    let service = |name: &str| {
        format!(
            "syntax = \"proto3\";\npackage {name};\nimport \"krpcext.proto\";\n\nservice S {{ option (krpc.serviceId) = 100; }}\n"
        )
    };
    let (a, b) = (service("a"), service("b"));
    assert_eq!(
        mistakes_in(
            "files",
            &[("x/a.proto", &a), ("y/b.proto", &b)],
            &Builder::new()
        ),
        "y/b.proto:5: b.S: has number 100, which a.S of x/a.proto:5 has already"
    );
}

#[test]
fn the_lowest_numbers_are_tangelos_own() {
    let number =
        |number: i32| format!("{HEAD}service S {{ option (krpc.serviceId) = {number}; }}\n");
    let dir = |name: &str, service_id: i32| folder(name, &[("test.proto", &number(service_id))]);
    let hundred = dir("hundred", 100);
    Builder::new()
        .out_dir(&hundred)
        .compile(&[hundred.join("test.proto")])
        .unwrap();
    let two = dir("two", 2);
    let own = Builder::new().messages_only().out_dir(&two);
    own.compile(&[two.join("test.proto")]).unwrap();
    let one = mistakes_in(
        "one",
        &[("test.proto", &number(1))],
        &Builder::new().messages_only(),
    );
    assert!(one.contains(":7: S: cannot have number 1"), "{one}");
}

#[test]
fn methods_that_krpc_could_not_call() {
    let lines = "message Bare {}
message Text { string retCode = 1; }
message Long { int64 retCode = 1; }
message List { repeated int32 retCode = 1; }
message Other { int32 ret_code = 1; }
message Choice { oneof choice { int32 retCode = 1; string text = 2; } }
service S { option (krpc.serviceId) = 100;
  rpc bare(Req) returns (Bare) { option (krpc.msgId) = 1; }
  rpc text(Req) returns (Text) { option (krpc.msgId) = 2; }
  rpc long(Req) returns (Long) { option (krpc.msgId) = 3; }
  rpc list(Req) returns (List) { option (krpc.msgId) = 4; }
  rpc other(Req) returns (Other) { option (krpc.msgId) = 5; }
  rpc choice(Req) returns (Choice) { option (krpc.msgId) = 6; }
  rpc up(stream Req) returns (Res) { option (krpc.msgId) = 7; }
  rpc down(Req) returns (stream Res) { option (krpc.msgId) = 8; }
  rpc same(Res) returns (Res) { option (krpc.msgId) = 9; }
}
";
    let answers = ["Bare", "Text", "Long", "List", "Other", "Choice"];
    let mut expected: Vec<_> = (14..)
        .zip(answers)
        .map(|(line, answer)| {
            let method = answer.to_lowercase();
            format!("test.proto:{line}: S.{method}: answers with {answer}, which needs `int32 retCode = 1;`")
        })
        .collect();
    expected.extend([
        "test.proto:20: S.up: streams; krpc has calls only: take `stream` away".to_owned(),
        "test.proto:21: S.down: streams; krpc has calls only: take `stream` away".to_owned(),
        "test.proto:22: S.same: asks and answers with Res, which krpc refuses: give the answer a message of its own".to_owned(),
    ]);
    assert_eq!(mistakes("methods", lines), expected.join("\n"));
}

#[test]
fn names_that_would_be_one_in_rust() {
    let lines = "service UserService { option (krpc.serviceId) = 100;
  rpc getUser(Req) returns (Res) { option (krpc.msgId) = 1; }
  rpc get_user(Req) returns (Res) { option (krpc.msgId) = 2; }
  rpc withTimeout(Req) returns (Res) { option (krpc.msgId) = 3; }
  rpc with_key(Req) returns (Res) { option (krpc.msgId) = 4; }
}
message UserServiceClient {}
message user_service_server {}
enum userService { ZERO = 0; }
message req {
  message Inner {}
  enum inner { NONE = 0; }
}
service User { option (krpc.serviceId) = 101; }
service UserClient { option (krpc.serviceId) = 102; }
";
    assert_eq!(
        mistakes("names", lines),
        "test.proto:16: message req: becomes Req in Rust, as message Req of test.proto:4 does: rename one of them
test.proto:17: message Inner: becomes Inner in Rust, as enum inner of test.proto:18 does: rename one of them
test.proto:7: service UserService: becomes UserService in Rust, as enum userService of test.proto:15 does: rename one of them
test.proto:7: the server of service UserService: becomes UserServiceServer in Rust, as message user_service_server of test.proto:14 does: rename one of them
test.proto:7: the client of service UserService: becomes UserServiceClient in Rust, as message UserServiceClient of test.proto:13 does: rename one of them
test.proto:9: UserService.get_user: becomes get_user in Rust, as UserService.getUser of test.proto:8 does: rename one of them
test.proto:10: UserService.withTimeout: becomes with_timeout in Rust, which every client has already: rename it
test.proto:11: UserService.with_key: becomes with_key in Rust, which every client has already: rename it
test.proto:21: service UserClient: becomes UserClient in Rust, as the client of service User of test.proto:20 does: rename one of them"
    );
    // Of the messages alone there are no clients.
    let source =
        format!("{HEAD}message SClient {{}}\nservice S {{ option (krpc.serviceId) = 100; }}\n");
    let folder = folder("messages", &[("test.proto", &source)]);
    let messages = Builder::new().messages_only().out_dir(&folder);
    messages.compile(&[folder.join("test.proto")]).unwrap();
}

#[test]
fn a_syntax_that_is_not_krpcs() {
    let remedy = "krpc's files begin with `syntax = \"proto3\";`";
    for (name, source, words) in [
        (
            "proto2",
            "\nsyntax = \"proto2\";\n",
            "test.proto:2: not of proto3: ",
        ),
        (
            "no-syntax",
            "message Req {}\n",
            "test.proto:1: not of proto3: ",
        ),
        (
            "proto4",
            "syntax = \"proto4\";\n",
            "test.proto:1:10: unknown syntax 'proto4': ",
        ),
        (
            "edition",
            "edition = \"2023\";\n",
            "test.proto:1:1: expected 'enum', 'extend', 'import', 'message', 'option', 'service', 'package' or ';', but found 'edition': ",
        ),
    ] {
        let told = mistakes_in(name, &[("test.proto", source)], &Builder::new());
        assert_eq!(told, format!("{words}{remedy}"));
    }
    // What is imported may be older.
    let old = "syntax = \"proto2\";\npackage old;\nmessage Old { required string name = 1; }\n";
    let source = HEAD.replace("import", "import \"old.proto\";\nimport");
    let folder = folder("old-import", &[("test.proto", &source), ("old.proto", old)]);
    Builder::new()
        .out_dir(&folder)
        .compile(&[folder.join("test.proto")])
        .unwrap();
}

#[test]
fn what_is_not_there() {
    let source = HEAD.replace("krpcext.proto", "none.proto");
    assert_eq!(
        mistakes_in("no-import", &[("test.proto", &source)], &Builder::new()),
        "test.proto:3:1: import 'none.proto' not found: put it beside the file that imports it, or name its directory among those to look in"
    );
    let source = HEAD.replace("import \"krpcext.proto\";", "")
        + "service S { option (krpc.serviceId) = 100; }\n";
    assert_eq!(
        mistakes_in("no-options", &[("test.proto", &source)], &Builder::new()),
        "test.proto:7:13: name 'krpc.serviceId' is not defined: the options are those of `import \"krpcext.proto\";`"
    );
    assert_eq!(
        mistakes("no-message", "service S { rpc a(Reqq) returns (Res); }\n"),
        "test.proto:7:19: name 'Reqq' is not defined"
    );
    assert_eq!(
        mistakes(
            "wrong-type",
            "service S { option (krpc.serviceId) = \"100\"; }\n"
        ),
        "test.proto:7:13: expected a value of type 'int32' for option '(krpc.serviceId)', but found '\"100\"'"
    );
    let missing = Builder::new().compile(&["nowhere/test.proto"]).unwrap_err();
    assert!(
        missing.to_string().starts_with("nowhere/test.proto: "),
        "{missing}"
    );
}

#[test]
fn imports_are_found_in_directories_that_are_named() {
    let common = "syntax = \"proto3\";\npackage common;\nmessage Name { string text = 1; }\n";
    let source = HEAD.replace("import", "import \"shared/common.proto\";\nimport")
        + "message Named { common.Name name = 1; }\n";
    let files = [
        ("own/test.proto", &*source),
        ("lib/shared/common.proto", common),
    ];
    let told = mistakes_in("include", &files[..1], &Builder::new());
    assert!(
        told.starts_with("own/test.proto:3:1: import 'shared/common.proto' not found"),
        "{told}"
    );
    let folder = folder("include", &files);
    let builder = Builder::new().include(folder.join("lib")).out_dir(&folder);
    builder.compile(&[folder.join("own/test.proto")]).unwrap();
    assert!(folder.join("test.rs").exists() && folder.join("common.rs").exists());
}

#[test]
fn two_files_of_one_name() {
    let files = [("a/test.proto", HEAD), ("b/test.proto", HEAD)];
    let told = mistakes_in("shadow", &files, &Builder::new());
    assert!(
        told.contains("b/test.proto' is shadowed by 'a/test.proto'")
            && told.ends_with(": files of one name need a directory above both to look in"),
        "{told}"
    );
}
