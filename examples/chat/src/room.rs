//! A chat server: rooms, and what is said in them.

use serde::Deserialize;
use serde_json::{Value, json};
use tangelo::{
    prelude::*,
    server::{ChannelError, Handlers},
};

use crate::entry::text;

tangelo::include_proto!("chat");

/// Stands between name and room in a user's id.
pub(crate) const SEPARATOR: char = '*';
/// A user of this name is in the room already.
pub(crate) const ALREADY_IN: i32 = -100_001;
/// Instead of a name: everybody in the room.
const EVERYBODY: &str = "*";

pub(crate) fn handlers() -> Handlers {
    handlers! { send }
}

pub(crate) fn uid(name: &str, room: &str) -> String {
    format!("{name}{SEPARATOR}{room}")
}

fn name(uid: &str) -> &str {
    uid.split_once(SEPARATOR).map_or(uid, |(name, _)| name)
}

#[derive(Deserialize)]
struct Say {
    content: Value,
    #[serde(deserialize_with = "text")]
    target: String,
}

/// Somebody says something. Who, and in which room, says the session, not the client.
async fn send(Json(say): Json<Say>, session: Session, channels: Channels) -> Result<Json<Value>> {
    let uid = session.uid()?;
    let room: String = session.get("rid")?;
    let channel = channels.get(&room)?;
    let message = json!({ "msg": say.content, "from": name(&uid), "target": say.target });
    if say.target == EVERYBODY {
        channel.push("onChat", &message)?;
    } else {
        let target = self::uid(&say.target, &room);
        if channel.push_to(&[&target], "onChat", &message)? == 0 {
            let problem = format!("{} is not in the room", say.target);
            return Ok(Json(json!({ "code": 404, "msg": problem })));
        }
    }
    Ok(Json(json!({})))
}

/// Nobody is in a room twice.
fn once_each() -> ChannelOptions {
    ChannelOptions::new().single_session()
}

/// What connectors ask about rooms.
pub(crate) struct Rooms {
    channels: Channels,
}

impl Rooms {
    pub(crate) fn new(channels: &Channels) -> Self {
        Self {
            channels: channels.clone(),
        }
    }
}

impl ChatRemote for Rooms {
    async fn add(&self, request: AddReq) -> Result<AddRes, Status> {
        let AddReq {
            uid,
            room,
            sid,
            frontend_id,
        } = request;
        let channel = self.channels.get_or_create_with(&room, once_each());
        let failed = tangelo::Error::into_status;
        match channel.add_by_id(&uid, sid.into(), &frontend_id) {
            Err(ChannelError::UserPresent(_)) => {
                return Ok(AddRes {
                    ret_code: ALREADY_IN,
                    ret_msg: "in the room already".to_owned(),
                    ..AddRes::default()
                });
            }
            added => added.map_err(|error| failed(error.into()))?,
        }
        let added = json!({ "route": "onAdd", "user": name(&uid) });
        channel.push_except(&uid, "onAdd", &added).map_err(failed)?;
        let users = channel.uids();
        let users = users.iter().map(|uid| name(uid).to_owned()).collect();
        Ok(AddRes {
            users,
            ..AddRes::default()
        })
    }
}

/// Somebody's connection is gone.
pub(crate) fn tell_leave(channel: &Channel, member: &Member) {
    let left = json!({ "route": "onLeave", "user": name(&member.uid) });
    // A value is always JSON, and a name is short.
    let _ = channel.push("onLeave", &left);
}
