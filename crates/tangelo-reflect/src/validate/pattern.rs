//! What `match` asks for.

use std::fmt;

use regex_automata::{
    Anchored,
    dfa::{Automaton, StartKind, dense},
    nfa::thompson,
    util::{primitives::StateID, start, syntax},
};

/// Bytes of the largest table that a regular expression may become.
const MAX_TABLE: usize = 4 << 20;
/// Bytes that finding it may take.
const MAX_WORK: usize = 16 << 20;

/// More than krpc's own takes: a plus in the name and more than two parts in the domain.
const EMAIL: &str = r"[A-Za-z0-9_.+-]+@[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+";

/// A form that a text has from end to end.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    Int,
    Long,
    Double,
    Date,
    Timestamp,
    /// As in Java, `\d`, `\w`, `\s` and `\b` are ASCII.
    Regex(Table),
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "int" => Self::Int,
            "long" => Self::Long,
            "double" => Self::Double,
            "date" => Self::Date,
            "timestamp" => Self::Timestamp,
            "email" => Self::Regex(Table::of(EMAIL)?),
            regex => Self::Regex(Table::of(regex)?),
        })
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Int => text.parse::<i32>().is_ok(),
            Self::Long => text.parse::<i64>().is_ok(),
            Self::Double => text.parse::<f64>().is_ok_and(f64::is_finite),
            Self::Date => date(text),
            Self::Timestamp => text
                .split_once(' ')
                .is_some_and(|(day, hour)| date(day) && time(hour)),
            Self::Regex(regex) => regex.matches(text),
        }
    }
}

/// A regular expression as a table of what follows on each byte: a text takes one look for each of its bytes,
/// whatever is in it and whatever is asked.
#[derive(Clone)]
pub(super) struct Table {
    states: Box<dense::DFA<Vec<u32>>>,
    start: StateID,
}

impl Table {
    fn of(regex: &str) -> Result<Self, String> {
        let wrong = |problem: &str| {
            format!(
                "`{regex}` is no regular expression here: {problem}; write it without look-around and \
                 back-references, or check it in the method"
            )
        };
        // Alone first: `a)(b` would do between brackets.
        if let Err(error) = syntax::parse(regex) {
            let picture = error.to_string();
            let problem = picture.lines().last().unwrap_or_default();
            return Err(wrong(problem.trim_start_matches("error: ")));
        }
        let sizes = thompson::Config::new().nfa_size_limit(Some(MAX_WORK));
        let limits = dense::Config::new()
            .start_kind(StartKind::Anchored)
            .dfa_size_limit(Some(MAX_TABLE))
            .determinize_size_limit(Some(MAX_WORK));
        let states = dense::Builder::new()
            .configure(limits)
            .thompson(sizes)
            .build(&format!("^(?:{})$", in_ascii(regex)))
            .map_err(|_| wrong("it is too large; `length` can say how long a text may be"))?;
        let start = states
            .start_state(&start::Config::new().anchored(Anchored::Yes))
            .map_err(|error| wrong(&error.to_string()))?;
        let states = Box::new(states);
        Ok(Self { states, start })
    }

    fn matches(&self, text: &str) -> bool {
        let mut state = self.start;
        for byte in text.bytes() {
            state = self.states.next_state(state, byte);
            if self.states.is_dead_state(state) {
                return false;
            }
        }
        self.states
            .is_match_state(self.states.next_eoi_state(state))
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Table")
            .field("bytes", &self.states.memory_usage())
            .finish_non_exhaustive()
    }
}

/// The expression with classes that know ASCII only, as Java's do.
fn in_ascii(regex: &str) -> String {
    let mut ascii = String::with_capacity(regex.len());
    let mut characters = regex.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            ascii.push(character);
            continue;
        }
        match characters.next() {
            Some('d') => ascii.push_str("[[:digit:]]"),
            Some('D') => ascii.push_str("[[:^digit:]]"),
            Some('s') => ascii.push_str("[[:space:]]"),
            Some('S') => ascii.push_str("[[:^space:]]"),
            Some('w') => ascii.push_str("[[:word:]]"),
            Some('W') => ascii.push_str("[[:^word:]]"),
            Some('b') => ascii.push_str("(?-u:\\b)"),
            Some('B') => ascii.push_str("(?-u:\\B)"),
            Some(other) => ascii.extend(['\\', other]),
            None => ascii.push('\\'),
        }
    }
    ascii
}

