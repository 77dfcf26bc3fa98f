//! Descriptor sets for tests, of .proto files that are written for them.

#![allow(dead_code, reason = "each test uses its part")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use tangelo_reflect::compile::{Compiled, compile};

pub(crate) const HEAD: &str = "syntax = \"proto3\";\nimport \"krpcext.proto\";\n";

/// An empty directory, of this name.
pub(crate) fn dir(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// Writes files, compiles the first, and finds nothing wrong with it.
pub(crate) fn compiled(dir: &Path, files: &[(&str, &str)]) -> Compiled {
    for (name, source) in files {
        fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
        fs::write(dir.join(name), source).unwrap();
    }
    compile(&[dir.join(files[0].0)], &[dir]).unwrap()
}

/// The set of the first of the files, without its imports.
pub(crate) fn set(dir: &Path, files: &[(&str, &str)]) -> Vec<u8> {
    compiled(dir, files).descriptor_set(false)
}

/// A file with one service, each of whose methods has message 1, 2, and so on.
pub(crate) fn service(package: &str, name: &str, id: i32, methods: &[&str]) -> String {
    let mut source = format!(
        "{HEAD}package {package};\nmessage {name}Req {{}}\nmessage {name}Res {{ int32 retCode = 1; }}\n\
         service {name} {{\noption (krpc.serviceId) = {id};\n"
    );
    for (at, method) in methods.iter().enumerate() {
        source += &format!(
            "rpc {method}({name}Req) returns ({name}Res) {{ option (krpc.msgId) = {}; }}\n",
            at + 1
        );
    }
    source + "}\n"
}

/// What `protoc` would make of the first of the files: nobody looks whether services have what they need.
pub(crate) fn unchecked(dir: &Path, files: &[(&str, &str)], comments: bool) -> Vec<u8> {
    for (name, source) in files {
        fs::write(dir.join(name), source).unwrap();
    }
    fs::write(
        dir.join("krpcext.proto"),
        include_str!("../../proto/krpcext.proto"),
    )
    .unwrap();
    let mut compiler = protox::Compiler::new([dir]).unwrap();
    compiler.include_source_info(comments);
    compiler.open_file(files[0].0).unwrap();
    compiler.encode_file_descriptor_set()
}
