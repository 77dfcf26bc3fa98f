//! `tangelo services`: what is defined here.

use std::{error::Error, path::PathBuf};

use crate::{
    Printed, call,
    definitions::{Definitions, Sources},
};

/// Lists the services that are defined here, and their methods, with their numbers.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where they are defined, as for `--proto`.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    sources: Sources,
}

pub(crate) fn run(args: &Args) -> Result<Printed, Box<dyn Error>> {
    let is_server = |path: &&PathBuf| {
        let text = path.to_str();
        !path.exists() && text.is_some_and(|text| call::address(text).is_ok())
    };
    if let Some(server) = args.paths.iter().find(is_server) {
        let server = server.display();
        return Err(format!(
            "{server}: a server cannot be asked what it offers; name the files that it was built of"
        )
        .into());
    }
    let definitions = Definitions::load(&args.sources.clone().and(&args.paths))?;
    Ok(Printed::good(definitions.listing()?))
}
