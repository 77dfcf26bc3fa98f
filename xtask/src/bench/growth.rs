//! Tables of curves, and what they say.

use super::curve::{Curve, LINEAR, Points, Unit, Verdict};
use super::judged::{Judged, Targets};
use super::outcome::Measured;
use super::scale::{Scale, short};
use super::table;

impl Curve {
    /// What the costs are costs of.
    pub(crate) fn cost_unit(&self) -> &'static str {
        match self.unit {
            Unit::Each => "CPU us each",
            Unit::Byte => "CPU ns a byte",
        }
    }
}

/// A row for each size: what each side's unit costs, and how many it does.
pub(crate) fn rows(curve: &Curve, points: &Points) -> Vec<Vec<String>> {
    let names = points.sides();
    let speed = |side: &Measured| side.spread(|sample| sample.per_second);
    let measured = points.outcomes.iter().flat_map(|outcome| &outcome.sides);
    let speeds = measured.filter_map(speed).map(|speed| speed.median);
    let scale = Scale::of_numbers(speeds);
    let mut head = vec![curve.size.to_owned()];
    for side in names {
        head.push(format!("{}: {}", side.name, curve.cost_unit()));
        head.push(scale.numbers(table::unit(curve.counts)));
    }
    let mut rows = vec![head];
    for (size, outcome) in points.sizes.iter().zip(&points.outcomes) {
        let mut row = vec![size.to_string()];
        for side in &outcome.sides {
            let cost = curve.cost(*size, side).map_or(String::new(), |cost| {
                format!(
                    "{} ({}..{})",
                    short(cost.median),
                    short(cost.lowest),
                    short(cost.highest)
                )
            });
            row.push(cost);
            row.push(speed(side).map_or(String::new(), |speed| scale.figure(speed.median)));
        }
        rows.push(row);
    }
    rows
}

/// Whether each side is linear, or no worse than the first, which is what the others are held against.
pub(crate) fn targets(curve: &Curve, points: &Points) -> Targets {
    let others = points.sides().iter().enumerate().skip(1);
    let judged = others.filter_map(|(at, side)| {
        let verdict = curve.verdict(points, at)?;
        let reached = !matches!(verdict, Verdict::Worse { .. });
        let word = if reached { "reached" } else { "missed" };
        let (name, is) = (side.name, said(verdict));
        Some(Judged {
            reached,
            line: format!("{word}: cost of {name} linear, or as that of the bare one; it is {is}"),
        })
    });
    let judged: Vec<_> = judged.collect();
    Targets {
        open: points.sides().len().saturating_sub(1) - judged.len(),
        judged,
    }
}

/// What is below the table besides.
pub(crate) fn lines(points: &Points) -> Vec<String> {
    let sides = points.sizes.iter().zip(&points.outcomes);
    let failed = sides.flat_map(|(size, outcome)| {
        let failed = outcome.sides.iter().filter_map(move |side| {
            let reason = side.failed.as_ref()?;
            Some(format!("{} failed at {size}: {reason}", side.name))
        });
        failed.collect::<Vec<_>>()
    });
    failed.collect()
}

fn said(verdict: Verdict) -> String {
    match verdict {
        Verdict::Linear { worst } => format!(
            "linear or better: a unit takes at most {} times what it does at the best smaller size ({LINEAR} is the limit)",
            short(worst)
        ),
        Verdict::AsBare { worst, bare } => format!(
            "as the bare one's: a unit takes up to {} times what it does at the best smaller size, the bare one's {} times",
            short(worst),
            short(bare)
        ),
        Verdict::Worse { worst } => format!(
            "worse than linear: a unit takes up to {} times what it does at the best smaller size",
            short(worst)
        ),
    }
}
