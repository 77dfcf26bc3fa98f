//! Rust from the .proto files.

fn main() -> Result<(), tangelo_rpc_build::Error> {
    tangelo_rpc_build::compile(&["proto/bench.proto", "proto/work.proto"])
}
