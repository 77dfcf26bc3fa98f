//! What the checks need beyond Rust, and how it gets here.

use std::process::Stdio;

use crate::process::{cargo, command, find, run};
use crate::{Result, root};

/// A program that a check needs.
struct Tool {
    program: &'static str,
    /// Debian's packages.
    packages: &'static [&'static str],
}

const TOOLS: &[Tool] = &[
    Tool {
        program: "node",
        packages: &["nodejs"],
    },
    Tool {
        program: "npm",
        packages: &["npm"],
    },
    Tool {
        program: "chromium",
        // The fonts are for the screenshots: without them Chinese and emoji are boxes.
        packages: &["chromium", "fonts-noto-cjk", "fonts-noto-color-emoji"],
    },
];

/// Directories with npm packages of their own.
const NPM: &[&str] = &["clients/js", "e2e"];

/// Makes sure that rustfmt and clippy are there; which toolchain gets them is not ours to choose.
pub(crate) fn rust_components() -> Result<()> {
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        let found = cargo(&[subcommand, "--version"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        if !found.success() {
            return Err(format!(
                "`cargo {subcommand}` is missing: rustup component add {component}"
            )
            .into());
        }
    }
    Ok(())
}

/// The load generator for HTTP, which the benchmark alone needs.
const WRK: &[Tool] = &[Tool {
    program: "wrk",
    packages: &["wrk"],
}];

/// Makes sure that wrk is there.
pub(crate) fn wrk() -> Result<()> {
    programs(WRK)
}

/// Installs the programs that are missing, where that can be done, and else says what to install.
pub(crate) fn tools() -> Result<()> {
    programs(TOOLS)
}

fn programs(tools: &[Tool]) -> Result<()> {
    let missing: Vec<_> = tools
        .iter()
        .filter(|tool| find(tool.program).is_none())
        .collect();
    for tool in tools {
        if let Some(path) = find(tool.program) {
            println!("{} is there: {}", tool.program, path.display());
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<_> = missing
        .iter()
        .flat_map(|tool| tool.packages)
        .copied()
        .collect();
    let names = packages.join(" ");
    if find("apt-get").is_none() || !is_root()? {
        return Err(format!(
            "missing: {names} (Debian's names; as root on Debian they are installed for you, \
             and `--skip` leaves out the steps that need them)"
        )
        .into());
    }
    println!("installing with apt-get: {names}");
    run(command("apt-get").args(["-q", "update"]))?;
    run(command("apt-get")
        .args(["-q", "-y", "--no-install-recommends", "install"])
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive"))?;
    match missing.iter().find(|tool| find(tool.program).is_none()) {
        Some(tool) => Err(format!("{} is installed and not in PATH", tool.program).into()),
        None => Ok(()),
    }
}

/// Installs the npm packages that the lock files name, into `node_modules` beside them.
pub(crate) fn npm_packages() -> Result<()> {
    for directory in NPM {
        let directory = root().join(directory);
        if directory.join("package-lock.json").is_file() {
            println!(
                "installing npm packages into {}",
                directory.join("node_modules").display()
            );
            // Debian's browser is used, so that Playwright need not download its own.
            run(command("npm")
                .args(["ci", "--no-audit", "--no-fund"])
                .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")
                .current_dir(directory))?;
        }
    }
    Ok(())
}

fn is_root() -> Result<bool> {
    Ok(command("id").arg("-u").output()?.stdout.trim_ascii() == b"0")
}
