//! A connector: lets people enter rooms.

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use tangelo::{prelude::*, server::Handlers};

use crate::room::{self, AddReq, AddRes, ChatRemoteClient};

/// The longest name of a user or a room, in bytes.
const LONGEST_NAME: usize = 200;

pub(crate) fn handlers() -> Handlers {
    handlers! { enter }
}

#[derive(Deserialize)]
struct Enter {
    #[serde(deserialize_with = "text")]
    username: String,
    #[serde(deserialize_with = "text")]
    rid: String,
}

async fn enter(
    Json(Enter { username, rid }): Json<Enter>,
    session: FrontendSession,
    rpc: Rpc,
) -> Result<Json<Value>> {
    let already_in = || Ok(Json(json!({ "code": 500, "error": true })));
    for name in [&username, &rid] {
        if name.is_empty() || name.len() > LONGEST_NAME || name.contains(room::SEPARATOR) {
            let message = "names have 1 to 200 bytes and no *";
            return Err(Status::new(Code::DECODE_REQ_ERROR, message).into());
        }
    }
    if session.uid().is_ok() {
        return already_in();
    }
    // Before anything is waited for: who tries twice at once enters once.
    let uid = room::uid(&username, &rid);
    session.bind(&uid).await?;
    // The room's chat server is found by it.
    session.set("rid", &rid)?;
    let added = add(&session, &rpc, &uid, &rid).await;
    if !matches!(&added, Ok(added) if added.ret_code == 0) {
        session.unbind().await?;
    }
    let added = added?;
    if added.ret_code == room::ALREADY_IN {
        return already_in();
    }
    Ok(Json(json!({ "users": added.users })))
}

async fn add(session: &Session, rpc: &Rpc, uid: &str, rid: &str) -> Result<AddRes> {
    let rooms: ChatRemoteClient = rpc.by_route("chat", session)?;
    let request = AddReq {
        uid: uid.to_owned(),
        room: rid.to_owned(),
        sid: session.id().into(),
        frontend_id: session.frontend_id().to_owned(),
    };
    Ok(rooms.add(request).await?)
}

/// Text, or a number taken for its digits: clients send either.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Text {
        Text(String),
        Number(serde_json::Number),
    }
    Ok(match Text::deserialize(deserializer)? {
        Text::Text(text) => text,
        Text::Number(number) => number.to_string(),
    })
}
