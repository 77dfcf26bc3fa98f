//! tonic's client and server from the benchmark's .proto file, without `protoc`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    // The second directory has the options that only krpc needs.
    let includes = ["../proto", "../../crates/tangelo-reflect/proto"];
    for directory in includes {
        println!("cargo:rerun-if-changed={directory}");
    }
    let files = protox::compile(["bench.proto"], includes)?;
    tonic_prost_build::configure().compile_fds(files)?;
    Ok(())
}
