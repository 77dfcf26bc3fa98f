//! Tables: for the console, and as Markdown.

use std::collections::BTreeSet;

use super::judged::{Judged, Targets};
use super::measure::{Overload, Sample};
use super::outcome::{Measured, Outcome, Spread};
use super::scale::{Scale, short};
use super::scenario::{Bound, Counts, Figure, Scenario, Target};

const MIB: f64 = 1024.0 * 1024.0;

/// A table with its columns aligned, and what is to be reached below it.
pub(crate) fn console<'a>(
    title: &str,
    rows: &[Vec<String>],
    lines: impl Iterator<Item = &'a String>,
) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut text = format!("{title}\n");
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let width = width(column);
            text += &match column {
                0 => format!("  {cell:width$}"),
                _ => format!("  {cell:>width$}"),
            };
        }
        text += "\n";
    }
    for line in lines {
        text += &format!("  {line}\n");
    }
    text
}

/// The same table as Markdown.
pub(crate) fn markdown(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        text += &format!("| {} |\n", row.join(" | "));
        if number == 0 {
            text += &format!("|---|{}\n", "--:|".repeat(row.len() - 1));
        }
    }
    text
}

/// What was measured, in a few characters.
pub(crate) fn figure(counts: Counts, sample: &Sample) -> String {
    match counts {
        Counts::Idle => amount(counts, sample.per_connection),
        _ => amount(counts, sample.per_second) + "/s",
    }
}

pub(crate) fn amount(counts: Counts, value: f64) -> String {
    match counts {
        Counts::Idle => format!("{value:.0} bytes"),
        _ => Scale::of_numbers([value]).with_unit(value),
    }
}

/// What the figures of a table are.
pub(crate) fn unit(counts: Counts) -> &'static str {
    match counts {
        Counts::Requests => "requests/s",
        Counts::Deliveries => "deliveries/s",
        Counts::Idle => "bytes/connection",
        Counts::Overload => "goodput/s",
    }
}

/// The head and a row for each side that was measured.
pub(crate) fn rows(scenario: &Scenario, outcome: &Outcome) -> Vec<Vec<String>> {
    let unit = unit(scenario.counts);
    let scales = Scales::of(outcome);
    let number = |name: &str| scales.numbers.numbers(name);
    let time = |name: &str| scales.times.times(name);
    let same = str::to_owned;
    let head = match scenario.counts {
        Counts::Idle => vec![
            same(""),
            same(unit),
            same("min..max"),
            same("MiB"),
            same("kernel bytes/connection"),
            same("errors"),
            same("ratio"),
        ],
        Counts::Overload => vec![
            same(""),
            number("peak/s"),
            number("offered/s"),
            number(unit),
            same("kept"),
            time("p99"),
            number("refused/s"),
            same("codes"),
            time("p99 of refusals"),
            same("errors"),
        ],
        Counts::Requests | Counts::Deliveries => vec![
            same(""),
            number(unit),
            same("min..max"),
            time("p50"),
            time("p99"),
            same("CPU us each"),
            same("CPUs"),
            same("MiB"),
            same("kernel MiB"),
            same("errors"),
            same("ratio"),
        ],
    };
    let mut rows = vec![head];
    let first = outcome.sides.first().map_or("", |side| side.name);
    for side in &outcome.sides {
        if side.samples.is_empty() {
            continue;
        }
        let figure = main_figure(scenario);
        let ratio = outcome.ratio(side.name, first, figure);
        let ratio = ratio.map_or(String::new(), |ratio| short(ratio.median));
        rows.push(match scenario.counts {
            Counts::Idle => idle(side, ratio),
            Counts::Overload => overload(side, scales),
            Counts::Requests | Counts::Deliveries => busy(side, scales, ratio),
        });
    }
    rows
}

/// One unit for all times of a table, and one for all rates: they are compared along its rows as well.
#[derive(Clone, Copy)]
struct Scales {
    times: Scale,
    numbers: Scale,
}

