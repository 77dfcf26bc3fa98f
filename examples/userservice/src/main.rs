//! krpc's own example, line by line.
//!
//! `cargo run -p userservice -- server` serves UserService on port 5600; `-- client` calls it: a call
//! that is waited for, some that go on by themselves, several at once, and one the other way.

mod client;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use userservice::server;

#[derive(Parser)]
#[command(about = "A service of users, and a client of it")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve UserService (service 100) and AccountService (101).
    Server {
        /// Port to listen on.
        #[arg(long, default_value_t = 5600)]
        port: u16,
    },
    /// Call it, and print what comes of it.
    Client {
        /// Where it is served: one address, or several with commas.
        #[arg(long, default_value = "127.0.0.1:5600")]
        to: String,
    },
}

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Server { port } => server::run(port),
        Command::Client { to } => client::run(&to),
    }
}
