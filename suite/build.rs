//! Makes Rust of the files in proto.

fn main() -> Result<(), tangelo_rpc_build::Error> {
    tangelo_rpc_build::compile(&["proto/suite.proto", "proto/worker.proto"])
}
