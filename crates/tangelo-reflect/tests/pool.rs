//! What a pool knows after it has read descriptor files, and what it says of those it cannot read.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod protos;

use std::fs;

use prost::Message;
use prost_reflect::prost_types::{
    DescriptorProto, FileDescriptorProto, FileDescriptorSet, MessageOptions,
};
use tangelo_reflect::{MAX_FILES, MAX_SET, Pool};

use self::protos::{HEAD, compiled, dir, service, set, unchecked};

const USERS: &str = "syntax = \"proto3\";\nimport \"krpcext.proto\";\npackage pkg;\n\
    message Req { string userName = 1; }\n\
    message Res { string userId = 1; int32 retCode = 3; string retMsg = 5; }\n\
    message Bare { int32 retCode = 1; int32 retMsg = 2; }\n\
    service UserService { option (krpc.serviceId) = 100;\n\
      rpc logout(Req) returns (Bare) { option (krpc.msgId) = 2; }\n\
      rpc login(Req) returns (Res) { option (krpc.msgId) = 1; } }\n";

fn errors(result: Result<(), tangelo_reflect::LoadErrors>) -> Vec<String> {
    let errors = result.unwrap_err();
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn a_set_without_imports_tells_services_and_methods() {
    let bytes = set(&dir("plain"), &[("users.proto", USERS)]);
    let mut pool = Pool::new();
    pool.add_set("users.proto.pb", &bytes).unwrap();

    let users = pool.service(100).unwrap();
    assert_eq!(
        (users.id, &*users.name, &*users.full_name),
        (100, "UserService", "pkg.UserService")
    );
    let methods: Vec<_> = users
        .methods
        .iter()
        .map(|method| (method.id, &*method.name))
        .collect();
    assert_eq!(methods, [(1, "login"), (2, "logout")]);
    let login = users.method(1).unwrap();
    assert_eq!(
        (login.input.full_name(), login.output.full_name()),
        ("pkg.Req", "pkg.Res")
    );
    assert_eq!((login.ret_code, login.ret_msg), (3, Some(5)));
    let logout = users.method_by_name("logout").unwrap();
    assert_eq!((logout.id, logout.ret_code, logout.ret_msg), (2, 1, None));
    assert!(users.method(3).is_none() && users.method_by_name("Login").is_none());
    assert!(pool.service(101).is_none() && pool.service_by_name("Users").is_none());
}

#[test]
fn a_service_is_found_by_its_short_name_while_it_is_the_only_one() {
    let dir = dir("names");
    let mut pool = Pool::new();
    let first = set(&dir, &[("a.proto", &service("a", "User", 100, &[]))]);
    pool.add_set("a.proto.pb", &first).unwrap();
    assert_eq!(pool.service_by_name("User").map(|user| user.id), Some(100));
    let second = set(&dir, &[("b.proto", &service("b", "User", 200, &[]))]);
    pool.add_set("b.proto.pb", &second).unwrap();
    assert!(pool.service_by_name("User").is_none());
    assert_eq!(
        pool.service_by_name("b.User").map(|user| user.id),
        Some(200)
    );
    assert_eq!(
        pool.services().map(|user| user.id).collect::<Vec<_>>(),
        [100, 200]
    );
}

#[test]
fn krpcs_own_files_of_either_age_may_be_in_the_set_or_not() {
    for (age, service_id, msg_id) in [("new", 50001, 50002), ("old", 1001, 1002)] {
        let options = format!(
            "syntax = \"proto3\";\npackage krpc;\nimport \"descriptor.proto\";\n\
             extend google.protobuf.ServiceOptions {{ int32 serviceId = {service_id}; }}\n\
             extend google.protobuf.MethodOptions {{ int32 msgId = {msg_id}; }}\n"
        );
        let dir = dir(&format!("age-{age}"));
        let mut made = compiled(&dir, &[("users.proto", USERS), ("krpcext.proto", &options)]);
        for imports in [false, true] {
            let mut pool = Pool::new();
            pool.add_set("set", &made.descriptor_set(imports)).unwrap();
            let login = pool.service(100).and_then(|users| users.method(1));
            assert_eq!(
                login.map(|login| &*login.name),
                Some("login"),
                "{age} {imports}"
            );
        }
    }
}

#[test]
fn krpcext_may_be_imported_from_a_directory() {
    let users = USERS.replace("krpcext.proto", "lib/krpcext.proto");
    let options = "syntax = \"proto3\";\npackage krpc;\nimport \"lib/descriptor.proto\";\n\
         extend google.protobuf.ServiceOptions { int32 serviceId = 50001; }\n\
         extend google.protobuf.MethodOptions { int32 msgId = 50002; }\n";
    let descriptor = "syntax = \"proto2\";\npackage google.protobuf;\n\
        message ServiceOptions { repeated bytes uninterpreted_option = 999; extensions 1000 to max; }\n\
        message MethodOptions { repeated bytes uninterpreted_option = 999; extensions 1000 to max; }\n";
    let dir = dir("directory");
    fs::create_dir_all(dir.join("lib")).unwrap();
    fs::write(dir.join("lib/krpcext.proto"), options).unwrap();
    fs::write(dir.join("lib/descriptor.proto"), descriptor).unwrap();
    fs::write(dir.join("users.proto"), users).unwrap();
    let mut compiler = protox::Compiler::new([&dir]).unwrap();
    compiler.open_file("users.proto").unwrap();
    for imports in [false, true] {
        let bytes = compiler
            .include_imports(imports)
            .encode_file_descriptor_set();
        let mut pool = Pool::new();
        pool.add_set("users.proto.pb", &bytes).unwrap();
        assert!(pool.service(100).is_some(), "{imports}");
    }
}

#[test]
fn googles_types_need_not_be_in_the_set() {
    let source = format!(
        "{HEAD}import \"google/protobuf/timestamp.proto\";\nimport \"google/protobuf/wrappers.proto\";\n\
         import \"google/protobuf/any.proto\";\nimport \"google/protobuf/struct.proto\";\n\
         message Req {{ google.protobuf.Timestamp at = 1; google.protobuf.Int32Value n = 2; google.protobuf.Any any = 3; }}\n\
         message Res {{ int32 retCode = 1; google.protobuf.Struct more = 2; }}\n\
         service A {{ option (krpc.serviceId) = 100; rpc call(Req) returns (Res) {{ option (krpc.msgId) = 1; }} }}"
    );
    let mut made = compiled(&dir("google"), &[("a.proto", &source)]);
    for imports in [false, true] {
        let mut pool = Pool::new();
        pool.add_set("a.proto.pb", &made.descriptor_set(imports))
            .unwrap();
        assert!(pool.service(100).is_some());
    }
}

#[test]
fn files_of_a_directory_import_each_other_in_any_order() {
    let (sources, dir) = (dir("order-sources"), dir("order"));
    let common = "syntax = \"proto3\";\npackage common;\nmessage Res { int32 retCode = 1; }\n";
    let user = |name: &str, id: i32| {
        format!(
            "{HEAD}import \"common.proto\";\nmessage {name}Req {{}}\nservice {name} {{ option (krpc.serviceId) = {id};\
             rpc call({name}Req) returns (common.Res) {{ option (krpc.msgId) = 1; }} }}"
        )
    };
    let (a, z) = (user("A", 100), user("Z", 200));
    for (name, source) in [("common.proto", common), ("a.proto", &a), ("z.proto", &z)] {
        let bytes = set(&sources, &[(name, source), ("common.proto", common)]);
        fs::write(dir.join(format!("{name}.pb")), bytes).unwrap();
    }
    // Neither is one of ours to read.
    fs::write(dir.join("notes.pb"), "notes").unwrap();
    fs::create_dir_all(dir.join("deeper")).unwrap();
    fs::write(dir.join("deeper/x.proto.pb"), "x").unwrap();
    let mut pool = Pool::new();
    pool.load_dir(&dir).unwrap();
    assert_eq!(
        pool.services().map(|one| one.id).collect::<Vec<_>>(),
        [100, 200]
    );
}

#[test]
fn one_bad_file_is_told_and_spoils_no_other() {
    let (sources, dir) = (dir("bad-sources"), dir("bad"));
    for (name, id) in [("A", 100), ("C", 300)] {
        let file = format!("{}.proto", name.to_lowercase());
        let bytes = set(&sources, &[(&file, &service("x", name, id, &["call"]))]);
        fs::write(dir.join(format!("{file}.pb")), bytes).unwrap();
    }
    fs::write(dir.join("b.proto.pb"), "\x0a\x7fgarbage").unwrap();
    fs::create_dir_all(dir.join("d.proto.pb")).unwrap();
    let mut pool = Pool::new();
    let errors = errors(pool.load_dir(&dir));
    assert!(
        matches!(&*errors, [b, d] if b.contains("b.proto.pb: no set of descriptors") && d.contains("d.proto.pb: ")),
        "{errors:?}"
    );
    assert_eq!(
        pool.services().map(|one| one.id).collect::<Vec<_>>(),
        [100, 300]
    );
}

#[test]
fn a_directory_that_is_not_there_is_an_error() {
    let missing = dir("missing").join("nowhere");
    let errors = errors(Pool::new().load_dir(missing));
    assert!(
        matches!(&*errors, [one] if one.contains("nowhere: ")),
        "{errors:?}"
    );
}

#[test]
fn an_import_that_is_not_there_is_named_with_the_remedy() {
    let common = "syntax = \"proto3\";\nmessage Res { int32 retCode = 1; }\n";
    let user = format!("{HEAD}import \"common.proto\";\nmessage A {{ Res res = 1; }}");
    let dir = dir("import");
    let bytes = set(&dir, &[("user.proto", &user), ("common.proto", common)]);
    let mut pool = Pool::new();
    let first = errors(pool.add_set("user.proto.pb", &bytes));
    assert!(
        matches!(&*first, [one] if one.starts_with("user.proto.pb: imports \"common.proto\"") && one.contains("--include-imports")),
        "{first:?}"
    );
    pool.add_set("common.proto.pb", &set(&dir, &[("common.proto", common)]))
        .unwrap();
    pool.add_set("user.proto.pb", &bytes).unwrap();
}

#[test]
fn files_that_import_each_other_in_a_circle_are_an_error() {
    let file = |name: &str, import: &str| FileDescriptorProto {
        name: Some(name.into()),
        dependency: vec![import.into()],
        public_dependency: vec![0],
        ..FileDescriptorProto::default()
    };
    let set = FileDescriptorSet {
        file: vec![
            file("a.proto", "b.proto"),
            file("b.proto", "a.proto"),
            file("c.proto", "c.proto"),
        ],
    };
    assert_eq!(
        errors(Pool::new().add_set("set", &set.encode_to_vec())).len(),
        3
    );
}

#[test]
fn the_same_file_may_come_twice_with_comments_or_without() {
    let dir = dir("twice");
    let [bare, commented] =
        [false, true].map(|comments| unchecked(&dir, &[("users.proto", USERS)], comments));
    assert_ne!(bare, commented);
    let mut pool = Pool::new();
    for (name, bytes) in [("one", &bare), ("two", &bare), ("three", &commented)] {
        pool.add_set(name, bytes).unwrap();
    }
    assert_eq!(pool.services().count(), 1);
}

#[test]
fn two_files_of_one_name_that_differ_are_told_with_both_sets() {
    let dir = dir("differ");
    let mut pool = Pool::new();
    let first = set(&dir, &[("a.proto", &service("x", "A", 100, &["call"]))]);
    pool.add_set("one", &first).unwrap();
    let second = set(
        &dir,
        &[("a.proto", &service("x", "A", 100, &["call", "more"]))],
    );
    let errors = errors(pool.add_set("two", &second));
    assert_eq!(
        errors,
        [
            "two (a.proto): another a.proto than that of one (a.proto): files of one name are one file; compile both from a folder above, so that their names differ (shop/a.proto), or write both sets again"
        ]
    );
    assert_eq!(pool.service(100).unwrap().methods.len(), 1);
}

#[test]
fn what_was_compiled_together_with_a_service_gives_way_to_others() {
    let dir = dir("together");
    let (users, store) = (
        service("x", "Users", 100, &["call"]),
        service("y", "Store", 101, &["call"]),
    );
    // Sets behind each other are one.
    let together = [
        set(&dir, &[("users.proto", &users)]),
        set(&dir, &[("store.proto", &store)]),
    ]
    .concat();
    let newer = service("y", "Store", 101, &["call", "more"]);
    let newer = set(&dir, &[("store.proto", &newer)]);
    let mut pool = Pool::new();
    pool.add_service("users", &together, "Users").unwrap();
    assert!(pool.service(101).is_none());
    let mut alone = pool.clone();
    pool.add_set("store.proto.pb", &newer).unwrap();
    pool.add_rest();
    assert_eq!(pool.service(101).unwrap().methods.len(), 2);
    alone.add_rest();
    assert_eq!(alone.service(101).unwrap().methods.len(), 1);
    assert_eq!(alone.service(100).unwrap().methods.len(), 1);
}

#[test]
fn two_services_of_one_number_are_told_with_both_names_and_sets() {
    let dir = dir("number");
    let mut pool = Pool::new();
    let first = set(&dir, &[("a.proto", &service("x", "A", 100, &[]))]);
    pool.add_set("a.proto.pb", &first).unwrap();
    let second = set(&dir, &[("b.proto", &service("x", "B", 100, &[]))]);
    let errors = errors(pool.add_set("b.proto.pb", &second));
    assert_eq!(
        errors,
        ["b.proto.pb: x.B: has number 100, which x.A of a.proto.pb has already"]
    );
    assert_eq!(pool.service(100).unwrap().name, "A");
    let third = set(&dir, &[("c.proto", &service("x", "C", 101, &[]))]);
    // What was told once is not told again.
    pool.add_set("c.proto.pb", &third).unwrap();
}

#[test]
fn two_messages_of_one_name_are_told_with_both_files() {
    let dir = dir("message");
    let mut pool = Pool::new();
    let first = set(&dir, &[("a.proto", &service("x", "A", 100, &[]))]);
    pool.add_set("a.proto.pb", &first).unwrap();
    let second = set(&dir, &[("b.proto", &service("x", "A", 101, &[]))]);
    let told = errors(pool.add_set("b.proto.pb", &second));
    assert!(
        matches!(&*told, [one] if one.starts_with("b.proto.pb: ") && one.contains("x.A") && one.contains("a.proto")),
        "{told:?}"
    );
    // The pool is as it was.
    let third = set(&dir, &[("c.proto", &service("x", "C", 101, &[]))]);
    pool.add_set("c.proto.pb", &third).unwrap();
    assert_eq!(
        pool.services().map(|one| one.id).collect::<Vec<_>>(),
        [100, 101]
    );
}

#[test]
fn a_set_that_tells_the_lines_of_its_source_has_them_in_its_mistakes() {
    let source = format!(
        "{HEAD}message Req {{}}\nmessage Res {{ int32 retCode = 1; }}\n\n\
         service Good {{ option (krpc.serviceId) = 100; }}\n\
         service Bad {{\n\
         rpc one(Req)\nreturns (Res);\n\
         rpc two(Res) returns (Res) {{ option (krpc.msgId) = 1; }}\n\
         }}\n\
         service Taken {{\noption (krpc.serviceId) = 100;\n}}\n"
    );
    let bytes = unchecked(&dir("lines"), &[("bad.proto", &source)], true);
    let told = errors(Pool::new().add_set("bad.proto.pb", &bytes));
    let problems = [
        "7: Bad: needs its number: `option (krpc.serviceId) = 100;`",
        "8: Bad.one: needs its number: `{ option (krpc.msgId) = 1; }`",
        "10: Bad.two: asks and answers with Res, which krpc refuses: give the answer a message of its own",
        "13: Taken: has number 100, which Good of bad.proto.pb:6 has already",
    ];
    assert_eq!(
        told,
        problems.map(|problem| format!("bad.proto.pb:{problem}"))
    );
}

#[test]
fn each_mistake_of_a_service_is_told_and_the_others_of_the_set_load() {
    let source = format!(
        "{HEAD}message Req {{}}\nmessage Res {{ int32 retCode = 1; }}\nmessage Bare {{ repeated int32 retCode = 1; }}\n\
         service Bad {{\n\
         rpc one(Req) returns (Res);\n\
         rpc two(Req) returns (stream Res) {{ option (krpc.msgId) = 1; }}\n\
         rpc three(Req) returns (Bare) {{ option (krpc.msgId) = -1; }}\n\
         rpc four(stream Req) returns (Res) {{ option (krpc.msgId) = 1; }} }}\n\
         service Heartbeat {{ option (krpc.serviceId) = 1; }}\n\
         service Good {{ option (krpc.serviceId) = 2; rpc call(Req) returns (Res) {{ option (krpc.msgId) = 1; }} }}"
    );
    let bytes = unchecked(&dir("mistakes"), &[("bad.proto", &source)], false);
    let mut pool = Pool::new();
    let told = errors(pool.add_set("dir/bad.proto.pb", &bytes));
    let problems = [
        "Bad: needs its number: `option (krpc.serviceId) = 100;`",
        "Bad.one: needs its number: `{ option (krpc.msgId) = 1; }`",
        "Bad.two: streams; krpc has calls only: take `stream` away",
        "Bad.three: cannot have number -1: `{ option (krpc.msgId) = 1; }`, or more",
        "Bad.three: answers with Bare, which needs `int32 retCode = 1;`",
        "Bad.four: has number 1, which two has already",
        "Bad.four: streams; krpc has calls only: take `stream` away",
        "Heartbeat: cannot have number 1: `option (krpc.serviceId) = 100;`, or more",
    ];
    assert_eq!(
        told,
        problems.map(|problem| format!("dir/bad.proto.pb: {problem}"))
    );
    assert_eq!(
        pool.services().map(|one| &*one.name).collect::<Vec<_>>(),
        ["Good"]
    );
}

#[test]
fn a_set_at_the_limit_is_read_and_one_byte_more_is_not() {
    let padded = |bytes: usize| {
        let mut file = b"\x0a\x07a.proto".to_vec();
        // An unknown field, as long as it takes.
        let rest = bytes - file.len() - 4 - 1 - 2 - 4;
        file.extend(b"\xc2\x3e");
        prost::encoding::encode_varint(rest as u64, &mut file);
        file.resize(file.len() + rest, b' ');
        let mut set = vec![0x0a];
        prost::encoding::encode_varint(file.len() as u64, &mut set);
        set.extend(file);
        set
    };
    let mut set = padded(MAX_SET);
    assert_eq!(set.len(), MAX_SET);
    Pool::new().add_set("a.proto.pb", &set).unwrap();
    set.push(0);
    let told = errors(Pool::new().add_set("a.proto.pb", &set));
    assert_eq!(told, [format!("a.proto.pb: longer than {MAX_SET} bytes")]);
}

#[test]
fn as_many_files_as_the_limit_link_in_a_row_and_one_more_does_not() {
    let files: Vec<_> = (0..=MAX_FILES)
        .map(|at| FileDescriptorProto {
            name: Some(format!("{at}.proto")),
            dependency: if at == 0 {
                vec![]
            } else {
                vec![format!("{}.proto", at - 1)]
            },
            public_dependency: if at == 0 { vec![] } else { vec![0] },
            ..FileDescriptorProto::default()
        })
        .collect();
    let (most, last) = files.split_at(MAX_FILES);
    let mut pool = Pool::new();
    let most = FileDescriptorSet {
        file: most.to_vec(),
    };
    pool.add_set("most", &most.encode_to_vec()).unwrap();
    let last = FileDescriptorSet {
        file: last.to_vec(),
    };
    let told = errors(pool.add_set("last", &last.encode_to_vec()));
    assert_eq!(
        told,
        [format!(
            "last ({MAX_FILES}.proto): more than {MAX_FILES} files"
        )]
    );
    let all = FileDescriptorSet { file: files };
    let told = errors(Pool::new().add_set("all", &all.encode_to_vec()));
    assert_eq!(told, [format!("all: holds more than {MAX_FILES} files")]);
}

#[test]
fn what_is_no_set_is_an_error() {
    // Messages within each other: each is the name "M" and the field `nested_type` of the one around it.
    let nested = |levels: usize| {
        let mut body = b"\x0a\x01M".to_vec();
        for level in 1..=levels {
            let mut around = if level == levels {
                vec![0x22]
            } else {
                b"\x0a\x01M\x1a".to_vec()
            };
            prost::encoding::encode_varint(body.len() as u64, &mut around);
            around.extend(body);
            body = around;
        }
        let file = [b"\x0a\x07a.proto", &*body].concat();
        let mut set = vec![0x0a];
        prost::encoding::encode_varint(file.len() as u64, &mut set);
        [set, file].concat()
    };
    Pool::new().add_set("deep", &nested(90)).unwrap();
    let unnamed = FileDescriptorSet {
        file: vec![FileDescriptorProto::default()],
    };
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("text", b"service User {}".to_vec()),
        ("unnamed", unnamed.encode_to_vec()),
        ("deep", nested(20_000)),
    ] {
        let told = errors(Pool::new().add_set(name, &bytes));
        assert!(matches!(&*told, [one] if one.starts_with(name)), "{told:?}");
    }
}

