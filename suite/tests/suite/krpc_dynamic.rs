//! A service that is known by its descriptors alone is called with JSON.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use tangelo::{
    Bootstrap, CallError, DynamicReferer, RefererError, RpcApp,
    rpc::{
        Code, ServerContext, Status,
        config::{MethodConfig, RefererConfig, ServerConfig},
    },
};
use tangelo_reflect::compile::compile;

use crate::world::soon;

mod proto {
    pub(super) mod key {
        tangelo::include_proto!("catalogue.key");
    }
    tangelo::include_proto!("catalogue");
}

use proto::{
    Catalogue, CatalogueClient, CatalogueServer, FindReq, FindRes, HangReq, HangRes, RefuseReq,
    RefuseRes,
};

const CATALOGUE: i32 = 130;

/// The catalogue of a server of this name.
struct Books(&'static str);

impl Catalogue for Books {
    async fn find(&self, asked: FindReq) -> Result<FindRes, Status> {
        let context = ServerContext::current().unwrap();
        Ok(FindRes {
            asked: Some(asked),
            server: self.0.to_owned(),
            attachment: context.attachment().to_owned(),
            label: context.trace().dyeing.clone(),
            ..FindRes::default()
        })
    }

    async fn refuse(&self, request: RefuseReq) -> Result<RefuseRes, Status> {
        if request.fail {
            return Err(Status::new(Code(request.code), request.words));
        }
        Ok(RefuseRes {
            ret_code: request.code,
            ret_msg: request.words,
        })
    }

    async fn hang(&self, _: HangReq) -> Result<HangRes, Status> {
        std::future::pending().await
    }
}

async fn server(name: &'static str) -> (RpcApp, String) {
    let app = Bootstrap::new(name)
        .server(ServerConfig::default().host("127.0.0.1").port(0_u16))
        .service(CatalogueServer::new(Books(name)))
        .start()
        .await
        .unwrap();
    let address = app.servers()[0].address().to_string();
    (app, address)
}

/// An empty folder of this name.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("dynamic")
        .join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Writes the descriptor set of a .proto file of the suite into a folder, as `tangelo descriptor` does.
fn describe(name: &str, imports: bool, folder: &Path) -> PathBuf {
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let mut compiled = compile(&[proto.join(name)], &[] as &[&Path]).unwrap();
    let path = folder.join(format!("{name}.pb"));
    fs::write(&path, compiled.descriptor_set(imports)).unwrap();
    path
}

/// An application with a dynamic referer `books`, which knows the service by a set with its imports.
async fn client(test: &str, referer: RefererConfig) -> RpcApp {
    let set = describe("catalogue.proto", true, &folder(test));
    let client = Bootstrap::new("client")
        .descriptors(set)
        .referer_with(referer);
    client.start().await.unwrap()
}

/// A server, its client, and the client's dynamic referer.
async fn books(test: &str) -> ([RpcApp; 2], DynamicReferer) {
    let (server, address) = server("only").await;
    let client = client(
        test,
        RefererConfig::dynamic("books", CATALOGUE).to(&address),
    )
    .await;
    let books = client.dynamic("books").unwrap();
    ([server, client], books)
}

async fn ask(books: &DynamicReferer, method: &str, request: &Value) -> Value {
    let answer = soon(method, books.call(method, &request.to_string())).await;
    serde_json::from_str(&answer.unwrap()).unwrap()
}

async fn failure(books: &DynamicReferer, method: &str, request: &str) -> String {
    let answer = soon(method, books.call(method, request)).await;
    answer.unwrap_err().to_string()
}

/// The mistakes that an application is not started for.
async fn mistakes(bootstrap: Bootstrap) -> Vec<String> {
    let mistakes = bootstrap.start().await.unwrap_err();
    mistakes.iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn json_goes_in_and_comes_out_by_name_and_by_number() {
    let (_running, books) = books("json").await;
    let request = json!({
        "key": {"shelf": "a", "number": "9007199254740993"},
        "userId": "ming",
        "words": ["x", "世界"],
        "counts": {"a": -1},
        "cover": "AQI=",
        "kind": "MAP",
    });
    for method in ["find", "1"] {
        let answer = ask(&books, method, &request).await;
        assert_eq!(
            answer,
            json!({"asked": request, "server": "only"}),
            "{method}"
        );
    }
    // Numbers for names, and fields that are not said.
    let answer = ask(&books, "find", &json!({"kind": 1, "userId": null})).await;
    assert_eq!(answer["asked"], json!({"kind": "MAP"}));
    assert_eq!(ask(&books, "find", &json!({})).await["asked"], json!({}));
    assert_eq!(books.service().full_name, "catalogue.Catalogue");
}

#[tokio::test]
async fn descriptors_may_be_sets_with_imports_without_or_a_folder() {
    let (_server, address) = server("only").await;
    let whole = folder("whole");
    let whole = describe("catalogue.proto", true, &whole);
    let parts = folder("parts");
    let key = describe("catalogue_key.proto", false, &parts);
    let catalogue = describe("catalogue.proto", false, &parts);
    let bootstrap = || Bootstrap::new("client").dynamic_referer("books", CATALOGUE, &address);
    for (way, bootstrap) in [
        ("with imports", bootstrap().descriptors(&whole)),
        (
            "one by one",
            bootstrap().descriptors(&key).descriptors(&catalogue),
        ),
        ("a folder", bootstrap().descriptors(&parts)),
        ("twice", bootstrap().descriptors(&parts).descriptors(&whole)),
    ] {
        let app = bootstrap.start().await.unwrap();
        let books = app.dynamic("books").unwrap();
        let answer = ask(&books, "find", &json!({"key": {"shelf": "a"}})).await;
        assert_eq!(answer["asked"]["key"]["shelf"], "a", "{way}");
    }
    // Generated code brings its own.
    let app = Bootstrap::new("client").referer::<CatalogueClient>("books", &address);
    let app = app.start().await.unwrap();
    let answer = ask(&app.dynamic("books").unwrap(), "find", &json!({})).await;
    assert_eq!(answer["server"], "only");
}

#[tokio::test]
async fn descriptors_that_are_not_there_are_told_before_anything_runs() {
    let parts = folder("lonely");
    let lonely = describe("catalogue.proto", false, &parts);
    let lonely = lonely.display();
    let bootstrap = || Bootstrap::new("client").dynamic_referer("books", CATALOGUE, "127.0.0.1:1");
    let unknown = "referer.books.service_id: nothing is known of service 130: load its descriptor set (descriptors)";
    assert_eq!(mistakes(bootstrap()).await, [unknown]);
    let missing = mistakes(bootstrap().descriptors("no/where.proto.pb")).await;
    assert!(
        missing[0].starts_with("descriptors: no/where.proto.pb: ") && missing[1] == unknown,
        "{missing:?}"
    );
    let import = format!(
        "descriptors: {lonely}: imports \"catalogue_key.proto\", which is not there or not right: add its set too, or write this one with `--include-imports`"
    );
    assert_eq!(
        mistakes(bootstrap().descriptors(lonely.to_string())).await,
        [&*import, unknown]
    );
    let no_set = parts.join("text.proto.pb");
    fs::write(&no_set, "syntax = \"proto3\";").unwrap();
    let no_set = mistakes(bootstrap().descriptors(no_set)).await;
    assert!(
        no_set[0].contains("text.proto.pb: no set of descriptors"),
        "{no_set:?}"
    );
}

#[tokio::test]
async fn an_applications_refusal_is_an_answer_and_the_frameworks_a_failure() {
    let (_running, books) = books("refusal").await;
    for fail in [false, true] {
        // As the method's answer, and as its failure.
        let request = json!({"code": -130_001, "words": "sold out", "fail": fail});
        let answer = ask(&books, "refuse", &request).await;
        assert_eq!(
            answer,
            json!({"retCode": -130_001, "retMsg": "sold out"}),
            "{fail}"
        );
        let request = json!({"code": -628, "words": "too many", "fail": fail}).to_string();
        let failed = books.call("refuse", &request).await.unwrap_err();
        let CallError::Call(status) = failed else {
            panic!("{failed}");
        };
        assert!(
            status.code().is_frameworks() && status.message().contains("too many"),
            "{status}"
        );
    }
    let patient = books.with_timeout(Duration::from_millis(50));
    assert_eq!(failure(&patient, "hang", "{}").await, "rpc timeout (-602)");
}

#[tokio::test]
async fn what_is_no_request_of_the_method_is_told_by_its_field() {
    let (_running, books) = books("request").await;
    for (method, request, words) in [
        (
            "search",
            "{}",
            "Catalogue has no method `search`; there are: find, refuse, hang",
        ),
        (
            "4",
            "{}",
            "Catalogue has no method `4`; there are: find, refuse, hang",
        ),
        (
            "",
            "{}",
            "Catalogue has no method ``; there are: find, refuse, hang",
        ),
        ("find", "", "request: no JSON: "),
        ("find", "{", "request: no JSON: "),
        ("find", "[]", "request: the body: "),
        ("find", r#"{"user": 1}"#, "request: user: "),
        ("find", r#"{"userId": 1}"#, "request: userId: "),
        (
            "find",
            r#"{"key": {"number": "x"}}"#,
            "request: key.number: ",
        ),
        ("find", r#"{"words": [1]}"#, "request: words[0]: "),
        ("find", r#"{"kind": "NONE"}"#, "request: kind: "),
    ] {
        let failed = failure(&books, method, request).await;
        assert!(failed.starts_with(words), "{request}: {failed}");
    }
}

#[tokio::test]
async fn an_answer_that_the_descriptors_do_not_know_is_a_failure() {
    let (_server, address) = server("only").await;
    let folder = folder("other");
    let other = "syntax = \"proto3\"; package other; import \"krpcext.proto\"; message Req {}\n\
        message Res { int32 retCode = 1; int64 server = 4; } message Gone { int32 retCode = 1; }\n\
        service Catalogue { option (krpc.serviceId) = 130;\n\
        rpc find(Req) returns (Res) { option (krpc.msgId) = 1; }\n\
        rpc gone(Req) returns (Gone) { option (krpc.msgId) = 9; } }";
    fs::write(folder.join("other.proto"), other).unwrap();
    let mut compiled = compile(&[folder.join("other.proto")], &[] as &[&Path]).unwrap();
    fs::write(
        folder.join("other.proto.pb"),
        compiled.descriptor_set(false),
    )
    .unwrap();
    let app = Bootstrap::new("client")
        .descriptors(&folder)
        .dynamic_referer("books", CATALOGUE, &address);
    let app = app.start().await.unwrap();
    let books = app.dynamic("books").unwrap();
    let failed = failure(&books, "find", "{}").await;
    assert!(failed.starts_with("response: no other.Res: "), "{failed}");
    assert_eq!(
        failure(&books, "gone", "{}").await,
        "service or method not found (-627)"
    );
}

#[tokio::test]
async fn what_is_said_beside_a_call_arrives() {
    let (_running, books) = books("beside").await;
    let said = books.clone().with_attachment("附件").with_label("blue");
    let answer = ask(&said, "find", &json!({})).await;
    assert_eq!(
        (&answer["attachment"], &answer["label"]),
        (&json!("附件"), &json!("blue"))
    );
    // The one it was made of says nothing.
    let answer = ask(&books, "find", &json!({})).await;
    assert_eq!(answer, json!({"asked": {}, "server": "only"}));
}

#[tokio::test]
async fn settings_of_methods_count_for_it_by_number_and_by_name() {
    let (_server, address) = server("only").await;
    for pattern in ["3", "ha.*"] {
        let short = MethodConfig::new(pattern)
            .unwrap()
            .timeout(Duration::from_millis(50));
        let referer = RefererConfig::dynamic("books", CATALOGUE)
            .to(&address)
            .timeout(Duration::from_secs(600))
            .method(short);
        let app = client(&format!("pattern-{pattern}"), referer).await;
        let books = app.dynamic("books").unwrap();
        assert_eq!(failure(&books, "hang", "{}").await, "rpc timeout (-602)");
        ask(&books, "find", &json!({})).await;
    }
}

#[tokio::test]
async fn a_pattern_that_fits_no_method_is_a_mistake_as_with_generated_code() {
    let set = describe("catalogue.proto", true, &folder("patterns"));
    for (pattern, words) in [
        (
            "1-4",
            "referer.books.method.1-4: there is no message 4; there are: find = 1, refuse = 2, hang = 3",
        ),
        (
            "search",
            "referer.books.method.search: fits no method; there are: find = 1, refuse = 2, hang = 3",
        ),
    ] {
        let referer = RefererConfig::dynamic("books", CATALOGUE)
            .to("127.0.0.1:1")
            .method(MethodConfig::new(pattern).unwrap());
        let bootstrap = Bootstrap::new("client")
            .descriptors(&set)
            .referer_with(referer);
        assert_eq!(mistakes(bootstrap).await, [words]);
    }
}

#[tokio::test]
async fn a_hashing_balancer_finds_its_field_in_json() {
    let (servers, addresses): (Vec<_>, Vec<_>) = [
        server("one").await,
        server("two").await,
        server("three").await,
    ]
    .into_iter()
    .unzip();
    let referer = RefererConfig::dynamic("books", CATALOGUE)
        .to(&addresses.join(","))
        .load_balance(tangelo::rpc::client::balance::by_name("hash:hashField=userId").unwrap());
    let app = client("hash", referer).await;
    let books = app.dynamic("books").unwrap();
    let mut seen = BTreeSet::new();
    for user in 0..30 {
        let request = json!({"userId": format!("user {user}")});
        let first = ask(&books, "find", &request).await["server"].clone();
        for _ in 0..3 {
            assert_eq!(ask(&books, "find", &request).await["server"], first);
        }
        seen.insert(first.to_string());
        // A key that is said counts before the field.
        let keyed = books.clone().with_key(format!("user {user}"));
        let other = json!({"userId": "another"});
        assert_eq!(ask(&keyed, "find", &other).await["server"], first);
    }
    assert_eq!(seen.len(), servers.len());
}

#[tokio::test]
async fn a_referer_that_is_none_or_reverse_says_so() {
    let set = describe("catalogue.proto", true, &folder("reverse"));
    let app = Bootstrap::new("server")
        .server(ServerConfig::default().host("127.0.0.1").port(0_u16))
        .descriptors(set)
        .dynamic_referer("books", CATALOGUE, "127.0.0.1:1")
        .referer_with(RefererConfig::dynamic("told", CATALOGUE).reverse(true))
        .start()
        .await
        .unwrap();
    let error = app.dynamic("none").unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no referer `none`; there are: books, told"
    );
    let error = app.dynamic("told").unwrap_err();
    assert_eq!(error, RefererError::Reverse("told".to_owned()));
    assert_eq!(
        error.to_string(),
        "referer `told` is reverse: its calls go through a generated client and need a connection (push)"
    );
    // The same service by its generated client, where there is code of it.
    let client: CatalogueClient = app.referer("books").unwrap();
    let nobody = client.find(FindReq::default()).await.unwrap_err();
    assert_eq!(nobody.code(), Code::NO_CONNECTION);
    app.push::<CatalogueClient>("told", "no such connection")
        .unwrap();
}
