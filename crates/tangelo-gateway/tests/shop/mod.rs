//! Types of messages, from .proto text.

use std::{fs, path::Path};

use tangelo_reflect::{MessageDescriptor, Pool, compile::compile};

const HEAD: &str = "syntax = \"proto3\";\npackage shop;\nimport \"krpcext.proto\";\n\
    import \"google/protobuf/timestamp.proto\";\nimport \"google/protobuf/struct.proto\";\n\
    import \"google/protobuf/wrappers.proto\";\n";

/// The types `Req` and `Res` that these messages define. `file` names the test's directory.
pub(crate) fn types(file: &str, messages: &str) -> (MessageDescriptor, MessageDescriptor) {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    let service = "service Shop { option (krpc.serviceId) = 100; rpc buy(Req) returns (Res) { option (krpc.msgId) = 1; } }";
    fs::write(
        dir.join("shop.proto"),
        format!("{HEAD}{messages}\n{service}\n"),
    )
    .unwrap();
    let compiled = compile(&[dir.join("shop.proto")], &[&dir]);
    let compiled = compiled.unwrap_or_else(|error| panic!("{error}"));
    let pool: &Pool = compiled.pool();
    let method = &pool.service(100).unwrap().methods[0];
    (method.input.clone(), method.output.clone())
}
