//! Whether what is to be reached was reached, of all tables together.

/// A target that was held against what was measured.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) reached: bool,
    /// What it says below its table.
    pub(crate) line: String,
}

/// Those of one table.
pub(crate) struct Targets {
    pub(crate) judged: Vec<Judged>,
    /// How many there are besides: a side of theirs was not measured, or a curve's at one size only.
    pub(crate) open: usize,
}

/// The last lines of a run: what was missed, each with the name of its table.
pub(crate) fn summary<'a>(tables: impl Iterator<Item = (&'a str, &'a Targets)>) -> String {
    let mut missed = Vec::new();
    let (mut judged, mut open) = (0, 0);
    for (name, targets) in tables {
        judged += targets.judged.len();
        open += targets.open;
        let lost = targets.judged.iter().filter(|target| !target.reached);
        missed.extend(lost.map(|target| format!("  {name}: {}\n", target.line)));
    }
    let mut text = match (judged, missed.len()) {
        (0, _) => "no target was held against what was measured".to_owned(),
        (_, 0) => format!("all {judged} targets were reached"),
        (_, 1) => format!("1 of {judged} targets was missed"),
        (_, count) => format!("{count} of {judged} targets were missed"),
    };
    if open > 0 {
        text += &format!("; open: {open}, as not all that they are about was measured");
    }
    format!("{text}\n{}", missed.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(reached: &[bool], open: usize) -> Targets {
        let judged = reached.iter().map(|&reached| Judged {
            reached,
            line: format!("it is {reached}"),
        });
        Targets {
            judged: judged.collect(),
            open,
        }
    }

    #[test]
    fn what_was_missed_is_said_last() {
        let said = |tables: &[(&str, Targets)]| {
            let tables = tables.iter().map(|(name, targets)| (*name, targets));
            summary(tables)
        };
        assert_eq!(
            said(&[
                ("a", targets(&[true, false], 0)),
                ("b", targets(&[false], 1))
            ]),
            "2 of 3 targets were missed; open: 1, as not all that they are about was measured\n  \
             a: it is false\n  b: it is false\n"
        );
        assert_eq!(
            said(&[("a", targets(&[true], 0)), ("b", targets(&[true], 0))]),
            "all 2 targets were reached\n"
        );
        assert_eq!(
            said(&[("a", targets(&[], 0))]),
            "no target was held against what was measured\n"
        );
    }
}
