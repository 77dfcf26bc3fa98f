//! The committed descriptors of the files that are here already are what those compile to.
//!
//! `UPDATE=1 cargo test -p tangelo-reflect --test builtin_is_current` writes them anew.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{fs, path::Path};

fn is_current(files: &[&str], committed: &str) {
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let files: Vec<_> = files.iter().map(|file| proto.join(file)).collect();
    let mut compiled = tangelo_reflect::compile::compile(&files, &[&proto]).unwrap();
    let made = compiled.descriptor_set(false);
    let committed = proto.join(committed);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&committed, &made).unwrap();
    }
    assert_eq!(fs::read(&committed).unwrap(), made, "run it with UPDATE=1");
}

#[test]
fn the_descriptors_of_krpcext_are_current() {
    is_current(&["krpcext.proto"], "krpcext.proto.pb");
}

#[test]
fn the_descriptors_of_googles_annotations_are_current() {
    let files = ["google/api/http.proto", "google/api/annotations.proto"];
    is_current(&files, "google-api.proto.pb");
}
