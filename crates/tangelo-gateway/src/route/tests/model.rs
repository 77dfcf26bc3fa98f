//! What files and code say.

use std::collections::BTreeMap;

use super::{compiled, found, known, mistakes, xml};
use crate::route::{Dir, Group, Matching, Router, Routes, SessionMode, Url, tests::folder::Folder};

const OF_THE_MANUAL: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<routes>

    <plugin name="dummy" params="a=1;b=2"/>

    <url hosts="*" path="/user/test1" methods="get,post" serviceId="100" msgId="1" plugins="dummy" sessionMode="0"/>
    <url hosts="*" path="/user/test2" methods="get,post" serviceId="100" msgId="2"/>

    <group   prefix="/abc"  methods="get,post" serviceId="100">
      <url path="/test3" msgId="3"/>
      <url path="/test4" msgId="4"/>
    </group>

</routes>
"#;

/// A url in one line, as far as it is not as it is without being told.
fn said(url: &Url) -> String {
    let mut said = format!("{} {}:{}", url.path, url.service_id, url.msg_id);
    said += &format!(" [{}]", url.methods);
    if !url.hosts.is_empty() {
        said += &format!(" at {}", url.hosts.join(" "));
    }
    if !url.plugins.is_empty() {
        said += &format!(" through {}", url.plugins.join(" "));
    }
    if url.session_mode != SessionMode::None {
        said += &format!(" session {:?}", url.session_mode);
    }
    if url.matching == Matching::Prefix {
        said += " and below";
    }
    for (name, value) in &url.attributes {
        said += &format!(" {name}={value}");
    }
    said
}

fn all(routes: &Routes) -> Vec<String> {
    assert_eq!(mistakes(routes), [""; 0]);
    routes.urls.iter().map(said).collect()
}

#[test]
fn the_example_of_krpcs_manual_is_read_as_it_is() {
    let routes = xml(OF_THE_MANUAL);
    assert_eq!(
        all(&routes),
        [
            "/user/test1 100:1 [GET, POST] through dummy",
            "/user/test2 100:2 [GET, POST]",
            "/abc/test3 100:3 [GET, POST]",
            "/abc/test4 100:4 [GET, POST]",
        ]
    );
    let lines = routes.urls.iter().map(|url| url.place.clone().unwrap());
    let lines: Vec<_> = lines.map(|place| place.to_string()).collect();
    assert_eq!(
        lines,
        [
            "routes.xml:6",
            "routes.xml:7",
            "routes.xml:10",
            "routes.xml:11"
        ]
    );
    let router = compiled(&routes);
    assert_eq!(router.plugins()[0].name, "dummy");
    assert_eq!(router.plugins()[0].params, "a=1;b=2");
    assert_eq!(found(&router, "GET /user/test1"), "1");
    assert_eq!(found(&router, "POST /abc/test4"), "4");
}

