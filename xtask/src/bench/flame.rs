//! Where the time of a path goes: its processes under `perf`, drawn as a flame graph, and the ten functions that take
//! most of it by themselves.

use std::collections::HashMap;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use inferno::collapse::Collapse;
use inferno::collapse::perf::{Folder, Options as FoldOptions};
use inferno::flamegraph::{self, Options};

use super::figures;
use super::measure::{self, Effort};
use super::programs::Programs;
use super::scenario::Scenario;
use super::svg::is_own;
use crate::process::{Owned, command, find, target_directory};
use crate::{Result, root};

/// Long enough to see what takes a part in a thousand.
const EFFORT: Effort = Effort {
    rounds: 1,
    warm_up: Duration::from_millis(1000),
    measure: Duration::from_millis(6000),
};
/// Milliseconds from the start of the load to the first look, and seconds from there to the last.
const BEFORE: &str = "1500";
const SECONDS: &str = "5";
/// Looks in a second at each processor; no divisor of what a timer does.
const LOOKS: &str = "399";
/// What is narrower is left out of the picture, in parts of a hundred.
const NARROWEST: f64 = 0.4;
const TOP: usize = 10;

/// Draws the Tangelo side of a scenario into `docs/benchmarks`, beside a table of each process.
pub(crate) fn draw(programs: &Programs, scenario: &Scenario) -> Result<()> {
    if find("perf").is_none() {
        return Err("perf is missing: it comes with the kernel's tools (linux-perf)".into());
    }
    let name = scenario.name;
    let side = scenario.sides.iter().find(|side| is_own(side.name));
    let side = side.ok_or_else(|| format!("{name} has no side of Tangelo's"))?;
    let (servers, address) = measure::start(programs, side)?;
    let mut load = measure::load(programs, side, &address, EFFORT)?;
    let load = Owned::start(&mut load)?;

    let words = side.servers.iter().map(|server| &server.run);
    let words = words.map(|run| run.arguments.first().map_or("server", |word| word));
    let mut processes: Vec<_> = words.zip(servers.iter().map(Owned::id)).collect();
    processes.push(("load generator", load.id()));
    let data = target_directory()?.join(format!("flame-{name}.data"));
    record(&processes, &data)?;
    load.output(EFFORT.measure * 2)?;

    let mut stacks = Vec::new();
    let mut text = format!(
        "# {}\n\nWhere the processor time of the side {} goes, as `cargo xtask bench --flame {name}` has seen it with `perf`: {}. Commit {}.\n\n\
         ![{}](flame-{name}.svg)\n",
        scenario.title,
        side.name,
        scenario.shape,
        figures::commit(),
        scenario.title
    );
    for (word, id) in &processes {
        let folded = fold(&data, *id)?;
        text += &format!("\n## {word}\n\n{}", top(&folded));
        stacks.extend(folded.into_iter().map(|stack| Stack {
            frames: [vec![(*word).to_owned()], stack.frames].concat(),
            ..stack
        }));
    }
    let folder = root().join("docs/benchmarks");
    picture(
        &stacks,
        scenario.title,
        &folder.join(format!("flame-{name}.svg")),
    )?;
    fs::write(folder.join(format!("flame-{name}.md")), &text)?;
    println!("{text}");
    Ok(())
}

fn record(processes: &[(&str, u32)], data: &Path) -> Result<()> {
    let ids: Vec<_> = processes.iter().map(|(_, id)| id.to_string()).collect();
    // Stacks are copied, as there are no frame pointers; deeper ones than this are cut at the outer end.
    let mut perf = command("perf");
    perf.args(["record", "-q", "-F", LOOKS, "--call-graph", "dwarf,8192"])
        .args(["-D", BEFORE, "-p", &ids.join(","), "-o"])
        .arg(data)
        .args(["--", "sleep", SECONDS]);
    let status = perf.status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("perf record: {status}").into())
    }
}

