//! Rust from the .proto files.

fn main() -> Result<(), tangelo_rpc_build::Error> {
    tangelo_rpc_build::compile(&[
        "proto/userservice.proto",
        "proto/accountservice.proto",
        "proto/pushservice.proto",
    ])
}
