//! The scenarios, and what is to be reached in them.

use super::scenario::{Bound, Counts, Figure, Program, Run, Scenario, Side, Target};

pub(super) const TANGELO: &str = "Tangelo";
pub(super) const BARE: &str = "bare echo";
pub(super) const RELAY: &str = "bare relay";
const POMELO: &str = "Pomelo";
const TONIC: &str = "tonic";
const TARPC: &str = "tarpc";
const AXUM: &str = "axum";
pub(super) const LOOP: &str = "bare loop";
const OVER_TCP: &str = "Tangelo, TCP";
const OVER_WEBSOCKET: &str = "Tangelo, WebSocket";
const LINKED_IN: &str = "Tangelo, service linked in";
const FRONT: &str = "Tangelo, front and back end";
const KRPC: &str = "Tangelo, krpc";
const BEHIND: &str = "Tangelo, service behind krpc";

const KIB: f64 = 1024.0;

/// All of them, in the order of the tables.
pub(crate) fn all() -> Vec<Scenario> {
    vec![
        echo_tcp(),
        echo_websocket(),
        latency(
            "latency-1",
            "One connection, one in flight",
            "--connections 1 --in-flight 1",
        ),
        latency(
            "latency-256",
            "256 connections, one in flight",
            "--connections 256 --in-flight 1",
        ),
        forwarded(),
        krpc(),
        push(1),
        push(8),
        idle(),
        gateway(),
        overload(),
    ]
}

pub(super) fn server(arguments: &str) -> Run {
    Run::new(Program::Server, arguments)
}

/// Our load generator; without more it keeps 64 connections with 16 requests of 64 bytes in flight.
pub(super) fn load(kind: &str) -> Run {
    Run::new(Program::Load, "--kind").with(kind)
}

fn pomelo(application: &str) -> Run {
    Run::new(Program::Pomelo, application)
}

/// A load generator or server of another maker, with the arguments that ours has by default.
fn peer_load(kind: &str) -> Run {
    Run::new(Program::Peers, "load")
        .with(kind)
        .with("--connections 64 --in-flight 16 --payload 64")
}

fn peer(kind: &str) -> Run {
    Run::new(Program::Peers, "serve").with(kind)
}

fn busy() -> String {
    "64 connections with 16 requests of 64 bytes in flight on each".to_owned()
}

fn echo_tcp() -> Scenario {
    Scenario {
        name: "echo-tcp",
        title: "Front end, echo over TCP",
        shape: busy(),
        counts: Counts::Requests,
        sides: vec![
            Side::new(BARE, server("bare-tcp"), load("bare-tcp")),
            Side::new(TANGELO, server("front"), load("tcp")),
            Side::new(POMELO, pomelo("front"), load("tcp")),
        ],
        targets: vec![
            Target::at_least(TANGELO, 0.75, BARE),
            Target::at_least(TANGELO, 45.0, POMELO),
        ],
    }
}

fn echo_websocket() -> Scenario {
    Scenario {
        name: "echo-ws",
        title: "Front end, echo over WebSocket",
        shape: busy(),
        counts: Counts::Requests,
        sides: vec![
            Side::new(BARE, server("bare-ws"), load("bare-ws")),
            Side::new(TANGELO, server("front"), load("ws")),
            Side::new(POMELO, pomelo("front"), load("ws")),
        ],
        targets: vec![
            Target::at_least(TANGELO, 0.70, BARE),
            Target::at_least(TANGELO, 35.0, POMELO),
        ],
    }
}

fn latency(name: &'static str, title: &'static str, load_shape: &str) -> Scenario {
    Scenario {
        name,
        title,
        shape: "requests of 64 bytes over TCP; each waits for the answer to the one before"
            .to_owned(),
        counts: Counts::Requests,
        sides: vec![
            Side::new(BARE, server("bare-tcp"), load("bare-tcp").with(load_shape)),
            Side::new(TANGELO, server("front"), load("tcp").with(load_shape)),
        ],
        targets: vec![
            Target::at_least(TANGELO, 0.85, BARE),
            Target::at_most(TANGELO, Figure::P50, 1.3, Some(BARE)),
            Target::at_most(TANGELO, Figure::P99, 1.3, Some(BARE)),
        ],
    }
}

fn forwarded() -> Scenario {
    Scenario {
        name: "forwarded",
        title: "Forwarded echo: front end and back end are two processes",
        shape: busy(),
        counts: Counts::Requests,
        sides: vec![
            Side::new(RELAY, server("bare-relay-back"), load("bare-tcp"))
                .before("--upstream", server("bare-relay")),
            Side::new(TANGELO, server("back"), load("tcp")).before("--back", server("forward")),
            Side::new(POMELO, pomelo("back"), load("tcp")).before("--back", pomelo("forward")),
        ],
        targets: vec![
            Target::at_least(TANGELO, 0.75, RELAY),
            Target::at_least(TANGELO, 40.0, POMELO),
        ],
    }
}

