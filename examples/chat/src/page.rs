//! The page, and what it is told about the servers.

use std::{io, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use serde_json::{Value, json};
use tangelo::{Running, server::Context};
use tokio::net::TcpListener;

const FILES: [(&str, &str, &str); 5] = [
    (
        "/",
        "text/html; charset=utf-8",
        include_str!("../web/index.html"),
    ),
    (
        "/chat.js",
        "text/javascript; charset=utf-8",
        include_str!("../web/chat.js"),
    ),
    (
        "/room.js",
        "text/javascript; charset=utf-8",
        include_str!("../web/room.js"),
    ),
    (
        "/style.css",
        "text/css; charset=utf-8",
        include_str!("../web/style.css"),
    ),
    (
        "/tangelo.js",
        "text/javascript; charset=utf-8",
        include_str!("../../../clients/js/tangelo.js"),
    ),
];

/// Serves the page on the server's `clientPort`.
pub(crate) async fn serve(context: Arc<Context>) -> io::Result<impl Future<Output = ()>> {
    let instance = context.instance();
    let port = instance.client_port.unwrap_or_default();
    let listener = TcpListener::bind((instance.host.as_str(), port))
        .await
        .map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("cannot listen on {}:{port}: {error}", instance.host),
            )
        })?;

    let mut pages = Router::new().route("/config.json", get(config));
    for (path, kind, text) in FILES {
        let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")];
        pages = pages.route(path, get(async move || (headers, text).into_response()));
    }
    let pages = pages.with_state(Arc::clone(&context));
    Ok(async move {
        // It ends when the server does.
        let _ = axum::serve(listener, pages).await;
    })
}

/// Where the gate is. The page connects to the host it came from.
async fn config(State(context): State<Arc<Context>>) -> Json<Value> {
    let gates = context.servers().registered("gate");
    let port = gates.first().and_then(|gate| gate.client_port);
    Json(json!({ "gate": { "host": null, "port": port } }))
}

/// Tells whoever started this process that all of it is ready.
#[expect(
    clippy::print_stdout,
    reason = "it is for the person at the terminal, or a script"
)]
pub(crate) fn announce(running: &Running) {
    let web = running
        .servers()
        .iter()
        .find(|server| server.context().server_type() == "web");
    match web.map(|web| web.context().instance()) {
        Some(web) => {
            println!(
                "chat page: http://{}:{}/",
                web.host,
                web.client_port.unwrap_or_default()
            );
        }
        None => println!("ready"),
    }
}
