//! What the kernel says of processes: processor time and memory.

use std::collections::BTreeMap;
use std::fs;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::sockets::{Costs, Sockets};
use super::versions;
use crate::Result;
use crate::process::command;

/// Often enough to cut a second exactly, and too seldom to be felt.
const EVERY: Duration = Duration::from_millis(50);

/// Microseconds since 1970, as all processes of a run have them.
pub(crate) fn now_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_micros() as u64)
}

/// The units in which the kernel tells time and memory.
#[derive(Clone, Copy)]
pub(crate) struct Units {
    ticks_per_second: f64,
    sockets: Costs,
}

impl Units {
    pub(crate) fn of_this_kernel() -> Result<Self> {
        let ask = |name: &str| -> Result<u64> {
            let output = command("getconf").arg(name).output()?.stdout;
            Ok(String::from_utf8(output)?.trim().parse()?)
        };
        Ok(Self {
            ticks_per_second: ask("CLK_TCK")? as f64,
            sockets: Costs::of_this_kernel(ask("PAGESIZE")?),
        })
    }
}

/// Looks at some processes, each with its children, until it is asked what it has seen.
pub(crate) struct Watch {
    stop: SyncSender<()>,
    watching: JoinHandle<Readings>,
}

/// What was seen at one time.
struct Seen {
    at_us: u64,
    /// Seconds of processor time, user's and system's, of each process.
    cpu: Vec<f64>,
    /// Bytes of all processes that are in memory.
    resident: u64,
    /// All TCP sockets of the machine, where it says.
    sockets: Option<Sockets>,
}

/// What was seen in all.
pub(crate) struct Readings {
    seen: Vec<Seen>,
    /// What there was before the servers started.
    before: Option<Sockets>,
    units: Units,
}

/// What was used from one time to another.
#[derive(Clone, Debug)]
pub(crate) struct Usage {
    /// Seconds of processor time of each process.
    pub(crate) cpu: Vec<f64>,
    /// The most bytes of all processes that were in memory.
    pub(crate) resident: u64,
    /// The most bytes of the machine's TCP sockets, less those of the sockets before the servers started; none where
    /// they cannot be told.
    pub(crate) sockets: Option<u64>,
}

impl Watch {
    /// `before` is what there was before those processes.
    pub(crate) fn start(processes: Vec<u32>, units: Units, before: Option<Sockets>) -> Self {
        let (stop, stopped) = sync_channel(1);
        let watching = thread::spawn(move || {
            let mut seen = vec![look(&processes, units)];
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                seen.push(look(&processes, units));
            }
            seen.push(look(&processes, units));
            Readings {
                seen,
                before,
                units,
            }
        });
        Self { stop, watching }
    }

    pub(crate) fn end(self) -> Result<Readings> {
        // It waits for nothing else.
        let _ = self.stop.send(());
        let readings = self.watching.join();
        readings.map_err(|_| "the watch over processes panicked".into())
    }
}

impl Readings {
    /// What was used between two times in microseconds.
    pub(crate) fn between(&self, from_us: u64, to_us: u64) -> Usage {
        let cpu_from = self.cpu_at(from_us);
        let cpu = self.cpu_at(to_us).into_iter().zip(cpu_from);
        let within = || {
            let lasts = self.seen.iter();
            lasts.filter(|seen| (from_us..=to_us).contains(&seen.at_us))
        };
        let costs = self.units.sockets;
        let sockets = within().filter_map(|seen| costs.of(self.before?, seen.sockets?));
        Usage {
            cpu: cpu.map(|(to, from)| (to - from).max(0.0)).collect(),
            resident: within().map(|seen| seen.resident).max().unwrap_or(0),
            sockets: sockets.max(),
        }
    }

    /// Processor time until then, in a straight line between two looks.
    fn cpu_at(&self, at_us: u64) -> Vec<f64> {
        let next = self.seen.partition_point(|seen| seen.at_us < at_us);
        match (
            next.checked_sub(1).and_then(|at| self.seen.get(at)),
            self.seen.get(next),
        ) {
            (Some(before), Some(after)) => {
                let part = (at_us - before.at_us) as f64 / (after.at_us - before.at_us) as f64;
                let pairs = before.cpu.iter().zip(&after.cpu);
                pairs.map(|(from, to)| from + part * (to - from)).collect()
            }
            (Some(seen), None) | (None, Some(seen)) => seen.cpu.clone(),
            (None, None) => Vec::new(),
        }
    }
}

