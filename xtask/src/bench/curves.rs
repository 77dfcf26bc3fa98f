//! The curves, and who is on them.

use super::curve::{Curve, Unit};
use super::scenario::{Counts, Side};
use super::scenarios::{BARE, LOOP, RELAY, TANGELO, load, server};

const TO_ONE: &str = "Tangelo, one serves";

/// All of them, in the order of the document.
pub(crate) fn all() -> Vec<Curve> {
    vec![
        Curve {
            name: "grow-connections",
            title: "Active connections",
            shape: "one request of 64 bytes in flight on each, over TCP",
            size: "connections",
            sizes: &[1, 64, 1000, 10_000],
            unit: Unit::Each,
            counts: Counts::Requests,
            sides: |count| echo(&format!("--in-flight 1 --connections {count}")),
        },
        Curve {
            name: "grow-idle",
            title: "Idle connections beside active ones",
            shape: "64 active ones with one request of 64 bytes in flight on each, over TCP",
            size: "idle",
            sizes: &[0, 1000, 10_000],
            unit: Unit::Each,
            counts: Counts::Requests,
            sides: |count| echo(&format!("--in-flight 1 --beside {count}")),
        },
        Curve {
            name: "grow-payload",
            title: "Payload",
            shape: "64 connections with 16 requests in flight on each, over TCP",
            size: "bytes",
            sizes: &[16, 64, 256, 1024, 4096, 32_768],
            unit: Unit::Byte,
            counts: Counts::Requests,
            sides: |bytes| echo(&format!("--payload {bytes}")),
        },
        Curve {
            name: "grow-channel",
            title: "Members of a channel",
            shape: "one publish of 64 bytes at a time",
            size: "members",
            sizes: &[10, 100, 1000, 10_000],
            unit: Unit::Each,
            counts: Counts::Deliveries,
            sides: |members| {
                let work = format!("--work push --in-flight 1 --connections {members}");
                vec![
                    Side::new(LOOP, server("bare-push"), load("bare-tcp").with(&work)),
                    Side::new(TANGELO, server("front"), load("tcp").with(&work)),
                ]
            },
        },
        Curve {
            name: "grow-servers",
            title: "Back ends in a front end's view",
            shape: "64 connections with 16 requests of 64 bytes in flight on each; the back ends are one process. \
                    The bare relay has as many connections to its back process",
            size: "back ends",
            sizes: &[1, 4, 16, 64],
            unit: Unit::Each,
            counts: Counts::Requests,
            sides: |count| {
                let back = server(&format!("back --servers {count}"));
                let relay = server(&format!("bare-relay --links {count}"));
                let all = Side::new(TANGELO, back.clone(), load("tcp"));
                let one = Side::new(TO_ONE, back, load("tcp"));
                vec![
                    Side::new(RELAY, server("bare-relay-back"), load("bare-tcp"))
                        .before("--upstream", relay),
                    all.before("--back", server("forward")),
                    one.before("--back", server("forward --to-one")),
                ]
            },
        },
    ]
}

/// A front end and its floor under this load.
fn echo(shape: &str) -> Vec<Side> {
    vec![
        Side::new(BARE, server("bare-tcp"), load("bare-tcp").with(shape)),
        Side::new(TANGELO, server("front"), load("tcp").with(shape)),
    ]
}
