//! Rust from the .proto file.

fn main() -> Result<(), tangelo_rpc_build::Error> {
    tangelo_rpc_build::compile(&["proto/bench.proto"])
}
