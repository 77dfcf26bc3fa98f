//! Routes that no file has, and what a gateway tells of all its routes.

use serde_json::{Value, json};
use tangelo::rpc::{Definition, Status};
use tangelo_gateway::{
    Backends, Gateway, GatewayBuilder, OpenApi,
    mapping::JsonForm,
    route::{Group, Routes, SessionMode, Url},
};
use tangelo_reflect::Pool;

use crate::gateway_world::{Browser, Said, start};

#[expect(unreachable_pub, reason = "code of a oneof is in a module of its own")]
mod proto {
    tangelo::include_proto!("library");
}

use proto::{BookReq, BookRes, EverythingReq, EverythingRes, Library, LibraryServer};

/// The service's number.
const LIBRARY: i32 = 141;
const JSON: &str = "application/json";

/// Answers what it was asked.
struct Shelves;

impl Shelves {
    fn said(asked: BookReq) -> Result<BookRes, Status> {
        let BookReq {
            name,
            book,
            size,
            tags,
        } = asked;
        Ok(BookRes {
            name,
            book,
            size,
            tags,
            ..BookRes::default()
        })
    }
}

impl Library for Shelves {
    async fn find(&self, asked: BookReq) -> Result<BookRes, Status> {
        Self::said(asked)
    }

    async fn create(&self, asked: BookReq) -> Result<BookRes, Status> {
        Self::said(asked)
    }

    async fn update(&self, asked: BookReq) -> Result<BookRes, Status> {
        Self::said(asked)
    }

    async fn archive(&self, asked: BookReq) -> Result<BookRes, Status> {
        Self::said(asked)
    }

    async fn read(&self, asked: BookReq) -> Result<BookRes, Status> {
        Self::said(asked)
    }

    async fn everything(&self, asked: EverythingReq) -> Result<EverythingRes, Status> {
        let genre = asked.genre;
        Ok(EverythingRes {
            large: asked.large,
            genre,
            counts: asked.counts,
            ..EverythingRes::default()
        })
    }
}

fn pool() -> Pool {
    let mut pool = Pool::new();
    let set = <LibraryServer<Shelves> as Definition>::DESCRIPTORS;
    pool.add_set("library", set).unwrap();
    pool
}

fn builder() -> GatewayBuilder {
    Gateway::builder("library")
        .listen("127.0.0.1", 0)
        .pool(pool())
        .backends(Backends::new().service(LibraryServer::new(Shelves)))
}

async fn annotated() -> Browser {
    let gateway = start(builder().annotated_routes(Group::new(""))).await;
    Browser::of(&gateway).await
}

/// What was said, without what is not.
fn answer(said: &Said) -> Value {
    assert_eq!(said.status, 200, "{said:?}");
    let mut json = said.json();
    if json["size"] == 0 {
        json.as_object_mut().unwrap().remove("size");
    }
    if json["book"]["pages"] == 0 {
        json["book"].as_object_mut().unwrap().remove("pages");
    }
    json.as_object_mut().unwrap().remove("retCode");
    json
}