#[test]
fn xml_and_toml_and_code_say_the_same() {
    let in_xml = xml(r#"<routes>
        <plugin name="dummy" params="a=1"/><plugin name="other"/>
        <url path="alone/" serviceId="101" msgId="1" match="prefix" hosts="B.example, a.example."/>
        <group prefix="user/" hosts="a.example" methods="get" serviceId="100" plugins="dummy,other"
               sessionMode="3" match="prefix" template="t" color="red">
            <url path="/" msgId="1"/>
            <url path="/{id}" msgId="2" methods="PUT,delete,head,patch" sessionMode="1" match="exact" color="blue"/>
            <url path="own" msgId="1" hosts="*" serviceId="101" plugins=""></url>
        </group>
    </routes>"#);
    let in_toml = Routes::from_toml_text(
        "routes.toml",
        r#"
        plugin = [{ name = "dummy", params = "a=1" }, { name = "other" }]

        [[url]]
        path = "alone/"
        service_id = 101
        msg_id = 1
        match = "prefix"
        hosts = ["B.example", "a.example."]

        [[group]]
        prefix = "user/"
        hosts = "a.example"
        methods = "get"
        service_id = 100
        plugins = ["dummy", "other"]
        session_mode = "required"
        match = "prefix"
        template = "t"
        color = "red"

        [[group.url]]
        path = "/"
        msg_id = 1

        [[group.url]]
        path = "/{id}"
        msgId = 2
        methods = ["PUT", "delete", "head", "patch"]
        session_mode = 1
        match = "exact"
        color = "blue"

        [[group.url]]
        path = "own"
        msg_id = 1
        hosts = "*"
        service_id = 101
        plugins = []
        "#,
    );
    let in_code = Routes::new()
        .plugin("dummy", "a=1")
        .plugin("other", "")
        .url(
            Url::new("alone/")
                .service(101)
                .message(1)
                .matching(Matching::Prefix)
                .hosts("B.example, a.example."),
        )
        .group(
            Group::new("user/")
                .hosts("a.example")
                .methods("get")
                .service(100)
                .plugins("dummy,other")
                .session_mode(SessionMode::Required)
                .matching(Matching::Prefix)
                .with_attribute("template", "t")
                .with_attribute("color", "red")
                .url(Url::new("/").message(1))
                .url(
                    Url::new("/{id}")
                        .message(2)
                        .methods("PUT,delete,head,patch")
                        .session_mode(SessionMode::Id)
                        .matching(Matching::Exact)
                        .with_attribute("color", "blue"),
                )
                .url(
                    Url::new("own")
                        .message(1)
                        .hosts("*")
                        .service(101)
                        .plugins(""),
                ),
        );
    let of_group = "at a.example through dummy other";
    let expected = [
        "/alone 101:1 [GET, POST] at b.example a.example and below".to_owned(),
        format!("/user 100:1 [GET] {of_group} session Required and below color=red template=t"),
        format!(
            "/user/{{id}} 100:2 [HEAD, PUT, DELETE, PATCH] {of_group} session Id color=blue template=t"
        ),
        "/user/own 101:1 [GET] session Required and below color=red template=t".to_owned(),
    ];
    assert_eq!(all(&in_xml), expected);
    assert_eq!(all(&in_toml), expected);
    assert_eq!(all(&in_code), expected);
    assert!(in_code.urls.iter().all(|url| url.place.is_none()));
    let line = |place: usize| in_toml.urls[place].place.as_ref().unwrap().line;
    assert_eq!([line(0), line(1), line(2), line(3)], [4, 22, 26, 34]);
}

#[test]
fn the_examples_of_our_manual_say_the_same() {
    let manual = include_str!("../../../../../docs/gateway.md");
    let example = |language: &str| {
        let begin = format!("```{language}\n");
        let (_, rest) = manual.split_once(&begin).unwrap();
        rest.split_once("```").unwrap().0
    };
    let in_xml = Routes::from_xml_text("/nowhere/r.xml", example("xml"));
    let in_toml = Routes::from_toml_text("/nowhere/r.toml", example("toml"));
    for routes in [&in_xml, &in_toml] {
        let urls: Vec<_> = routes.urls.iter().map(said).collect();
        assert_eq!(
            urls,
            [
                "/user/{userId} 100:3 [GET]",
                "/user/test1 100:1 [GET, POST] through dummy session Required",
                "/user/test2 100:2 [GET, POST] through dummy color=blue",
            ]
        );
        assert_eq!(routes.plugins[0].params, "a=1;b=2");
        // Neither the folders nor the file are there.
        let told = mistakes(routes);
        let of = ["import", "staticDir", "uploadDir"];
        let is_told = |name: &&str| told.iter().any(|told| told.contains(name));
        assert!(told.len() == 3 && of.iter().all(is_told), "{told:?}");
    }
}

#[test]
fn each_session_mode_is_read_and_a_groups_is_its_urls() {
    for (text, mode) in [
        ("0", SessionMode::None),
        ("1", SessionMode::Id),
        ("2", SessionMode::Optional),
        ("3", SessionMode::Required),
        ("", SessionMode::None),
    ] {
        let routes = xml(&format!(
            r#"<routes><group serviceId="100" sessionMode="{text}"><url path="/a" msgId="1"/></group></routes>"#
        ));
        assert_eq!(mistakes(&routes), [""; 0]);
        assert_eq!(routes.urls[0].session_mode, mode, "{text}");
    }
}

#[test]
fn an_attribute_that_is_empty_is_not_there_but_an_empty_list_of_plugins_is() {
    let routes = xml(r#"<routes>
        <group hosts="" prefix="" methods="get" serviceId="100" plugins="dummy" sessionMode="2">
            <url path="/a" msgId="1" hosts=" " methods="" serviceId="" sessionMode="" match="" plugins=""/>
        </group></routes>"#);
    assert_eq!(all(&routes), ["/a 100:1 [GET] session Optional"]);
}

#[test]
fn what_xml_allows_besides_is_no_mistake() {
    let routes = xml("\u{feff}<?xml version='1.0'?><!DOCTYPE routes><!-- <url/> -->
        <routes xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:noNamespaceSchemaLocation='routes.xsd'>
        <?hint?><url path='/a&amp;b&#x41;' serviceId = '100'
             msgId='1' title='&lt;&quot;&apos;&gt;'><!-- nothing --></url>
        </routes>
        <!-- the end -->");
    assert_eq!(all(&routes), ["/a&bA 100:1 [GET, POST] title=<\"'>"]);
    assert_eq!(all(&xml("<routes/>")), [""; 0]);
    assert_eq!(all(&Routes::from_toml_text("a.toml", "")), [""; 0]);
}

#[test]
fn a_dir_has_its_folders_where_its_file_lies() {
    let folder = Folder::with(&[
        ("www/index.html", ""),
        ("base/static/a.css", ""),
        ("base/template/a.html", ""),
        ("up/x", ""),
        (
            "routes.xml",
            r#"<routes>
                <dir path="/" staticDir="www" cache="no"/>
                <dir hosts="a.example" path="/up/" baseDir="base" uploadDir="up"/>
            </routes>"#,
        ),
        (
            "routes.toml",
            "[[dir]]\npath='/'\nstatic_dir='www'\ncache='no'\n[[dir]]\npath='up'\nhosts=['a.example']\nbase_dir='base'\nupload_dir='up'",
        ),
    ]);
    let in_code = Routes::new()
        .dir(
            Dir::new("")
                .static_dir(folder.path("www"))
                .with_attribute("cache", "no"),
        )
        .dir(
            Dir::new("up")
                .hosts("a.example")
                .base_dir(folder.path("base"))
                .upload_dir(folder.path("up")),
        );
    // The path of the first is missing.
    assert_eq!(mistakes(&in_code), ["dir: path is missing"]);
    let in_code = Routes::new()
        .dir(
            Dir::new("/")
                .static_dir(folder.path("www"))
                .with_attribute("cache", "no"),
        )
        .dir(in_code.dirs[1].clone());
    for routes in [
        Routes::from_xml(folder.path("routes.xml")),
        Routes::from_toml(folder.path("routes.toml")),
        in_code,
    ] {
        assert_eq!(mistakes(&routes), [""; 0]);
        let router = compiled(&routes);
        let [root, up] = router.dirs() else {
            panic!("there are two")
        };
        assert_eq!(root.static_dir, Some(folder.path("www")));
        assert_eq!(root.upload_dir, None);
        let attributes = BTreeMap::from([("cache".to_owned(), "no".to_owned())]);
        assert_eq!(root.attributes, attributes);
        assert_eq!(
            (up.path.as_str(), &up.hosts[..]),
            ("/up", &["a.example".to_owned()][..])
        );
        assert_eq!(up.static_dir, Some(folder.path("base/static")));
        assert_eq!(up.template_dir, Some(folder.path("base/template")));
        assert_eq!(up.upload_dir, Some(folder.path("up")));
    }
}

#[test]
fn attributes_that_are_read_by_name_have_either_spelling_in_toml() {
    let routes = Routes::from_toml_text(
        "routes.toml",
        "[[url]]\npath = '/a'\nhttp_code = 201\nkeep_files = true\nmaxUploadLength = 7\nmy_own = 1\n\n\
         [[dir]]\npath = '/'\nexpire_seconds = 60\ncache_control = 'no-store'",
    );
    let said = |all: &BTreeMap<String, String>| {
        let said = all.iter().map(|(name, value)| format!("{name}={value}"));
        said.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        said(&routes.urls[0].attributes),
        "httpCode=201 keepFiles=true maxUploadLength=7 my_own=1"
    );
    assert_eq!(
        said(&routes.dirs[0].attributes),
        "cacheControl=no-store expireSeconds=60"
    );
}

#[test]
fn what_a_pool_has_is_known() {
    let pool = tangelo_reflect::Pool::new();
    let routes = Routes::new().url(Url::new("/a").service(100).message(1));
    let error = Router::compile(&routes, &(&pool).into()).unwrap_err();
    let told = "url /a: serviceId: there is no service 100; there are none";
    assert_eq!(error.to_string(), told);
    assert!(Router::compile(&routes, &known()).is_ok());
}
