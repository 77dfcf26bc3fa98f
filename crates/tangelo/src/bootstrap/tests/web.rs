//! Web servers: what they serve is looked at before anything starts.

use tangelo_gateway::route::{Routes, Url};
use tangelo_reflect::compile::compile;
use tangelo_rpc::config::WebServerConfig;

use super::*;

const PROTO: &str = "syntax = \"proto3\";\npackage shop;\nimport \"krpcext.proto\";\n\
    message Req { string name = 1; }\nmessage Res { int32 retCode = 1; }\n\
    service Orders { option (krpc.serviceId) = 200;\n\
    rpc place(Req) returns (Res) { option (krpc.msgId) = 1; } }\n";

const ROUTES: &str = "<routes>\n<url path=\"/place\" serviceId=\"200\" msgId=\"1\"/>\n</routes>";

/// A folder with `tangelo.toml`, `routes.xml` and `proto/orders.proto.pb`, of a gateway in front of orders.
fn folder(settings: &str, routes: &str) -> Folder {
    let text = format!(
        "[[web_server]]\nid = \"web\"\nroutes_file = \"routes.xml\"\nproto_dir = \"proto\"\n{settings}"
    );
    let files = [
        ("tangelo.toml", text.as_str()),
        ("routes.xml", routes),
        ("orders.proto", PROTO),
        ("proto/readme", ""),
    ];
    let folder = Folder::with(&files);
    let none: [&Path; 0] = [];
    let mut compiled = compile(&[folder.path("orders.proto")], &none).unwrap();
    let set = folder.path("proto/orders.proto.pb");
    fs::write(set, compiled.descriptor_set(false)).unwrap();
    folder
}

fn told(bootstrap: Bootstrap, settings: &str, routes: &str) -> Vec<String> {
    let folder = folder(settings, routes);
    match plan(bootstrap.file(folder.path("tangelo.toml")), &folder) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes,
    }
}

fn gateway() -> Bootstrap {
    Bootstrap::new("test").dynamic_referer("os", 200, "127.0.0.1:5600")
}

#[test]
fn a_number_an_address_and_a_folder_of_descriptors_are_a_gateway() {
    assert_eq!(told(gateway(), "", ROUTES), [""; 0]);
}

#[test]
fn all_mistakes_are_told_at_once_with_the_lines_of_both_files() {
    let routes = "<routes>\n<url path=\"/a\" serviceId=\"200\" msgId=\"9\"/>\n\
        <url path=\"/b\" serviceId=\"300\" msgId=\"1\"/>\n\
        <url path=\"/c\" serviceId=\"200\" msgId=\"1\" plugins=\"x\"/>\n</routes>";
    let settings = "max_conns = 0\njson = \"xml\"\n[monitor]\nlog_threads = 0\n";
    let all = told(gateway(), settings, routes);
    let expected = [
        "tangelo.toml:5: web_server.web.max_conns: expected 1 or more, found 0",
        "tangelo.toml:6: web_server.web.json: expected krpc or standard, found `xml`",
        "tangelo.toml:8: monitor.log_threads: expected 1 to 64, found 0",
        "routes.xml:2: url /a: msgId: service 200 has no message 9; there are: 1",
        "routes.xml:3: url /b: serviceId: there is no service 300; there are: 200",
        "routes.xml:4: url /c: plugins: there is no plugin `x`; ",
    ];
    assert_eq!(all.len(), expected.len(), "{all:?}");
    for (told, expected) in all.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}");
    }
}

#[test]
fn a_url_needs_somebody_who_answers() {
    assert_eq!(
        told(Bootstrap::new("test"), "", ROUTES),
        [
            "routes.xml:2: url /place: serviceId: there is neither a service 200 here nor a referer to it"
        ]
    );
}

#[test]
fn the_folder_of_descriptors_is_there_if_somebody_names_it() {
    let named = |folder: &str| gateway().set("web_server.web.proto_dir", folder);
    let all = told(named("nowhere"), "", ROUTES);
    let first = "set: web_server.web.proto_dir: nowhere: ";
    assert!(all.iter().any(|told| told.starts_with(first)), "{all:?}");
    // None is none; and so nothing is known of the service.
    let none = told(named(""), "", ROUTES);
    let unknown = "referer.os.service_id: nothing is known of service 200: load its descriptor set (descriptors)";
    assert_eq!(none[0], unknown);
}