async fn send(browser: &mut Browser, method: &str, path: &str, body: &str) -> Said {
    let length = body.len();
    browser
        .send(format!(
            "{method} {path} HTTP/1.1\r\nhost: a\r\ncontent-type: {JSON}\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
        .await;
    browser.hear().await
}

#[tokio::test]
async fn a_method_is_reachable_by_the_names_of_its_service_and_itself_where_that_is_switched_on() {
    let gateway = start(builder()).await;
    let mut browser = Browser::of(&gateway).await;
    browser
        .get("/library/find?name=a")
        .await
        .is_refused(404, -661);

    let gateway = start(builder().auto_routes(Group::new("/api"))).await;
    let mut browser = Browser::of(&gateway).await;
    let said = browser.get("/api/library/find?name=a").await;
    assert_eq!(answer(&said), json!({ "name": "a" }));
    let said = browser
        .post("/api/library/create", JSON, r#"{"size":7}"#)
        .await;
    assert_eq!(answer(&said), json!({ "size": 7 }));
}

#[tokio::test]
async fn routes_without_a_file_are_as_their_group_says_and_behind_the_routes_there_are() {
    let routes = Routes::new().url(
        Url::new("/library/find")
            .service(LIBRARY)
            .message(2)
            .methods("get"),
    );
    let group = Group::new("").session_mode(SessionMode::Required);
    let gateway = start(builder().routes(routes).auto_routes(group)).await;
    let mut browser = Browser::of(&gateway).await;
    // The file's, which needs no login, and what is left of the other.
    assert_eq!(browser.get("/library/find").await.status, 200);
    browser
        .post("/library/find", JSON, "{}")
        .await
        .is_refused(401, -664);
    browser.get("/library/read").await.is_refused(401, -664);
}

#[tokio::test]
async fn a_method_that_a_route_is_for_has_no_address_beside_it() {
    let routes = Routes::new().url(
        Url::new("/mine")
            .service(LIBRARY)
            .message(2)
            .session_mode(SessionMode::Required),
    );
    let gateway = builder()
        .routes(routes)
        .auto_routes(Group::new(""))
        .auto_routes(Group::new("/second"));
    let gateway = start(gateway).await;
    let mut browser = Browser::of(&gateway).await;
    browser.get("/mine").await.is_refused(401, -664);
    for path in ["/library/create", "/second/library/create"] {
        browser.get(path).await.is_refused(404, -661);
    }
    for path in ["/library/find", "/second/library/find"] {
        assert_eq!(browser.get(path).await.status, 200);
    }
}

#[tokio::test]
async fn operations_have_the_names_of_their_methods_and_numbers_where_there_are_several_urls() {
    let url = |path: &str| Url::new(path).message(1).methods("get");
    let group = Group::new("")
        .service(LIBRARY)
        .url(url("/z"))
        .url(url("/a"))
        .url(Url::new("/both").message(2))
        .url(url("/own").with_attribute("operationId", "look"));
    let api = builder().openapi(OpenApi::at("/api.json"));
    let gateway = start(api.routes(Routes::new().group(group))).await;
    let mut browser = Browser::of(&gateway).await;
    let said = browser.get("/api.json").await;
    let id = |path: &str, method: &str| said.json()["paths"][path][method]["operationId"].clone();
    for (path, method, expected) in [
        ("/z", "get", "Library_find"),
        ("/a", "get", "Library_find_2"),
        ("/both", "get", "Library_create"),
        ("/both", "post", "Library_create_post"),
        ("/own", "get", "look"),
    ] {
        assert_eq!(id(path, method), expected, "{method} {path}");
    }
    // As they are declared.
    let text = String::from_utf8(said.body.clone()).unwrap();
    let at = |name: &str| text.find(&format!("\"{name}\":")).unwrap();
    assert!(text.starts_with("{\"openapi\":"));
    assert!(!text.contains("order"), "{text}");
    let _ = at("paths");
}

#[tokio::test]
async fn a_group_that_names_a_service_is_for_that_alone() {
    let gateway = start(builder().auto_routes(Group::new("").service(140))).await;
    let mut browser = Browser::of(&gateway).await;
    browser.get("/library/find").await.is_refused(404, -661);
}

#[tokio::test]
async fn an_annotation_is_an_address() {
    let mut browser = annotated().await;
    for (path, heard) in [
        (
            "/v1/shelves/a/books/b",
            json!({ "name": "shelves/a/books/b" }),
        ),
        // What the client encoded borders nothing.
        (
            "/v1/shelves/a%2Fb/books/c",
            json!({ "name": "shelves/a%2Fb/books/c" }),
        ),
        ("/v1/books/978", json!({ "book": { "isbn": "978" } })),
        ("/v1/books/a%2Fb", json!({ "book": { "isbn": "a/b" } })),
        ("/v1/files/x/y/z.txt", json!({ "name": "files/x/y/z.txt" })),
        ("/v1/files", json!({ "name": "files" })),
    ] {
        assert_eq!(answer(&browser.get(path).await), heard, "{path}");
    }
    for path in [
        "/v1/shelves/a/books",
        "/v1/shelves/a/books/b/c",
        "/v1/files//a",
    ] {
        assert_ne!(browser.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn names_with_dots_in_a_query_are_fields_within_messages() {
    let mut browser = annotated().await;
    let path = "/v1/books/978?size=3&tags=a&tags=b&book.pages=12&book.authors=x&book.authors=y\
        &book.writer.teacher.name=z&book.isbn=other&book.none=1&none.at.all=2&name.x=3";
    let heard = json!({
        "size": 3,
        "tags": ["a", "b"],
        "book": {
            "isbn": "978",
            "pages": 12,
            "authors": ["x", "y"],
            "writer": { "name": "", "teacher": { "name": "z" } },
        },
    });
    let mut said = answer(&browser.get(path).await);
    said["book"]["writer"]["name"] = json!("");
    assert_eq!(said, heard);
    let said = browser.get("/v1/books/1?book.pages=x").await;
    assert_eq!(
        said.is_refused(400, -625),
        r#"book.pages: expected int32, found "x""#
    );
    let said = browser
        .get("/v1/books/1?book.writer=a&book.writer.name=b")
        .await;
    said.is_refused(400, -625);
}

#[tokio::test]
async fn a_body_fills_what_the_annotation_says() {
    let mut browser = annotated().await;
    // One field; the query says others, and not that one.
    let said = send(
        &mut browser,
        "POST",
        "/v1/shelves/a/books?size=2&book.pages=9",
        r#"{"title":"t"}"#,
    )
    .await;
    assert_eq!(
        answer(&said),
        json!({ "name": "shelves/a", "size": 2, "book": { "title": "t" } })
    );
    // All; the query says nothing.
    let said = send(
        &mut browser,
        "POST",
        "/v1/books?size=2",
        r#"{"name":"n","book":{"pages":3}}"#,
    )
    .await;
    assert_eq!(
        answer(&said),
        json!({ "name": "n", "book": { "pages": 3 } })
    );
    // What the path says the body cannot change, within messages too.
    let said = send(
        &mut browser,
        "PATCH",
        "/v1/shelves/a/books/b",
        r#"{"title":"t","pages":5}"#,
    )
    .await;
    assert_eq!(
        answer(&said),
        json!({ "book": { "title": "shelves/a/books/b", "pages": 5 } })
    );
    let said = send(&mut browser, "PATCH", "/v1/shelves/a/books/b", "").await;
    assert_eq!(
        answer(&said),
        json!({ "book": { "title": "shelves/a/books/b" } })
    );
    // A verb is another address.
    let said = send(
        &mut browser,
        "POST",
        "/v1/shelves/a/books/b:archive",
        r#"{"name":"x","size":1}"#,
    )
    .await;
    assert_eq!(
        answer(&said),
        json!({ "name": "shelves/a/books/b", "size": 1 })
    );
}

#[tokio::test]
async fn a_body_cannot_say_more_than_its_field() {
    let mut browser = annotated().await;
    for body in [
        r#"{"title":"t"},"size":9"#,
        r#"{"title":"#,
        "7",
        "[7]",
        r#"{"pages":"x"}"#,
    ] {
        let said = send(&mut browser, "POST", "/v1/shelves/a/books", body).await;
        said.is_refused(400, -625);
    }
    let said = browser
        .post(
            "/v1/shelves/a/books",
            "application/x-www-form-urlencoded",
            "a=b",
        )
        .await;
    assert_eq!(
        said.is_refused(400, -625),
        "the body: expected application/json"
    );
}

/// The document of a gateway with all there is.
async fn document(form: JsonForm) -> Value {
    let routes = Routes::new().group(
        Group::new("/things")
            .service(LIBRARY)
            .url(Url::new("/{who}").message(6))
            .url(
                Url::new("/")
                    .message(6)
                    .methods("put,delete")
                    .session_mode(SessionMode::Required),
            )
            .url(
                Url::new("/{other}")
                    .message(6)
                    .methods("delete")
                    .with_attribute("httpCode", "202"),
            )
            .url(Url::new("/own").message(1).hosts("own.example.com")),
    );
    let gateway = builder()
        .routes(routes)
        .json(form)
        .auto_routes(Group::new("/api"))
        .annotated_routes(Group::new(""))
        .openapi(
            OpenApi::at("/openapi.json")
                .page("/try")
                .title("A <Library>"),
        );
    let gateway = start(gateway).await;
    let mut browser = Browser::of(&gateway).await;
    let said = browser.get("/openapi.json").await;
    assert_eq!(
        (said.status, said.header("content-type")),
        (200, Some(JSON))
    );
    said.json()
}

/// All parts of the document that have this name.
fn all<'d>(document: &'d Value, name: &str, found: &mut Vec<&'d Value>) {
    match document {
        Value::Object(parts) => {
            found.extend(parts.get(name));
            parts.values().for_each(|part| all(part, name, found));
        }
        Value::Array(parts) => parts.iter().for_each(|part| all(part, name, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_holds_what_openapi_asks_of_one() {
    for form in [JsonForm::KRPC, JsonForm::STANDARD] {
        let document = document(form).await;
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["info"]["title"], "A <Library>");
        let mut references = Vec::new();
        all(&document, "$ref", &mut references);
        assert!(!references.is_empty());
        for reference in references {
            let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
            assert!(
                document.pointer(pointer).is_some_and(|it| it.is_object()),
                "{reference}"
            );
        }
        let mut ids = Vec::new();
        all(&document, "operationId", &mut ids);
        let count = ids.len();
        ids.sort_by_key(|id| id.to_string());
        ids.dedup();
        assert_eq!(ids.len(), count);
        let mut shapes = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            assert!(path.starts_with('/'), "{path}");
            let named: Vec<_> = path
                .split('{')
                .skip(1)
                .map(|rest| rest.split('}').next().unwrap())
                .collect();
            shapes.push(named.iter().fold(path.clone(), |path, name| {
                path.replace(&format!("{{{name}}}"), "{}")
            }));
            for operation in item.as_object().unwrap().values() {
                let parameters = operation["parameters"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default();
                let mut places: Vec<_> = parameters
                    .iter()
                    .map(|it| (it["in"].to_string(), it["name"].to_string()))
                    .collect();
                let in_path = parameters.iter().filter(|it| it["in"] == "path");
                let in_path: Vec<_> = in_path.map(|it| it["name"].as_str().unwrap()).collect();
                assert_eq!(in_path, named, "{path}");
                places.sort();
                let count = places.len();
                places.dedup();
                assert_eq!(places.len(), count, "{path}");
                for parameter in &parameters {
                    assert!(parameter["schema"].is_object(), "{parameter}");
                    assert!(parameter["in"] != "path" || parameter["required"] == true);
                }
                let responses = operation["responses"].as_object().unwrap();
                assert!(responses.len() > 1);
                for response in responses.values() {
                    assert!(
                        response.get("description").is_some() || response.get("$ref").is_some()
                    );
                }
            }
        }
        // Paths that differ in the names of variables only would be the same.
        let count = shapes.len();
        shapes.sort();
        shapes.dedup();
        assert_eq!(shapes.len(), count);
    }
}

#[tokio::test]
async fn the_document_tells_where_each_field_stands() {
    let document = document(JsonForm::KRPC).await;
    let names = |path: &str, method: &str| {
        let parameters = document["paths"][path][method]["parameters"]
            .as_array()
            .cloned();
        let shown = |it: &Value| {
            format!(
                "{} {}",
                it["in"].as_str().unwrap(),
                it["name"].as_str().unwrap()
            )
        };
        parameters
            .unwrap_or_default()
            .iter()
            .map(shown)
            .collect::<Vec<_>>()
    };
    // A query cannot say maps; what the gateway fills itself is nobody's to say.
    assert_eq!(
        names("/things/{who}", "get"),
        [
            "path who",
            "header x-trace",
            "cookie Theme",
            "query large",
            "query larger",
            "query small",
            "query flag",
            "query ratio",
            "query raw",
            "query genre",
            "query genres",
            "query mail",
            "query phone",
            "query note",
            "query born",
            "query old",
        ]
    );
    assert_eq!(
        names("/things/{who}", "post"),
        ["path who", "header x-trace", "cookie Theme"]
    );
    let body = &document["paths"]["/things/{who}"]["post"]["requestBody"]["content"];
    assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), [JSON]);
    let properties = body[JSON]["schema"]["properties"].as_object().unwrap();
    assert!(properties.contains_key("counts") && !properties.contains_key("who"));
    assert!(!properties.contains_key("sessionId") && !properties.contains_key("headerXTrace"));
    // Of an annotation fields within messages as well, but for what the path says.
    assert_eq!(
        names("/v1/books/{book_isbn}", "get"),
        [
            "path book_isbn",
            "query name",
            "query book.title",
            "query book.pages",
            "query book.authors",
            "query book.writer.name",
            "query book.writer.teacher.name",
            "query book.writer.teacher.teacher.name",
            "query size",
            "query tags",
        ]
    );
    assert_eq!(
        names("/v1/shelves/{name}/books", "post"),
        ["path name", "query size", "query tags"]
    );
    let one =
        &document["paths"]["/v1/shelves/{name}/books"]["post"]["requestBody"]["content"][JSON];
    assert_eq!(
        one["schema"],
        json!({ "$ref": "#/components/schemas/library.Book" })
    );
    assert_eq!(
        names("/v1/shelves/{name_1}/books/{name_2}:archive", "post"),
        ["path name_1", "path name_2"]
    );
    // Two urls that differ in the name of a variable have one.
    assert_eq!(
        document["paths"]["/things/{who}"]["delete"]["parameters"][0]["name"],
        "who"
    );
    assert!(document["paths"]["/things/{who}"]["delete"]["responses"]["202"].is_object());
    // Nobody else's urls.
    assert!(document["paths"].get("/things/own").is_none());
}

#[tokio::test]
async fn the_document_tells_types_rules_and_logins() {
    let krpc = document(JsonForm::KRPC).await;
    let request = |document: &Value| {
        document["paths"]["/things"]["put"]["requestBody"]["content"][JSON]["schema"].clone()
    };
    let schema = request(&krpc);
    let properties = &schema["properties"];
    assert_eq!(schema["required"], json!(["who"]));
    assert_eq!(
        (
            &properties["who"]["minLength"],
            &properties["who"]["maxLength"]
        ),
        (&json!(2), &json!(20))
    );
    assert_eq!(
        (
            &properties["small"]["minimum"],
            &properties["small"]["maximum"]
        ),
        (&json!(0), &json!(100))
    );
    assert_eq!(properties["genres"]["maxItems"], 3);
    assert_eq!(properties["large"]["type"], "integer");
    assert_eq!(properties["old"]["deprecated"], true);
    assert_eq!(
        schema["not"],
        json!({ "anyOf": [{ "required": ["mail", "phone"] }] })
    );
    assert_eq!(
        krpc["components"]["schemas"]["library.Genre"]["enum"],
        json!([0, 1, 2])
    );
    let put = &krpc["paths"]["/things"]["put"];
    assert_eq!(put["security"], json!([{ "session": [] }]));
    assert_eq!(
        (&put["x-service-id"], &put["x-msg-id"]),
        (&json!(141), &json!(6))
    );
    let answer = &put["responses"]["200"];
    let fields = answer["content"][JSON]["schema"]["properties"]
        .as_object()
        .unwrap();
    assert!(
        fields.contains_key("large")
            && !fields.contains_key("headerXTrace")
            && !fields.contains_key("httpCode")
    );
    assert!(
        answer["headers"]["x-trace"].is_object() && answer["headers"]["set-cookie"].is_object()
    );
    let session = &krpc["components"]["securitySchemes"]["session"];
    assert_eq!(
        session,
        &json!({ "type": "apiKey", "in": "cookie", "name": "JSESSIONID" })
    );

    let standard = document(JsonForm::STANDARD).await;
    assert_eq!(request(&standard)["properties"]["large"]["type"], "string");
    assert_eq!(
        standard["components"]["schemas"]["library.Genre"]["enum"],
        json!(["UNKNOWN", "FICTION", "FACTS"])
    );
}

#[tokio::test]
async fn a_host_with_urls_of_its_own_is_told_of_those_and_the_document_is_asked_for_anew_only_when_it_changes()
 {
    let routes = Routes::new().group(
        Group::new("")
            .service(LIBRARY)
            .url(Url::new("/a").message(1))
            .url(Url::new("/own").message(1).hosts("own.example.com")),
    );
    let gateway = start(builder().routes(routes).openapi(OpenApi::at("/api.json"))).await;
    let mut browser = Browser::of(&gateway).await;
    let mut paths = Vec::new();
    for host in ["own.example.com:80", "other"] {
        browser
            .send(format!("GET /api.json HTTP/1.1\r\nhost: {host}\r\n\r\n"))
            .await;
        let said = browser.hear().await;
        paths.push(
            said.json()["paths"]
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(paths, [vec!["/a", "/own"], vec!["/a"]]);

    let tag = browser
        .get("/api.json")
        .await
        .header("etag")
        .unwrap()
        .to_owned();
    let known = format!("if-none-match: {tag}\r\n");
    assert_eq!(browser.get_with("/api.json", &known).await.status, 304);
    gateway.reload(&Routes::new(), &pool()).unwrap();
    let said = browser.get_with("/api.json", &known).await;
    assert_eq!(
        (said.status, said.json()["paths"].as_object().unwrap().len()),
        (200, 0)
    );
}

#[tokio::test]
async fn the_page_asks_nobody_but_its_gateway() {
    let gateway = builder().openapi(
        OpenApi::at("/openapi.json")
            .page("/try")
            .title("A <Library>"),
    );
    let gateway = start(gateway).await;
    let mut browser = Browser::of(&gateway).await;
    let said = browser.get("/try").await;
    let page = String::from_utf8(said.body.clone()).unwrap();
    assert!(
        page.contains("<title>A &lt;Library&gt;</title>")
            && page.contains("content=\"/openapi.json\"")
    );
    assert!(!page.contains("://") && !page.contains("<script>") && !page.contains("style="));
    let policy = said.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
    for (path, kind) in [
        ("/try", "text/html; charset=utf-8"),
        ("/try/try.js", "text/javascript; charset=utf-8"),
        ("/try/try.css", "text/css; charset=utf-8"),
    ] {
        assert!(path == "/try" || page.contains(path), "{path}");
        let said = browser.get(path).await;
        assert_eq!(
            (said.status, said.header("content-type")),
            (200, Some(kind))
        );
    }
    browser
        .post("/openapi.json", JSON, "{}")
        .await
        .is_refused(404, -661);
}

#[tokio::test]
async fn nothing_is_told_where_nobody_asked_for_it_and_a_bad_path_is_told_at_once() {
    let gateway = start(builder()).await;
    let mut browser = Browser::of(&gateway).await;
    browser.get("/openapi.json").await.is_refused(404, -661);
    for api in [
        OpenApi::at("api"),
        OpenApi::at("/a/"),
        OpenApi::at("/a").page("/a"),
    ] {
        let error = builder().openapi(api).bind().await.unwrap_err().to_string();
        assert!(error.starts_with("openapi: "), "{error}");
    }
}

/// A gateway whose one method has this annotation.
async fn refused(number: usize, rule: &str) -> String {
    let source = format!(
        "syntax = \"proto3\";\npackage bad;\nimport \"krpcext.proto\";\nimport \"google/api/annotations.proto\";\n\
         message Req {{ string name = 1; repeated string names = 2; Req below = 3; }}\n\
         message Res {{ int32 retCode = 1; }}\n\
         service Bad {{ option (krpc.serviceId) = {LIBRARY};\n  rpc go(Req) returns (Res) {{ option (krpc.msgId) = 1; \
         option (google.api.http) = {{ {rule} }}; }}\n}}\n"
    );
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("annotation_{number}.proto"));
    std::fs::write(&file, source).unwrap();
    let mut compiled = tangelo_reflect::compile::compile(&[&file], &[folder]).unwrap();
    let mut pool = Pool::new();
    pool.add_set("bad", &compiled.descriptor_set(false))
        .unwrap();
    let gateway = builder().pool(pool).annotated_routes(Group::new(""));
    gateway.bind().await.unwrap_err().to_string()
}

#[tokio::test]
async fn what_an_annotation_cannot_mean_here_is_told_when_it_is_loaded() {
    let refusals = [
        ("get: \"/a/{none}\"", "{none}: Req has no such field"),
        (
            "get: \"/a/{names}\"",
            "{names}: a path fills single values only",
        ),
        (
            "get: \"/a/{below}\"",
            "{below}: a path fills single values only",
        ),
        ("get: \"/a/{b\"", "has a { without its }"),
        ("get: \"/a/**/b\"", "`**` before its end"),
        ("get: \"/a\" body: \"*\"", "GET has no body"),
        (
            "post: \"/a\" body: \"none\"",
            "body: Req has no field `none`",
        ),
        (
            "post: \"/a/{name}\" body: \"name\"",
            "{name}: the body fills it already",
        ),
        (
            "get: \"/a\" response_body: \"x\"",
            "response_body is not supported",
        ),
        (
            "custom { kind: \"LOCK\" path: \"/a\" }",
            "custom kind `LOCK`",
        ),
        (
            "get: \"/a/{name}\" additional_bindings { get: \"/a/{below.name}\" }",
            "GET is for url /a/{name} already",
        ),
    ];
    for (number, (rule, told)) in refusals.into_iter().enumerate() {
        let error = refused(number, rule).await;
        assert!(error.contains(told), "{rule}: {error}");
    }
}
