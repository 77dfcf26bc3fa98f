//! The project's own commands. `cargo xtask` lists them.

// What these commands find out is told on standard output.
#![allow(clippy::print_stdout)]

mod autobahn;
mod bench;
mod install;
mod process;
mod test;

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An error is told to a person, who needs nothing but its text.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Tests and measures the project.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs every check there is; installs what they need first.
    Test(test::Arguments),
    /// Measures Tangelo beside bare servers that do the same.
    Bench(bench::Arguments),
    /// Runs Autobahn's cases of WebSocket, which is not part of the project.
    Autobahn(autobahn::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Test(arguments) => test::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Autobahn(arguments) => autobahn::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the workspace, where every command is run.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}
