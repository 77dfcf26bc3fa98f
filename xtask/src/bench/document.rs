//! What is kept of a run: `docs/benchmarks.md`, and a picture beside it for each table.

use std::fs;

use super::judged::Targets;
use super::{glance, table};
use crate::{Result, root};

const HEAD: &str = "# Benchmarks

What `cargo xtask bench` has measured last; [performance.md](performance.md) holds it against the run before and says why what is missed is missed,
[benches/README.md](../benches/README.md) what is measured and how. Sides take turns, servers and load
generator are processes of their own on one machine, which they share: compare sides within a table, never figures of two tables.
Rates and times of a table have one unit each, which stands above the column; `min..max` has that of the column before it.
The ratio is the median of the rounds' ratios to the first side, so it is not the quotient of two figures of the table; by it targets are judged, and rounds may lie on both
sides of them (in brackets). `CPU us each` is the processor time of the server for each request, user's and system's;
where there are several server processes, each in the order of the request's way back to front. `CPUs` is how many processors they kept busy, `kept` the goodput in parts
of the peak, `codes` what was refused with. In curves, where a unit is a request, a delivery or a byte, the lowest and the highest round stand in brackets, and a side whose cost grows
up to 1.25 times as much as the bare one's is as that. `MiB` is what all server processes have in memory, `kernel` what the kernel
has besides for the sockets of both ends; `-` where they are too few for it to tell.

All targets come first, then a table for each path, curves at the end. Where the time of the three main paths goes: [echo](benchmarks/flame-echo-tcp.md), [forwarded](benchmarks/flame-forwarded.md),
[krpc](benchmarks/flame-krpc-unary.md).
";

/// What was measured of a scenario or a curve.
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// The shape of the load.
    pub(crate) shape: String,
    pub(crate) rows: Vec<Vec<String>>,
    /// What is below the table: what was to be reached, and what else there is to say.
    pub(crate) targets: Targets,
    pub(crate) lines: Vec<String>,
    pub(crate) picture: String,
    /// How it was measured.
    pub(crate) foot: String,
}

/// Where it is, beneath the root of the workspace.
pub(crate) const PLACE: &str = "docs/benchmarks.md";

/// Puts what was measured into the document, whose sections have this order. What was not stays as it is there.
pub(crate) fn write(order: &[&str], measured: &[Section]) -> Result<()> {
    let document = root().join(PLACE);
    let pictures = root().join("docs/benchmarks");
    let old = fs::read_to_string(&document).unwrap_or_default();
    fs::create_dir_all(&pictures)?;

    let mut sections = String::new();
    for name in order {
        match measured.iter().find(|section| section.name == *name) {
            Some(section) => {
                fs::write(pictures.join(format!("{name}.svg")), &section.picture)?;
                sections += &format!("\n{}{}{}", begin(name), section.text(), end(name));
            }
            None => sections += &kept(&old, name),
        }
    }
    fs::write(
        document,
        HEAD.to_owned() + &glance::table(&sections) + &sections,
    )?;
    Ok(())
}

fn begin(name: &str) -> String {
    format!("<!-- {name} -->\n")
}

fn end(name: &str) -> String {
    format!("<!-- end of {name} -->\n")
}

/// The section that an earlier run has left, if one has.
fn kept(old: &str, name: &str) -> String {
    let (begin, end) = (begin(name), end(name));
    let section = old
        .split_once(&begin)
        .and_then(|(_, rest)| rest.split_once(&end));
    section.map_or(String::new(), |(section, _)| {
        format!("\n{begin}{section}{end}")
    })
}

impl Section {
    pub(crate) fn console(&self) -> String {
        let title = format!("{}: {}", self.title, self.shape);
        table::console(&title, &self.rows, self.below())
    }

    fn below(&self) -> impl Iterator<Item = &String> {
        let targets = self.targets.judged.iter().map(|target| &target.line);
        targets.chain(&self.lines)
    }

    fn text(&self) -> String {
        let Self {
            name,
            title,
            shape,
            foot,
            ..
        } = self;
        let rows = table::markdown(&self.rows);
        let mut text = format!(
            "## {title}\n\nThe load: {shape}.\n\n![{title}](benchmarks/{name}.svg)\n\n{rows}\n"
        );
        for line in self.below() {
            text += &format!("* {line}\n");
        }
        text + &format!("\n<sub>{foot}</sub>\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_stays() {
        let old = format!(
            "x{}one\n{}{}two\n{}",
            begin("a"),
            end("a"),
            begin("b"),
            end("b")
        );
        let section = kept(&old, "b");
        assert_eq!(section, format!("\n{}two\n{}", begin("b"), end("b")));
        assert_eq!(kept("", "b"), "");
    }
}
