//! What is wrong, all of it, and where.

use super::{folder::Folder, mistakes, xml};
use crate::route::{Dir, Group, Routes, Url};

/// The one mistake in the elements of a `<routes>`.
#[track_caller]
fn told(elements: &str, expected: &str) {
    let told = mistakes(&xml(&format!("<routes>{elements}</routes>")));
    assert_eq!(told, [format!("routes.xml:1: {expected}")]);
}

#[test]
fn a_mistake_in_an_attribute_says_what_was_expected() {
    let url =
        |attributes: &str| format!(r#"<url path="/a" serviceId="100" msgId="1" {attributes}/>"#);
    for (attributes, expected) in [
        (
            r#"methods="get,gte""#,
            "url /a: methods: `gte` is none of get, head, post, put, delete, patch",
        ),
        (
            r#"sessionMode="4""#,
            "url /a: sessionMode: `4` is none of 0 (none), 1 (id), 2 (optional), 3 (required)",
        ),
        (
            r#"match="regex""#,
            "url /a: match: `regex` is none of exact, prefix",
        ),
        (
            r#"hosts="*.example""#,
            "url /a: hosts: `*.example` is no host; write www.example.com, or * for every host",
        ),
        (
            r#"hosts="a.example:80""#,
            "url /a: hosts: `a.example:80`: a host is written without its port, an address of IPv6 in brackets",
        ),
        (r#"hosts="a,,b""#, "url /a: hosts: `a,,b` has an empty name"),
        (
            r#"plugins="dummy,dummy""#,
            "url /a: plugins: names `dummy` twice",
        ),
        (
            r#"plugins="dumy""#,
            "url /a: plugins: there is no plugin `dumy`; there are: dummy, other",
        ),
        (
            r#"sessionmode="3""#,
            "url /a: sessionmode: is sessionMode meant? An attribute of your own needs a name less like it",
        ),
        (r#"x="1" x="2""#, "<url>: x is there twice"),
        (
            r#"x="&nothing;""#,
            "<url>: x: there is no entity `&nothing;`; a `&` is written as `&amp;`",
        ),
        (r#"x="a&b""#, "<url>: x: a `&` is written as `&amp;`"),
        (r#"path="/b""#, "<url>: path is there twice"),
        (r#"x=1"#, "<url>: a value has no quotes around it"),
        (r#"x"#, "<url>: an attribute is written name=\"value\""),
        (
            r#"httpcode="201""#,
            "url /a: httpcode: is httpCode meant? An attribute of your own needs a name less like it",
        ),
    ] {
        told(&url(attributes), expected);
    }
}

#[test]
fn what_cannot_be_read_is_told_in_its_own_line_and_lacks_nothing() {
    let routes = xml("<routes>
        <url
            path='/a&b'
            serviceId='100' msgId='1'/>
        <group serviceId='100'
            serviceId='101'>
            <url path='/b' msgId='1'/>
            <url path='/c' msgId='1'
                 msgId='2'/>
        </group></routes>");
    assert_eq!(
        mistakes(&routes),
        [
            "routes.xml:3: <url>: path: a `&` is written as `&amp;`",
            "routes.xml:6: <group>: serviceId is there twice",
            "routes.xml:9: <url>: msgId is there twice",
        ]
    );
}

#[test]
fn numbers_are_from_one_and_must_be_of_something() {
    for (attributes, expected) in [
        (
            r#"serviceId="x" msgId="1""#,
            "url /a: serviceId: expected a number from 1, but it is `x`",
        ),
        (
            r#"serviceId="100" msgId="0""#,
            "url /a: msgId: expected a number from 1, but it is `0`",
        ),
        (
            r#"serviceId="100" msgId="2147483648""#,
            "url /a: msgId: expected a number from 1, but it is `2147483648`",
        ),
        (
            r#"serviceId="99" msgId="1""#,
            "url /a: serviceId: there is no service 99; there are: 100, 101",
        ),
        (
            r#"serviceId="101" msgId="2""#,
            "url /a: msgId: service 101 has no message 2; there are: 1",
        ),
        (r#"serviceId="100""#, "url /a: msgId is missing"),
        (r#"msgId="1""#, "url /a: serviceId is missing"),
    ] {
        told(&format!(r#"<url path="/a" {attributes}/>"#), expected);
    }
    told(
        r#"<url serviceId="100" msgId="1"/>"#,
        "url: path is missing",
    );
    told(
        r#"<url path="/a//b" serviceId="100" msgId="1"/>"#,
        "url /a//b: path: has an empty segment",
    );
}

#[test]
fn a_group_has_neither_a_path_nor_a_message() {
    for name in ["path", "msgId"] {
        told(
            &format!(r#"<group prefix="/g" {name}="1"/>"#),
            &format!("group /g: {name}: belongs to a url; a group has none"),
        );
    }
    told(
        r#"<group prefix="/g" methods="x"/>"#,
        "group /g: methods: `x` is none of get, head, post, put, delete, patch",
    );
    told(
        r#"<group><dir path="/" staticDir="."/></group>"#,
        "<dir>: in a group there are urls only",
    );
}

#[test]
fn what_a_group_says_wrong_is_told_once_and_where_the_group_is() {
    let routes = xml("<routes>
        <group prefix='/g' serviceId='99' plugins='nobody'>
            <url path='/a' msgId='1'/>
            <url path='/b' msgId='2' plugins='nobody'/>
            <url path='/c' msgId='3' serviceId='98'/>
        </group></routes>");
    assert_eq!(
        mistakes(&routes),
        [
            "routes.xml:2: group /g: serviceId: there is no service 99; there are: 100, 101",
            "routes.xml:2: group /g: plugins: there is no plugin `nobody`; there are: dummy, other",
            "routes.xml:4: url /g/b: plugins: there is no plugin `nobody`; there are: dummy, other",
            "routes.xml:5: url /g/c: serviceId: there is no service 98; there are: 100, 101",
        ]
    );
}

#[test]
fn elements_that_there_are_not_or_not_there_are_told_once() {
    told(
        "<urls><url/><b>text</b></urls>",
        "<urls>: unknown; there are: import, plugin, dir, url, group",
    );
    told(
        r#"<plugin name="dummy"><url/></plugin>"#,
        "<url>: in <plugin> there are no elements",
    );
    told("text", "text that belongs to nothing");
    told("<![CDATA[x]]>", "text that belongs to nothing");
    told("<plugin/>", "plugin: name is missing");
    told("<import/>", "import: file is missing");
    told(
        r#"<plugin name="dummy" param="x"/>"#,
        "plugin: param: unknown; there are: name, params",
    );
    told(
        r#"<plugin name="nobody"/>"#,
        "plugin nobody: there is no plugin `nobody`; there are: dummy, other",
    );
    told(
        r#"<plugin name="dummy"/><plugin name="dummy"/>"#,
        "plugin dummy: its params are given already, at routes.xml:1",
    );
}

#[test]
fn one_address_is_for_one_message() {
    let urls = |one: &str, other: &str| {
        let routes = format!(
            "<routes>\n<url path='/a/{{x}}' serviceId='100' msgId='1' {one}/>\n<url path='/a/{{y}}' serviceId='100' msgId='2' {other}/></routes>"
        );
        mistakes(&xml(&routes))
    };
    let told = |methods: &str| {
        format!(
            "routes.xml:3: url /a/{{y}}: {methods} is for url /a/{{x}} already, at routes.xml:2"
        )
    };
    assert_eq!(urls("", ""), [told("GET, POST")]);
    assert_eq!(
        urls("methods='put,get'", "methods='get,head'"),
        [told("GET")]
    );
    assert_eq!(urls("hosts='a,b'", "hosts='b,c'"), [told("GET, POST")]);
    assert_eq!(urls("match='prefix'", "methods='post'"), [told("POST")]);
    assert_eq!(urls("methods='get'", "methods='post'"), [""; 0]);
    assert_eq!(urls("methods='get'", "methods='head'"), [""; 0]);
    assert_eq!(urls("hosts='a'", "hosts='b'"), [""; 0]);
    assert_eq!(urls("hosts='a'", ""), [""; 0]);
}

#[test]
fn folders_that_are_not_there_are_told() {
    let folder = Folder::with(&[("file", ""), ("empty/x/y", "")]);
    let dir = |attributes: &str| {
        let text = format!("<routes><dir path='/' {attributes}/></routes>");
        let routes = Routes::from_xml_text(folder.path("r.xml"), &text);
        let told = mistakes(&routes);
        let at = format!("{}:1: dir /: ", folder.path("r.xml").display());
        let here = format!("{}/", folder.0.display());
        let told = told
            .iter()
            .map(|told| told.replace(&at, "").replace(&here, ""));
        told.collect::<Vec<_>>().join("; ")
    };
    assert_eq!(
        dir(""),
        "one of baseDir, staticDir, uploadDir, templateDir, downloadDir is missing"
    );
    assert_eq!(
        dir("staticDir='no' uploadDir='file'"),
        "staticDir: there is no folder no; uploadDir: there is no folder file"
    );
    assert_eq!(dir("baseDir='no'"), "baseDir: there is no folder no");
    assert_eq!(
        dir("baseDir='empty'"),
        "baseDir: empty has no folder static, upload, template or download"
    );
    assert_eq!(
        dir("StaticDir='empty' staticDir='empty'"),
        "StaticDir: is staticDir meant? An attribute of your own needs a name less like it"
    );
    let twice = Dir::new("/a/{b}").static_dir(&folder.0);
    assert_eq!(
        mistakes(&Routes::new().dir(twice)),
        ["dir /a/{b}: path: is the path of a dir, which has no variables"]
    );
    let one = || Dir::new("/").static_dir(&folder.0);
    assert_eq!(
        mistakes(&Routes::new().dir(one()).dir(one().hosts("a"))),
        [""; 0]
    );
    assert_eq!(
        mistakes(&Routes::new().dir(one()).dir(one())),
        ["dir /: there is one already, in code"]
    );
}

#[test]
fn what_is_no_xml_is_told_with_its_line() {
    for (text, expected) in [
        ("", "1: expected <routes>"),
        (
            "\n\nnonsense",
            "3: text that belongs to nothing\nroutes.xml:3: expected <routes>",
        ),
        (
            "<roots>\n</roots>",
            "1: expected <routes>, but it is <roots>",
        ),
        ("<routes/>\n<routes/>", "2: there is one <routes>"),
        (
            "<routes>\n<group>\n",
            "3: no XML: the end of an element is missing",
        ),
        (
            "<routes>\n\n</group></routes>",
            "3: no XML: ill-formed document: expected `</routes>`, but `</group>` was found",
        ),
        (
            "<routes>\n<urls>\n</routes>",
            "2: <urls>: unknown; there are: import, plugin, dir, url, group\nroutes.xml:2: no XML: ill-formed document: expected `</urls>`, but `</routes>` was found",
        ),
        (
            "<routes>\n<url ",
            "2: no XML: syntax error: tag not closed: `>` not found before end of input",
        ),
    ] {
        let told = mistakes(&xml(text)).join("\n");
        assert_eq!(told, format!("routes.xml:{expected}"), "{text}");
    }
}

#[test]
fn what_is_no_toml_or_not_as_expected_is_told_with_its_line() {
    for (text, expected) in [
        ("\n[[url]", "2: no TOML: unclosed array table, expected `]`"),
        (
            "\n[[ulr]]\n",
            "2: ulr: unknown; there are: import, plugin, dir, url, group",
        ),
        ("\n[url]\n", "2: url: expected [[url]]"),
        ("group = [1]", "1: group: expected [[group]]"),
        ("[[group]]\nurl = 1", "2: group.url: expected [[group.url]]"),
        (
            "import = 1",
            "1: import: expected the path of a file, or a list of them",
        ),
        (
            "\nimport = ['']",
            "2: import: expected the path of a file, or a list of them",
        ),
        (
            "[[url]]\npath='/a'\nmsg_id=1\nservice_id=100\nx = { y = 1 }",
            "5: url: x: expected a text, a number or a list of them",
        ),
        (
            "[[url]]\npath='/a'\nmsg_id=1\nservice_id=100\nhttp_code=201\nhttpCode=200",
            "6: url: httpCode: httpCode is there twice, in two spellings",
        ),
        (
            "[[url]]\npath='/a'\nmsg_id=1\nservice_id=100\nkeepfiles=true",
            "5: url /a: keepfiles: is keepFiles meant? An attribute of your own needs a name less like it",
        ),
        (
            "[[group]]\n\n[[group.url]]\npath='/a'\nmsg_id=true",
            "3: url /a: serviceId is missing\nroutes.toml:5: url /a: msgId: expected a number from 1, but it is `true`",
        ),
    ] {
        let routes = Routes::from_toml_text("routes.toml", text);
        let told = mistakes(&routes).join("\n");
        assert_eq!(told, format!("routes.toml:{expected}"), "{text}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_lines_and_code_is_last() {
    let folder = Folder::with(&[
        (
            "a.xml",
            "<routes>\n<url path='/a'/>\n<import file='b.toml'/>\n<oops/>\n</routes>",
        ),
        ("b.toml", "\n[[plugin]]\nname = 'nobody'"),
    ]);
    let routes = Routes::new()
        .url(Url::new("/code").service(100).message(77))
        .group(Group::new("/g").methods("x").url(Url::new("/h").message(1)))
        .import(folder.path("a.xml"));
    let here = format!("{}/", folder.0.display());
    let told: Vec<_> = mistakes(&routes)
        .iter()
        .map(|told| told.replace(&here, ""))
        .collect();
    assert_eq!(
        told,
        [
            "a.xml:2: url /a: serviceId is missing",
            "a.xml:2: url /a: msgId is missing",
            "a.xml:4: <oops>: unknown; there are: import, plugin, dir, url, group",
            "b.toml:2: plugin nobody: there is no plugin `nobody`; there are: dummy, other",
            "group /g: methods: `x` is none of get, head, post, put, delete, patch",
            "url /code: msgId: service 100 has no message 77; there are: 1, 2, 3, 4, 5, 6, 7, 8, 9",
            "url /g/h: serviceId is missing",
        ]
    );
}
