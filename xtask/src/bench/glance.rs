//! All targets of the document in one table, read from its sections: some are of earlier runs.

/// A table of what was to be reached, with a link to where it was measured; nothing where nothing was.
pub(crate) fn table(sections: &str) -> String {
    let (mut rows, mut title) = (String::new(), "");
    let (mut all, mut reached) = (0, 0);
    for line in sections.lines() {
        if let Some(begun) = line.strip_prefix("## ") {
            title = begun;
        } else if let Some((word, target, is)) = judged(line) {
            all += 1;
            reached += usize::from(word == "reached");
            let word = if word == "missed" { "**missed**" } else { word };
            rows += &format!(
                "| [{title}](#{}) | {target} | {is} | {word} |\n",
                anchor(title)
            );
        }
    }
    if rows.is_empty() {
        return rows;
    }
    format!(
        "\n{reached} of {all} targets are reached.\n\n| path | target | measured | verdict |\n|---|---|---|---|\n{rows}"
    )
}

/// The parts of a line below a table that tells of a target.
fn judged(line: &str) -> Option<(&str, &str, &str)> {
    let (word, rest) = line.strip_prefix("* ")?.split_once(": ")?;
    let (target, is) = rest.split_once("; it is ")?;
    matches!(word, "reached" | "missed").then_some((word, target, is))
}

/// What a heading is linked by.
fn anchor(title: &str) -> String {
    let letters = title.to_lowercase();
    let letters = letters.chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        _ => (letter.is_alphanumeric() || letter == '-').then_some(letter),
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_line_with_a_link_to_its_table() {
        let sections = "## Echo, over TCP\n\n| k |\n\n* reached: throughput at least 0.75; it is 0.8 (0.7..0.9)\n\
                        * missed: p99 at most 5 ms; it is 6 ms (5 ms..7 ms); one round decides nothing\n\
                        * Pomelo is left out: it is not there\n* b failed at 64: too slow\n";
        assert_eq!(
            table(sections),
            "\n1 of 2 targets are reached.\n\n| path | target | measured | verdict |\n|---|---|---|---|\n\
             | [Echo, over TCP](#echo-over-tcp) | throughput at least 0.75 | 0.8 (0.7..0.9) | reached |\n\
             | [Echo, over TCP](#echo-over-tcp) | p99 at most 5 ms | 6 ms (5 ms..7 ms); one round decides nothing | **missed** |\n"
        );
        assert_eq!(table("## Growth\n\n| size |\n"), "");
    }
}
