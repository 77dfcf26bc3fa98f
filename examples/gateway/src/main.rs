//! The services of users over HTTP.
//!
//! What is reachable stands in `routes.xml`, what messages look like in `proto/*.proto.pb`, all else in
//! `tangelo.toml`. There is no code here but what starts it, and the services if nobody else has.

use std::{
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use tangelo::{BlockingApp, Bootstrap, Mistakes};

/// Everything lies here, wherever it is started from.
const SETTINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tangelo.toml");

#[derive(Parser)]
#[command(about = "The services of users over HTTP")]
struct Args {
    /// Port to listen on.
    #[arg(long, default_value_t = 8888)]
    port: u16,
    /// Where the services are. If nobody listens there, they are started here.
    #[arg(long, default_value = "127.0.0.1:5600")]
    users: SocketAddr,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let users = match users(args.users) {
        Ok(users) => users,
        Err(mistakes) => {
            eprintln!("{mistakes}");
            return ExitCode::FAILURE;
        }
    };
    let code = Bootstrap::new("gateway")
        .file(SETTINGS)
        .set("web_server.default_web.port", args.port)
        .set("referer.users.direct", args.users.to_string())
        .set("referer.accounts.direct", args.users.to_string())
        .serve();
    if let Some(users) = users {
        users.stop(Duration::from_secs(3));
    }
    code
}

/// The services, unless somebody else has them.
fn users(address: SocketAddr) -> Result<Option<BlockingApp>, Mistakes> {
    match TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
        Ok(_) => Ok(None),
        Err(_) => userservice::server::at(address.port())
            .start_blocking()
            .map(Some),
    }
}
