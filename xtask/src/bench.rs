//! `cargo xtask bench`: Tangelo beside bare servers and other makers' that do the same, round by round.
//!
//! Absolute figures drift from minute to minute, so the sides of a scenario take turns and it is the
//! ratios within one round that count. Servers and load generator are always processes of their own,
//! on the loopback.

mod document;
mod figures;
mod http;
mod measure;
mod outcome;
mod programs;
mod scenario;
mod scenarios;
mod svg;
mod table;

use std::time::Duration;

use clap::Args;

use self::measure::{Effort, measure};
use self::outcome::Outcome;
use self::programs::Programs;
use self::scenario::Scenario;
use crate::Result;

/// How to measure.
#[derive(Args)]
pub(crate) struct Arguments {
    /// One short round instead of five longer ones.
    #[arg(long)]
    quick: bool,
    /// Writes docs/benchmarks.md also where it was quick.
    #[arg(long)]
    write: bool,
    /// Measures only the scenarios whose name contains this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Measures only the sides whose name contains this, and the first of each scenario.
    #[arg(long, value_name = "TEXT", default_value = "")]
    side: String,
}

const QUICK: Effort = Effort {
    rounds: 1,
    warm_up: Duration::from_millis(300),
    measure: Duration::from_millis(1000),
};
const THOROUGH: Effort = Effort {
    rounds: 5,
    warm_up: Duration::from_millis(2000),
    measure: Duration::from_millis(5000),
};

/// Builds, measures, and prints a table for each scenario. Fails when a request went wrong, however
/// fast the others were.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut scenarios = scenarios::all();
    scenarios.retain(|scenario| scenario.name.contains(&arguments.only));
    for scenario in &mut scenarios {
        let first = scenario.sides.first().map(|side| side.name);
        scenario
            .sides
            .retain(|side| Some(side.name) == first || side.name.contains(&arguments.side));
    }
    let programs = Programs::build(scenarios.iter().flat_map(|scenario| &scenario.sides))?;
    let effort = if arguments.quick { QUICK } else { THOROUGH };

    let load_before = figures::load_average();
    let mut outcomes = Vec::new();
    for scenario in &scenarios {
        outcomes.push(rounds(&programs, scenario, effort));
    }
    for (scenario, outcome) in scenarios.iter().zip(&outcomes) {
        println!("\n{}", table::console(scenario, outcome));
    }
    let foot = foot(effort, &load_before);
    println!("\n{foot}");
    if arguments.side.is_empty() && (arguments.write || !arguments.quick) {
        let measured: Vec<_> = scenarios.iter().zip(&outcomes).collect();
        document::write(&scenarios::all(), &measured, &foot)?;
    }
    let errors: f64 = outcomes.iter().map(Outcome::errors).sum();
    if errors > 0.0 {
        Err(format!("{errors} requests went wrong").into())
    } else if outcomes.iter().any(Outcome::has_failed) {
        Err("not everything could be measured".into())
    } else {
        Ok(())
    }
}

/// All sides of a scenario by turns, each round beginning with another.
fn rounds(programs: &Programs, scenario: &Scenario, effort: Effort) -> Outcome {
    let mut outcome = Outcome::new(scenario);
    let mut there = Vec::new();
    for (at, side) in scenario.sides.iter().enumerate() {
        match programs.lacks(side) {
            Some(reason) => outcome.left_out(at, reason),
            None => there.push(at),
        }
    }
    for round in 1..=effort.rounds {
        for at in there.clone() {
            let side = &scenario.sides[at];
            let round = format!(
                "{}, round {round} of {}: {}",
                scenario.name, effort.rounds, side.name
            );
            match measure(programs, side, scenario.counts, effort) {
                Ok(sample) => {
                    eprintln!("{round} {}", table::figure(scenario.counts, &sample));
                    outcome.add(at, sample);
                }
                Err(error) => {
                    // The others are measured all the same.
                    eprintln!("{round} failed: {error}");
                    outcome.failed(at, &error.to_string());
                    there.retain(|other| *other != at);
                }
            }
        }
        if !there.is_empty() {
            there.rotate_left(1);
        }
    }
    outcome
}

/// What the figures were measured on, and how.
fn foot(effort: Effort, load_before: &str) -> String {
    let machine = figures::machine();
    let machine: Vec<_> = machine
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    format!(
        "{} rounds by turns, {:?} each after {:?} of warm-up; {}; load average before {load_before}, after {}",
        effort.rounds,
        effort.measure,
        effort.warm_up,
        machine.join("; "),
        figures::load_average()
    )
}
