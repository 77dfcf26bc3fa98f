//! Bodies of several parts, compressed bodies.

use std::{io::Write, sync::atomic::Ordering};

use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use serde_json::json;
use tangelo_gateway::{
    Gateway, Limits, OpenApi, UploadLimits,
    route::{Dir, Group, Routes, SessionMode, Url},
};

use crate::{
    gateway_world::{Browser, Folder, SHORT, Said, Site, WEB, builder, start},
    world::until,
};

const KIND: &str = "multipart/form-data; boundary=XX";

/// A part: a text, or a file if it has a name.
fn part(name: &str, filename: Option<&str>, content: &str) -> String {
    let filename =
        filename.map(|name| format!("; filename=\"{name}\"\r\ncontent-type: text/plain"));
    format!(
        "--XX\r\ncontent-disposition: form-data; name=\"{name}\"{}\r\n\r\n{content}\r\n",
        filename.unwrap_or_default()
    )
}

fn body(parts: &[(&str, Option<&str>, &str)]) -> String {
    let parts = parts.iter();
    let parts: String = parts
        .map(|(name, file, content)| part(name, *file, content))
        .collect();
    parts + "--XX--\r\n"
}

fn routes(folder: Option<&Folder>) -> Routes {
    let url = |path: &str| Url::new(path).message(6);
    let group = Group::new("")
        .service(WEB)
        .url(url("/upload"))
        .url(url("/keep").with_attribute("keepFiles", "true"))
        .url(url("/short").with_attribute("maxUploadLength", "200"))
        .url(url("/mine").session_mode(SessionMode::Required))
        .url(Url::new("/login").message(2))
        .url(Url::new("/echo").message(1));
    match folder {
        Some(folder) => Routes::new()
            .group(group)
            .dir(Dir::new("/").upload_dir(folder.path())),
        None => Routes::new().group(group),
    }
}

async fn with(site: &Site, folder: Option<&Folder>, uploads: UploadLimits) -> (Gateway, Browser) {
    let limits = Limits {
        uploads,
        content_bytes: 1000,
        ..Limits::default()
    };
    let gateway = builder(site).routes(routes(folder)).limits(limits);
    let gateway = start(gateway).await;
    let browser = Browser::of(&gateway).await;
    (gateway, browser)
}

async fn upload(browser: &mut Browser, path: &str, parts: &[(&str, Option<&str>, &str)]) -> Said {
    browser.post(path, KIND, body(parts)).await
}

#[tokio::test]
async fn a_service_is_told_which_files_have_come_and_they_go_with_the_answer() {
    let folder = Folder::new();
    let (_gateway, mut browser) =
        with(&Site::default(), Some(&folder), UploadLimits::default()).await;
    let parts = [
        ("title", None, "Ä"),
        ("tags", None, "a"),
        ("photo", Some("C:\\\\x\\\\me.PNG"), "one"),
        ("tags", None, "b"),
        ("empty", Some(""), ""),
        ("none", Some("none.txt"), ""),
    ];
    let said = upload(&mut browser, "/upload", &parts).await.json();
    assert_eq!(
        (&said["title"], &said["tags"]),
        (&json!("Ä"), &json!(["a", "b"]))
    );
    let file = &said["files"][0];
    for (name, value) in [
        ("name", json!("photo")),
        ("filename", json!("me.PNG")),
        ("ext", json!(".PNG")),
        ("contentType", json!("text/plain")),
        ("size", json!(3)),
    ] {
        assert_eq!(file[name], value, "{name}");
    }
    assert!(
        file["file"]
            .as_str()
            .unwrap()
            .starts_with(folder.path().to_str().unwrap())
    );
    assert_eq!(said["files"].as_array().unwrap().len(), 2, "{said}");
    assert_eq!(said["contents"], json!(["one", ""]));
    assert!(folder.names().is_empty());
}

