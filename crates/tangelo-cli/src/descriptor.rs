//! `tangelo descriptor`: a .proto file to the descriptor file that gateways and tools load.

use std::{error::Error, fs, path::PathBuf};

use tangelo_reflect::compile::compile;

use crate::{Printed, listing};

/// Writes the descriptor file of a .proto file: user.proto.pb for user.proto.
///
/// krpcext.proto, descriptor.proto and Google's well-known types need not be there. Services and methods without
/// their numbers are mistakes, and all of them are told at once; then nothing is written.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The .proto file.
    file: PathBuf,
    /// Where to write. Default: beside the .proto file, with `.pb` added to its name.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// A directory to look for imports in, before the file's own; may be repeated.
    #[arg(short = 'I', long = "include", value_name = "DIR")]
    includes: Vec<PathBuf>,
    /// Puts the imported files into the set as well; krpc's own tools expect it without.
    #[arg(long)]
    include_imports: bool,
    /// Puts comments and lines into the set as well: the gateway's OpenAPI document has them.
    #[arg(long)]
    include_source_info: bool,
}

/// Prints what was written, and the services in it.
pub(crate) fn run(args: &Args) -> Result<Printed, Box<dyn Error>> {
    let mut compiled = compile(&[&args.file], &args.includes)?;
    let output = args.output.clone().unwrap_or_else(|| {
        let mut name = args.file.clone().into_os_string();
        name.push(".pb");
        name.into()
    });
    let set = match args.include_source_info {
        true => compiled.descriptor_set_with_comments(args.include_imports),
        false => compiled.descriptor_set(args.include_imports),
    };
    fs::write(&output, set).map_err(|error| format!("{}: {error}", output.display()))?;

    let services = listing::services(compiled.pool());
    let lines = [output.display().to_string(), services];
    Ok(Printed::good(lines.join("\n").trim_end()))
}
