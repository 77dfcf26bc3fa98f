//! What the example's .proto files become: traits to implement, servers, clients, messages.

/// UserService: users, their names and telephones.
#[allow(missing_docs, reason = "generated")]
pub mod user {
    tangelo::include_proto!("userservice");
}

/// PushService: what clients answer.
#[allow(missing_docs, reason = "generated")]
pub mod push {
    tangelo::include_proto!("pushservice");
}

/// The code of the pages that show these services compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[doc = include_str!("../../../README.zh-CN.md")]
#[doc = include_str!("../../../docs/krpc.md")]
struct Pages;
