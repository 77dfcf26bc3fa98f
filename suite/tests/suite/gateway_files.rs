//! Files of a dir: what is there, in which part and coding, and nothing that is elsewhere.

use std::time::{Duration, SystemTime};

use tangelo_gateway::{Gateway, route::Dir};

use crate::gateway_world::{Browser, Folder, Site, builder, routes, start};

/// A gateway with this folder's files below `/files`, and this attribute.
async fn with_dir(folder: &Folder, attribute: Option<(&str, &str)>) -> Gateway {
    let mut dir = Dir::new("/files").static_dir(folder.path());
    if let Some((name, value)) = attribute {
        dir = dir.with_attribute(name, value);
    }
    start(builder(&Site::default()).routes(routes().dir(dir))).await
}

async fn with(folder: &Folder) -> (Gateway, Browser) {
    let gateway = with_dir(folder, None).await;
    let browser = Browser::of(&gateway).await;
    (gateway, browser)
}

#[tokio::test]
async fn a_file_is_sent_with_its_type_its_tag_and_its_time() {
    let folder = Folder::new()
        .with("a/b.html", "<p>")
        .with("c.unknown", "x")
        .with("ä b.txt", "y")
        .with("empty.txt", "");
    let (_gateway, mut browser) = with(&folder).await;
    let said = browser.get("/files/a/b.html?v=1").await;
    assert_eq!((said.status, &*said.body), (200, &b"<p>"[..]));
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("content-length", "3"),
        ("accept-ranges", "bytes"),
        ("cache-control", "no-cache"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(said.header(name), Some(value), "{name}");
    }
    assert!(said.header("etag").is_some_and(|tag| tag.starts_with('"')));
    assert!(said.header("last-modified").is_some());
    let said = browser.get("/files/c.unknown").await;
    assert_eq!(
        said.header("content-type"),
        Some("application/octet-stream")
    );
    assert_eq!(browser.get("/files/%C3%A4%20b.txt").await.body, b"y");
    let said = browser.get("/files/empty.txt").await;
    assert_eq!((said.status, said.body.len()), (200, 0));
    browser
        .send("HEAD /files/a/b.html HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    let said = browser.hear_of("HEAD").await;
    assert_eq!(
        (said.status, said.header("content-length")),
        (200, Some("3"))
    );
    assert_eq!(browser.get("/files/c.unknown").await.body, b"x");
}

#[tokio::test]
async fn a_long_file_is_sent_whole() {
    let content: Vec<u8> = (0..1_000_003_u32).map(|byte| byte as u8).collect();
    let folder = Folder::new().with("long.bin", &content);
    let (_gateway, mut browser) = with(&folder).await;
    assert_eq!(browser.get("/files/long.bin").await.body, content);
}

#[tokio::test]
async fn a_part_is_sent_and_no_more_than_there_is() {
    let folder = Folder::new().with("a.txt", "0123456789");
    let (_gateway, mut browser) = with(&folder).await;
    for (range, content, told) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=8-99", "89", "bytes 8-9/10"),
    ] {
        let said = browser
            .get_with("/files/a.txt", &format!("range: {range}\r\n"))
            .await;
        assert_eq!((said.status, &*said.body), (206, content.as_bytes()));
        assert_eq!(said.header("content-range"), Some(told));
    }
    // Of several the whole is sent.
    let said = browser
        .get_with("/files/a.txt", "range: bytes=0-1,4-5\r\n")
        .await;
    assert_eq!((said.status, said.body.len()), (200, 10));
    let said = browser
        .get_with("/files/a.txt", "range: bytes=10-\r\n")
        .await;
    assert_eq!(said.header("content-range"), Some("bytes */10"));
    said.is_refused(416, -625);
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let folder = Folder::new().with("a.txt", "0123456789");
    let (_gateway, mut browser) = with(&folder).await;
    let said = browser.get("/files/a.txt").await;
    let header = |name| said.header(name).unwrap().to_owned();
    let (tag, time) = (header("etag"), header("last-modified"));
    for line in [
        format!("if-none-match: {tag}"),
        format!("if-modified-since: {time}"),
    ] {
        let said = browser
            .get_with("/files/a.txt", &format!("{line}\r\n"))
            .await;
        assert_eq!((said.status, said.body.len()), (304, 0), "{line}");
        assert_eq!(said.header("etag"), Some(&*tag));
        assert_eq!(said.header("cache-control"), Some("no-cache"));
    }
    for (line, status) in [
        (format!("if-range: {tag}"), 206),
        (format!("if-range: {time}"), 206),
        ("if-range: \"other\"".to_owned(), 200),
        ("if-match: \"other\"".to_owned(), 412),
        (format!("if-match: {tag}"), 206),
    ] {
        let lines = format!("range: bytes=0-1\r\n{line}\r\n");
        let said = browser.get_with("/files/a.txt", &lines).await;
        assert_eq!(said.status, status, "{line}");
    }
    // Changed, in the same second and to the same length.
    folder.write("a.txt", "9876543210");
    let later = SystemTime::now() + Duration::from_millis(1);
    let file = std::fs::File::options()
        .write(true)
        .open(folder.path().join("a.txt"));
    file.unwrap().set_modified(later).unwrap();
    let line = format!("if-none-match: {tag}\r\n");
    let said = browser.get_with("/files/a.txt", &line).await;
    assert_eq!((said.status, &*said.body), (200, &b"9876543210"[..]));
}

