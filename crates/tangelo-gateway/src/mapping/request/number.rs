//! Whole numbers, to the last digit.

/// More digits than any number of 64 bits has.
const MAX_DIGITS: usize = 30;

/// The whole number that a text says: `5`, `-5`, also `5.0` and `5e3`. `None` for any other, and for more than 30 digits.
pub(super) fn whole(text: &str) -> Option<i128> {
    if let Ok(number) = text.parse::<i64>() {
        return Some(number.into());
    }
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (before, behind) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    if before.is_empty() || !is_number(before) || !is_number(behind) {
        return None;
    }
    let behind = behind.trim_end_matches('0');
    let digits = || before.bytes().chain(behind.bytes());
    if digits().all(|digit| digit == b'0') {
        return Some(0);
    }
    // How many zeroes follow the digits; as many are to be cut off if it is negative.
    let zeroes = i64::from(exponent) - i64::try_from(behind.len()).ok()?;
    let trailing = digits().rev().take_while(|digit| *digit == b'0').count();
    let cut = usize::try_from(zeroes.checked_neg()?.max(0)).ok()?;
    if cut > trailing {
        return None;
    }
    let kept = digits().count() - cut;
    let mut number: i128 = 0;
    let more = std::iter::repeat_n(
        b'0',
        usize::try_from(zeroes.max(0)).ok()?.min(MAX_DIGITS + 1),
    );
    let mut length = 0;
    for digit in digits()
        .take(kept)
        .chain(more)
        .skip_while(|digit| *digit == b'0')
    {
        length += 1;
        if length > MAX_DIGITS {
            return None;
        }
        number = number * 10 + i128::from(digit - b'0');
    }
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn whole_numbers_are_read_to_the_last_digit() {
        for (text, number) in [
            ("0", 0),
            ("-0", 0),
            ("+5", 5),
            ("007", 7),
            ("9007199254740993", 9_007_199_254_740_993),
            ("18446744073709551615", 18_446_744_073_709_551_615),
            ("-9223372036854775808", -9_223_372_036_854_775_808),
            ("18446744073709551615.0", 18_446_744_073_709_551_615),
            ("5.0", 5),
            ("5e3", 5000),
            ("5E+3", 5000),
            ("1.25e2", 125),
            ("500e-2", 5),
            ("0e999999999", 0),
            ("0.000", 0),
            (
                "123456789012345678901234567890",
                123_456_789_012_345_678_901_234_567_890,
            ),
        ] {
            assert_eq!(whole(text), Some(number), "{text}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "-",
            "+",
            ".",
            "e",
            "5.5",
            "55e-2",
            "1.234e2",
            "1e30",
            "1e999999999",
            "1e99999999999999999999",
            "1e-5",
            "0x10",
            "1_000",
            " 1",
            "1 ",
            "٣",
            "--1",
            ".5",
            "1e",
            "1234567890123456789012345678901",
            "NaN",
            "1.e.2",
        ] {
            assert_eq!(whole(text), None, "{text}");
        }
    }
}
