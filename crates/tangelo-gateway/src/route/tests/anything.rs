//! Whatever files say and clients ask, nothing panics, and what is found is what a slow reading finds.

use http::Method;
use proptest::prelude::*;

use super::{known, xml};
use crate::route::{Found, Matching, Methods, Router, Routes, Url};

/// Letters that mean something to somebody, and some that do not.
const PATH: &str = r"(/|%2[fF]|%2[eE]|%5c|%00|%25|%|\.|\.\.|\\|\+|[a-c]|\{|\}|é|\PC){0,12}";

/// A file that is nearly right.
fn document() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("<routes>".to_owned()),
        Just("</routes>".to_owned()),
        Just("<group prefix='/g' serviceId='100'>".to_owned()),
        Just("</group>".to_owned()),
        Just("<!-- x -->".to_owned()),
        Just("<![CDATA[".to_owned()),
        Just("<!DOCTYPE routes [<!ENTITY a '&a;&a;'>]>".to_owned()),
        Just("&a;&#0;&#xD800;".to_owned()),
        (
            "url|dir|plugin|import|group|x:url|é",
            "path|hosts|methods|msgId|serviceId|plugins|sessionMode|match|file|name|é|",
            PATH,
        )
            .prop_map(|(element, name, value)| format!("<{element} {name}='{value}'/>")),
        r"\PC{0,8}",
    ];
    let pieces = prop::collection::vec(piece, 0..12);
    (any::<bool>(), pieces).prop_map(|(is_begun, pieces)| {
        let begin = if is_begun { "<routes>" } else { "" };
        format!("{begin}{}", pieces.concat())
    })
}

/// Tables and keys that are nearly right.
fn toml_document() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("[[url]]".to_owned()),
        Just("[[group]]".to_owned()),
        Just("[[group.url]]".to_owned()),
        Just("[[dir]]".to_owned()),
        (
            "path|hosts|methods|msg_id|serviceId|plugins|session_mode|match|static_dir|import|url|é",
            prop_oneof![
                any::<i64>().prop_map(|number| number.to_string()),
                Just("[1, 'a', [2], { x = 1 }]".to_owned()),
                Just("0xffffffffffffffffff".to_owned()),
                Just("1979-05-27T07:32:00Z".to_owned()),
                PATH.prop_map(|text| format!("'{text}'")),
            ],
        )
            .prop_map(|(name, value)| format!("{name} = {value}")),
        r"\PC{0,8}",
    ];
    prop::collection::vec(line, 0..10).prop_map(|lines| lines.join("\n"))
}

/// The path of a url: segments of two letters or of variables.
fn pattern() -> impl Strategy<Value = String> {
    let segment = prop_oneof![3 => "[ab]", 2 => Just("{}".to_owned())];
    prop::collection::vec(segment, 0..4).prop_map(|segments| {
        let named = segments
            .iter()
            .enumerate()
            .map(|(at, segment)| match segment.as_str() {
                "{}" => format!("/{{v{at}}}"),
                text => format!("/{text}"),
            });
        named.collect()
    })
}

