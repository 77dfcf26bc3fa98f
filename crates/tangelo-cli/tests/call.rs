//! `tangelo call` asks a service elsewhere, and says whatever there is to say about its answer.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod command;

use std::{
    io::Read,
    net::TcpListener,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use bytes::BytesMut;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tangelo::{
    BlockingApp, Bootstrap,
    rpc::{Code, ServerContext, Status, config::ServerConfig},
};
use tangelo_wire::krpc::{
    frame::{self, Frame},
    layout::Layout,
};
use userservice::user::{
    LoginReq, LoginRes, UpdateProfileReq, UpdateProfileRes, UserService, UserServiceServer,
};

use command::{Ran, dir, run};

/// The example's definitions.
const PROTO: &str = include_str!("../../../examples/userservice/proto/userservice.proto");

/// What krpc's projects keep beside their own.
const KRPCEXT: &str = include_str!("../../tangelo-reflect/proto/krpcext.proto");
const DESCRIPTOR: &str = "syntax = \"proto2\"; import public \"google/protobuf/descriptor.proto\";";

/// Lets in who has a password, tells what it hears beside a call, and does what else a user's id says.
struct Users;

impl UserService for Users {
    async fn login(&self, request: LoginReq) -> Result<LoginRes, Status> {
        if request.password.is_empty() {
            return Ok(LoginRes {
                ret_code: -100_002,
                ret_msg: "用户不存在".to_owned(),
                ..LoginRes::default()
            });
        }
        let context = ServerContext::current().unwrap();
        Ok(LoginRes {
            user_id: request.user_name,
            ret_msg: format!("{}|{}", context.attachment(), context.trace().dyeing),
            ..LoginRes::default()
        })
    }

    async fn update_profile(&self, request: UpdateProfileReq) -> Result<UpdateProfileRes, Status> {
        match request.user_id.as_str() {
            "hang" => std::future::pending().await,
            "fail" => Err(Status::new(Code::BUSINESS_ERROR, "the table is gone")),
            "refuse" => Err(Code(-100_003).into()),
            _ => Ok(UpdateProfileRes::default()),
        }
    }
}

/// A server for one test.
struct Served {
    app: BlockingApp,
    address: String,
}

impl Served {
    fn new() -> Self {
        Self::with(ServerConfig::default())
    }

    fn with(config: ServerConfig) -> Self {
        let app = Bootstrap::new("users")
            .server(config.host("127.0.0.1").port(0_u16))
            .service(UserServiceServer::new(Users))
            .start_blocking()
            .unwrap();
        let address = app.servers()[0].address().to_string();
        Self { app, address }
    }

    /// Runs `tangelo call` in a directory with these arguments behind the address.
    fn call(&self, dir: &Path, args: &[&str]) -> Ran {
        call(dir, &self.address, args)
    }
}

fn call(dir: &Path, address: &str, args: &[&str]) -> Ran {
    run(dir, &[&["call", address], args].concat(), "")
}

/// A directory with the example's definitions.
fn users(name: &str) -> PathBuf {
    dir(name, &[("userservice.proto", PROTO)])
}

fn printed(code: i32, out: &str) -> Ran {
    Ran {
        code,
        out: out.to_owned(),
        err: String::new(),
    }
}

fn said(err: impl Into<String>) -> Ran {
    Ran {
        code: 1,
        out: String::new(),
        err: err.into(),
    }
}

#[test]
fn a_set_is_written_and_a_service_called_by_it() {
    let (dir, served) = (users("flow"), Served::new());
    let described = run(&dir, &["descriptor", "userservice.proto"], "");
    let listing = "     100 userservice.UserService\n       1   login\n       2   updateProfile\n";
    assert_eq!(
        described,
        printed(0, &format!("userservice.proto.pb\n{listing}"))
    );
    // Nothing else is needed.
    std::fs::remove_file(dir.join("userservice.proto")).unwrap();
    assert_eq!(run(&dir, &["services"], ""), printed(0, listing));
    let empty = self::dir("no definitions here", &[]);
    let set = dir.join("userservice.proto.pb");
    let named = run(&empty, &["services", set.to_str().unwrap()], "");
    assert_eq!(named, printed(0, listing));
    let login = ["UserService.login", r#"{"userName":"a"}"#];
    assert_eq!(
        served.call(&dir, &login),
        printed(
            2,
            "{\n  \"retCode\": -100002,\n  \"retMsg\": \"用户不存在\"\n}\n"
        )
    );
}

#[test]
fn a_method_is_called_by_names_and_by_numbers() {
    let (dir, served) = (users("names"), Served::new());
    for method in [
        "UserService.login",
        "userservice.UserService.login",
        "100.1",
        "100.login",
        "UserService.1",
    ] {
        let ran = served.call(
            &dir,
            &[method, r#"{"userName":"a","password":"b"}"#, "--compact"],
        );
        assert_eq!(
            ran,
            printed(0, "{\"retMsg\":\"|\",\"userId\":\"a\"}\n"),
            "{method}"
        );
    }
}

#[test]
fn a_request_is_an_argument_or_stdin_or_nothing() {
    let (dir, served) = (users("request"), Served::new());
    let args = ["call", &*served.address, "100.1", "-", "--compact"];
    let request = "{\n \"user_name\": \"世界\",\n \"password\": \"b\"}";
    let ran = run(&dir, &args, request);
    // Rust's name of the field nobody knows elsewhere.
    assert_eq!(
        ran,
        said(format!(
            "{}: UserService.login: request: user_name: no such field; userservice.LoginReq has userName, password\n",
            served.address
        ))
    );
    let ran = run(&dir, &args, &request.replace("user_name", "userName"));
    assert_eq!(ran, printed(0, "{\"retMsg\":\"|\",\"userId\":\"世界\"}\n"));
    assert_eq!(served.call(&dir, &["100.2"]), printed(0, "{}\n"));
    let ran = run(&dir, &args, "");
    assert!(
        ran.code == 1 && ran.err.contains("request: no JSON: "),
        "{ran:?}"
    );
}

#[test]
fn a_failure_of_the_framework_exits_with_1_and_its_code() {
    let (dir, served) = (users("failure"), Served::new());
    let address = &served.address;
    for (request, words) in [
        (r#"{"userId":"hang"}"#, "rpc timeout (-602)"),
        (r#"{"userId":"fail"}"#, "the table is gone in (100) (-620)"),
    ] {
        let ran = served.call(&dir, &["100.2", request, "--timeout", "100"]);
        assert_eq!(
            ran,
            said(format!("{address}: UserService.updateProfile: {words}\n"))
        );
    }
    // What the application refuses with has no other words than its code's.
    let ran = served.call(&dir, &["100.2", r#"{"userId":"refuse"}"#, "--compact"]);
    assert_eq!(
        ran,
        printed(2, "{\"retCode\":-100003,\"retMsg\":\"unknown error\"}\n")
    );
    // A method that is known here and not there.
    let newer = PROTO.replace(
        "{ option (krpc.msgId) = 2; }",
        "{ option (krpc.msgId) = 9; }",
    );
    let dir = self::dir("newer", &[("userservice.proto", &newer)]);
    assert_eq!(
        served.call(&dir, &["UserService.updateProfile"]),
        said(format!(
            "{address}: UserService.updateProfile: service or method not found (-627)\n"
        ))
    );
}

#[test]
fn where_nobody_listens_the_address_is_told_and_the_reason() {
    let dir = users("nobody");
    // Held, and never listened on.
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    drop(held);
    let ran = call(&dir, &address, &["100.1"]);
    let words = format!("{address}: UserService.login: no connection (-600): Connection refused");
    assert!(ran.code == 1 && ran.err.starts_with(&words), "{ran:?}");
    let ran = call(&dir, "nowhere.invalid:1", &["100.1"]);
    assert!(
        ran.err
            .starts_with("nowhere.invalid:1: UserService.login: no connection (-600)"),
        "{ran:?}"
    );
    for address in [
        "127.0.0.1",
        "127.0.0.1:x",
        "127.0.0.1:0",
        ":1",
        "",
        "a:1,b:2",
        "a:b:1",
    ] {
        let ran = call(&dir, address, &["100.1"]);
        assert!(
            ran.code == 1 && ran.err.contains("host:port"),
            "{address}: {ran:?}"
        );
    }
}

#[test]
fn what_is_not_known_is_told_with_what_is() {
    let dir = users("unknown");
    let call = |method: &str| call(&dir, "127.0.0.1:1", &[method]);
    let services = "there are:\n     100 userservice.UserService\n       1   login\n       2   updateProfile\n";
    for service in ["Userservice", "other.UserService", "101", "", "userservice"] {
        let told = call(&format!("{service}.login"));
        assert_eq!(
            told,
            said(format!("there is no service `{service}`; {services}"))
        );
    }
    let methods = "there are:\n       1 login\n       2 updateProfile\n";
    for method in ["Login", "3", ""] {
        let told = call(&format!("UserService.{method}"));
        assert_eq!(
            told,
            said(format!(
                "userservice.UserService has no method `{method}`; {methods}"
            ))
        );
    }
    assert_eq!(
        call("login"),
        said("`login`: expected a service and its method, as UserService.login or 100.1\n")
    );
    let empty = self::dir("empty", &[]);
    assert_eq!(
        self::call(&empty, "127.0.0.1:1", &["100.1"]),
        said("there is no service `100`, nor any other: name its file with --proto\n")
    );
    assert_eq!(
        run(&empty, &["services"], ""),
        said("no services are defined here: name their files with --proto\n")
    );
}

#[test]
fn what_is_wrong_is_told_in_the_words_of_the_command_line() {
    let dir = users("words");
    for (arguments, told) in [
        (&["127.0.0.1:1", "--tls-ca", "none"][..], "--tls-ca: none: "),
        (
            &["127.0.0.1:1", "--tls-cert", "none"],
            "--tls-ca: is missing",
        ),
        (&["a b:1"], "ADDRESS: expected host:port, found `a b:1`"),
    ] {
        let mut all = vec!["call", arguments[0], "100.1"];
        all.extend(&arguments[1..]);
        let ran = run(&dir, &all, "");
        assert!(ran.code == 1 && ran.err.starts_with(told), "{ran:?}");
    }
    let ran = run(&dir, &["services", "127.0.0.1:5600"], "");
    assert!(
        ran.code == 1 && ran.err.contains("cannot be asked what it offers"),
        "{ran:?}"
    );
}

#[test]
fn a_name_that_two_services_have_needs_its_package() {
    let other = PROTO
        .replace("package userservice;", "package other;")
        .replace("= 100;", "= 101;");
    let dir = dir("two", &[("a.proto", PROTO), ("b.proto", &other)]);
    let served = Served::new();
    let ran = served.call(&dir, &["UserService.login"]);
    assert!(
        ran.err
            .contains("no service `UserService`; there are:\n     100 userservice.UserService\n")
            && ran.err.contains("\n     101 other.UserService\n"),
        "{ran:?}"
    );
    assert_eq!(
        served.call(&dir, &["userservice.UserService.updateProfile"]),
        printed(0, "{}\n")
    );
}

#[test]
fn definitions_are_files_sets_and_directories() {
    let served = Served::new();
    let bad = "syntax = \"proto3\";\nmessage {";
    let dir = dir(
        "definitions",
        &[
            ("named/users.proto", PROTO),
            ("named/krpcext.proto", KRPCEXT),
            ("named/descriptor.proto", DESCRIPTOR),
            ("bad/bad.proto", bad),
            ("bad/worse.proto.pb", "no set"),
            ("default/proto/users.proto", PROTO),
            (
                "importing/own/api.proto",
                "syntax = \"proto3\";\nimport \"users.proto\";\n",
            ),
        ],
    );
    let set = [
        "descriptor",
        "named/users.proto",
        "-o",
        "set/users.proto.pb",
    ];
    std::fs::create_dir(dir.join("set")).unwrap();
    assert_eq!(run(&dir, &set, "").code, 0);
    let good = printed(0, "{}\n");
    for proto in ["named/users.proto", "set/users.proto.pb", "named", "set"] {
        assert_eq!(
            served.call(&dir, &["100.2", "--proto", proto]),
            good,
            "{proto}"
        );
    }
    assert_eq!(served.call(&dir.join("default"), &["100.2"]), good);
    let importing = ["100.2", "--proto", "importing/own/api.proto", "-I", "named"];
    assert_eq!(served.call(&dir, &importing), good);
    // The same twice is once.
    assert_eq!(
        served.call(&dir, &["100.2", "--proto", "named", "--proto", "set"]),
        good
    );

    // What was named must be right; what lies about matters where a service is missed.
    assert_eq!(
        served.call(&dir, &["100.2", "--proto", "bad", "--proto", "named"]),
        good
    );
    let told = |ran: Ran, words: &[&str]| {
        assert!(ran.code == 1 && ran.out.is_empty(), "{ran:?}");
        assert!(words.iter().all(|words| ran.err.contains(words)), "{ran:?}");
    };
    let syntax = "bad/bad.proto:2:9: ";
    let no_set = "bad/worse.proto.pb: no set of descriptors";
    told(
        served.call(&dir, &["100.2", "--proto", "bad"]),
        &["no service `100`", syntax, no_set],
    );
    told(
        run(&dir, &["services", "--proto", "bad"], ""),
        &["no services are defined here", syntax, no_set],
    );
    told(
        served.call(
            &dir,
            &["100.2", "--proto", "bad/bad.proto", "--proto", "named"],
        ),
        &[syntax],
    );
    told(
        served.call(&dir, &["100.2", "--proto", "bad/worse.proto.pb"]),
        &[no_set],
    );
    told(
        served.call(&dir, &["100.2", "--proto", "none.proto"]),
        &["none.proto: "],
    );
    told(
        served.call(&dir, &["100.2", "--proto", "none.pb"]),
        &["none.pb: "],
    );
    told(
        served.call(&dir, &["100.2", "--proto", "importing/own"]),
        &["import 'users.proto' not found"],
    );
}

#[test]
fn a_source_counts_before_a_set_that_was_made_of_it_earlier() {
    let (dir, served) = (users("stale"), Served::new());
    assert_eq!(run(&dir, &["descriptor", "userservice.proto"], "").code, 0);
    let renamed = PROTO.replace("updateProfile", "changeProfile");
    std::fs::write(dir.join("userservice.proto"), renamed).unwrap();
    assert_eq!(
        served.call(&dir, &["UserService.changeProfile"]),
        printed(0, "{}\n")
    );
}

#[test]
fn what_is_said_beside_a_call_arrives() {
    let (dir, served) = (users("beside"), Served::new());
    let request = r#"{"password":"b"}"#;
    let beside = ["--attachment", "附件", "--label", "blue", "--compact"];
    let args = [&["100.1", request], &beside[..]].concat();
    assert_eq!(
        served.call(&dir, &args),
        printed(0, "{\"retMsg\":\"附件|blue\"}\n")
    );
    for way in [
        &["--v1"][..],
        &["--zip", "zlib"],
        &["--zip", "snappy", "--v1"],
    ] {
        let args = [&["100.1", request, "--compact"], way].concat();
        assert_eq!(
            served.call(&dir, &args),
            printed(0, "{\"retMsg\":\"|\"}\n"),
            "{way:?}"
        );
    }
}

/// The first frame of `tangelo call` with these arguments, as a server of this layout takes it. It is not answered.
fn frame(dir: &Path, args: &[&str], layout: Layout) -> Frame {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::scope(|scope| {
        let ran = scope.spawn(|| call(dir, &address, args));
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = BytesMut::new();
        let frame = loop {
            if let Some(frame) = frame::decode(&mut bytes, layout, 1 << 20).unwrap() {
                break frame;
            }
            let mut read = [0; 1024];
            let count = stream.read(&mut read).unwrap();
            assert!(count > 0, "it went without a word");
            bytes.extend_from_slice(&read[..count]);
        };
        drop((stream, listener));
        let ran = ran.join().unwrap();
        assert!(
            ran.code == 1 && ran.err.contains("connection is reset (-601)"),
            "{ran:?}"
        );
        frame
    })
}

#[test]
fn it_speaks_as_it_is_told_to() {
    let dir = users("speaks");
    let request = r#"{"userName":"a"}"#;
    let plain = frame(&dir, &["100.1", request], Layout::V2);
    assert_eq!((plain.meta.service_id, plain.meta.msg_id), (100, 1));
    assert_eq!((&*plain.body, plain.meta.compress), (&b"\x0a\x01a"[..], 0));
    assert!(
        (2_000..=3_000).contains(&plain.meta.timeout_ms),
        "{plain:?}"
    );
    let patient = frame(&dir, &["100.1", request, "--timeout", "60000"], Layout::V2);
    assert!(
        (30_000..=60_000).contains(&patient.meta.timeout_ms),
        "{patient:?}"
    );
    for (zip, number) in [("zlib", 1), ("snappy", 2)] {
        let zipped = frame(&dir, &["100.1", request, "--zip", zip], Layout::V2);
        assert_eq!(zipped.meta.compress, number);
    }
    let old = frame(
        &dir,
        &["100.1", request, "--v1", "--label", "x"],
        Layout::V1,
    );
    assert_eq!((old.meta.service_id, old.meta.msg_id), (100, 1));
    assert!((2_000..=3_000).contains(&old.meta.timeout_ms), "{old:?}");
}

#[test]
fn a_safe_server_is_called_by_whom_it_knows() {
    let dir = users("safe");
    let write = |name: &str, text: String| {
        std::fs::write(dir.join(name), text).unwrap();
        dir.join(name).to_str().unwrap().to_owned()
    };
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    write("ca.pem", authority.pem());
    let sign = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let file = |kind: &str| format!("{name}.{kind}.pem");
        (
            write(&file("cert"), certificate.pem()),
            write(&file("key"), key.serialize_pem()),
        )
    };
    let (cert, key) = sign("users.test");
    sign("caller.test");
    let config = ServerConfig::default().tls_cert(cert).tls_key(key);
    let served = Served::with(config.tls_client_ca(dir.join("ca.pem").to_str().unwrap()));
    let trusting = [
        "100.2",
        "--tls-ca",
        "ca.pem",
        "--tls-server-name",
        "users.test",
    ];
    let known = [
        "--tls-cert",
        "caller.test.cert.pem",
        "--tls-key",
        "caller.test.key.pem",
    ];
    let args = [&trusting[..], &known].concat();
    assert_eq!(served.call(&dir, &args), printed(0, "{}\n"));

    // A server of another name, a caller of none, and no TLS at all.
    let args = [&trusting[..3], &known].concat();
    let ran = served.call(&dir, &args);
    assert!(
        ran.code == 1
            && ran.err.contains("no connection (-600): ")
            && ran.err.contains("certificate"),
        "{ran:?}"
    );
    assert_eq!(served.call(&dir, &trusting).code, 1);
    assert_eq!(served.call(&dir, &["100.2"]).code, 1);
    let ran = served.call(&dir, &["100.2", "--tls-ca", "none.pem"]);
    assert!(
        ran.code == 1 && ran.err.starts_with("--tls-ca: none.pem"),
        "{ran:?}"
    );
}

#[test]
fn what_cannot_be_meant_is_told_by_its_argument() {
    let dir = users("arguments");
    for (args, words) in [
        (&["call"][..], "<ADDRESS>"),
        (&["call", "127.0.0.1:1"], "<METHOD>"),
        (
            &["call", "127.0.0.1:1", "100.1", "{}", "--timeout", "0"],
            "--timeout",
        ),
        (
            &["call", "127.0.0.1:1", "100.1", "{}", "--zip", "lzma"],
            "--zip",
        ),
        (&["call", "127.0.0.1:1", "100.1", "{}", "more"], "more"),
    ] {
        let ran = run(&dir, args, "");
        assert!(
            ran.code == 1 && ran.out.is_empty() && ran.err.contains(words),
            "{ran:?}"
        );
    }
    let help = run(&dir, &["call", "--help"], "");
    assert!(
        help.code == 0 && help.out.contains("Exits with 0; with 1"),
        "{help:?}"
    );
}

impl Drop for Served {
    /// Nothing hangs on: what is still asked has been given up.
    fn drop(&mut self) {
        let app = &self.app;
        app.runtime()
            .block_on(tangelo::RpcApp::stop(app, Duration::ZERO));
    }
}
