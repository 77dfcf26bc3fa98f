//! Makes Rust of proto/suite.proto.

fn main() -> Result<(), tangelo_rpc_build::Error> {
    tangelo_rpc_build::compile(&["proto/suite.proto"])
}
