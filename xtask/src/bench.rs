//! `cargo xtask bench`: Tangelo beside bare servers and other makers' that do the same, round by round.
//!
//! Absolute figures drift from minute to minute, so the sides of a scenario take turns and it is the
//! ratios within one round that count. Servers and load generator are always processes of their own,
//! on the loopback.

mod curve;
mod curves;
mod document;
mod figures;
mod flame;
mod glance;
mod growth;
mod http;
mod judged;
mod labels;
mod lines;
mod measure;
mod outcome;
mod programs;
mod scale;
mod scenario;
mod scenarios;
mod sockets;
mod svg;
mod table;
mod versions;

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;

use self::curve::{Curve, Points};
use self::document::Section;
use self::measure::{Effort, measure};
use self::outcome::Outcome;
use self::programs::Programs;
use self::scenario::{Scenario, Side};
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
    /// Measures nothing, but looks with perf where the time of this scenario goes: docs/benchmarks/flame-SCENARIO.
    #[arg(long, value_name = "SCENARIO", conflicts_with_all = ["quick", "write", "only", "side"])]
    flame: Option<String>,
}

const QUICK: Effort = Effort {
    rounds: 1,
    warm_up: Duration::from_millis(300),
    measure: Duration::from_millis(1000),
};
const THOROUGH: Effort = Effort {
    rounds: 5,
    warm_up: Duration::from_millis(1000),
    measure: Duration::from_millis(3000),
};
/// For one point of a curve.
const QUICK_POINT: Effort = Effort {
    rounds: 1,
    warm_up: Duration::from_millis(100),
    measure: Duration::from_millis(400),
};
const THOROUGH_POINT: Effort = Effort {
    rounds: 3,
    warm_up: Duration::from_millis(400),
    measure: Duration::from_millis(1500),
};

/// Builds, measures, and prints a table for each scenario and each curve. Fails when a request went wrong, however
/// fast the others were.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if let Some(name) = &arguments.flame {
        let scenarios = scenarios::all();
        let scenario = scenarios.iter().find(|it| it.name == name);
        let scenario = scenario.ok_or_else(|| format!("there is no scenario {name}"))?;
        let own = scenario.sides.iter().filter(|side| svg::is_own(side.name));
        return flame::draw(&Programs::build(own)?, scenario);
    }
    let scenarios = scenarios::all().into_iter();
    let scenarios: Vec<_> = scenarios.filter(|it| arguments.wants(it.name)).collect();
    let curves = curves::all().into_iter();
    let curves: Vec<_> = curves.filter(|it| arguments.wants(it.name)).collect();
    let points = curves.iter().flat_map(|curve| {
        let sizes = sizes(curve, arguments.quick).iter();
        sizes.map(|size| curve.at(*size))
    });
    let everything: Vec<_> = scenarios.iter().cloned().chain(points).collect();
    let sides = everything.iter().flat_map(|scenario| &scenario.sides);
    if everything.is_empty() {
        return Err(named_nothing("--only", &arguments.only, names()));
    }
    if !sides.clone().any(|side| arguments.wants_side(side)) {
        let sides: BTreeSet<_> = sides.map(|side| side.name).collect();
        return Err(named_nothing("--side", &arguments.side, sides));
    }
    let programs = Programs::build(sides)?;

    let mut said = Said::default();
    let effort = if arguments.quick { QUICK } else { THOROUGH };
    for scenario in scenarios {
        let load_before = figures::load_average();
        let scenario = arguments.narrowed(scenario);
        let outcome = rounds(&programs, &scenario, scenario.name, effort);
        said.heard(&outcome);
        said.sections.push(Section {
            name: scenario.name,
            title: scenario.title,
            rows: table::rows(&scenario, &outcome),
            targets: table::targets(&scenario, &outcome),
            lines: table::lines(&outcome),
            picture: svg::picture(&scenario, &outcome),
            shape: scenario.shape,
            foot: foot(effort, &load_before),
        });
    }
    let effort = if arguments.quick {
        QUICK_POINT
    } else {
        THOROUGH_POINT
    };
    for curve in curves {
        let load_before = figures::load_average();
        let mut points = Points {
            sizes: sizes(&curve, arguments.quick).to_vec(),
            outcomes: Vec::new(),
        };
        for size in &points.sizes {
            let scenario = arguments.narrowed(curve.at(*size));
            let point = format!("{} at {size}", curve.name);
            let outcome = rounds(&programs, &scenario, &point, effort);
            said.heard(&outcome);
            points.outcomes.push(outcome);
        }
        said.sections.push(Section {
            name: curve.name,
            title: curve.title,
            shape: curve.shape.to_owned(),
            rows: growth::rows(&curve, &points),
            targets: growth::targets(&curve, &points),
            lines: growth::lines(&points),
            picture: lines::picture(&curve, &points),
            foot: foot(effort, &load_before),
        });
    }
    said.end(arguments)
}

