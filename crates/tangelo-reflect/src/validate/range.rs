//! Ranges of numbers and of texts.

use std::cmp::Ordering;

/// Numbers from `min` to `max`, both included. Wider than any number of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    min: i128,
    max: i128,
}

impl Range {
    /// Reads `n`, `min,max`, `min,-` or `-,max`, of 64-bit numbers.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let range = match text.split_once(',') {
            Some((min, max)) => Self {
                min: end(min, i128::MIN)?,
                max: end(max, i128::MAX)?,
            },
            None => {
                let number = number(text)?;
                let (min, max) = (number, number);
                Self { min, max }
            }
        };
        if range.min > range.max {
            return Err(format!(
                "nothing is in `{text}`; the smaller number stands first"
            ));
        }
        Ok(range)
    }

    /// The same for something counted.
    pub(super) fn parse_count(text: &str) -> Result<Self, String> {
        let range = Self::parse(text)?;
        if range.max < 0 || (range.min < 0 && range.min != i128::MIN) {
            return Err(format!("no length is as `{text}`; write numbers from 0 on"));
        }
        Ok(range)
    }

    pub(super) fn holds(self, number: i128) -> bool {
        (self.min..=self.max).contains(&number)
    }

    pub(super) fn holds_count(self, count: usize) -> bool {
        self.holds(i128::try_from(count).unwrap_or(i128::MAX))
    }

    /// Whether a text has as many UTF-16 units as that. Does not count further than it has to.
    pub(super) fn holds_length(self, text: &str) -> bool {
        let (least, most) = (self.least(), self.most());
        // A unit has three bytes at the most, so it has this many.
        if text.len() / 3 > most {
            return false;
        }
        let enough = if most == usize::MAX { least } else { most + 1 };
        self.holds_count(text.encode_utf16().take(enough).count())
    }

    /// Its end, of what is counted.
    pub(super) fn most(self) -> usize {
        usize::try_from(self.max).unwrap_or(usize::MAX)
    }

    /// Its beginning, of what is counted.
    pub(super) fn least(self) -> usize {
        usize::try_from(self.min).unwrap_or_default()
    }
}

fn end(text: &str, open: i128) -> Result<i128, String> {
    match text.trim() {
        "-" => Ok(open),
        text => number(text),
    }
}

fn number(text: &str) -> Result<i128, String> {
    let number = text.trim().parse::<i64>().map_err(|_| {
        format!("`{text}` is no end of a range; write `n`, `min,max`, `min,-` or `-,max`")
    })?;
    Ok(number.into())
}

/// Texts from `min` to `max`, both included, in the order of their UTF-16 units, which is Java's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TextRange {
    min: String,
    max: String,
}

impl TextRange {
    /// Reads `min,max`, or one text that is both. Blanks count.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (min, max) = text.split_once(',').unwrap_or((text, text));
        if order(min, max) == Ordering::Greater {
            return Err(format!(
                "nothing is in `{text}`; write `min,max`, without open ends"
            ));
        }
        let (min, max) = (min.to_owned(), max.to_owned());
        Ok(Self { min, max })
    }

    pub(super) fn holds(&self, text: &str) -> bool {
        order(&self.min, text) != Ordering::Greater && order(text, &self.max) != Ordering::Greater
    }
}

fn order(one: &str, other: &str) -> Ordering {
    one.encode_utf16().cmp(other.encode_utf16())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_ends_and_nothing_past_them() {
        let holds = |range: &str, number| Range::parse(range).unwrap().holds(number);
        for (range, inside, outside) in [
            ("5", vec![5], vec![4, 6]),
            ("-3,5", vec![-3, 0, 5], vec![-4, 6]),
            (" 1 , 2 ", vec![1, 2], vec![0, 3]),
            ("7,-", vec![7, i128::from(u64::MAX)], vec![6]),
            ("-,7", vec![i128::from(i64::MIN), 7], vec![8]),
        ] {
            for number in inside {
                assert!(holds(range, number), "{number} in {range}");
            }
            for number in outside {
                assert!(!holds(range, number), "{number} in {range}");
            }
        }
    }

    #[test]
    fn what_is_no_range_is_told_with_what_to_write() {
        for text in [
            "",
            "-",
            "a",
            "1,",
            ",2",
            "1,2,3",
            "1-2",
            "9223372036854775808",
        ] {
            let problem = Range::parse(text).unwrap_err();
            assert!(problem.contains("`min,max`"), "{text}: {problem}");
        }
        assert!(Range::parse("2,1").unwrap_err().contains("nothing is in"));
        assert!(Range::parse("1,1").is_ok());
    }

    #[test]
    fn a_count_is_never_below_zero() {
        for text in ["-1", "-1,5", "-5,-1"] {
            assert!(Range::parse_count(text).is_err(), "{text}");
        }
        for text in ["0", "0,-", "-,0"] {
            assert!(Range::parse_count(text).unwrap().holds_count(0), "{text}");
        }
    }

    #[test]
    fn texts_are_ordered_as_in_java_and_ends_count() {
        let range = TextRange::parse("bbb,ccc").unwrap();
        assert!(range.holds("bbb") && range.holds("ccc") && range.holds("bz"));
        assert!(!range.holds("bba") && !range.holds("ccca") && !range.holds(""));
        assert!(TextRange::parse("b").unwrap().holds("b"));
        // U+10000 is D800 DC00 in UTF-16: before U+FFFD there, after it by its number.
        let range = TextRange::parse("a,\u{fffd}").unwrap();
        assert!(range.holds("\u{10000}"));
    }

    #[test]
    fn a_text_range_has_no_open_ends() {
        assert!(TextRange::parse("a,-").unwrap_err().contains("open ends"));
        assert!(!TextRange::parse("-,z").unwrap().holds(""));
    }
}
