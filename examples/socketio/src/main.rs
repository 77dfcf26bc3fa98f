//! A lobby for clients of socket.io: who speaks is heard by everybody who came in.

use std::process::ExitCode;

use tangelo::{
    connector::SocketIo,
    prelude::*,
    server::{Body, Channels},
};

const LOBBY: &str = "lobby";

async fn enter(
    Json(name): Json<String>,
    session: FrontendSession,
    channels: Channels,
) -> Result<()> {
    session.bind(&name).await?;
    channels.get_or_create(LOBBY).add(&session)?;
    Ok(())
}

async fn say(Json(text): Json<String>, channels: Channels) -> Result<Json<usize>> {
    channels.get_or_create(LOBBY).push("onSay", &text)?;
    Ok(Json(text.chars().count()))
}

async fn raw(Body(bytes): Body) -> Body {
    Body(bytes)
}

async fn leave(session: FrontendSession) -> Result<()> {
    session.kick("as you asked").await
}

fn main() -> ExitCode {
    App::from_args()
        .server("lobby", |server| {
            server
                .connector(SocketIo::new())
                .handler("main", handlers! { enter, say, raw, leave })
        })
        .serve()
}
