//! The committed code of the system services is what their .proto files make.
//!
//! `UPDATE=1 cargo test -p tangelo-server --test generated_code_is_current` writes it anew.

use std::{fs, path::Path};

#[test]
fn generated_code_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("server-generated");
    fs::create_dir_all(&out).unwrap();
    for name in [
        "forward",
        "session",
        "channel",
        "remote",
        "lifecycle",
        "resume",
    ] {
        tangelo_rpc_build::Builder::new()
            .rpc_path("tangelo_rpc")
            .messages_only()
            .out_dir(&out)
            .compile(&[root.join(format!("proto/{name}.proto"))])
            .unwrap();
        let file = format!("tangelo.{name}.rs");
        let committed = root.join("src/generated").join(&file);
        let made = fs::read_to_string(out.join(&file)).unwrap();
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&committed, &made).unwrap();
        }
        let committed = fs::read_to_string(&committed).unwrap_or_default();
        assert_eq!(committed, made, "run it with UPDATE=1");
    }
}
