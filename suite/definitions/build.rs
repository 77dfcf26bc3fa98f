//! Rust from all there is in proto/.

fn main() -> Result<(), tangelo_rpc_build::Error> {
    tangelo_rpc_build::Builder::new()
        .include("proto")
        .compile(&[
            "proto/awkward.proto",
            "proto/comments.proto",
            "proto/names.proto",
            "proto/unpackaged.proto",
            "proto/shop/items.proto",
            "proto/shop/orders.proto",
            "proto/shop/more_orders.proto",
        ])
}
