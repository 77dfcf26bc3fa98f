//! A chat: rooms, and people who talk in them.
//!
//! A client asks the `gate` for a connector, enters a room there, and talks: what it says is forwarded
//! to the `chat` server that has the room, and pushed from there to everybody in it. `web` serves the
//! page. Which servers there are says config/servers.json.

mod entry;
mod gate;
mod page;
mod room;

use std::process::ExitCode;

use tangelo::prelude::*;

use crate::room::ChatRemoteServer;

fn main() -> ExitCode {
    App::from_args()
        .config(concat!(env!("CARGO_MANIFEST_DIR"), "/config"))
        .server("gate", |server| {
            server.handler("gateHandler", gate::handlers())
        })
        .server("connector", |server| {
            server
                .handler("entryHandler", entry::handlers())
                .resume(Resume::default())
        })
        .server("chat", |server| {
            server
                .handler("chatHandler", room::handlers())
                .service(|context| ChatRemoteServer::new(room::Rooms::new(context.channels())))
                .on_leave(room::tell_leave)
        })
        .server("web", |server| server.component("page", page::serve))
        .route("chat", |session| session.get("rid"))
        .on_ready(page::announce)
        .serve()
}
