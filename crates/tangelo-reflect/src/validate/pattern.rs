//! What `match` asks for.

use regex_lite::Regex;

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
    /// As in Java, `\d`, `\w` and `\s` are ASCII. Takes time in proportion to the text, whatever is in it.
    Regex(Regex),
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "int" => Self::Int,
            "long" => Self::Long,
            "double" => Self::Double,
            "date" => Self::Date,
            "timestamp" => Self::Timestamp,
            "email" => Self::Regex(whole(EMAIL)?),
            regex => Self::Regex(whole(regex)?),
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
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

/// A regular expression that matches whole texts only.
fn whole(regex: &str) -> Result<Regex, String> {
    let wrong = |error: regex_lite::Error| {
        format!(
            "`{regex}` is no regular expression here: {error}; write it without look-around, \
             back-references and \\p, or check it in the method"
        )
    };
    // Alone first: `a)(b` would do between brackets.
    Regex::new(regex).map_err(wrong)?;
    Regex::new(&format!("^(?:{regex})$")).map_err(wrong)
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
    fn a_pattern_that_cannot_be_kept_to_says_so() {
        for pattern in [
            "(",
            "a)(b",
            "(?=a)b",
            "(a)\\1",
            "\\p{L}+",
            "[a-z&&[^b]]",
            "a{1,99999999}",
        ] {
            let problem = Pattern::parse(pattern).unwrap_err();
            assert!(
                problem.contains(pattern) && problem.contains("look-around"),
                "{problem}"
            );
        }
    }
}
