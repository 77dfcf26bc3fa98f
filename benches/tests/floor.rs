//! The bare servers and the load generator understand each other, so that a benchmark's figures
//! mean something.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A server process that ends with the test, however that ends.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_bench-server"))
            .args(["--seconds", "60"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let stdout = process.stdout.take().expect("stdout is piped");
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("the server says where it listens");
        let address = line
            .trim_end()
            .strip_prefix("listening ")
            .expect("an address")
            .to_owned();
        Self { process, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().expect("the server still runs");
        self.process.wait().expect("the server ends");
    }
}

fn load(server: &Server, kind: &str, payload: &str) {
    let result = measured(server, kind, &["--payload", payload, "--in-flight", "4"]);
    assert!(
        result["requests"]
            .as_u64()
            .is_some_and(|requests| requests > 0),
        "{result}"
    );
}

/// What the load generator says in its last line, which has no errors in it.
fn measured(server: &Server, kind: &str, more: &[&str]) -> serde_json::Value {
    let output = Command::new(env!("CARGO_BIN_EXE_bench-load"))
        .args(["--addr", &server.address, "--kind", kind])
        .args(["--connections", "8"])
        .args(["--warm-up-ms", "50", "--measure-ms", "400"])
        .args(more)
        .stderr(Stdio::inherit())
        .output()
        .expect("the load generator runs");
    let output = String::from_utf8(output.stdout).expect("text");
    let last = output.lines().next_back().expect("a line");
    let result: serde_json::Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(result["errors"], 0, "{result}");
    result
}

#[test]
fn tcp() {
    let server = Server::start(&["bare-tcp"]);
    load(&server, "bare-tcp", "64");
    load(&server, "bare-tcp", "100000");
}

#[test]
fn websocket() {
    let server = Server::start(&["bare-ws"]);
    load(&server, "bare-ws", "64");
    load(&server, "bare-ws", "100000");
}

#[test]
fn relay() {
    let back = Server::start(&["bare-relay-back"]);
    let front = Server::start(&["bare-relay", "--upstream", &back.address, "--links", "2"]);
    load(&front, "bare-tcp", "64");
    load(&front, "bare-tcp", "100000");
}

#[test]
fn push() {
    for (server, kind) in [("bare-push", "bare-tcp"), ("front", "tcp")] {
        let server = Server::start(&[server]);
        for outstanding in ["1", "8"] {
            let more = ["--work", "push", "--in-flight", outstanding];
            let result = measured(&server, kind, &more);
            // A channel stays, and those of the run before have left it.
            assert!(result["requests"].as_u64() > Some(8), "{result}");
        }
    }
}

#[test]
fn krpc() {
    let server = Server::start(&["krpc"]);
    load(&server, "krpc", "64");
}

#[test]
fn idle() {
    let server = Server::start(&["front"]);
    let result = measured(&server, "tcp", &["--work", "idle"]);
    assert_eq!(result["connections"], 8);
}

#[test]
fn idle_ones_beside_active_ones() {
    let server = Server::start(&["front"]);
    measured(&server, "tcp", &["--beside", "8"]);
}

#[test]
fn all_back_ends_serve_or_one() {
    let back = Server::start(&["back", "--servers", "3"]);
    for more in [&[][..], &["--to-one"]] {
        let forward = ["forward", "--back", &back.address];
        let front = Server::start(&[&forward, more].concat());
        load(&front, "tcp", "64");
    }
}

#[test]
fn overload() {
    let back = Server::start(&["back"]);
    let front = Server::start(&["forward", "--back", &back.address]);
    let krpc = Server::start(&["krpc", "--at-once", "8", "--waiting", "8"]);
    let busy = ["--route", "echo.echoHandler.busy"];
    for (server, kind, more, code) in [
        (&front, "tcp", &busy[..], "429"),
        (&krpc, "krpc", &[], "-623"),
    ] {
        let all = [
            &["--work", "overload", "--in-flight", "1", "--times", "50"],
            more,
        ]
        .concat();
        let result = measured(server, kind, &all);
        assert!(result["codes"][code].as_u64() > Some(0), "{result}");
    }
}