fn look(processes: &[u32], units: Units) -> Seen {
    let mut cpu = Vec::new();
    let mut resident = 0;
    for process in processes {
        let mut seconds = 0.0;
        for process in family(*process) {
            seconds += ticks(process).unwrap_or(0) as f64 / units.ticks_per_second;
            resident += resident_kib(process).unwrap_or(0) * 1024;
        }
        cpu.push(seconds);
    }
    Seen {
        at_us: now_us(),
        cpu,
        resident,
        sockets: Sockets::look(),
    }
}

/// A process and all that it has started.
fn family(process: u32) -> Vec<u32> {
    let mut family = vec![process];
    let mut at = 0;
    while let Some(parent) = family.get(at) {
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
        let children = children.unwrap_or_default();
        family.extend(
            children
                .split_whitespace()
                .filter_map(|id| id.parse::<u32>().ok()),
        );
        at += 1;
    }
    family
}

/// Processor time of all threads, those that have ended as well.
fn ticks(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may hold blanks; it ends with the last bracket. State is the first field behind it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn resident_kib(process: u32) -> Option<u64> {
    named(&format!("/proc/{process}/status"), "VmRSS:")
}

/// Bytes of a process in memory: what it shares with others counts in parts.
pub(crate) fn proportional(process: u32) -> Result<u64> {
    let kib = named(&format!("/proc/{process}/smaps_rollup"), "Pss:");
    Ok(kib.ok_or("the kernel does not say how much memory a process has")? * 1024)
}

/// The number behind a word at the beginning of a line.
fn named(file: &str, word: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What the machine is, as a map of words.
pub(crate) fn machine() -> BTreeMap<&'static str, String> {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or(String::new(), |(_, name)| name.to_owned());
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let rustc = said("rustc", &["--version"]);
    let rustc = rustc.split(' ').nth(1).unwrap_or("?").to_owned();
    BTreeMap::from([
        ("processor", format!("{cores} of {cpu}")),
        ("system", said("uname", &["-srm"])),
        ("rustc", rustc),
        ("peers", versions::of_peers()),
        ("node", said("node", &["--version"])),
        ("commit", commit()),
    ])
}

/// The commit that was measured.
pub(crate) fn commit() -> String {
    // What is written here is no change of what was measured.
    let but_figures = ["--", ".", ":!docs/benchmarks.md", ":!docs/benchmarks"];
    let status = ["status", "--porcelain", "--untracked-files=no"];
    let changed = match &*said("git", &[&status[..], &but_figures].concat()) {
        "" => "",
        _ => "-dirty",
    };
    said("git", &["describe", "--always"]) + changed
}

/// What a program says, if it is there.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = command(program).args(arguments).output();
    let output = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}

/// How much else was running: the load average of the last minute.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(at_us: u64, cpu: f64, resident: u64, count: u64) -> Seen {
        Seen {
            at_us,
            cpu: vec![cpu],
            resident,
            sockets: Some(Sockets { count, pages: 0 }),
        }
    }

    #[test]
    fn processor_time_is_cut_between_two_looks() {
        let readings = Readings {
            seen: vec![
                seen(0, 0.0, 5, 1),
                seen(100, 1.0, 7, 1_000_000),
                seen(200, 3.0, 6, 2_000_000),
            ],
            before: Some(Sockets::default()),
            units: Units::of_this_kernel().unwrap(),
        };
        let usage = readings.between(50, 150);
        assert_eq!(usage.cpu, [1.5]);
        assert_eq!(usage.resident, 7);
        // Before the first look and after the last there is nothing to be seen.
        assert_eq!(readings.between(0, 1000).cpu, [3.0]);
    }

    #[test]
    fn this_process_has_memory_and_time() {
        let own = std::process::id();
        assert!(resident_kib(own).unwrap() > 0 && proportional(own).unwrap() > 0);
        assert!(ticks(own).is_some());
        assert_eq!(family(own).first(), Some(&own));
    }
}