#[tokio::test]
async fn a_file_whose_name_is_not_utf_8_is_a_file() {
    let (site, folder) = (Site::default(), Folder::new());
    let (_gateway, mut browser) = with(&site, Some(&folder), UploadLimits::default()).await;
    for name in [&b"\xff\xfe.png\""[..], b"a\r\nx: y.png\""] {
        let head = b"--XX\r\ncontent-disposition: form-data; name=\"f\"; filename=\"";
        let body = [&head[..], name, b"\r\n\r\nhello\r\n--XX--\r\n"].concat();
        let said = browser.post("/upload", KIND, body).await;
        assert_eq!(said.status, 200, "{said:?}");
        assert_eq!(said.json()["contents"], json!(["hello"]));
    }
}

#[tokio::test]
async fn an_upload_that_is_refused_is_told_so_however_much_is_still_sent() {
    let (site, folder) = (Site::default(), Folder::new());
    let gateway = with(&site, Some(&folder), UploadLimits::default()).await.0;
    let mut browser = Browser::of(&gateway).await;
    let big = body(&[("f", Some("a.txt"), &"x".repeat(6_000_000))]);
    // It reads when it has sent all.
    let said = browser.post("/upload", KIND, big).await;
    said.is_refused(413, -663);
}

#[tokio::test]
async fn the_document_tells_of_files() {
    let gateway = builder(&Site::default()).openapi(OpenApi::at("/api.json"));
    let gateway = start(gateway.routes(routes(None))).await;
    let document = Browser::of(&gateway).await.get("/api.json").await.json();
    let content = &document["paths"]["/upload"]["post"]["requestBody"]["content"];
    let parts = &content["multipart/form-data"]["schema"]["properties"];
    assert_eq!(parts["title"]["type"], "string");
    assert_eq!(parts["files"]["items"]["format"], "binary");
    // Nowhere else can they be said.
    let json = &content["application/json"]["schema"]["properties"];
    assert!(
        json["title"].is_object() && json["files"].is_null(),
        "{json}"
    );
    let echo = &document["paths"]["/echo"]["post"]["requestBody"]["content"];
    assert!(echo["multipart/form-data"].is_null());
}

#[tokio::test]
async fn files_stay_where_a_url_says_so_and_its_service_took_them() {
    let folder = Folder::new();
    let (_gateway, mut browser) =
        with(&Site::default(), Some(&folder), UploadLimits::default()).await;
    upload(&mut browser, "/keep", &[("a", Some("a.html"), "kept")]).await;
    let names = folder.names();
    assert_eq!(names.len(), 1);
    // Nothing of it is of the client's choice.
    assert!(
        names[0].ends_with(".upload") && names[0].len() == 39,
        "{names:?}"
    );
    let parts = [("how", None, "fail"), ("a", Some("a"), "not kept")];
    let said = upload(&mut browser, "/keep", &parts).await;
    assert_eq!(said.json()["retCode"], json!(-5));
    assert_eq!(folder.names(), names);
}

#[tokio::test]
async fn files_go_when_their_client_goes() {
    let (site, folder) = (Site::default(), Folder::new());
    let (_gateway, mut browser) = with(&site, Some(&folder), UploadLimits::default()).await;
    let body = body(&[("how", None, "hold"), ("a", Some("a"), "x")]);
    let length = body.len();
    browser
        .send(format!("POST /upload HTTP/1.1\r\nhost: a\r\ncontent-type: {KIND}\r\ncontent-length: {length}\r\n\r\n{body}"))
        .await;
    until("the service holds", || {
        site.held.load(Ordering::SeqCst) == 1
    })
    .await;
    assert_eq!(folder.names().len(), 1);
    drop(browser);
    until("the file is gone", || folder.names().is_empty()).await;
}