/// `yyyy-MM-dd`, of a day that there is.
fn date(text: &str) -> bool {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text.as_bytes() else {
        return false;
    };
    let (Some(century), Some(year)) = (two_digits(y1, y2), two_digits(y3, y4)) else {
        return false;
    };
    let (Some(month), Some(day)) = (two_digits(m1, m2), two_digits(d1, d2)) else {
        return false;
    };
    let leap = if year == 0 {
        century % 4 == 0
    } else {
        year % 4 == 0
    };
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// `HH:mm:ss`.
fn time(text: &str) -> bool {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = *text.as_bytes() else {
        return false;
    };
    two_digits(h1, h2).is_some_and(|hour| hour < 24)
        && two_digits(m1, m2).is_some_and(|minute| minute < 60)
        && two_digits(s1, s2).is_some_and(|second| second < 60)
}

fn two_digits(tens: u8, ones: u8) -> Option<u8> {
    let digits = tens.is_ascii_digit() && ones.is_ascii_digit();
    digits.then(|| (tens - b'0') * 10 + (ones - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, good: &[&str], bad: &[&str]) {
        let compiled = Pattern::parse(pattern).unwrap();
        for text in good {
            assert!(compiled.matches(text), "{pattern} takes {text:?}");
        }
        for text in bad {
            assert!(!compiled.matches(text), "{pattern} refuses {text:?}");
        }
    }

    #[test]
    fn whole_numbers_are_as_wide_as_javas() {
        let good = ["0", "-2147483648", "2147483647", "+7"];
        check("int", &good, &["", "2147483648", "1.0", " 1", "1 ", "x"]);
        let good = ["-9223372036854775808", "9223372036854775807"];
        check("long", &good, &["", "9223372036854775808", "1L"]);
    }

    #[test]
    fn a_double_is_a_finite_number() {
        let bad = ["", "NaN", "inf", "Infinity", "1e999", "1.0f", "1,5"];
        check("double", &["1", "-1.5", ".5", "1e3", "1E-3"], &bad);
    }

    #[test]
    fn a_date_is_a_day_that_there_is_and_nothing_after_it() {
        let good = ["2024-02-29", "2000-02-29", "2023-12-31", "0001-01-01"];
        let bad = [
            "",
            "2023-02-29",
            "1900-02-29",
            "2024-02-30",
            "2024-04-31",
            "2024-00-01",
            "2024-13-01",
            "2024-01-00",
            "2024-1-1",
            "2024-01-01x",
            " 2024-01-01",
            "2024/01/01",
            "２024-01-01",
            "2024-01-01 00:00:00",
        ];
        check("date", &good, &bad);
    }

    #[test]
    fn a_timestamp_is_a_date_and_a_time_of_day() {
        let good = ["2024-02-29 00:00:00", "2024-01-01 23:59:59"];
        let bad = [
            "",
            "2024-01-01",
            "2024-01-01 24:00:00",
            "2024-01-01 00:60:00",
            "2024-01-01 00:00:60",
            "2024-01-01  00:00:00",
            "2024-01-01T00:00:00",
            "2024-01-01 00:00:00.1",
            "2023-02-29 00:00:00",
        ];
        check("timestamp", &good, &bad);
    }

    #[test]
    fn an_email_has_a_name_and_a_domain() {
        let good = ["a@b.c", "first.last-x_1@some-host.org", "a+b@mail.co.uk"];
        let bad = [
            "", "a@b", "@b.c", "a@.c", "a@b.", "a b@c.d", "a@b.c\n", "a@b@c.d",
        ];
        check("email", &good, &bad);
    }

    #[test]
    fn any_other_pattern_is_a_regular_expression_for_the_whole_text() {
        check("a.*c", &["ac", "abc"], &["", "xac", "acx", "a\nc"]);
        check("a|ab", &["a", "ab"], &["b", "abb"]);
        check(
            "1[3-9]\\d{9}",
            &["13800138000"],
            &["1380013800", "1380013800\u{663}", "13800138000\n"],
        );
        check(
            "[\\u4e00-\\u9fa5]{2,4}",
            &["\u{4e2d}\u{6587}"],
            &["\u{4e2d}", "ab"],
        );
    }

    #[test]
    fn classes_and_word_boundaries_know_ascii_only_as_in_java() {
        check("\\w+", &["a_1"], &["\u{e9}", "a b", ""]);
        check("[\\w-]+", &["a-b"], &["\u{e9}"]);
        check("[^\\d\\s]+", &["a\u{663}\u{a0}"], &["1", " ", "\t"]);
        check("\\W\\D\\S", &["\u{e9}\u{663}x"], &["axx", " 1x", " x "]);
        check("a\\b.*", &["a", "a b", "a\u{e9}"], &["ab"]);
        check("a\\B.*", &["ab"], &["a", "a b"]);
        check("\\\\d", &["\\d"], &["\\1", "1"]);
        check("(?i)yes", &["YES", "yes"], &["no"]);
    }

    #[test]
    fn whole_alphabets_can_be_asked_for() {
        check("\\p{L}+", &["\u{e9}\u{4e2d}"], &["1", ""]);
        check("[a-z&&[^b]]+", &["ac"], &["b"]);
    }

    #[test]
    fn a_table_is_as_large_as_it_may_be_and_no_larger() {
        let Ok(Pattern::Regex(table)) = Pattern::parse(".{1,500}") else {
            panic!("it fits");
        };
        assert!(table.states.memory_usage() <= MAX_TABLE);
        // Each step back doubles it.
        for pattern in [".{1,20000}", "(?:a|b)*a(?:a|b){20}"] {
            let problem = Pattern::parse(pattern).unwrap_err();
            assert!(problem.contains("too large"), "{problem}");
        }
    }

    #[test]
    fn a_pattern_that_cannot_be_kept_to_says_so() {
        for pattern in ["(", "a)(b", "(?=a)b", "(a)\\1", "a{1,99999999}"] {
            let problem = Pattern::parse(pattern).unwrap_err();
            assert!(
                problem.contains(pattern) && problem.contains("look-around"),
                "{problem}"
            );
        }
    }
}
