//! Answers that are files.

use tangelo_gateway::{
    Gateway,
    route::{Dir, Group, Routes, Url},
};

use crate::gateway_world::{Browser, Folder, Site, WEB, builder, start};

async fn with(folder: Option<&Folder>) -> (Gateway, Browser) {
    let group = Group::new("")
        .service(WEB)
        .url(Url::new("/page").message(5));
    let mut routes = Routes::new().group(group);
    if let Some(folder) = folder {
        routes = routes.dir(Dir::new("/").download_dir(folder.path()));
    }
    let gateway = start(builder(&Site::default()).routes(routes)).await;
    let browser = Browser::of(&gateway).await;
    (gateway, browser)
}

#[tokio::test]
async fn a_file_is_sent_under_its_name_in_place_of_the_json() {
    let folder = Folder::new().with("a/report.pdf", "0123456789");
    let (_gateway, mut browser) = with(Some(&folder)).await;
    let said = browser.get("/page?file=a/report.pdf&attachment=true").await;
    assert_eq!((said.status, &*said.body), (200, &b"0123456789"[..]));
    for (name, value) in [
        ("content-type", "application/pdf"),
        ("content-disposition", "attachment; filename=\"report.pdf\""),
        ("x-content-type-options", "nosniff"),
        ("x-note", "noted"),
    ] {
        assert_eq!(said.header(name), Some(value), "{name}");
    }
    let said = browser
        .get("/page?file=a/report.pdf&name=../x%0d%0ay.pdf&status=201")
        .await;
    assert_eq!(
        said.header("content-disposition"),
        Some("inline; filename=\"xy.pdf\"")
    );
    assert_eq!(said.status, 201);
    let said = browser
        .get_with("/page?file=a/report.pdf", "range: bytes=2-3\r\n")
        .await;
    assert_eq!((said.status, &*said.body), (206, &b"23"[..]));
    let whole = folder.path().join("a/report.pdf");
    let said = browser
        .get(&format!("/page?file={}", whole.display()))
        .await;
    assert_eq!(said.body, b"0123456789");
}

#[tokio::test]
async fn bytes_are_sent_as_they_are() {
    let (_gateway, mut browser) = with(None).await;
    let said = browser
        .get("/page?stream=a,b&name=t.csv&attachment=1")
        .await;
    assert_eq!((said.status, &*said.body), (200, &b"a,b"[..]));
    assert_eq!(said.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(
        said.header("content-disposition"),
        Some("attachment; filename=\"t.csv\"")
    );
}

#[tokio::test]
async fn an_error_is_json_whatever_file_it_names() {
    let (_gateway, mut browser) = with(None).await;
    let said = browser.get("/page?code=-5&stream=x").await;
    assert_eq!((said.status, &said.json()["retCode"]), (200, &(-5).into()));
}

#[cfg(unix)]
#[tokio::test]
async fn no_file_outside_the_folder_is_sent_or_deleted() {
    let outside = Folder::new().with("secret.txt", "secret");
    let folder = Folder::new().with("a.txt", "a").with(".env", "secret");
    let link = folder.path().join("out.txt");
    std::os::unix::fs::symlink(outside.path().join("secret.txt"), link).unwrap();
    let (_gateway, mut browser) = with(Some(&folder)).await;
    let name = outside.path().file_name().unwrap().to_str().unwrap();
    for file in [
        "none.txt".to_owned(),
        "/etc/passwd".to_owned(),
        format!("../{name}/secret.txt"),
        outside.path().join("secret.txt").display().to_string(),
        format!("{}/../{name}/secret.txt", folder.path().display()),
        "out.txt".to_owned(),
        ".env".to_owned(),
        ".".to_owned(),
    ] {
        let path = format!("/page?file={file}&autoDelete=true");
        browser.get(&path).await.is_refused(404, -661);
    }
    assert_eq!(outside.names(), ["secret.txt"]);
    // Without a folder there is none to send from.
    let (_gateway, mut browser) = with(None).await;
    browser.get("/page?file=a.txt").await.is_refused(500, -605);
}

#[tokio::test]
async fn a_file_that_is_to_be_deleted_is_sent_once() {
    let folder = Folder::new().with("a.txt", "x".repeat(300_000));
    let (_gateway, mut browser) = with(Some(&folder)).await;
    let said = browser.get("/page?file=a.txt&autoDelete=true").await;
    assert_eq!((said.status, said.body.len()), (200, 300_000));
    assert_eq!(said.header("etag"), None);
    assert!(folder.names().is_empty());
    browser
        .get("/page?file=a.txt&autoDelete=true")
        .await
        .is_refused(404, -661);
}
