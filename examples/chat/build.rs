//! Makes Rust of proto/chat.proto.

fn main() -> Result<(), tangelo_rpc_build::Error> {
    tangelo_rpc_build::compile(&["proto/chat.proto"])
}
