//! How cost grows: the same work at several sizes, and what each unit of it costs the server.

use super::outcome::{Measured, Outcome, Spread};
use super::scenario::{Counts, Scenario, Side};

/// The same work at several sizes.
pub(crate) struct Curve {
    /// What `--only` looks at, and the name of its picture.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// The shape of the load.
    pub(crate) shape: &'static str,
    /// What a size is a number of.
    pub(crate) size: &'static str,
    pub(crate) sizes: &'static [u32],
    pub(crate) unit: Unit,
    pub(crate) counts: Counts,
    /// Who does the work at a size; the first is the bare one where there is one.
    pub(crate) sides: fn(u32) -> Vec<Side>,
}

/// What a cost is the cost of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A request, or a delivery.
    Each,
    /// A byte of a request: the size is their number.
    Byte,
}

/// A unit may cost so many times what it costs at the best of the smaller sizes, and the cost is still linear: what
/// two rounds on a shared machine differ by, and caches that are full.
pub(crate) const LINEAR: f64 = 1.25;

/// What a side's costs say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// At no size does a unit cost more than [`LINEAR`] times as much as at the best of the smaller sizes.
    Linear { worst: f64 },
    /// It does, but the bare one's grows as much up to the same factor: it is what the machine costs.
    AsBare { worst: f64, bare: f64 },
    /// It does, and nobody else's.
    Worse { worst: f64 },
}

/// What was measured at each size, in the order of the sizes.
pub(crate) struct Points {
    pub(crate) sizes: Vec<u32>,
    pub(crate) outcomes: Vec<Outcome>,
}

impl Points {
    /// The sides there are, which are the same at every size.
    pub(crate) fn sides(&self) -> &[Measured] {
        self.outcomes.first().map_or(&[], |first| &first.sides)
    }
}

impl Curve {
    /// The work at one size, as a scenario.
    pub(crate) fn at(&self, size: u32) -> Scenario {
        Scenario {
            name: self.name,
            title: self.title,
            shape: format!("{} {}", size, self.size),
            counts: self.counts,
            sides: (self.sides)(size),
            targets: Vec::new(),
        }
    }

    /// What a unit of a side's work costs at a size, of all its servers' processor time: microseconds, of a byte
    /// nanoseconds.
    pub(crate) fn cost(&self, size: u32, measured: &Measured) -> Option<Spread> {
        let units = match self.unit {
            Unit::Each => 1.0,
            Unit::Byte => f64::from(size) / 1000.0,
        };
        measured.spread(|sample| sample.cpu_us.iter().sum::<f64>() / units)
    }

    /// What a side's costs say, where it was measured at two sizes at least.
    pub(crate) fn verdict(&self, points: &Points, side: usize) -> Option<Verdict> {
        let grows = |side| growth(&self.costs(points, side));
        let worst = grows(side)?;
        let bare = if side > 0 { grows(0) } else { None };
        Some(match bare {
            _ if worst <= LINEAR => Verdict::Linear { worst },
            Some(bare) if worst <= bare * LINEAR => Verdict::AsBare { worst, bare },
            _ => Verdict::Worse { worst },
        })
    }

    fn costs(&self, points: &Points, side: usize) -> Vec<f64> {
        let each = points.sizes.iter().zip(&points.outcomes);
        let costs = each.filter_map(|(size, outcome)| {
            let cost = self.cost(*size, outcome.sides.get(side)?)?;
            Some(cost.median)
        });
        costs.collect()
    }
}

/// How many times the lowest cost before it a cost is, at the most; none of fewer than two.
fn growth(costs: &[f64]) -> Option<f64> {
    let mut lowest = *costs.first()?;
    let mut worst = None;
    for cost in costs.iter().skip(1) {
        worst = Some(f64::max(cost / lowest, worst.unwrap_or(0.0)));
        lowest = lowest.min(*cost);
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::super::measure::Sample;
    use super::*;

    impl Curve {
        /// One whose costs are those of each request.
        pub(crate) fn unnamed() -> Self {
            Self {
                name: "",
                title: "",
                shape: "",
                size: "",
                sizes: &[],
                unit: Unit::Each,
                counts: Counts::Requests,
                sides: |_| Vec::new(),
            }
        }
    }

    fn verdict(bare: &[f64], own: &[f64]) -> Option<Verdict> {
        let side = |cost: f64| Measured {
            samples: vec![Sample {
                cpu_us: vec![cost],
                ..Sample::default()
            }],
            ..Measured::default()
        };
        let outcomes = bare.iter().zip(own).map(|(bare, own)| Outcome {
            sides: vec![side(*bare), side(*own)],
        });
        let points = Points {
            sizes: (1..).take(own.len()).collect(),
            outcomes: outcomes.collect(),
        };
        Curve::unnamed().verdict(&points, 1)
    }

    #[test]
    fn a_cost_is_held_against_the_best_of_the_smaller_sizes() {
        let flat = [1.0; 3];
        assert_eq!(
            verdict(&flat, &[8.0, 4.0, 5.0]),
            Some(Verdict::Linear { worst: 1.25 })
        );
        // Small steps add up.
        assert_eq!(
            verdict(&flat, &[4.0, 5.0, 6.0]),
            Some(Verdict::Worse { worst: 1.5 })
        );
        assert_eq!(
            verdict(&[1.0, 1.0, 1.5], &[4.0, 5.0, 6.0]),
            Some(Verdict::AsBare {
                worst: 1.5,
                bare: 1.5
            })
        );
        assert_eq!(verdict(&flat[..1], &[4.0]), None);
    }

    #[test]
    fn what_falls_is_better_than_linear() {
        assert_eq!(
            verdict(&[1.0; 3], &[4.0, 2.0, 1.0]),
            Some(Verdict::Linear { worst: 0.5 })
        );
    }
}
