//! The command `tangelo`.
//!
//! A subcommand is a file with its arguments and a `run` that returns what to print. It exits
//! with 0, or with 1 and the reason on stderr.

mod descriptor;

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

/// Tools for Tangelo's and krpc's services.
#[derive(Parser)]
#[command(name = "tangelo", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Descriptor(descriptor::Args),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are no mistakes; what is, has the same code as any other.
        Err(error) => {
            let failed = error.use_stderr();
            return if error.print().is_err() || failed {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match run(cli.command) {
        // Not `println!`, which panics when nobody reads on.
        Ok(text) => match writeln!(io::stdout(), "{text}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<String, Box<dyn Error>> {
    match command {
        Command::Descriptor(args) => descriptor::run(&args),
    }
}