#[tokio::test]
async fn a_client_cannot_say_where_a_file_lies() {
    let folder = Folder::new();
    let (_gateway, mut browser) =
        with(&Site::default(), Some(&folder), UploadLimits::default()).await;
    let json = r#"{"title":"t","files":[{"file":"/etc/passwd","filename":"x"}]}"#;
    let said = browser
        .post("/upload", "application/json", json)
        .await
        .json();
    assert_eq!(
        (&said["title"], said.get("files")),
        (&json!("t"), None),
        "{said}"
    );
    let parts = [("files", None, "[{\"file\":\"/etc/passwd\"}]")];
    let said = upload(&mut browser, "/upload", &parts).await.json();
    assert_eq!(said.get("files"), None, "{said}");
    let said = browser.get("/upload?files=x").await.json();
    assert_eq!(
        (&said["retCode"], said.get("files")),
        (&json!(0), None),
        "{said}"
    );
}

#[tokio::test]
async fn each_limit_holds_at_it_and_past_it() {
    let folder = Folder::new();
    let limits = UploadLimits {
        request_bytes: 4000,
        file_bytes: 100,
        files: 2,
        parts: 4,
        ..UploadLimits::default()
    };
    let (gateway, mut browser) = with(&Site::default(), Some(&folder), limits).await;
    let (fits, long) = ("x".repeat(100), "x".repeat(101));
    let text = "x".repeat(999);
    let two = [("a", Some("a"), &*fits), ("b", Some("b"), &fits)];
    assert_eq!(upload(&mut browser, "/upload", &two).await.status, 200);
    assert_eq!(
        upload(&mut browser, "/upload", &[("t", None, &text)])
            .await
            .status,
        200
    );
    let four = [("a", None, "x"); 4];
    assert_eq!(upload(&mut browser, "/upload", &four).await.status, 200);
    let much = "x".repeat(5000);
    let longer = "x".repeat(1000);
    for (parts, words) in [
        (
            &[("a", Some("a"), &*long)][..],
            "a file has more than 100 bytes",
        ),
        (&[("a", Some("a"), "x"); 3], "there are more than 2 files"),
        (&[("a", None, "x"); 5], "the body has more than 4 parts"),
        (
            &[("a", Some("a"), &much)],
            "the body has more than 4000 bytes",
        ),
        (
            &[("t", None, &longer)],
            "the parts that are no files have more than 1000 bytes",
        ),
    ] {
        let mut browser = Browser::of(&gateway).await;
        let said = upload(&mut browser, "/upload", parts).await;
        assert_eq!(said.is_refused(413, -663), words);
        assert_eq!(said.header("connection"), Some("close"));
    }
    // Without a length it is counted as it comes.
    let mut browser = Browser::of(&gateway).await;
    let body = body(&[("t", None, "x")]);
    browser
        .send(format!("POST /upload HTTP/1.1\r\nhost: a\r\ncontent-type: {KIND}\r\ntransfer-encoding: chunked\r\n\r\n1388\r\n{}\r\n0\r\n\r\n", "x".repeat(5000 - body.len()) + &body))
        .await;
    let said = browser.hear().await;
    assert_eq!(
        said.is_refused(413, -663),
        "the body has more than 4000 bytes"
    );
    let said = upload(
        &mut Browser::of(&gateway).await,
        "/short",
        &[("t", None, &text)],
    )
    .await;
    assert_eq!(
        said.is_refused(413, -663),
        "the body has more than 200 bytes"
    );
    assert!(folder.names().is_empty());
}

