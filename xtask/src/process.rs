//! Running other programs.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::{Result, root};

/// A command at the root of the workspace.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// Cargo at the root of the workspace: the one that runs us.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    // What cargo has said of xtask is said of nothing that this one builds: build scripts that look at it (ring's)
    // would run again, and all that depends on them be built again, each time `cargo` and `cargo xtask` take turns.
    for (name, _) in env::vars_os() {
        let says = name.to_string_lossy();
        if says.starts_with("CARGO_PKG_") || says.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    if env::var_os("CI").is_some() {
        // Nobody attaches a debugger there, and it makes the build smaller and faster.
        command.env("CARGO_PROFILE_DEV_DEBUG", "0");
    }
    command
}

/// Says what is run, runs it with its output visible, and fails if it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", text(command));
    let mut bound = bound_to_us(command);
    let status = bound
        .as_mut()
        .unwrap_or(command)
        .status()
        .map_err(|error| format!("{}: {error}", text(command)))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{}: {status}", text(command)).into())
    }
}

/// The command as a person would type it at the root of the workspace.
fn text(command: &Command) -> String {
    let mut words = Vec::new();
    if let Some(directory) = command
        .get_current_dir()
        .and_then(|path| path.strip_prefix(root()).ok())
        && !directory.as_os_str().is_empty()
    {
        words.push(format!("cd {} &&", directory.display()));
    }
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!("{}={:?}", name.display(), value));
        }
    }
    let program = PathBuf::from(command.get_program());
    words.push(
        program
            .file_name()
            .unwrap_or(command.get_program())
            .display()
            .to_string(),
    );
    words.extend(
        command
            .get_args()
            .map(|argument| argument.display().to_string()),
    );
    words.join(" ")
}

/// Where a program that is on the path lies.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

/// The directory into which cargo builds.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let output = cargo(&["metadata", "--no-deps", "--format-version", "1"])
        .stderr(Stdio::inherit())
        .output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let directory = metadata["target_directory"]
        .as_str()
        .ok_or("cargo names no target directory")?;
    Ok(directory.into())
}

/// The same command, at whose process the kernel strikes when our own is gone, however that was ended: a program that
/// is killed drops nothing. It counts from the thread that starts it, which is to be one that lasts.
///
/// Where there is no `setpriv` (it is Linux's) the command is as it was.
fn bound_to_us(command: &Command) -> Option<Command> {
    let mut bound = Command::new(find("setpriv")?);
    bound
        .args(["--pdeathsig", "KILL"])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => bound.env(name, value),
            None => bound.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        bound.current_dir(directory);
    }
    Some(bound)
}

/// A process that does not outlive its owner, nor this process.
pub(crate) struct Owned {
    child: Child,
    /// What it has not been asked for yet; none when that did not come in time.
    output: Option<BufReader<ChildStdout>>,
}

impl Owned {
    /// Starts `command` with its standard output kept for us.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        Self::start_reading(command, Stdio::null())
    }

    /// The same for a program that ends with its input, so that it does not outlive us either.
    pub(crate) fn start_with_input(command: &mut Command) -> Result<Self> {
        Self::start_reading(command, Stdio::piped())
    }

    fn start_reading(command: &mut Command, input: Stdio) -> Result<Self> {
        let mut bound = bound_to_us(command);
        let mut child = bound
            .as_mut()
            .unwrap_or(command)
            .stdin(input)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", text(command)))?;
        let output = child.stdout.take().map(BufReader::new);
        Ok(Self { child, output })
    }

    /// By which the kernel knows it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line of its output.
    pub(crate) fn next_line(&mut self, limit: Duration) -> Result<String> {
        self.read(limit, |output, text| output.read_line(text))
    }

    /// The rest of its output, when it has ended well.
    pub(crate) fn output(mut self, limit: Duration) -> Result<String> {
        let text = self.read(limit, |output, text| output.read_to_string(text))?;
        let status = self.child.wait()?;
        if status.success() {
            Ok(text)
        } else {
            Err(format!("a process failed: {status}").into())
        }
    }

    /// Reads in a thread, as reading itself knows no time limit. The thread ends with the process.
    fn read<R>(&mut self, limit: Duration, read: R) -> Result<String>
    where
        R: FnOnce(&mut BufReader<ChildStdout>, &mut String) -> std::io::Result<usize>
            + Send
            + 'static,
    {
        let mut output = self
            .output
            .take()
            .ok_or("the output did not come in time before")?;
        let (sender, receiver) = mpsc::sync_channel(1);
        thread::spawn(move || {
            let mut text = String::new();
            let read = read(&mut output, &mut text).map(|_| text);
            // Nobody listens any more when the time was up.
            let _ = sender.send((read, output));
        });
        let (text, output) = receiver
            .recv_timeout(limit)
            .map_err(|_| format!("no output within {limit:?}"))?;
        self.output = Some(output);
        Ok(text?)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // It may have ended by itself, which is just as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn a_process_ends_with_what_started_it() {
        if find("setpriv").is_none() {
            return;
        }
        let limit = Duration::from_secs(20);
        let start = move || {
            let mut sleeper = command("sh");
            sleeper.args(["-c", "echo $PPID $ALOUD; exec sleep 60"]);
            let mut owned = Owned::start(sleeper.env("ALOUD", "yes")).unwrap();
            let line = owned.next_line(limit).unwrap();
            assert_eq!(line, format!("{} yes\n", std::process::id()));
            owned
        };
        // To the kernel a thread is as good as a process here.
        let mut owned = thread::spawn(start).join().unwrap();
        let status = owned.child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "{status}");
    }
}