#[test]
fn a_syntax_that_is_not_known_is_an_error() {
    let file = |name: &str, syntax: &str| FileDescriptorProto {
        name: Some(name.into()),
        syntax: Some(syntax.into()),
        ..FileDescriptorProto::default()
    };
    let set = FileDescriptorSet {
        file: vec![file("a.proto", "editions"), file("b.proto", "proto2")],
    };
    let told = errors(Pool::new().add_set("set", &set.encode_to_vec()));
    assert_eq!(
        told,
        ["set (a.proto): has syntax \"editions\"; only proto2 and proto3 are known"]
    );
}

#[test]
fn a_map_whose_entries_are_none_is_an_error() {
    let entry = DescriptorProto {
        name: Some("MEntry".into()),
        options: Some(MessageOptions {
            map_entry: Some(true),
            ..MessageOptions::default()
        }),
        ..DescriptorProto::default()
    };
    let file = FileDescriptorProto {
        name: Some("a.proto".into()),
        message_type: vec![entry],
        ..FileDescriptorProto::default()
    };
    let set = FileDescriptorSet { file: vec![file] }.encode_to_vec();
    let told = errors(Pool::new().add_set("a.proto.pb", &set));
    assert_eq!(told, ["a.proto.pb: MEntry is no entry of a map"]);
}

