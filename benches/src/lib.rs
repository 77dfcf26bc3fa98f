//! What the servers of the benchmark and its load generator have in common.

pub mod frame;
pub mod pipe;
pub mod websocket;

/// The service of the rows that have one, its client and its messages.
pub mod service {
    tangelo::include_proto!("bench");
}

/// As many descriptors as a process may have: thousands of connections need more than it has at first.
#[must_use]
pub fn all_descriptors() -> rustix::process::Rlimit {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    rustix::process::Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    }
}
