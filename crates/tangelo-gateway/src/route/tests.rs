//! Routes as a whole.

mod anything;
mod finds;
mod folder;
mod imports;
mod model;
mod wrong;

use http::Method;

use super::{Found, Known, Router, Routes};

/// What most tests know.
fn known() -> Known {
    Known::new()
        .service(100, 1..=9)
        .service(101, [1])
        .plugins(["dummy", "other"])
}

/// The mistakes of a text, each in a line.
fn mistakes(routes: &Routes) -> Vec<String> {
    match Router::compile(routes, &known()) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.to_string().lines().map(str::to_owned).collect(),
    }
}

fn xml(text: &str) -> Routes {
    Routes::from_xml_text("routes.xml", text)
}

fn compiled(routes: &Routes) -> Router {
    Router::compile(routes, &known()).unwrap()
}

/// What is found, in words: `3 a=1 b=2`, `405 GET, HEAD`, `dir 0 css/a.css`, `404`, `400`.
fn found(router: &Router, asked: &str) -> String {
    let (method, rest) = asked.split_once(' ').unwrap();
    let (host, path) = match rest.find('/') {
        Some(at) if at > 0 => (Some(&rest[..at]), &rest[at..]),
        _ => (None, rest),
    };
    let method: Method = method.parse().unwrap();
    match router.find(host, path, &method) {
        Found::Url(url, variables) => {
            let variables = variables
                .iter()
                .map(|(name, value)| format!(" {name}={value}"));
            format!(
                "{}{}",
                router.urls()[url].msg_id,
                variables.collect::<String>()
            )
        }
        Found::WrongMethod(allow) => format!("405 {allow}"),
        Found::Dir { dir, file, allow } if allow.is_empty() => format!("dir {dir} {file}"),
        Found::Dir { dir, file, allow } => format!("dir {dir} {file} or 405 {allow}"),
        Found::Nothing => "404".to_owned(),
        Found::BadPath(_) => "400".to_owned(),
    }
}
