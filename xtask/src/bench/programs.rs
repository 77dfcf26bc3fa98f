//! The programs that take part: built, installed, or left out with the reason.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::figures::Units;
use super::scenario::{Program, Run, Side};
use crate::process::{cargo, command, find, run, target_directory};
use crate::{Result, root};

/// In a program's arguments, the directory into which cargo builds.
const TARGET: &str = "{target}";
/// The folder in it for the peers: they are another workspace, whose crates have other features.
const PEERS: &str = "peers";

/// Where programs lie, and why some are not there.
pub(crate) struct Programs {
    /// The directory into which cargo builds.
    target: PathBuf,
    missing: Vec<(Program, String)>,
    units: Units,
}

impl Programs {
    /// Builds what the sides need. Ours have to be there; without one of the others its sides are left out.
    pub(crate) fn build<'a>(sides: impl Iterator<Item = &'a Side>) -> Result<Self> {
        run(&mut cargo(&[
            "build",
            "--release",
            "--package",
            "tangelo-bench",
        ]))?;
        let target = target_directory()?;
        let build_peers = || peers(&target.join(PEERS));
        let needed: Vec<_> = sides.flat_map(Side::programs).collect();
        let mut missing = Vec::new();
        for (program, prepare) in [
            (Program::Peers, &build_peers as &dyn Fn() -> Result<()>),
            (Program::Pomelo, &pomelo),
            (Program::Wrk, &crate::install::wrk),
        ] {
            if needed.contains(&program)
                && let Err(reason) = prepare()
            {
                eprintln!("{program:?} is left out: {reason}");
                missing.push((program, reason.to_string()));
            }
        }
        Ok(Self {
            target,
            missing,
            units: Units::of_this_kernel()?,
        })
    }

    pub(crate) fn units(&self) -> Units {
        self.units
    }

    /// Why this side cannot be measured here, if it cannot.
    pub(crate) fn lacks(&self, side: &Side) -> Option<&str> {
        side.programs().find_map(|program| {
            let mut missing = self.missing.iter();
            let (_, reason) = missing.find(|(missing, _)| *missing == program)?;
            Some(reason.as_str())
        })
    }

    /// A side's server.
    pub(crate) fn server(&self, run: &Run, side: &Side) -> Result<Command> {
        self.command(run, side.apart.then_some("0"))
    }

    /// What loads it.
    pub(crate) fn load(&self, side: &Side) -> Result<Command> {
        self.command(&side.load, side.apart.then_some("1"))
    }

    fn command(&self, run: &Run, processor: Option<&str>) -> Result<Command> {
        let built = |folder: &str, name: &str| self.target.join(folder).join("release").join(name);
        let (program, script) = match run.program {
            Program::Server => (built("", "bench-server"), None),
            Program::Load => (built("", "bench-load"), None),
            Program::Peers => (built(PEERS, "bench-peers"), None),
            Program::Pomelo => ("node".into(), Some(root().join("benches/pomelo/serve.js"))),
            Program::Wrk => ("wrk".into(), None),
        };
        let mut start = match processor {
            Some(processor) => {
                let mut start = command("taskset");
                start.args(["--cpu-list", processor]).arg(program);
                start
            }
            None => command(program),
        };
        let target = self.target.to_string_lossy();
        let arguments = run.arguments.iter();
        let arguments = arguments.map(|argument| argument.replace(TARGET, &target));
        start.args(script).args(arguments);
        Ok(start)
    }
}

/// A workspace of its own: what it depends on is no part of ours.
fn peers(target: &Path) -> Result<()> {
    let manifest = root().join("benches/peers/Cargo.toml");
    if !manifest.is_file() {
        return Err("benches/peers is not there".into());
    }
    run(cargo(&["build", "--release", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(target))
}

fn pomelo() -> Result<()> {
    let directory = root().join("benches/pomelo");
    if !directory.join("package-lock.json").is_file() {
        return Err("benches/pomelo is not there".into());
    }
    for program in ["node", "npm"] {
        if find(program).is_none() {
            return Err(format!("{program} is missing").into());
        }
    }
    // npm writes it last: without it, it was ended while it was at work.
    let installed = directory.join("node_modules/.package-lock.json");
    if installed.is_file() {
        return Ok(());
    }
    run(command("npm")
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_is_started_where_it_was_built_and_told_where_that_is() {
        let programs = Programs {
            target: "/built".into(),
            missing: Vec::new(),
            units: Units::of_this_kernel().unwrap(),
        };
        for (program, path) in [
            (Program::Server, "/built/release/bench-server"),
            (Program::Load, "/built/release/bench-load"),
            (Program::Peers, "/built/peers/release/bench-peers"),
        ] {
            let run = Run::new(program, "--tls {target}/here");
            let started = programs.command(&run, None).unwrap();
            assert_eq!(started.get_program(), path);
            let arguments: Vec<_> = started.get_args().collect();
            assert_eq!(arguments, ["--tls", "/built/here"]);
        }
    }
}
