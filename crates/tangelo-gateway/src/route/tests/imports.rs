//! Files that import files.

use super::{folder::Folder, mistakes};
use crate::route::{Routes, Url};

fn url(path: &str, id: i32) -> String {
    format!("<url path='{path}' serviceId='100' msgId='{id}'/>")
}

fn paths(routes: &Routes) -> Vec<&str> {
    routes.urls.iter().map(|url| url.path.as_str()).collect()
}

/// The mistakes, with paths as they are in the folder.
fn told(folder: &Folder, routes: &Routes) -> Vec<String> {
    let real = std::fs::canonicalize(&folder.0).unwrap();
    let here = [&folder.0, &real].map(|path| format!("{}/", path.display()));
    let told = mistakes(routes).into_iter();
    told.map(|told| here.iter().fold(told, |told, here| told.replace(here, "")))
        .collect()
}

#[test]
fn an_import_is_where_the_file_lies_that_names_it_in_either_format() {
    let folder = Folder::with(&[
        (
            "routes.xml",
            &format!(
                "<routes>{}<import file='more/b.toml'/>{}</routes>",
                url("/a", 1),
                url("/d", 4)
            ),
        ),
        (
            "more/b.toml",
            "import = ['c.xml']\n[[url]]\npath = '/b'\nservice_id = 100\nmsg_id = 2",
        ),
        ("more/c.xml", &format!("<routes>{}</routes>", url("/c", 3))),
    ]);
    let routes = Routes::new()
        .url(Url::new("/code").service(100).message(5))
        .import(folder.path("routes.xml"));
    assert_eq!(told(&folder, &routes), [""; 0]);
    let mut paths = paths(&routes);
    paths.sort_unstable();
    assert_eq!(paths, ["/a", "/b", "/c", "/code", "/d"]);
    let real = std::fs::canonicalize(&folder.0).unwrap();
    let files = ["routes.xml", "more/b.toml", "more/c.xml"].map(|name| real.join(name));
    assert_eq!(routes.files(), files);
}

#[test]
fn files_that_import_each_other_in_a_circle_are_refused() {
    let folder = Folder::with(&[
        ("a.xml", "<routes>\n<import file='b.xml'/></routes>"),
        ("b.xml", "<routes>\n\n<import file='./c.xml'/></routes>"),
        ("c.xml", "<routes>\n\n\n<import file='b.xml'/></routes>"),
        ("self.xml", "<routes><import file='self.xml'/></routes>"),
    ]);
    assert_eq!(
        told(&folder, &Routes::from_xml(folder.path("a.xml"))),
        ["./c.xml:4: import b.xml: files in a circle: b.xml -> c.xml -> b.xml"]
    );
    assert_eq!(
        told(&folder, &Routes::from_xml(folder.path("self.xml"))),
        ["self.xml:1: import self.xml: files in a circle: self.xml -> self.xml"]
    );
    let text = "<routes><import file='self.xml'/></routes>";
    assert_eq!(
        told(
            &folder,
            &Routes::from_xml_text(folder.path("self.xml"), text)
        ),
        ["self.xml:1: import self.xml: files in a circle: self.xml -> self.xml"]
    );
}

#[test]
fn a_file_that_two_import_is_read_once() {
    let folder = Folder::with(&[
        (
            "a.xml",
            "<routes><import file='b.xml'/><import file='c.xml'/></routes>",
        ),
        ("b.xml", "<routes><import file='shared.xml'/></routes>"),
        ("c.xml", "<routes><import file='shared.xml'/></routes>"),
        ("shared.xml", &format!("<routes>{}</routes>", url("/s", 1))),
    ]);
    let routes = Routes::from_xml(folder.path("a.xml")).import(folder.path("c.xml"));
    assert_eq!(told(&folder, &routes), [""; 0]);
    assert_eq!(paths(&routes), ["/s"]);
}

#[test]
fn files_import_each_other_thirty_two_deep_and_no_deeper() {
    let names: Vec<_> = (0..33).map(|number| format!("{number}.xml")).collect();
    let texts: Vec<_> = (1..34)
        .map(|next| format!("<routes><import file='{next}.xml'/></routes>"))
        .collect();
    let mut files: Vec<_> = names
        .iter()
        .map(String::as_str)
        .zip(texts.iter().map(String::as_str))
        .collect();
    files[32].1 = "<routes/>";
    let folder = Folder::with(&files);
    let from = |first: &str| told(&folder, &Routes::from_xml(folder.path(first)));
    assert_eq!(from("1.xml"), [""; 0]);
    assert_eq!(
        from("0.xml"),
        ["31.xml:1: import 32.xml: files import each other more than 32 deep"]
    );
}

#[test]
fn what_cannot_be_read_says_why_and_where_it_is_imported() {
    let folder = Folder::with(&[
        (
            "a.xml",
            "<routes>\n<import file='gone.xml'/>\n<import file='folder'/>\n<import file='latin.xml'/></routes>",
        ),
        ("folder/x", ""),
    ]);
    std::fs::write(
        folder.path("latin.xml"),
        b"<routes>\n<!-- \xe9 --></routes>",
    )
    .unwrap();
    let routes = Routes::from_xml(folder.path("a.xml"));
    assert_eq!(
        told(&folder, &routes),
        [
            "a.xml:2: import gone.xml: cannot be read: No such file or directory (os error 2) (looked for gone.xml)",
            "a.xml:3: import folder: cannot be read: it is no file",
            "a.xml:4: import latin.xml: is no text in UTF-8, see line 2",
        ]
    );
    // A file that is not there yet may come.
    assert!(routes.files().contains(&folder.path("gone.xml")));
    let none = Routes::from_toml(folder.path("no.toml"));
    assert!(told(&folder, &none)[0].starts_with("import no.toml: cannot be read: "));
}

#[test]
fn a_file_has_eight_mebibytes_and_not_a_byte_more() {
    let folder = Folder::with(&[]);
    let longest = format!("<routes>{}</routes>", " ".repeat((8 << 20) - 17));
    std::fs::write(folder.path("longest.xml"), &longest).unwrap();
    std::fs::write(folder.path("longer.xml"), longest + " ").unwrap();
    assert_eq!(
        mistakes(&Routes::from_xml(folder.path("longest.xml"))),
        [""; 0]
    );
    assert_eq!(
        told(&folder, &Routes::from_xml(folder.path("longer.xml"))),
        ["import longer.xml: is longer than 8 MiB"]
    );
}
