//! The committed descriptors of krpcext.proto are what it compiles to.
//!
//! `UPDATE=1 cargo test -p tangelo-reflect --test krpcext_is_current` writes them anew.

use std::{fs, path::Path};

#[test]
fn the_descriptors_of_krpcext_are_current() {
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let file = proto.join("krpcext.proto");
    let mut compiled = tangelo_reflect::compile::compile(&[file], &[] as &[&Path]).unwrap();
    let made = compiled.descriptor_set(false);
    let committed = proto.join("krpcext.proto.pb");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&committed, &made).unwrap();
    }
    assert_eq!(fs::read(&committed).unwrap(), made, "run it with UPDATE=1");
}
