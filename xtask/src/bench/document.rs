//! What is kept of a run: `docs/benchmarks.md`, and a picture beside it for each table.

use std::fs;
use std::path::PathBuf;

use super::outcome::Outcome;
use super::scenario::Scenario;
use super::{svg, table};
use crate::{Result, root};

const HEAD: &str = "# Benchmarks

What `cargo xtask bench` has measured; [benches/README.md](../benches/README.md) says what is measured and how. Sides take turns, servers and load
generator are processes of their own on one machine, which they share: compare sides within a table, never figures of two tables.
The ratio is the median of the rounds' ratios to the first side. `CPU us each` is the processor time of the server for each request, user's and system's;
where there are several server processes, each in the order of the request's way back to front. `MiB` is what all server processes have in memory, `kernel` what the sockets
of both ends hold besides.
";

/// Puts what was measured into the document. What was not stays as it is there.
pub(crate) fn write(
    all: &[Scenario],
    measured: &[(&Scenario, &Outcome)],
    foot: &str,
) -> Result<()> {
    let document = root().join("docs/benchmarks.md");
    let pictures = root().join("docs/benchmarks");
    let old = fs::read_to_string(&document).unwrap_or_default();
    fs::create_dir_all(&pictures)?;

    let mut text = HEAD.to_owned();
    for scenario in all {
        let new = measured.iter().find(|(new, _)| new.name == scenario.name);
        match new {
            Some((scenario, outcome)) => {
                let picture: PathBuf = pictures.join(format!("{}.svg", scenario.name));
                fs::write(picture, svg::picture(scenario, outcome))?;
                text += &format!(
                    "\n{}{}{}",
                    begin(scenario),
                    section(scenario, outcome, foot),
                    end(scenario)
                );
            }
            None => text += &kept(&old, scenario),
        }
    }
    fs::write(document, text)?;
    Ok(())
}

fn begin(scenario: &Scenario) -> String {
    format!("<!-- {} -->\n", scenario.name)
}

fn end(scenario: &Scenario) -> String {
    format!("<!-- end of {} -->\n", scenario.name)
}

/// The section that an earlier run has left, if one has.
fn kept(old: &str, scenario: &Scenario) -> String {
    let (begin, end) = (begin(scenario), end(scenario));
    let section = old
        .split_once(&begin)
        .and_then(|(_, rest)| rest.split_once(&end));
    section.map_or(String::new(), |(section, _)| {
        format!("\n{begin}{section}{end}")
    })
}

fn section(scenario: &Scenario, outcome: &Outcome, foot: &str) -> String {
    let mut text = format!(
        "## {}\n\nThe load: {}.\n\n![{}](benchmarks/{}.svg)\n\n{}\n",
        scenario.title,
        scenario.shape,
        scenario.title,
        scenario.name,
        table::markdown(scenario, outcome)
    );
    for line in table::lines(scenario, outcome) {
        text += &format!("* {line}\n");
    }
    text + &format!("\n<sub>{foot}</sub>\n")
}

#[cfg(test)]
mod tests {
    use super::super::scenarios;
    use super::*;

    #[test]
    fn what_was_not_measured_stays() {
        let all = scenarios::all();
        let (first, second) = (&all[0], &all[1]);
        let old = format!(
            "x{}one\n{}{}two\n{}",
            begin(first),
            end(first),
            begin(second),
            end(second)
        );
        let section = kept(&old, second);
        assert_eq!(section, format!("\n{}two\n{}", begin(second), end(second)));
        assert_eq!(kept("", second), "");
    }
}
