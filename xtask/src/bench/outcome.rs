//! What the rounds of a scenario say together.

use super::measure::{Overload, Sample};
use super::scenario::{Figure, Scenario, Target};

/// The samples of a scenario's sides, round by round.
pub(crate) struct Outcome {
    /// In the order of the scenario's sides.
    pub(crate) sides: Vec<Measured>,
}

/// A side's samples, or why there are none.
#[derive(Default)]
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) samples: Vec<Sample>,
    pub(crate) left_out: Option<String>,
    pub(crate) failed: Option<String>,
}

/// The middle of some values, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
}

impl Outcome {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let sides = scenario.sides.iter().map(|side| Measured {
            name: side.name,
            ..Measured::default()
        });
        Self {
            sides: sides.collect(),
        }
    }

    pub(crate) fn add(&mut self, side: usize, sample: Sample) {
        self.sides[side].samples.push(sample);
    }

    pub(crate) fn left_out(&mut self, side: usize, reason: &str) {
        self.sides[side].left_out = Some(reason.to_owned());
    }

    /// The side ends here, whatever its rounds before have said.
    pub(crate) fn failed(&mut self, side: usize, reason: &str) {
        self.sides[side].samples.clear();
        self.sides[side].failed = Some(reason.to_owned());
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.sides.iter().any(|side| side.failed.is_some())
    }

    pub(crate) fn errors(&self) -> f64 {
        let samples = self.sides.iter().flat_map(|side| &side.samples);
        samples.map(|sample| sample.errors).sum()
    }

    /// A side's figure in parts of another's, by the ratios of the rounds.
    pub(crate) fn ratio(&self, side: &str, against: &str, figure: Figure) -> Option<Spread> {
        let pairs = self.samples(side).iter().zip(self.samples(against));
        Spread::of(pairs.map(|(one, other)| figure.of(one) / figure.of(other)))
    }

    /// What a target is held against, where its sides were measured.
    pub(crate) fn reached(&self, target: &Target) -> Option<Spread> {
        match target.against {
            Some(against) => self.ratio(target.side, against, target.figure),
            None => Spread::of(
                self.samples(target.side)
                    .iter()
                    .map(|one| target.figure.of(one)),
            ),
        }
    }

    fn samples(&self, side: &str) -> &[Sample] {
        let mut sides = self.sides.iter();
        let found = sides.find(|measured| measured.name == side);
        found.map_or(&[], |measured| &measured.samples)
    }
}

impl Measured {
    /// The middle of what `value` says of each sample.
    pub(crate) fn spread(&self, value: impl Fn(&Sample) -> f64) -> Option<Spread> {
        Spread::of(self.samples.iter().map(value))
    }

    pub(crate) fn median(&self, value: impl Fn(&Sample) -> f64) -> f64 {
        self.spread(value).map_or(0.0, |spread| spread.median)
    }

    /// Microseconds of processor time for a request, of each process.
    pub(crate) fn cpu_us(&self) -> Vec<f64> {
        let processes = self.samples.first().map_or(0, |sample| sample.cpu_us.len());
        let of = |process: usize| {
            self.median(|sample| sample.cpu_us.get(process).copied().unwrap_or_default())
        };
        (0..processes).map(of).collect()
    }
}

impl Figure {
    pub(crate) fn of(self, sample: &Sample) -> f64 {
        match self {
            Self::PerSecond => sample.per_second,
            Self::P50 => sample.p50_us,
            Self::P99 => sample.p99_us,
            Self::PerConnection => sample.per_connection,
            Self::Kept => of_overload(sample, |it| sample.per_second / it.peak),
            Self::RefusedP99 => of_overload(sample, |it| it.refused_p99_us),
        }
    }
}

fn of_overload(sample: &Sample, figure: impl FnOnce(&Overload) -> f64) -> f64 {
    sample.overload.as_ref().map_or(0.0, figure)
}

impl Spread {
    /// None of no values.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<_> = values.collect();
        values.sort_by(f64::total_cmp);
        let (lowest, highest) = (*values.first()?, *values.last()?);
        let upper = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[upper]
        } else {
            f64::midpoint(values[upper - 1], values[upper])
        };
        Some(Self {
            median,
            lowest,
            highest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        let odd = spread(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((odd.median, odd.lowest, odd.highest), (2.0, 1.0, 3.0));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn ratios_are_those_of_the_rounds() {
        let side = |name, speeds: [f64; 3]| Measured {
            name,
            samples: speeds
                .map(|per_second| Sample {
                    per_second,
                    ..Sample::default()
                })
                .into(),
            left_out: None,
            failed: None,
        };
        let outcome = Outcome {
            sides: vec![
                side("bare", [10.0, 20.0, 30.0]),
                side("ours", [9.0, 10.0, 24.0]),
            ],
        };
        let ratio = outcome.ratio("ours", "bare", Figure::PerSecond).unwrap();
        assert_eq!((ratio.lowest, ratio.median, ratio.highest), (0.5, 0.8, 0.9));
        assert_eq!(outcome.ratio("ours", "nobody", Figure::PerSecond), None);
    }
}