#[tokio::test]
async fn no_more_files_come_at_once_than_may() {
    let folder = Folder::new();
    let limits = UploadLimits {
        at_once_bytes: 100,
        ..UploadLimits::default()
    };
    let site = Site::default();
    let (gateway, mut first) = with(&site, Some(&folder), limits).await;
    let held = body(&[("how", None, "hold"), ("a", Some("a"), &"x".repeat(60))]);
    let length = held.len();
    first
        .send(format!("POST /upload HTTP/1.1\r\nhost: a\r\ncontent-type: {KIND}\r\ncontent-length: {length}\r\n\r\n{held}"))
        .await;
    until("the first is there", || {
        site.held.load(Ordering::SeqCst) == 1
    })
    .await;
    let more = "x".repeat(41);
    let said = upload(
        &mut Browser::of(&gateway).await,
        "/upload",
        &[("b", Some("b"), &more)],
    )
    .await;
    said.is_refused(503, -623);
    let said = upload(
        &mut Browser::of(&gateway).await,
        "/upload",
        &[("b", Some("b"), &more[1..])],
    )
    .await;
    assert_eq!(said.status, 200);
    site.go_on.add_permits(1);
    assert_eq!(first.hear().await.status, 200);
    let said = upload(&mut first, "/upload", &[("b", Some("b"), &more)]).await;
    assert_eq!(said.status, 200);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_with_408() {
    let folder = Folder::new();
    let limits = UploadLimits {
        time: SHORT,
        ..UploadLimits::default()
    };
    let (_gateway, mut browser) = with(&Site::default(), Some(&folder), limits).await;
    let begun = part("a", Some("a"), "begun");
    browser
        .send(format!("POST /upload HTTP/1.1\r\nhost: a\r\ncontent-type: {KIND}\r\ncontent-length: 500\r\n\r\n{begun}"))
        .await;
    browser.hear().await.is_refused(408, -625);
    assert!(folder.names().is_empty());
}

#[tokio::test]
async fn what_is_no_form_is_answered_with_400() {
    let folder = Folder::new();
    let (gateway, _) = with(&Site::default(), Some(&folder), UploadLimits::default()).await;
    for (kind, body) in [
        (KIND, String::new()),
        (KIND, "nothing".to_owned()),
        (KIND, part("a", None, "no end")),
        (KIND, part("a", Some("a"), "no end")),
        (KIND, "--XX\r\n\r\nno name\r\n--XX--\r\n".to_owned()),
        (KIND, "--XX\r\nno header\r\n\r\nx\r\n--XX--\r\n".to_owned()),
        ("multipart/form-data", body(&[("a", None, "x")])),
    ] {
        let said = Browser::of(&gateway)
            .await
            .post("/upload", kind, &body)
            .await;
        said.is_refused(400, -625);
    }
    let mut bytes = body(&[("title", None, "?")]).into_bytes();
    let at = bytes.iter().position(|byte| *byte == b'?').unwrap();
    bytes[at] = 0xff;
    let said = Browser::of(&gateway)
        .await
        .post("/upload", KIND, bytes)
        .await;
    assert_eq!(said.is_refused(400, -625), "title: not UTF-8");
    let endless = format!("--XX\r\nx: {}", "x".repeat(200_000));
    let said = Browser::of(&gateway)
        .await
        .post("/upload", KIND, endless)
        .await;
    let words = said.is_refused(413, -663);
    assert_eq!(words, "the headers of a part have more than 65536 bytes");
    let said = Browser::of(&gateway)
        .await
        .post("/upload", "multipart/mixed; boundary=XX", "x")
        .await;
    said.is_refused(415, -625);
    assert!(folder.names().is_empty());
}

#[tokio::test]
async fn files_are_taken_where_there_is_a_folder_and_from_those_who_have_logged_in() {
    let (gateway, mut browser) = with(&Site::default(), None, UploadLimits::default()).await;
    let said = upload(&mut browser, "/upload", &[("title", None, "t")]).await;
    assert_eq!(said.json()["title"], json!("t"));
    let said = upload(&mut browser, "/upload", &[("a", Some("a"), "x")]).await;
    assert_eq!(said.is_refused(415, -625), "files are not taken here");

    let folder = Folder::new();
    gateway
        .reload(&routes(Some(&folder)), &crate::gateway_world::pool())
        .unwrap();
    // Refused before any of it has come.
    let mut browser = Browser::of(&gateway).await;
    browser
        .send(format!(
            "POST /mine HTTP/1.1\r\nhost: a\r\ncontent-type: {KIND}\r\ncontent-length: 500\r\n\r\n"
        ))
        .await;
    browser.hear().await.is_refused(401, -664);
    let mut browser = Browser::of(&gateway).await;
    let said = browser.get("/login?name=u&flag=1").await;
    let cookie = said.cookie().unwrap().to_owned();
    let body = body(&[("a", Some("a"), "x")]);
    let length = body.len();
    browser
        .send(format!("POST /mine HTTP/1.1\r\nhost: a\r\ncookie: JSESSIONID={cookie}\r\ncontent-type: {KIND}\r\ncontent-length: {length}\r\n\r\n{body}"))
        .await;
    assert_eq!(browser.hear().await.json()["contents"], json!(["x"]));
}

#[tokio::test]
async fn what_a_url_says_of_uploads_is_checked() {
    for (name, value, words) in [
        (
            "maxUploadLength",
            "much",
            "maxUploadLength: expected bytes, but it is `much`",
        ),
        (
            "keepFiles",
            "maybe",
            "keepFiles: expected true or false, but it is `maybe`",
        ),
    ] {
        let url = Url::new("/a").message(6).with_attribute(name, value);
        let routes = Routes::new().group(Group::new("").service(WEB).url(url));
        let error = builder(&Site::default())
            .routes(routes)
            .bind()
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), format!("url /a: {words}"));
    }
}