#[tokio::test]
async fn a_file_that_lies_there_compressed_is_sent_as_it_is() {
    let folder = Folder::new()
        .with("a.js", "plain")
        .with("a.js.gz", "as gzip")
        .with("a.js.br", "as brotli")
        .with("a.js.zst", "as zstd")
        .with("old.js", "plain")
        .with("old.js.gz", "of what it was");
    let long_ago = SystemTime::now() - Duration::from_secs(60);
    let old = std::fs::File::options()
        .write(true)
        .open(folder.path().join("old.js.gz"));
    old.unwrap().set_modified(long_ago).unwrap();
    let (_gateway, mut browser) = with(&folder).await;
    for (accept, coding, content) in [
        ("gzip", Some("gzip"), "as gzip"),
        ("gzip, br", Some("br"), "as brotli"),
        ("gzip, br;q=0.5, zstd", Some("zstd"), "as zstd"),
        ("identity", None, "plain"),
    ] {
        let line = format!("accept-encoding: {accept}\r\n");
        let said = browser.get_with("/files/a.js", &line).await;
        assert_eq!(said.header("content-encoding"), coding, "{accept}");
        assert_eq!(said.body, content.as_bytes());
        assert_eq!(
            said.header("content-type"),
            Some("text/javascript; charset=utf-8")
        );
        assert_eq!(said.header("vary"), coding.map(|_| "accept-encoding"));
    }
    let said = browser
        .get_with("/files/old.js", "accept-encoding: gzip\r\n")
        .await;
    assert_eq!(
        (said.header("content-encoding"), &*said.body),
        (None, &b"plain"[..])
    );
}

#[tokio::test]
async fn what_is_compressed_on_its_way_has_a_weak_tag() {
    let folder = Folder::new().with("a.txt", "x".repeat(5000));
    let (_gateway, mut browser) = with(&folder).await;
    let said = browser
        .get_with("/files/a.txt", "accept-encoding: gzip\r\n")
        .await;
    assert_eq!(said.header("content-encoding"), Some("gzip"));
    let tag = said.header("etag").unwrap();
    assert!(tag.starts_with("W/\""), "{tag}");
    let lines = format!("accept-encoding: gzip\r\nif-none-match: {tag}\r\n");
    assert_eq!(browser.get_with("/files/a.txt", &lines).await.status, 304);
}

