//! axum: a typed handler, JSON in and out.

use std::error::Error;

use axum::serve::ListenerExt;
use axum::{Json, Router, routing::post};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// The request of [`bench.proto`](../../proto/bench.proto), which is also the answer.
#[derive(Deserialize, Serialize)]
struct Message {
    name: String,
    payload: String,
    number: i64,
}

async fn echo(Json(message): Json<Message>) -> Json<Message> {
    Json(message)
}

pub(crate) async fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            eprintln!("TCP_NODELAY: {error}");
        }
    });
    axum::serve(listener, Router::new().route("/echo", post(echo))).await?;
    Ok(())
}
