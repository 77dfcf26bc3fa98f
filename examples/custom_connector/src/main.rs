//! A hall where people talk in lines over a Unix socket. What a line is says [`lines`]; all else is as with any
//! other connector.

mod lines;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use tangelo::{connector::Custom, prelude::*};

use crate::lines::Lines;

async fn say(Json(text): Json<String>, session: Session) -> Result<Json<usize>> {
    session.push("onSay", &text)?;
    Ok(Json(text.len()))
}

fn hall(app: App) -> App {
    app.server("hall", |server| {
        server
            .connector(Custom::new(|_host, _port, options| Lines::new(options)))
            .handler("main", handlers! { say })
    })
}

fn main() -> ExitCode {
    hall(App::from_args()).serve()
}
