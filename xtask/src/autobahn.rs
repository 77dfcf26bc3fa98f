//! `cargo xtask autobahn`: Autobahn's cases of WebSocket against the door for clients.
//!
//! Autobahn is not part of the project: whoever has it says where it is.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    io::stdin,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use serde_json::{Value, json};

use crate::Result;
use crate::process::{Owned, cargo, command, run as run_command, target_directory};

/// What to run.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Cases to run; may be given several times. Those of compression, 12 and 13, are left out by themselves:
    /// it is not offered.
    #[arg(long, value_name = "PATTERN", default_values = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"])]
    case: Vec<String>,
    /// Where the reports go. Default: `autobahn` in the target directory.
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
    /// The runner and its first arguments: `wstest` of Autobahn, or a program that takes `OUT NAME=URL
    /// PATTERN…` as further arguments. Both write OUT/index.json. Without one the endpoint is only served,
    /// until Enter.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    runner: Vec<OsString>,
}

/// What it is called in the reports.
const NAME: &str = "tangelo";
/// An endpoint that does not listen this long after its start is stuck.
const PATIENCE: Duration = Duration::from_secs(20);
/// What the cases may come to; the third is for cases without right and wrong.
const FINE: [&str; 3] = ["OK", "NON-STRICT", "INFORMATIONAL"];

/// Serves the endpoint, has the runner ask it, and sums up. Fails if a case failed.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let package = ["build", "--locked", "--package", "suite"];
    run_command(cargo(&package).args(["--bin", "websocket-echo"]))?;
    let target = target_directory()?;
    let mut endpoint = command(target.join("debug").join("websocket-echo"));
    let mut endpoint = Owned::start_with_input(&mut endpoint)?;
    let url = format!("ws://{}/", endpoint.next_line(PATIENCE)?.trim());
    let Some((runner, first)) = arguments.runner.split_first() else {
        println!("serving {url} until Enter");
        stdin().read_line(&mut String::new())?;
        return Ok(());
    };
    let out = arguments.out.clone();
    let out = out.unwrap_or_else(|| target.join("autobahn"));
    fs::create_dir_all(&out)?;
    let mut runner = command(runner);
    runner.args(first);
    if Path::new(runner.get_program()).file_stem() == Some("wstest".as_ref()) {
        let spec = json!({
            "outdir": out,
            "servers": [{ "agent": NAME, "url": url }],
            "cases": arguments.case,
            "exclude-cases": [],
        });
        let file = out.join("spec.json");
        fs::write(&file, spec.to_string())?;
        runner.args(["-m", "fuzzingclient", "-s"]).arg(file);
    } else {
        runner.arg(&out).arg(format!("{NAME}={url}"));
        runner.args(&arguments.case);
    }
    // A runner may fail because a case has; that is seen in its report.
    let ended = run_command(&mut runner);
    let report = fs::read(out.join("index.json"));
    let report = report.map_err(|error| match ended {
        Err(ended) => format!("{ended}"),
        Ok(()) => format!("{}: {error}", out.display()),
    })?;
    judge(&serde_json::from_slice(&report)?)
}

fn judge(report: &Value) -> Result<()> {
    let cases = report[NAME].as_object().ok_or("the report names no case")?;
    let mut counts = BTreeMap::<&str, usize>::new();
    let mut failed = Vec::new();
    for (case, outcome) in cases {
        let behavior = outcome["behavior"].as_str().unwrap_or("nothing");
        *counts.entry(behavior).or_default() += 1;
        if !FINE.contains(&behavior) {
            failed.push(case.as_str());
        }
    }
    println!("{} cases: {counts:?}", cases.len());
    if cases.is_empty() || !failed.is_empty() {
        return Err(format!("failed: {failed:?}").into());
    }
    Ok(())
}