fn packed(coding: &str, plain: &[u8]) -> Vec<u8> {
    let level = Compression::default();
    match coding {
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), level);
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        _ => {
            let mut encoder = DeflateEncoder::new(Vec::new(), level);
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
    }
}

async fn send_packed(browser: &mut Browser, coding: &str, body: &[u8]) -> Said {
    let length = body.len();
    let head = format!(
        "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-encoding: {coding}\r\ncontent-length: {length}\r\n\r\n"
    );
    browser.send([head.as_bytes(), body].concat()).await;
    browser.hear().await
}

#[tokio::test]
async fn a_compressed_body_is_inflated_within_the_limit() {
    let (_gateway, mut browser) = with(&Site::default(), None, UploadLimits::default()).await;
    let json = format!("{{\"text\":\"{}\"}}", "x".repeat(989));
    assert_eq!(json.len(), 1000);
    let raw = packed("raw", json.as_bytes());
    for (coding, body) in [
        ("gzip", packed("gzip", json.as_bytes())),
        ("X-GZip", packed("gzip", json.as_bytes())),
        ("deflate", packed("deflate", json.as_bytes())),
        ("deflate", raw),
        ("identity", json.clone().into_bytes()),
    ] {
        let said = send_packed(&mut browser, coding, &body).await;
        assert_eq!(said.json()["text"].as_str().unwrap().len(), 989, "{coding}");
    }
    let bomb = packed("gzip", &[b' '; 100_000]);
    send_packed(&mut browser, "gzip", &bomb)
        .await
        .is_refused(413, -663);
}

#[tokio::test]
async fn a_compressed_body_that_is_broken_or_unknown_is_told_so() {
    let (gateway, mut browser) = with(&Site::default(), None, UploadLimits::default()).await;
    let whole = packed("gzip", b"{}");
    for body in [&whole[..whole.len() - 1], b"x", b"no gzip at all"] {
        send_packed(&mut browser, "gzip", body)
            .await
            .is_refused(400, -625);
    }
    send_packed(&mut browser, "deflate", b"\xff\xff\xff")
        .await
        .is_refused(400, -625);
    for coding in ["br", "gzip, gzip", "compress"] {
        let said = send_packed(&mut browser, coding, b"x").await;
        said.is_refused(415, -625);
        assert_eq!(said.header("accept-encoding"), Some("gzip, deflate"));
    }
    let body = body(&[("a", None, "x")]);
    let length = body.len();
    let mut browser = Browser::of(&gateway).await;
    browser
        .send(format!("POST /upload HTTP/1.1\r\nhost: a\r\ncontent-type: {KIND}\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n\r\n{body}"))
        .await;
    browser.hear().await.is_refused(415, -625);
}
