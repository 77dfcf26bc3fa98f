//! `cargo xtask test`: every check, those that find a mistake soonest first.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use crate::process::{cargo, command, run as run_command, target_directory};
use crate::{Result, install, root};

/// Which checks to run.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Runs this step and no other; may be given several times.
    #[arg(long, value_name = "STEP", value_parser = STEPS.map(|step| step.name), conflicts_with = "skip")]
    only: Vec<String>,
    /// Leaves this step out; may be given several times.
    #[arg(long, value_name = "STEP", value_parser = STEPS.map(|step| step.name))]
    skip: Vec<String>,
}

/// A check.
#[derive(Clone, Copy)]
struct Step {
    name: &'static str,
    /// What it needs beyond Rust is installed first.
    needs_tools: bool,
    check: fn() -> Result<()>,
}

const STEPS: [Step; 8] = [
    Step {
        name: "fmt",
        needs_tools: false,
        check: fmt,
    },
    Step {
        name: "clippy",
        needs_tools: false,
        check: clippy,
    },
    Step {
        name: "test",
        needs_tools: false,
        check: test,
    },
    Step {
        name: "ignored",
        needs_tools: true,
        check: ignored,
    },
    Step {
        name: "doc",
        needs_tools: false,
        check: doc,
    },
    Step {
        name: "examples",
        needs_tools: false,
        check: examples,
    },
    Step {
        name: "js",
        needs_tools: true,
        check: js,
    },
    Step {
        name: "e2e",
        needs_tools: true,
        check: e2e,
    },
];

/// Installs what the chosen steps need, runs them until one fails, and sums up.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let chosen = |step: &Step| {
        let named = |names: &[String]| names.iter().any(|name| name == step.name);
        if arguments.only.is_empty() {
            !named(&arguments.skip)
        } else {
            named(&arguments.only)
        }
    };
    let mut steps: Vec<_> = STEPS.into_iter().filter(chosen).collect();
    let set_up = if steps.iter().any(|step| step.needs_tools) {
        set_up_all
    } else {
        set_up_rust
    };
    steps.insert(
        0,
        Step {
            name: "set-up",
            needs_tools: false,
            check: set_up,
        },
    );

    let mut times: Vec<(&str, Duration)> = Vec::new();
    let mut failed = None;
    for step in &steps {
        println!("\n=== {} ===", step.name);
        let start = Instant::now();
        let checked = (step.check)();
        times.push((step.name, start.elapsed()));
        if let Err(error) = checked {
            failed = Some((step.name, error));
            break;
        }
    }

    println!("\n=== summary ===");
    for (name, time) in &times {
        let outcome = if failed.as_ref().is_some_and(|(failed, _)| failed == name) {
            "FAILED"
        } else {
            "passed"
        };
        println!("{name:10} {outcome} {:8.1} s", time.as_secs_f64());
    }
    for step in &steps[times.len()..] {
        println!("{:10} not run", step.name);
    }
    let total: Duration = times.iter().map(|(_, time)| time).sum();
    println!("{:10}        {:8.1} s", "total", total.as_secs_f64());
    match failed {
        None => Ok(()),
        Some((name, error)) => Err(format!("{name}: {error}").into()),
    }
}

fn set_up_rust() -> Result<()> {
    install::rust_components()
}

fn set_up_all() -> Result<()> {
    install::rust_components()?;
    install::tools()?;
    install::npm_packages()
}

fn fmt() -> Result<()> {
    run_command(&mut cargo(&["fmt", "--all", "--check"]))
}

fn clippy() -> Result<()> {
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ];
    run_command(&mut cargo(&arguments))
}

fn test() -> Result<()> {
    run_command(&mut cargo(&["test", "--workspace", "--locked"]))
}

/// The tests that need more than Rust. Doc tests stay out: an ignored one is not meant to run.
fn ignored() -> Result<()> {
    let arguments = [
        "test",
        "--workspace",
        "--locked",
        "--lib",
        "--bins",
        "--tests",
        "--examples",
        "--",
        "--ignored",
    ];
    run_command(&mut cargo(&arguments))
}

fn doc() -> Result<()> {
    let mut command = cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
    run_command(command.env("RUSTDOCFLAGS", "-D warnings"))
}

fn examples() -> Result<()> {
    run_command(&mut cargo(&[
        "build",
        "--workspace",
        "--locked",
        "--examples",
        "--bins",
    ]))
}

/// The files are named one by one, as the versions of Node do not agree on what a directory means.
fn js() -> Result<()> {
    let directory = PathBuf::from("clients/js/test");
    let mut files = Vec::new();
    let entries = fs::read_dir(root().join(&directory));
    for entry in entries.map_err(|error| format!("{}: {error}", directory.display()))? {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        if text.ends_with(".test.js") || text.ends_with(".test.mjs") {
            files.push(directory.join(name));
        }
    }
    if files.is_empty() {
        return Err(format!("no tests in {}", directory.display()).into());
    }
    files.sort();
    run_command(command("node").arg("--test").args(files))
}

/// The examples, driven from outside.
fn e2e() -> Result<()> {
    let packages = [
        "--package",
        "chat",
        "--package",
        "socketio",
        "--package",
        "userservice",
        "--package",
        "gateway",
        "--package",
        "devices",
        "--package",
        "tangelo-cli",
    ];
    run_command(cargo(&["build", "--locked"]).args(packages))?;
    let built = target_directory()?.join("debug");
    run_command(
        command("npm")
            .arg("test")
            .env("CHAT_BIN", built.join("chat"))
            .env("SOCKETIO_BIN", built.join("socketio"))
            .env("USERSERVICE_BIN", built.join("userservice"))
            .env("GATEWAY_BIN", built.join("gateway"))
            .env("DEVICES_BIN", built.join("devices"))
            .env("TANGELO_BIN", built.join("tangelo"))
            .current_dir(root().join("e2e")),
    )
}