/// A stack, outermost first, and the nanoseconds it was seen for.
struct Stack {
    frames: Vec<String>,
    count: usize,
}

/// The stacks of one process.
fn fold(data: &PathBuf, process: u32) -> Result<Vec<Stack>> {
    let output = command("perf")
        .args(["script", "--no-inline", "--pid", &process.to_string(), "-i"])
        .arg(data)
        .output()?;
    let mut folded = Vec::new();
    Folder::from(FoldOptions::default())
        .collapse(BufReader::new(&output.stdout[..]), &mut folded)?;
    let lines = String::from_utf8_lossy(&folded);
    let stacks = lines.lines().filter_map(|line| {
        let (frames, count) = line.rsplit_once(' ')?;
        // The first is the thread's name.
        let frames = frames.split(';').skip(1).map(shortened);
        Some(Stack {
            frames: frames.collect(),
            count: count.parse().ok()?,
        })
    });
    Ok(stacks.collect())
}

/// A function's name without the hash that makes it unique, and without what stands for its types.
fn shortened(name: &str) -> String {
    let bare = match name.rsplit_once("::h") {
        Some((bare, hash)) if hash.len() == 16 => bare,
        _ => name,
    };
    let mut short = String::new();
    let mut depth = 0_u32;
    for part in bare.chars() {
        match part {
            // What begins with one is a type whose method it is.
            '<' if !short.is_empty() => depth += 1,
            '>' if depth > 0 => depth -= 1,
            other if depth == 0 => short.push(other),
            _ => {}
        }
    }
    // What an `impl` was for has left nothing.
    short.replace("::::", "::")
}

/// The functions that take most by themselves, as Markdown.
fn top(stacks: &[Stack]) -> String {
    let all: usize = stacks.iter().map(|stack| stack.count).sum();
    let mut own: HashMap<&str, usize> = HashMap::new();
    for stack in stacks {
        if let Some(last) = stack.frames.last() {
            *own.entry(last).or_default() += stack.count;
        }
    }
    let mut own: Vec<_> = own.into_iter().collect();
    own.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    let mut text = format!(
        "{:.1} s of processor time were seen.\n\n| of its time | in |\n|--:|---|\n",
        all as f64 / 1e9
    );
    for (name, count) in own.iter().take(TOP) {
        let part = *count as f64 * 100.0 / all.max(1) as f64;
        text += &format!("| {part:.1} % | `{}` |\n", name.replace('|', "\\|"));
    }
    text
}

fn picture(stacks: &[Stack], title: &str, file: &Path) -> Result<()> {
    let mut lines: Vec<_> = stacks
        .iter()
        .map(|stack| format!("{} {}", stack.frames.join(";"), stack.count))
        .collect();
    lines.sort();
    let mut options = Options::default();
    options.title = title.to_owned();
    options.min_width = NARROWEST;
    options.no_javascript = true;
    options.deterministic = true;
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), &mut svg)?;
    fs::write(file, svg)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short() {
        for (name, short) in [
            (
                "tangelo_wire::krpc::meta::Meta::decode::h0123456789abcdef",
                "tangelo_wire::krpc::meta::Meta::decode",
            ),
            (
                "core::ptr::drop_in_place<alloc::vec::Vec<u8>>",
                "core::ptr::drop_in_place",
            ),
            ("a::<impl a::Front>::begin", "a::begin"),
            ("tcp_sendmsg", "tcp_sendmsg"),
        ] {
            assert_eq!(shortened(name), short);
        }
    }

    #[test]
    fn what_takes_most_by_itself_stands_first() {
        let stack = |frames: &str, count| Stack {
            frames: frames.split(';').map(str::to_owned).collect(),
            count,
        };
        let text = top(&[stack("main;a", 1), stack("main;b;a", 2), stack("main;b", 1)]);
        assert!(
            text.ends_with("| 75.0 % | `a` |\n| 25.0 % | `b` |\n"),
            "{text}"
        );
    }
}
