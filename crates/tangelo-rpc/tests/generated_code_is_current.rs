//! The committed code of the system services is what their .proto files make.
//!
//! `UPDATE=1 cargo test -p tangelo-rpc --test generated_code_is_current` writes it anew.

use std::{fs, path::Path};

#[test]
fn generated_code_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rpc-generated");
    fs::create_dir_all(&out).unwrap();
    tangelo_rpc_build::Builder::new()
        .rpc_path("crate")
        .messages_only()
        .out_dir(&out)
        .compile(&[root.join("proto/link.proto")])
        .unwrap();

    let file = "tangelo.link.rs";
    let (made, committed) = (out.join(file), root.join("src/generated").join(file));
    let made = fs::read_to_string(made).unwrap();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&committed, &made).unwrap();
    }
    assert_eq!(
        fs::read_to_string(&committed).unwrap_or_default(),
        made,
        "run it with UPDATE=1"
    );
}
