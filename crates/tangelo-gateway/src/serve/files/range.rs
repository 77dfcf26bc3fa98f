//! A part of a file.

/// What a header `Range` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of it; so is answered what is no range, and several of them.
    Whole,
    /// From the first byte to the last.
    Part { first: u64, last: u64 },
    /// Nothing of it.
    Beyond,
}

/// What a header `Range` asks for of a file of this length (RFC 9110, section 14).
pub(super) fn read(header: &str, length: u64) -> Asked {
    let Some((unit, ranges)) = header.split_once('=') else {
        return Asked::Whole;
    };
    let ranges = ranges.trim();
    if !unit.trim().eq_ignore_ascii_case("bytes") || ranges.contains(',') {
        return Asked::Whole;
    }
    let Some((first, last)) = ranges.split_once('-') else {
        return Asked::Whole;
    };
    match (number(first), number(last)) {
        (Some(first), Some(last)) if last < first => Asked::Whole,
        (Some(first), _) if first >= length && (last.is_empty() || number(last).is_some()) => {
            Asked::Beyond
        }
        (Some(first), Some(last)) => Asked::Part {
            first,
            last: last.min(length - 1),
        },
        (Some(first), None) if last.is_empty() => Asked::Part {
            first,
            last: length - 1,
        },
        (None, Some(0)) if first.is_empty() => Asked::Beyond,
        (None, Some(_)) if first.is_empty() && length == 0 => Asked::Beyond,
        (None, Some(many)) if first.is_empty() => Asked::Part {
            first: length.saturating_sub(many),
            last: length - 1,
        },
        _ => Asked::Whole,
    }
}

/// Digits alone; one that is too large for us is larger than any file.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::{Asked::*, *};

    #[test]
    fn a_range_is_from_a_byte_to_a_byte_within_the_file() {
        for (header, asked) in [
            ("bytes=0-0", Part { first: 0, last: 0 }),
            ("bytes=0-9", Part { first: 0, last: 9 }),
            ("bytes=2-4", Part { first: 2, last: 4 }),
            ("bytes=2-", Part { first: 2, last: 9 }),
            ("bytes=9-", Part { first: 9, last: 9 }),
            // Clamped.
            ("bytes=2-10", Part { first: 2, last: 9 }),
            (
                "bytes=2-99999999999999999999999",
                Part { first: 2, last: 9 },
            ),
            // The last ones.
            ("bytes=-2", Part { first: 8, last: 9 }),
            ("bytes=-10", Part { first: 0, last: 9 }),
            ("bytes=-11", Part { first: 0, last: 9 }),
            ("Bytes = 2-4 ", Part { first: 2, last: 4 }),
            ("bytes=10-", Beyond),
            ("bytes=10-11", Beyond),
            ("bytes=99999999999999999999999-", Beyond),
            ("bytes=-0", Beyond),
            // None.
            ("bytes", Whole),
            ("bytes=", Whole),
            ("bytes=-", Whole),
            ("bytes=4-2", Whole),
            ("bytes=a-b", Whole),
            ("bytes=1-b", Whole),
            ("bytes=99-b", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=1 - 2", Whole),
            ("lines=0-1", Whole),
            // Several.
            ("bytes=0-1,4-5", Whole),
        ] {
            assert_eq!(read(header, 10), asked, "{header}");
        }
    }

    #[test]
    fn of_an_empty_file_there_is_no_part() {
        for header in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(read(header, 0), Beyond, "{header}");
        }
    }
}
