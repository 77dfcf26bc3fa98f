//! `tangelo services`: what is defined here.

use std::error::Error;

use crate::{
    Printed,
    definitions::{Definitions, Sources},
};

/// Lists the services that are defined here, and their methods, with their numbers.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    sources: Sources,
}

pub(crate) fn run(args: &Args) -> Result<Printed, Box<dyn Error>> {
    let definitions = Definitions::load(&args.sources)?;
    Ok(Printed::good(definitions.listing()?))
}