#[test]
fn a_file_that_would_make_another_files_options_unreadable_is_an_error() {
    // Field 60001 of a method's options: a number in one file, in the other a string.
    let options = |kind: &str| {
        format!(
            "syntax = \"proto3\";\npackage {kind};\nimport \"google/protobuf/descriptor.proto\";\n\
             extend google.protobuf.MethodOptions {{ {kind} mine = 60001; }}"
        )
    };
    let (numbers, strings) = (options("int32"), options("string"));
    let users = USERS
        .replace("package pkg;", "package pkg;\nimport \"numbers.proto\";")
        .replace(
            "(krpc.msgId) = 1;",
            "(krpc.msgId) = 1; option (int32.mine) = 7;",
        );
    let dir = dir("unreadable");
    let users = unchecked(
        &dir,
        &[("users.proto", &users), ("numbers.proto", &numbers)],
        false,
    );
    let strings = unchecked(&dir, &[("strings.proto", &strings)], false);
    let numbers = unchecked(&dir, &[("numbers.proto", &numbers)], false);

    let mut pool = Pool::new();
    pool.add_set("numbers", &numbers).unwrap();
    pool.add_set("users", &users).unwrap();
    pool.add_set("strings", &strings).unwrap();
    assert!(pool.service(100).is_some());

    let mut pool = Pool::new();
    // As if the options were not known when it came.
    let mut unknown = FileDescriptorSet::decode(&*numbers).unwrap();
    unknown.file[0].extension.clear();
    pool.add_set("unknown", &unknown.encode_to_vec()).unwrap();
    pool.add_set("users", &users).unwrap();
    let told = errors(pool.add_set("strings", &strings));
    assert!(
        matches!(&*told, [one] if one.starts_with("strings (strings.proto): ") && one.contains("users.proto")),
        "{told:?}"
    );
    pool.add_set(
        "more",
        &set(&dir, &[("c.proto", &service("x", "C", 101, &[]))]),
    )
    .unwrap();
    assert_eq!(pool.services().count(), 2);
}