/// How well a url's path fits: exactly or not, then segment by segment; the least is the best.
fn fit(url: &Url, path: &str) -> Option<(bool, usize, Vec<bool>)> {
    let segments = |path: &str| -> Vec<String> {
        let path = path.trim_start_matches('/');
        path.split('/')
            .filter(|one| !one.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let (own, asked) = (segments(&url.path), segments(path));
    let is_exact = own.len() == asked.len();
    let is_enough = is_exact || (url.matching == Matching::Prefix && own.len() < asked.len());
    let fits = own
        .iter()
        .zip(&asked)
        .all(|(own, asked)| own.starts_with('{') || own == asked);
    let variables = own.iter().map(|own| own.starts_with('{')).collect();
    (is_enough && fits).then_some((!is_exact, usize::MAX - own.len(), variables))
}

proptest! {
    // Texts of any letters take long to make.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 8, ..ProptestConfig::default() })]

    #[test]
    fn any_xml_is_read_or_told(text in document()) {
        let routes = Routes::from_xml_text("/nowhere/routes.xml", &text);
        let _ = Router::compile(&routes, &known());
    }

    #[test]
    fn any_text_is_read_or_told(text in r"\PC*") {
        for routes in [
            Routes::from_xml_text("/nowhere/r", &text),
            Routes::from_xml_text("/nowhere/r", &format!("<routes {text}>{text}</routes>")),
            Routes::from_toml_text("/nowhere/r", &text),
        ] {
            let _ = Router::compile(&routes, &known());
        }
    }

    #[test]
    fn any_toml_is_read_or_told(text in toml_document()) {
        let routes = Routes::from_toml_text("/nowhere/routes.toml", &text);
        let _ = Router::compile(&routes, &known());
    }

    #[test]
    fn any_path_of_a_url_is_compiled_or_told(paths in prop::collection::vec(PATH, 1..5)) {
        let routes = paths.iter().fold(Routes::new(), |routes, path| {
            routes.url(Url::new(path).service(100).message(1).matching(Matching::Prefix))
        });
        if let Ok(router) = Router::compile(&routes, &known()) {
            for path in &paths {
                let _ = router.find(None, path, &Method::GET);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_request_is_answered_and_what_it_names_is_harmless(
        host in prop::option::of(r"[a\[\]:.A*]{0,6}|\PC{0,6}"),
        path in prop_oneof![Just(String::new()), PATH, PATH.prop_map(|path| format!("/{path}"))],
    ) {
        let folder = std::env::temp_dir();
        let urls = "<routes><url path='/a/{x}' serviceId='100' msgId='1'/>
            <url path='/{x}/{y}' serviceId='100' msgId='2' match='prefix' hosts='a,[a]'/></routes>";
        let routes = xml(urls).dir(crate::route::Dir::new("/").static_dir(folder));
        let router = Router::compile(&routes, &known()).unwrap();
        let _ = router.upload_dir(host.as_deref(), &path);
        match router.find(host.as_deref(), &path, &Method::GET) {
            Found::Url(_, variables) => for (_, value) in variables.iter() {
                prop_assert!(!value.is_empty() && !value.contains(char::is_control));
                prop_assert!(value.split(['/', '\\']).all(|part| part != "." && part != ".."));
            },
            Found::Dir { file, .. } => {
                let whole = file.strip_suffix('/').unwrap_or(&file);
                let names = whole.split('/');
                prop_assert!(!file.contains(['\\', '\0']) && !file.starts_with('/'));
                prop_assert!(file.is_empty() || names.into_iter().all(|name| !["", ".", ".."].contains(&name)));
            }
            Found::WrongMethod(_) | Found::Nothing | Found::BadPath(_) => {}
        }
    }

    #[test]
    fn what_is_found_is_the_best_of_what_fits(
        urls in prop::collection::vec((pattern(), any::<bool>(), "get|post|get,put"), 0..8),
        asked in prop::collection::vec("[abc]", 0..5),
    ) {
        let routes = urls.iter().fold(Routes::new(), |routes, (path, is_prefix, methods)| {
            let matching = if *is_prefix { Matching::Prefix } else { Matching::Exact };
            routes.url(Url::new(format!("/{path}")).service(100).message(1).matching(matching).methods(methods))
        });
        // Two for one address are refused.
        let Ok(router) = Router::compile(&routes, &known()) else { return Ok(()) };
        let path = format!("/{}", asked.join("/"));
        let method = Method::GET;
        let fitting = |url: &&std::sync::Arc<Url>| fit(url, &path).is_some();
        let open = router.urls().iter().filter(fitting).filter(|url| url.methods.contains(&method));
        let best = open.min_by_key(|url| fit(url, &path));
        match (router.find(None, &path, &method), best) {
            (Found::Url(found, variables), Some(best)) => {
                prop_assert_eq!(&router.urls()[found].path, &best.path);
                let own = best.path.split('/').zip(path.split('/'));
                let expected: Vec<_> = own.filter(|(own, _)| own.starts_with('{'))
                    .map(|(own, asked)| (own.trim_matches(['{', '}']), asked)).collect();
                prop_assert_eq!(variables.iter().collect::<Vec<_>>(), expected);
            }
            (found, None) => {
                let mut expected = Vec::new();
                for url in router.urls().iter().filter(fitting) {
                    expected.extend(url.methods.iter());
                }
                let allow = match found {
                    Found::WrongMethod(allow) => allow,
                    _ => Methods::NONE,
                };
                prop_assert!(expected.iter().all(|method| allow.contains(method)));
                prop_assert_eq!(allow.is_empty(), expected.is_empty());
            }
            (found, best) => prop_assert!(false, "{:?} and not {:?}", found, best),
        }
    }
}