impl Scales {
    fn of(outcome: &Outcome) -> Self {
        let sides = || outcome.sides.iter();
        let times = sides().flat_map(|side| {
            [Figure::P50, Figure::P99, Figure::RefusedP99]
                .map(|figure| side.median(|sample| figure.of(sample)))
        });
        let numbers = sides().flat_map(|side| {
            let rate = side.median(|sample| sample.per_second);
            [rate, of_overload(side, |overload| overload.offered)]
        });
        Self {
            times: Scale::of_times(times),
            numbers: Scale::of_numbers(numbers),
        }
    }
}

/// The figure that a scenario is about.
pub(crate) fn main_figure(scenario: &Scenario) -> Figure {
    match scenario.counts {
        Counts::Idle => Figure::PerConnection,
        _ => Figure::PerSecond,
    }
}

fn busy(side: &Measured, scales: Scales, ratio: String) -> Vec<String> {
    let Scales { times, numbers } = scales;
    let cpu: Vec<_> = side.cpu_us().iter().map(|us| short(*us)).collect();
    vec![
        side.name.to_owned(),
        numbers.figure(side.median(|sample| sample.per_second)),
        range(side.spread(|sample| sample.per_second), numbers),
        times.figure(side.median(|sample| sample.p50_us)),
        times.figure(side.median(|sample| sample.p99_us)),
        cpu.join(" + "),
        short(side.median(|sample| sample.processors)),
        short(side.median(|sample| sample.resident) / MIB),
        told(side, |sample| sample.sockets, |bytes| short(bytes / MIB)),
        errors(side),
        ratio,
    ]
}

fn idle(side: &Measured, ratio: String) -> Vec<String> {
    let bytes = side.spread(|sample| sample.per_connection);
    vec![
        side.name.to_owned(),
        bytes.map_or(String::new(), |bytes| format!("{:.0}", bytes.median)),
        bytes.map_or(String::new(), |bytes| {
            format!("{:.0}..{:.0}", bytes.lowest, bytes.highest)
        }),
        short(side.median(|sample| sample.resident) / MIB),
        told(
            side,
            |sample| sample.sockets_per_connection,
            |bytes| format!("{bytes:.0}"),
        ),
        errors(side),
        ratio,
    ]
}

fn overload(side: &Measured, scales: Scales) -> Vec<String> {
    let Scales { times, numbers } = scales;
    let of = |value: fn(&Overload) -> f64| of_overload(side, value);
    let codes = side.samples.iter().filter_map(|sample| {
        let overload = sample.overload.as_ref()?;
        Some(overload.codes.iter().cloned())
    });
    let codes: BTreeSet<_> = codes.flatten().collect();
    vec![
        side.name.to_owned(),
        numbers.figure(of(|overload| overload.peak)),
        numbers.figure(of(|overload| overload.offered)),
        numbers.figure(side.median(|sample| sample.per_second)),
        short(side.median(|sample| Figure::Kept.of(sample))),
        times.figure(side.median(|sample| sample.p99_us)),
        numbers.figure(of(|overload| overload.refused)),
        Vec::from_iter(codes).join(", "),
        times.figure(of(|overload| overload.refused_p99_us)),
        errors(side),
    ]
}

fn of_overload(side: &Measured, value: fn(&Overload) -> f64) -> f64 {
    side.median(|sample| sample.overload.as_ref().map_or(0.0, value))
}

/// The median, where each sample has a figure.
fn told(side: &Measured, figure: fn(&Sample) -> Option<f64>, written: fn(f64) -> String) -> String {
    let figures: Option<Vec<_>> = side.samples.iter().map(figure).collect();
    let spread = figures.and_then(|figures| Spread::of(figures.into_iter()));
    spread.map_or("-".to_owned(), |spread| written(spread.median))
}

fn errors(side: &Measured) -> String {
    let errors: f64 = side.samples.iter().map(|sample| sample.errors).sum();
    format!("{errors:.0}")
}

