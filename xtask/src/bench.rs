//! `cargo xtask bench`: Tangelo beside bare servers that do the same, round by round.
//!
//! Absolute figures drift from minute to minute, so the two sides of a scenario take turns and it
//! is the ratios within one round that count. Servers and load generator are always processes of
//! their own, on the loopback.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use clap::Args;

use crate::Result;
use crate::process::{Owned, cargo, command, run as run_command, target_directory};

/// How to measure.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Three short rounds instead of five longer ones.
    #[arg(long)]
    quick: bool,
    /// Measures only the scenarios whose name contains this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
}

/// The same work done by two sides.
struct Scenario {
    name: &'static str,
    bare: Side,
    tangelo: Side,
}

/// What is measured.
struct Side {
    name: &'static str,
    /// The processes in the order of their start; the load goes to the last.
    servers: &'static [Server],
    /// What the load generator speaks.
    kind: &'static str,
}

/// A process of the benchmark's server program.
struct Server {
    subcommand: &'static str,
    /// The flag that tells it where the server before it listens.
    behind: Option<&'static str>,
}

const fn alone(subcommand: &'static str) -> Server {
    Server {
        subcommand,
        behind: None,
    }
}

const fn before(flag: &'static str, subcommand: &'static str) -> Server {
    Server {
        subcommand,
        behind: Some(flag),
    }
}

/// 64 connections with 16 requests in flight, 64 bytes each: the load generator's defaults.
const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "echo over TCP",
        bare: Side {
            name: "bare-tcp",
            servers: &[alone("bare-tcp")],
            kind: "bare-tcp",
        },
        tangelo: Side {
            name: "front",
            servers: &[alone("front")],
            kind: "tcp",
        },
    },
    Scenario {
        name: "echo over WebSocket",
        bare: Side {
            name: "bare-ws",
            servers: &[alone("bare-ws")],
            kind: "bare-ws",
        },
        tangelo: Side {
            name: "front",
            servers: &[alone("front")],
            kind: "ws",
        },
    },
    Scenario {
        name: "forwarded echo",
        bare: Side {
            name: "bare-relay",
            servers: &[alone("bare-relay-back"), before("--upstream", "bare-relay")],
            kind: "bare-tcp",
        },
        tangelo: Side {
            name: "forward",
            servers: &[alone("back"), before("--back", "forward")],
            kind: "tcp",
        },
    },
];

/// How often and how long.
struct Effort {
    rounds: usize,
    warm_up: Duration,
    measure: Duration,
}

const QUICK: Effort = Effort {
    rounds: 3,
    warm_up: Duration::from_millis(1000),
    measure: Duration::from_millis(2500),
};
const THOROUGH: Effort = Effort {
    rounds: 5,
    warm_up: Duration::from_millis(2000),
    measure: Duration::from_millis(5000),
};

/// A server that does not listen, or a load generator that does not end this long after its time,
/// is stuck.
const PATIENCE: Duration = Duration::from_secs(20);

/// One line of the load generator.
#[derive(Clone, Copy)]
struct Sample {
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
    errors: f64,
}

