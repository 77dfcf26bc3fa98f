//! The command `tangelo`.
//!
//! A subcommand is a file with its arguments and a `run` that returns what to print. The command exits
//! with 0; with 1 and the reason on stderr; or with 2 where an answer is a refusal.

mod call;
mod definitions;
mod descriptor;
mod listing;
mod services;

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
    Call(Box<call::Args>),
    Descriptor(descriptor::Args),
    Services(services::Args),
}

/// What a subcommand prints, and what the command exits with then.
struct Printed {
    text: String,
    code: ExitCode,
}

impl Printed {
    fn good(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            code: ExitCode::SUCCESS,
        }
    }

    fn refused(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            code: ExitCode::from(2),
        }
    }
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
        Ok(printed) => match writeln!(io::stdout(), "{}", printed.text) {
            Ok(()) => printed.code,
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<Printed, Box<dyn Error>> {
    match command {
        Command::Call(args) => call::run(&args),
        Command::Descriptor(args) => descriptor::run(&args),
        Command::Services(args) => services::run(&args),
    }
}