/// The targets of a table, as they are said below it.
pub(crate) fn targets(scenario: &Scenario, outcome: &Outcome) -> Targets {
    let rounds = outcome.sides.iter().map(|side| side.samples.len()).max();
    let weight = match rounds {
        Some(1) => "; one round decides nothing",
        _ => "",
    };
    let judged = scenario.targets.iter().filter_map(|target| {
        let reached = outcome.reached(target)?;
        Some(Judged {
            reached: target.bound.holds(reached.median),
            line: target_line(target, reached) + weight,
        })
    });
    let judged: Vec<_> = judged.collect();
    Targets {
        open: scenario.targets.len() - judged.len(),
        judged,
    }
}

/// What is below a table besides: who is not in it.
pub(crate) fn lines(outcome: &Outcome) -> Vec<String> {
    let left_out = outcome.sides.iter().filter_map(|side| {
        let reason = side.left_out.as_ref()?;
        Some(format!("{} is left out: {reason}", side.name))
    });
    let failed = outcome.sides.iter().filter_map(|side| {
        let reason = side.failed.as_ref()?;
        Some(format!("{} failed: {reason}", side.name))
    });
    left_out.chain(failed).collect()
}

fn target_line(target: &Target, reached: Spread) -> String {
    let Target {
        side,
        figure,
        against,
        bound,
    } = target;
    let (word, limit) = match bound {
        Bound::AtLeast(limit) => ("at least", limit),
        Bound::AtMost(limit) => ("at most", limit),
    };
    let name = match figure {
        Figure::PerSecond => "throughput",
        Figure::P50 => "p50",
        Figure::P99 => "p99",
        Figure::PerConnection => "memory of a connection",
        Figure::Kept => "goodput in parts of the peak",
        Figure::RefusedP99 => "p99 of refusals",
    };
    let outcome = if bound.holds(reached.median) {
        "reached"
    } else {
        "missed"
    };
    let all = [*limit, reached.median, reached.lowest, reached.highest];
    let written = |value: f64| match (against, figure) {
        (Some(_), _) => short(value),
        (None, Figure::PerSecond) => Scale::of_numbers(all).with_unit(value),
        (None, Figure::P50 | Figure::P99 | Figure::RefusedP99) => {
            Scale::of_times(all).with_unit(value)
        }
        (None, Figure::Kept) => short(value),
        (None, Figure::PerConnection) => format!("{value:.0} bytes"),
    };
    let times = against.map_or(String::new(), |other| format!(" times that of {other}"));
    let limit = written(*limit);
    let mut median = written(reached.median);
    if median == limit && outcome == "missed" {
        median = format!("hardly {}", if word == "at most" { "more" } else { "less" });
    }
    format!(
        "{outcome}: {name} of {side} {word} {limit}{times}; it is {median} ({}..{})",
        written(reached.lowest),
        written(reached.highest)
    )
}

fn range(spread: Option<Spread>, scale: Scale) -> String {
    spread.map_or(String::new(), |spread| {
        let [low, high] = [spread.lowest, spread.highest].map(|value| scale.figure(value));
        format!("{low}..{high}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rates_and_all_times_of_a_table_have_one_unit() {
        let side = |name, per_second, p50_us, p99_us| Measured {
            name,
            samples: vec![Sample {
                per_second,
                p50_us,
                p99_us,
                ..Sample::default()
            }],
            ..Measured::default()
        };
        let outcome = Outcome {
            sides: vec![
                side("fast", 2_242_000.0, 421.0, 983.0),
                side("slow", 9000.0, 1200.0, 28_900.0),
            ],
        };
        let scenario = Scenario {
            name: "",
            title: "",
            shape: String::new(),
            counts: Counts::Requests,
            sides: Vec::new(),
            targets: Vec::new(),
        };
        let rows = rows(&scenario, &outcome);
        assert_eq!(rows[1][8], "-", "what could not be told");
        let begins: Vec<_> = rows.iter().map(|row| row[..5].join("|")).collect();
        assert_eq!(
            begins,
            [
                "|k requests/s|min..max|p50 ms|p99 ms",
                "fast|2242|2242..2242|0.42|0.98",
                "slow|9.00|9.00..9.00|1.20|28.9",
            ]
        );
    }
}
