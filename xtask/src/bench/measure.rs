//! One measurement: servers start, are loaded, watched and ended.

use std::process::Command;
use std::time::Duration;

use super::figures::{Watch, now_us, proportional};
use super::http;
use super::programs::Programs;
use super::scenario::{Counts, Program, Run, Side};
use super::sockets::Sockets;
use crate::Result;
use crate::process::Owned;

/// A server that does not listen, or a load generator that does not end this long after its time,
/// is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often and how long.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measure: Duration,
}

/// What one measurement says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) errors: f64,
    /// Microseconds of processor time for a request, of each server process in the order of their start.
    pub(crate) cpu_us: Vec<f64>,
    /// Processors that all server processes had, of those there are.
    pub(crate) processors: f64,
    /// Bytes of all server processes in memory.
    pub(crate) resident: f64,
    /// Bytes that the kernel has for sockets, both ends, where they can be told.
    pub(crate) sockets: Option<f64>,
    /// The same for each connection, where connections are all there is: less what the server had before.
    pub(crate) per_connection: f64,
    pub(crate) sockets_per_connection: Option<f64>,
    pub(crate) overload: Option<Overload>,
}

/// What was seen while more was offered than could be done.
#[derive(Clone, Debug)]
pub(crate) struct Overload {
    /// Requests in a second at best, offered, and refused.
    pub(crate) peak: f64,
    pub(crate) offered: f64,
    pub(crate) refused: f64,
    pub(crate) refused_p99_us: f64,
    /// What refusals said.
    pub(crate) codes: Vec<String>,
}

/// Starts the servers of a side, loads the last of them, and ends them all.
pub(crate) fn measure(
    programs: &Programs,
    side: &Side,
    counts: Counts,
    effort: Effort,
) -> Result<Sample> {
    let sockets_before = Sockets::look();
    let (servers, address) = start(programs, side)?;
    let processes: Vec<_> = servers.iter().map(Owned::id).collect();
    let memory = || -> Result<u64> { processes.iter().map(|id| proportional(*id)).sum() };

    let before = if counts == Counts::Idle { memory()? } else { 0 };
    let watch = Watch::start(processes.clone(), programs.units(), sockets_before);
    let mut load = Owned::start(&mut load(programs, side, &address, effort)?)?;
    // At its best, and under overload, is twice.
    let limit = 2 * (effort.warm_up + effort.measure) + PATIENCE;
    let after = if counts == Counts::Idle {
        let line = load.next_line(limit)?;
        if line.trim_end() != "open" {
            return Err(format!("instead of opening connections the load said {line:?}").into());
        }
        memory()?
    } else {
        0
    };
    let result = load.output(limit)?;
    let ended_us = now_us();
    let readings = watch.end()?;

    // wrk says other things before.
    let result = result.lines().next_back().unwrap_or_default();
    let result: serde_json::Value = serde_json::from_str(result)?;
    let number = |name: &str| result[name].as_f64();
    let needed = |name: &str| number(name).ok_or_else(|| format!("no {name} in {result}"));
    let seconds = needed("seconds")?;
    let to_us = number("to_us").map_or(ended_us, |time| time as u64);
    let from_us = number("from_us").map_or(to_us - (seconds * 1e6) as u64, |time| time as u64);
    let usage = readings.between(from_us, to_us);
    let requests = answered(counts, &result)?;
    let overload = number("peak").map(|peak| Overload {
        peak,
        offered: number("offered").unwrap_or(0.0),
        refused: number("refused").unwrap_or(0.0),
        refused_p99_us: number("refused_p99_us").unwrap_or(0.0),
        codes: keys(&result["codes"]),
    });
    let connections = number("connections").unwrap_or(f64::INFINITY);
    let sockets = usage.sockets.map(|bytes| bytes as f64);
    Ok(Sample {
        per_second: needed("per_second")?,
        p50_us: needed("p50_us")?,
        p99_us: needed("p99_us")?,
        errors: needed("errors")?,
        processors: usage.cpu.iter().sum::<f64>() / seconds,
        cpu_us: usage.cpu.iter().map(|cpu| cpu * 1e6 / requests).collect(),
        resident: usage.resident as f64,
        sockets,
        per_connection: after.saturating_sub(before) as f64 / connections,
        sockets_per_connection: sockets.map(|bytes| bytes / connections),
        overload,
    })
}

/// What was counted; a server that is loaded and answers nothing has not been measured.
fn answered(counts: Counts, result: &serde_json::Value) -> Result<f64> {
    let requests = result["requests"].as_f64();
    let requests = requests.ok_or_else(|| format!("no requests in {result}"))?;
    if counts != Counts::Idle && requests == 0.0 {
        return Err(format!("nothing was answered: {result}").into());
    }
    Ok(requests.max(1.0))
}

fn keys(map: &serde_json::Value) -> Vec<String> {
    map.as_object()
        .map_or(Vec::new(), |map| map.keys().cloned().collect())
}

/// Starts the servers of a side; the load goes to the address.
pub(crate) fn start(programs: &Programs, side: &Side) -> Result<(Vec<Owned>, String)> {
    let mut servers: Vec<Owned> = Vec::new();
    let mut address = String::new();
    for server in &side.servers {
        let mut start = programs.server(&server.run, side)?;
        if let Some(flag) = server.behind {
            start.args([flag, &address]);
        }
        let mut process = Owned::start(&mut start)?;
        address = listening(&mut process, &server.run)?;
        servers.push(process);
    }
    Ok((servers, address))
}

fn listening(process: &mut Owned, run: &Run) -> Result<String> {
    let line = process.next_line(PATIENCE)?;
    let address = line.trim_end().strip_prefix("listening ");
    let address = address.ok_or_else(|| {
        format!(
            "{:?} {} did not say where it listens, but {line:?}",
            run.program,
            run.arguments.join(" ")
        )
    })?;
    Ok(address.to_owned())
}

/// What loads a server at `address`, and how it is told what to do.
pub(crate) fn load(
    programs: &Programs,
    side: &Side,
    address: &str,
    effort: Effort,
) -> Result<Command> {
    let mut load = programs.load(side)?;
    if side.load.program == Program::Wrk {
        http::check(address)?;
        // It knows whole seconds alone, and no warm-up.
        let during = |mut load: Command, time: Duration| {
            load.arg(format!("-d{}s", time.as_secs().max(1)))
                .args(["--latency", "-s", "benches/peers/post.lua"])
                .arg(format!("http://{address}/echo"));
            load
        };
        let mut warm_up = during(programs.load(side)?, effort.warm_up);
        Owned::start(&mut warm_up)?.output(effort.warm_up + PATIENCE)?;
        load = during(load, effort.measure);
    } else {
        load.args(["--addr", address])
            .args(["--warm-up-ms", &effort.warm_up.as_millis().to_string()])
            .args(["--measure-ms", &effort.measure.as_millis().to_string()]);
    }
    Ok(load)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_answers_nothing_has_failed_unless_nothing_is_asked() {
        let result = |requests: u64| serde_json::json!({ "requests": requests });
        for counts in [Counts::Requests, Counts::Deliveries, Counts::Overload] {
            assert!(answered(counts, &result(0)).is_err());
            assert_eq!(answered(counts, &result(7)).unwrap(), 7.0);
        }
        assert!(answered(Counts::Idle, &result(0)).is_ok());
    }
}
