//! What is said on the command line of an application of services.

use std::path::PathBuf;

use clap::Parser;

use crate::outside::Assignment;

/// What is said on the command line.
#[derive(Clone, Debug, Default, Parser)]
#[command(about = "Starts krpc services", long_about = None)]
pub(super) struct Arguments {
    /// File of settings; without it, the application's own or `tangelo.toml`.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Change a setting: `server.default.port=5700`, `application.name=users`. May be repeated.
    #[arg(long, value_name = "CHAPTER.ID.KEY=VALUE")]
    pub(super) set: Vec<Assignment>,
}
