//! Makes Rust of the files in proto.

fn main() -> Result<(), tangelo_rpc_build::Error> {
    tangelo_rpc_build::compile(&[
        "proto/suite.proto",
        "proto/catalogue.proto",
        "proto/gateway.proto",
        "proto/library.proto",
        "proto/worker.proto",
    ])?;
    // On its own: it has a service of the same number.
    tangelo_rpc_build::compile(&["proto/desk.proto"])
}