/// What there is to measure, in the order of the document.
fn names() -> Vec<&'static str> {
    let scenarios = scenarios::all().into_iter().map(|it| it.name);
    let curves = curves::all().into_iter().map(|it| it.name);
    scenarios.chain(curves).collect()
}

/// Whether a name has this in it, in capitals or not.
fn has(name: &str, text: &str) -> bool {
    name.to_lowercase().contains(&text.to_lowercase())
}

fn named_nothing<'a>(
    option: &str,
    text: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Box<dyn std::error::Error> {
    let names: Vec<_> = names.into_iter().collect();
    format!(
        "{option} `{text}` names nothing; there are: {}",
        names.join(", ")
    )
    .into()
}

/// All sizes of a curve, or where it has to be quick one.
fn sizes(curve: &Curve, quick: bool) -> &'static [u32] {
    if quick {
        curve.sizes.get(1..2).unwrap_or(curve.sizes)
    } else {
        curve.sizes
    }
}

impl Arguments {
    /// Why nothing is written, where nothing is.
    fn leaves_document(&self) -> Option<&'static str> {
        if !self.side.is_empty() {
            Some("with --side tables lack sides, and those are never written")
        } else if self.quick && !self.write {
            Some("what was quick is written with --write alone")
        } else {
            None
        }
    }

    fn wants(&self, name: &str) -> bool {
        has(name, &self.only)
    }

    fn wants_side(&self, side: &Side) -> bool {
        has(side.name, &self.side)
    }

    /// The scenario with the sides alone that are asked for.
    fn narrowed(&self, mut scenario: Scenario) -> Scenario {
        let first = scenario.sides.first().map(|side| side.name);
        let wanted = |side: &Side| Some(side.name) == first || self.wants_side(side);
        scenario.sides.retain(wanted);
        scenario
    }
}

/// What all that was measured says.
#[derive(Default)]
struct Said {
    sections: Vec<Section>,
    errors: f64,
    failed: bool,
}

impl Said {
    fn heard(&mut self, outcome: &Outcome) {
        self.errors += outcome.errors();
        self.failed |= outcome.has_failed();
    }

    /// Prints it, and writes it down.
    fn end(self, arguments: &Arguments) -> Result<()> {
        for section in &self.sections {
            println!("\n{}\n{}", section.console(), section.foot);
        }
        match arguments.leaves_document() {
            None => {
                document::write(&names(), &self.sections)?;
                let names: Vec<_> = self.sections.iter().map(|section| section.name).collect();
                println!("\n{} has now: {}", document::PLACE, names.join(", "));
            }
            Some(reason) => println!("\n{} is as it was: {reason}", document::PLACE),
        }
        let tables = self.sections.iter();
        let tables = tables.map(|section| (section.name, &section.targets));
        print!("\n{}", judged::summary(tables));
        if self.errors > 0.0 {
            Err(format!("{} requests went wrong", self.errors).into())
        } else if self.failed {
            Err("not everything could be measured".into())
        } else {
            Ok(())
        }
    }
}

/// All sides of a scenario by turns, each round beginning with another.
fn rounds(programs: &Programs, scenario: &Scenario, name: &str, effort: Effort) -> Outcome {
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
            let round = format!("{name}, round {round} of {}: {}", effort.rounds, side.name);
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
        "{} by turns, {:?} each after {:?} of warm-up; {}; load average before {load_before}, after {}",
        if effort.rounds == 1 {
            "1 round".to_owned()
        } else {
            format!("{} rounds", effort.rounds)
        },
        effort.measure,
        effort.warm_up,
        machine.join("; "),
        figures::load_average()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_why_nothing_is_written() {
        for (quick, write, side, begins) in [
            (false, false, "", None),
            (true, true, "", None),
            (true, false, "", Some("what was quick")),
            (true, true, "Tangelo", Some("with --side")),
            (false, false, "Tangelo", Some("with --side")),
        ] {
            let arguments = Arguments {
                quick,
                write,
                only: String::new(),
                side: side.to_owned(),
                flame: None,
            };
            let said = arguments.leaves_document();
            assert_eq!(said.is_some(), begins.is_some(), "{quick} {write} {side}");
            assert!(
                said.unwrap_or_default()
                    .starts_with(begins.unwrap_or_default())
            );
        }
    }
}
