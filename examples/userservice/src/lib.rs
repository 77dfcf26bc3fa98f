//! What the example's .proto files become: traits to implement, servers, clients, messages. And who serves them.

mod accounts;
pub mod server;

/// UserService: users, their names and telephones.
pub mod user {
    tangelo::include_proto!("userservice");
}

/// AccountService: who has signed in, for pages.
pub mod account {
    tangelo::include_proto!("accountservice");
}

/// PushService: what clients answer.
pub mod push {
    tangelo::include_proto!("pushservice");
}

/// The code of the pages that show these services compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[doc = include_str!("../../../README.zh-CN.md")]
#[doc = include_str!("../../../docs/krpc.md")]
struct Pages;