/// Builds, measures, and prints a table. Fails when a request went wrong, however fast the others
/// were.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    run_command(&mut cargo(&[
        "build",
        "--release",
        "--package",
        "tangelo-bench",
    ]))?;
    let programs = target_directory()?.join("release");
    let effort = if arguments.quick { QUICK } else { THOROUGH };

    let mut table = Vec::new();
    let mut errors = 0.0;
    for scenario in SCENARIOS
        .iter()
        .filter(|scenario| scenario.name.contains(&arguments.only))
    {
        let mut bare = Vec::new();
        let mut tangelo = Vec::new();
        for round in 1..=effort.rounds {
            for (side, samples) in [
                (&scenario.bare, &mut bare),
                (&scenario.tangelo, &mut tangelo),
            ] {
                let sample = measure(&programs, side, &effort)?;
                let speed = sample.per_second / 1000.0;
                eprintln!(
                    "{}, round {round} of {}: {} {speed:.0} k/s",
                    scenario.name, effort.rounds, side.name
                );
                errors += sample.errors;
                samples.push(sample);
            }
        }
        let ratios = bare
            .iter()
            .zip(&tangelo)
            .map(|(bare, tangelo)| tangelo.per_second / bare.per_second);
        let ratio = median(ratios.collect());
        table.push(row(scenario.name, scenario.bare.name, &bare, "1"));
        table.push(row(
            "",
            scenario.tangelo.name,
            &tangelo,
            &format!("{ratio:.2}"),
        ));
    }

    println!();
    println!(
        "{:20} {:12} {:>9} {:>13} {:>9} {:>9} {:>7} {:>6}",
        "requests/s", "server", "median", "min..max", "p50", "p99", "errors", "ratio"
    );
    for row in table {
        println!("{row}");
    }
    println!(
        "\n{} rounds by turns, {:?} each after {:?} of warm-up; {}",
        effort.rounds,
        effort.measure,
        effort.warm_up,
        machine()
    );
    if errors > 0.0 {
        Err(format!("{errors} requests went wrong").into())
    } else {
        Ok(())
    }
}

/// Starts the servers of a side, loads the last of them, and ends them all.
fn measure(programs: &Path, side: &Side, effort: &Effort) -> Result<Sample> {
    let mut servers = Vec::new();
    let mut address = String::new();
    for server in side.servers {
        let mut program = command(programs.join("bench-server"));
        program.arg(server.subcommand);
        if let Some(flag) = server.behind {
            program.args([flag, &address]);
        }
        let mut process = Owned::start(&mut program)?;
        let line = process.first_line(PATIENCE)?;
        address = line
            .trim_end()
            .strip_prefix("listening ")
            .ok_or_else(|| {
                format!(
                    "{} did not say where it listens, but {line:?}",
                    server.subcommand
                )
            })?
            .to_owned();
        servers.push(process);
    }

    let load = Owned::start(
        command(programs.join("bench-load"))
            .args(["--addr", &address, "--kind", side.kind])
            .args(["--warm-up-ms", &effort.warm_up.as_millis().to_string()])
            .args(["--measure-ms", &effort.measure.as_millis().to_string()]),
    )?;
    let result = load.output(effort.warm_up + effort.measure + PATIENCE)?;
    let result: serde_json::Value = serde_json::from_str(&result)?;
    let number = |name: &str| {
        result[name]
            .as_f64()
            .ok_or_else(|| format!("no {name} in {result}"))
    };
    Ok(Sample {
        per_second: number("per_second")?,
        p50_us: number("p50_us")?,
        p99_us: number("p99_us")?,
        errors: number("errors")?,
    })
}

fn row(scenario: &str, side: &str, samples: &[Sample], ratio: &str) -> String {
    let each = |field: fn(&Sample) -> f64| samples.iter().map(field).collect::<Vec<_>>();
    let speeds = each(|sample| sample.per_second / 1000.0);
    let lowest = speeds.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = speeds.iter().copied().fold(0.0, f64::max);
    format!(
        "{scenario:20} {side:12} {:>7.0} k {:>13} {:>6.0} us {:>6.0} us {:>7} {ratio:>6}",
        median(speeds),
        format!("{lowest:.0}..{highest:.0}"),
        median(each(|sample| sample.p50_us)),
        median(each(|sample| sample.p99_us)),
        each(|sample| sample.errors).iter().sum::<f64>(),
    )
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let upper = values.len() / 2;
    if values.len() % 2 == 1 {
        values[upper]
    } else {
        f64::midpoint(values[upper - 1], values[upper])
    }
}

/// What the figures were measured on.
fn machine() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    format!(
        "{cores} cores, {} {}, load average {load}",
        std::env::consts::OS,
        kernel.trim()
    )
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