#[test]
fn routes_come_from_a_file_and_from_code() {
    let folder = folder("", ROUTES);
    let with = |url: Url| {
        let bootstrap = gateway().file(folder.path("tangelo.toml"));
        let routes = Routes::new().url(url.service(200).message(1));
        plan(bootstrap.routes("web", routes), &folder)
    };
    assert!(with(Url::new("/other")).is_ok());
    let Err(twice) = with(Url::new("/place")) else {
        panic!("two urls have one address")
    };
    assert!(twice[0].contains("/place"), "{twice:?}");
}

#[test]
fn routes_xml_may_be_missing_if_code_brings_routes() {
    // There is none where tests run.
    let bootstrap = || Bootstrap::new("test").web_server(8600);
    let all = mistakes(bootstrap());
    assert!(
        all[0].starts_with("web_server.default_web.routes_file: ") && all.len() == 1,
        "{all:?}"
    );
    planned(bootstrap().routes("default_web", Routes::new()));
    planned(bootstrap().set("web_server.default_web.routes_file", ""));
    planned(bootstrap().set("web_server.default_web.auto_route", true));
    let other = mistakes(bootstrap().routes("web", Routes::new()));
    assert!(
        other.contains(
            &"routes `web`: there is no web_server of this id; there are: default_web".to_owned()
        ),
        "{other:?}"
    );
}

#[test]
fn settings_that_make_no_sense() {
    for (key, value, problem) in [
        ("backlog", "0", "expected 1 or more, found 0"),
        ("idle_seconds", "0", "expected 1 or more, found 0"),
        (
            "threads",
            "-2",
            "expected -1 (no limit), 0 (1,024) or more, found -2",
        ),
        (
            "max_header_size",
            "1023",
            "expected 1024 to 16777216, found 1023",
        ),
        ("session_seconds", "0", "expected 1 or more, found 0"),
        (
            "session_service",
            "redis",
            "redis is not there yet; use memory, or bring one: Bootstrap::session_store",
        ),
        (
            "session_service",
            "disk",
            "expected memory or a name of Bootstrap::session_store, found `disk`",
        ),
        (
            "session_id_cookie_name",
            "a b",
            "`a b` cannot be the name of a cookie",
        ),
        (
            "session_id_cookie_path",
            "a",
            "`a` cannot be the path of a cookie",
        ),
        (
            "session_id_cookie_same_site",
            "x",
            "expected lax, strict or none, found `x`",
        ),
        (
            "negative_status",
            "199",
            "expected a status from 200 to 999, or 0, found 199",
        ),
        (
            "trusted_proxies",
            "here",
            "expected a network or an address, found `here`",
        ),
        (
            "live_path",
            "live",
            "expected a path that begins with /, found `live`",
        ),
        ("openapi_path", "api", "openapi: `api` is no path"),
        ("openapi_page", "/api", "needs openapi_path as well"),
        ("tls_cert", "a.pem", "needs tls_key as well"),
        ("tls_key", "a.pem", "needs tls_cert as well"),
    ] {
        let key = format!("web_server.default_web.{key}");
        let value: serde_json::Value = value.parse().unwrap_or_else(|_| value.into());
        let bootstrap = Bootstrap::new("test").web_server(WebServerConfig::default());
        let all = mistakes(
            bootstrap
                .routes("default_web", Routes::new())
                .set(&key, value),
        );
        assert_eq!(all, [format!("set: {key}: {problem}")]);
    }
}

#[test]
fn settings_at_their_limits() {
    for (key, value) in [
        ("negative_status", "200"),
        ("max_header_size", "1024"),
        ("trusted_proxies", "10.0.0.0/8, ::1, 192.168.0.1"),
        ("live_path", "/"),
        ("threads", "-1"),
        ("json", "standard"),
        ("session_id_cookie_same_site", "strict"),
        ("reload_interval", "0"),
        ("openapi_path", "/openapi.json"),
    ] {
        let key = format!("web_server.default_web.{key}");
        let value: serde_json::Value = value.parse().unwrap_or_else(|_| value.into());
        let bootstrap = Bootstrap::new("test").web_server(WebServerConfig::default());
        planned(
            bootstrap
                .routes("default_web", Routes::new())
                .set(&key, value),
        );
    }
}
