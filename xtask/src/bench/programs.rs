//! The programs that take part: built, installed, or left out with the reason.

use std::path::PathBuf;
use std::process::Command;

use super::figures::Units;
use super::scenario::{Program, Run, Side};
use crate::process::{cargo, command, find, run, target_directory};
use crate::{Result, root};

/// Where programs lie, and why some are not there.
pub(crate) struct Programs {
    release: PathBuf,
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
        let needed: Vec<_> = sides.flat_map(Side::programs).collect();
        let mut missing = Vec::new();
        for (program, prepare) in [
            (Program::Peers, peers as fn() -> Result<()>),
            (Program::Pomelo, pomelo),
            (Program::Wrk, crate::install::wrk),
        ] {
            if needed.contains(&program)
                && let Err(reason) = prepare()
            {
                eprintln!("{program:?} is left out: {reason}");
                missing.push((program, reason.to_string()));
            }
        }
        Ok(Self {
            release: target_directory()?.join("release"),
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
        let (program, script) = match run.program {
            Program::Server => (self.release.join("bench-server"), None),
            Program::Load => (self.release.join("bench-load"), None),
            Program::Peers => (
                root().join("benches/peers/target/release/bench-peers"),
                None,
            ),
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
        start.args(script).args(&run.arguments);
        Ok(start)
    }
}

/// A workspace of its own: what it depends on is no part of ours.
fn peers() -> Result<()> {
    let manifest = root().join("benches/peers/Cargo.toml");
    if !manifest.is_file() {
        return Err("benches/peers is not there".into());
    }
    run(cargo(&["build", "--release", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(root().join("benches/peers/target")))
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
    if directory.join("node_modules").is_dir() {
        return Ok(());
    }
    run(command("npm")
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(directory))
}
