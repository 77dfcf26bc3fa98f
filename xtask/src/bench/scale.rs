//! How figures are written: those that are to be compared have one unit, and it is that of the largest.

/// A unit for several figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    of_it: f64,
    /// Before the name of what is counted, or behind a figure.
    unit: &'static str,
}

/// From so many on the larger unit is taken: four digits say as much as three and a word.
const LARGE: f64 = 10_000.0;

impl Scale {
    /// For times in microseconds.
    pub(crate) fn of_times(us: impl IntoIterator<Item = f64>) -> Self {
        Self::fitting(us, ["us", "ms"])
    }

    /// For numbers, such as those of requests in a second.
    pub(crate) fn of_numbers(values: impl IntoIterator<Item = f64>) -> Self {
        Self::fitting(values, ["", "k"])
    }

    fn fitting(values: impl IntoIterator<Item = f64>, [small, large]: [&'static str; 2]) -> Self {
        let most = values.into_iter().fold(0.0, f64::max);
        let (of_it, unit) = if most < LARGE {
            (1.0, small)
        } else {
            (1000.0, large)
        };
        Self { of_it, unit }
    }

    /// What is above a column of times.
    pub(crate) fn times(self, name: &str) -> String {
        format!("{name} {}", self.unit)
    }

    /// What is above a column of numbers.
    pub(crate) fn numbers(self, name: &str) -> String {
        format!("{} {name}", self.unit).trim_start().to_owned()
    }

    /// A figure in a column that says the unit above.
    pub(crate) fn figure(self, value: f64) -> String {
        if self.of_it == 1.0 {
            format!("{value:.0}")
        } else {
            short(value / self.of_it)
        }
    }

    /// A figure that stands by itself.
    pub(crate) fn with_unit(self, value: f64) -> String {
        let text = format!("{} {}", self.figure(value), self.unit);
        text.trim_end().to_owned()
    }
}

/// A number with three digits that say something.
pub(crate) fn short(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compared_has_one_unit() {
        let times = Scale::of_times([421.0, 17_900.0]);
        assert_eq!(times.times("p50"), "p50 ms");
        assert_eq!(
            [421.0, 17_900.0].map(|us| times.figure(us)),
            ["0.42", "17.9"]
        );
        assert_eq!(Scale::of_times([57.0, 9999.0]).with_unit(57.0), "57 us");

        let numbers = Scale::of_numbers([2_242_000.0, 55_040.0, 812.0]);
        assert_eq!(numbers.numbers("requests/s"), "k requests/s");
        assert_eq!(numbers.with_unit(812.0), "0.81 k");
        let numbers = Scale::of_numbers([812.0]);
        assert_eq!(numbers.numbers("requests/s"), "requests/s");
        assert_eq!(numbers.with_unit(812.0), "812");
    }
}