#[tokio::test]
async fn a_folder_is_its_index_and_has_a_slash_behind_it() {
    let folder = Folder::new()
        .with("index.html", "root")
        .with("a/index.html", "a")
        .with("b/c.txt", "c");
    let (_gateway, mut browser) = with(&folder).await;
    assert_eq!(browser.get("/files/").await.body, b"root");
    assert_eq!(browser.get("/files/a/").await.body, b"a");
    let said = browser.get("/files/a?b=c").await;
    assert_eq!(
        (said.status, said.header("location")),
        (301, Some("/files/a/?b=c"))
    );
    let said = browser.get("/files").await;
    assert_eq!(
        (said.status, said.header("location")),
        (301, Some("/files/"))
    );
    for path in ["/files/b", "/files/b/", "/files/b/c.txt/", "/files/none"] {
        browser.get(path).await.is_refused(404, -661);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_outside_the_folder_is_sent() {
    use std::os::unix::fs::symlink;

    let outside = Folder::new()
        .with("secret.txt", "secret")
        .with("d/secret.txt", "secret");
    let folder = Folder::new()
        .with("a.txt", "a")
        .with(".env", "secret")
        .with(".git/config", "secret")
        .with("b/.htaccess", "secret")
        .with(".well-known/acme", "open");
    let link = |to: &std::path::Path, name: &str| symlink(to, folder.path().join(name)).unwrap();
    link(&outside.path().join("secret.txt"), "out.txt");
    link(outside.path(), "out");
    link(std::path::Path::new("../"), "up");
    link(std::path::Path::new("a.txt"), "in.txt");
    link(std::path::Path::new("loop"), "loop");
    let (_gateway, mut browser) = with(&folder).await;
    let name = outside.path().file_name().unwrap().to_str().unwrap();
    for path in [
        "/files/out.txt".to_owned(),
        "/files/out/secret.txt".to_owned(),
        "/files/out/d/secret.txt".to_owned(),
        format!("/files/up/{name}/secret.txt"),
        "/files/loop".to_owned(),
        "/files/.env".to_owned(),
        "/files/%2eenv".to_owned(),
        "/files/.git/config".to_owned(),
        "/files/b/.htaccess".to_owned(),
        "/files/a.txt%00".to_owned().replace("%00", "%2f"),
        "/files//a.txt".to_owned(),
        format!("/files/{}", "x".repeat(300)),
    ] {
        browser.get(&path).await.is_refused(404, -661);
    }
    for up in [
        "..",
        "%2e%2e",
        ".%2e",
        "..%2f",
        "%2e%2e%2f",
        "..%5c",
        "%5c..%5c",
        ".",
        "%00",
    ] {
        let path = format!("/files/{up}/{name}/secret.txt");
        browser.get(&path).await.is_refused(400, -625);
    }
    // Decoded twice it would be one.
    let path = format!("/files/%252e%252e/{name}/secret.txt");
    browser.get(&path).await.is_refused(404, -661);
    assert_eq!(browser.get("/files/in.txt").await.body, b"a");
    assert_eq!(browser.get("/files/.well-known/acme").await.body, b"open");
    // A whole segment, or it is another path.
    browser.get("/filesa.txt").await.is_refused(404, -661);
}

#[tokio::test]
async fn a_dir_says_how_long_its_files_are_good() {
    let folder = Folder::new().with("a.txt", "a");
    for (attribute, cache, expires) in [
        (("expireSeconds", "60"), "max-age=60", true),
        (("expireSeconds", "0"), "no-cache", false),
        (
            ("cacheControl", "public, immutable"),
            "public, immutable",
            false,
        ),
    ] {
        let gateway = with_dir(&folder, Some(attribute)).await;
        let said = Browser::of(&gateway).await.get("/files/a.txt").await;
        assert_eq!(said.header("cache-control"), Some(cache));
        assert_eq!(said.header("expires").is_some(), expires);
    }
    let dir = Dir::new("/files").static_dir(folder.path());
    let dir = dir.with_attribute("expireSeconds", "soon");
    let error = builder(&Site::default())
        .routes(routes().dir(dir))
        .bind()
        .await;
    let error = error.unwrap_err().to_string();
    assert_eq!(
        error,
        "dir /files: expireSeconds: expected seconds, but it is `soon`"
    );
}

#[tokio::test]
async fn a_file_for_another_method_is_told_so() {
    let folder = Folder::new().with("a.txt", "a");
    let (_gateway, mut browser) = with(&folder).await;
    browser
        .post("/files/a.txt", "text/plain", "x")
        .await
        .is_refused(404, -661);
    assert_eq!(browser.get("/files/a.txt").await.body, b"a");
}