fn krpc() -> Scenario {
    Scenario {
        name: "krpc-unary",
        title: "krpc unary call, generated client and server",
        shape: "1,024 callers, each with one call of 64 bytes under way: Tangelo's over the one connection that a referer keeps, tonic's and \
                tarpc's by sixteen over one of 64, as the bare echo's requests are; client and server are two processes"
            .to_owned(),
        counts: Counts::Requests,
        sides: vec![
            Side::new(BARE, server("bare-tcp"), load("bare-tcp")),
            Side::new(TANGELO, server("krpc"), load("krpc")),
            Side::new(TONIC, peer("tonic"), peer_load("tonic")),
            Side::new(TARPC, peer("tarpc"), peer_load("tarpc")),
        ],
        targets: vec![
            Target::at_least(TANGELO, 0.50, BARE),
            Target::at_least(TANGELO, 15.0, TONIC),
            Target::at_least(TANGELO, 4.0, TARPC),
        ],
    }
}

fn push(outstanding: u16) -> Scenario {
    let work = format!("--work push --connections 1000 --in-flight {outstanding}");
    let load = |kind| load(kind).with(&work);
    let (name, title, targets) = match outstanding {
        1 => (
            "push-1",
            "Push to a channel of 1,000, one publish at a time",
            vec![Target::at_least(TANGELO, 0.85, LOOP)],
        ),
        _ => (
            "push-8",
            "Push to a channel of 1,000, eight publishes at a time",
            vec![
                Target {
                    side: TANGELO,
                    figure: Figure::PerSecond,
                    against: None,
                    bound: Bound::AtLeast(450_000.0),
                },
                Target::at_most(TANGELO, Figure::P99, 50_000.0, None),
            ],
        ),
    };
    Scenario {
        name,
        title,
        shape: "messages of 64 bytes; one counts as long as a member has not got it".to_owned(),
        counts: Counts::Deliveries,
        sides: vec![
            Side::new(LOOP, server("bare-push"), load("bare-tcp")),
            Side::new(TANGELO, server("front"), load("tcp")),
            Side::new(POMELO, pomelo("front"), load("tcp")),
        ],
        targets,
    }
}

/// Where Tangelo's server puts its certificate, and clients find it: `{target}` is the directory into which cargo builds.
const CERTIFICATES: &str = "{target}/bench-certificates";

fn idle() -> Scenario {
    const IDLE: &str = "--work idle --connections 15000";
    let tls = format!("{IDLE} --certificate {CERTIFICATES}/certificate.pem");
    let front = || server("front");
    Scenario {
        name: "idle",
        title: "An idle connection",
        shape: "15,000 of them, greeted and silent, in one server process".to_owned(),
        counts: Counts::Idle,
        sides: vec![
            Side::new(OVER_TCP, front(), load("tcp").with(IDLE)),
            Side::new(OVER_WEBSOCKET, front(), load("ws").with(IDLE)),
            Side::new(
                "Tangelo, TLS",
                front().with("--tls").with(CERTIFICATES),
                load("tcp").with(&tls),
            ),
            Side::new("Pomelo, TCP", pomelo("front"), load("tcp").with(IDLE)),
            Side::new("Pomelo, WebSocket", pomelo("front"), load("ws").with(IDLE)),
        ],
        targets: vec![
            Target::at_most(OVER_TCP, Figure::PerConnection, 3.0 * KIB, None),
            Target::at_most(OVER_WEBSOCKET, Figure::PerConnection, 6.0 * KIB, None),
        ],
    }
}

fn gateway() -> Scenario {
    let wrk = || Run::new(Program::Wrk, "-t1 -c64");
    Scenario {
        name: "gateway",
        title: "HTTP, JSON in and out",
        shape: "wrk -t1 -c64; a message of three fields, 64 bytes of text in one of them"
            .to_owned(),
        counts: Counts::Requests,
        sides: vec![
            Side::new(AXUM, peer("axum"), wrk()),
            Side::new(LINKED_IN, server("gateway"), wrk()),
            Side::new(BEHIND, server("krpc"), wrk()).before("--back", server("gateway")),
        ],
        targets: vec![
            Target::at_least(LINKED_IN, 0.75, AXUM),
            Target::at_least(BEHIND, 0.50, AXUM),
        ],
    }
}

/// Neither has another limit than is named here: a session may have 64 requests in flight.
fn overload() -> Scenario {
    const WORK: &str = "--work overload --times 3";
    /// A refusal is quick.
    const REFUSED_US: f64 = 50_000.0;
    let target = |side| Target {
        side,
        figure: Figure::Kept,
        against: None,
        bound: Bound::AtLeast(0.80),
    };
    Scenario {
        name: "overload",
        title: "Three times as much as can be done",
        shape: "requests of 64 bytes, each worth more than 50 us of processor time; the peak is of those who wait for their \
                answers, then three times as many come a second, whatever becomes of them. The servers have one \
                processor, the load another. 64 sessions of a front end; 64 krpc callers before 64 places and a queue \
                of 1,024"
            .to_owned(),
        counts: Counts::Overload,
        sides: vec![
            Side::new(
                FRONT,
                server("back"),
                load("tcp").with(WORK).with("--route echo.echoHandler.busy"),
            )
            .before("--back", server("forward"))
            .apart(),
            Side::new(
                KRPC,
                server("krpc --at-once 64 --waiting 1024"),
                load("krpc").with(WORK).with("--connections 64 --in-flight 1"),
            )
            .apart(),
        ],
        targets: vec![
            target(FRONT),
            Target::at_most(FRONT, Figure::RefusedP99, REFUSED_US, None),
            target(KRPC),
            Target::at_most(KRPC, Figure::RefusedP99, REFUSED_US, None),
        ],
    }
}
