//! Devices that report over MQTT, and who watches them.
//!
//! A device publishes what it measures to `devices/main/report`; whoever subscribes to `rooms/<room>` hears of it.
//! Subscribing asks `join`, which lets nobody into `rooms/secret`.

use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tangelo::{connector::Mqtt, prelude::*};

/// What a device has measured.
#[derive(Serialize, Deserialize)]
struct Report {
    room: String,
    degrees: f64,
}

#[derive(Deserialize)]
struct Wanted {
    subscriptions: Vec<Subscription>,
}

#[derive(Deserialize)]
struct Subscription {
    topic: String,
}

#[derive(Deserialize)]
struct Unwanted {
    unsubscriptions: Vec<String>,
}

/// What refuses a subscription.
const REFUSED: u8 = 128;
/// What grants it.
const GRANTED: u8 = 1;

/// Tells who watches this room, and the device how many those are.
async fn report(Json(report): Json<Report>, channels: Channels) -> Result<Json<usize>> {
    let room = channels.get_or_create(&format!("rooms/{}", report.room));
    room.push(&format!("rooms.{}", report.room), &report)?;
    Ok(Json(room.members().len()))
}

/// A topic is a channel here.
async fn join(
    Json(wanted): Json<Wanted>,
    session: Session,
    channels: Channels,
) -> Result<Json<Vec<u8>>> {
    let uid = format!("watcher-{}", session.id());
    if session.uid().is_err() {
        session.bind(&uid).await?;
    }
    let mut granted = Vec::new();
    for Subscription { topic } in wanted.subscriptions {
        granted.push(match topic.strip_prefix("rooms/") {
            Some("secret" | "#" | "+") => REFUSED,
            Some(_) => {
                let room = channels.get_or_create(&topic);
                // It may ask twice.
                if room.member(&uid).is_none() {
                    room.add(&session)?;
                }
                GRANTED
            }
            // Where answers are wanted.
            None => GRANTED,
        });
    }
    Ok(Json(granted))
}

async fn leave(Json(unwanted): Json<Unwanted>, session: Session, channels: Channels) {
    for topic in unwanted.unsubscriptions {
        channels.get_or_create(&topic).leave(&session);
    }
}

/// Answers with what it is told.
async fn echo(Json(said): Json<Value>) -> Json<Value> {
    Json(said)
}

fn main() -> ExitCode {
    App::from_args()
        .config(concat!(env!("CARGO_MANIFEST_DIR"), "/tangelo.toml"))
        .server("devices", |server| {
            let door = Mqtt::new()
                .subscribe_route("devices.main.join")
                .unsubscribe_route("devices.main.leave");
            server
                .connector(door)
                .handler("main", handlers! { report, join, leave, echo })
        })
        .serve()
}
