//! MQTT 3.1.1 and 5: what clients of either version may expect.

mod acknowledgements;
pub(crate) mod client;
mod ends;
mod handshakes;
mod limits;
mod pomelo;
mod pushes;
mod requests;
mod transports;

use serde_json::{Value, json};
use tangelo::{
    connector::Mqtt,
    server::{Blueprint, Body, Handlers, Json, Server, Session},
};

use self::client::Client;
use crate::world::{alone, connector};

/// Both versions, as CONNECT tells them.
const VERSIONS: [u8; 2] = [4, 5];
const ECHO: &str = "connector/main/echo";
const PUSH: &str = "connector/main/push";

/// `push` pushes `body` under `route`, `raw` answers with what it is told, `fail` fails.
fn handlers() -> Handlers {
    Handlers::new()
        .add("push", push)
        .add("raw", async |Body(bytes): Body| Body(bytes))
        .add("fail", async || -> tangelo::Result<()> {
            Err(tangelo::Error::new("on purpose"))
        })
}

async fn push(Json(what): Json<Value>, session: Session) -> tangelo::Result<()> {
    session.push(what["route"].as_str().unwrap(), &what["body"])?;
    Ok(())
}

fn blueprint(mqtt: Mqtt) -> Blueprint {
    connector(handlers()).connector(mqtt)
}

async fn serve(mqtt: Mqtt) -> Server {
    alone(blueprint(mqtt)).await
}

impl Client {
    /// Has the server push something.
    async fn have_pushed(&mut self, route: &str, body: Value) {
        let what = json!({ "route": route, "body": body });
        self.publish(PUSH, 0, what.to_string().as_bytes()).await;
    }
}
