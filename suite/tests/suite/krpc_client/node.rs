//! Servers that are processes of their own: src/bin/krpc-node.rs, started and watched.

use std::{
    collections::VecDeque,
    fs,
    net::Ipv4Addr,
    path::PathBuf,
    process::{self, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::world::soon;

/// A server in a process of its own, which ends with this.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    address: String,
    process: Child,
    commands: ChildStdin,
    says: Lines<BufReader<ChildStdout>>,
    /// What it has said and nobody asked for yet.
    said: VecDeque<String>,
}

impl Node {
    /// Starts one; `settings` are its arguments.
    pub(super) async fn start(name: &str, settings: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_krpc-node"))
            .arg(name)
            .args(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut node = Self {
            name: name.to_owned(),
            address: String::new(),
            commands: process.stdin.take().unwrap(),
            says: BufReader::new(process.stdout.take().unwrap()).lines(),
            process,
            said: VecDeque::new(),
        };
        node.address = node.hear("ready").await;
        node
    }

    /// Starts one of each name.
    pub(super) async fn each<const N: usize>(names: [&str; N], settings: &[&str]) -> [Self; N] {
        let nodes = join_all(names.map(|name| Self::start(name, settings))).await;
        nodes.try_into().unwrap()
    }

    /// Where it listens.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The settings with which another one listens where this one does.
    pub(super) fn same_address(&self) -> [String; 2] {
        let (host, port) = self.address.split_once(':').unwrap();
        [
            format!("server.default.host={host}"),
            format!("server.default.port={port}"),
        ]
    }

    /// Tells it something, which it has heard then.
    pub(super) async fn tell(&mut self, command: &str) {
        self.write(command).await;
        self.hear("ok").await;
    }

    /// How many calls it has run.
    pub(super) async fn executed(&mut self) -> u32 {
        self.write("executed").await;
        self.hear("executed").await.parse().unwrap()
    }

    /// Waits until it holds a call; tells its id.
    pub(super) async fn holds(&mut self) -> i64 {
        self.hear("holds").await.parse().unwrap()
    }

    /// It takes nothing new from now on.
    pub(super) async fn begin_to_stop(&mut self) {
        self.write("stop").await;
        self.hear("stopping").await;
    }

    /// Waits until it has stopped; tells how many calls were cut off.
    pub(super) async fn stopped(&mut self) -> u32 {
        self.hear("stopped").await.parse().unwrap()
    }

    /// Kills it, as a crash would.
    pub(super) async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// The rest of the next line that begins with this word.
    pub(super) async fn hear(&mut self, word: &str) -> String {
        let rest = |line: &str| {
            let rest = line.strip_prefix(word)?;
            (rest.is_empty() || rest.starts_with(' ')).then(|| rest.trim_start().to_owned())
        };
        if let Some(at) = self.said.iter().position(|line| rest(line).is_some()) {
            return rest(&self.said.remove(at).unwrap()).unwrap();
        }
        loop {
            let line = soon(word, self.says.next_line()).await.unwrap();
            let line = line.unwrap_or_else(|| panic!("{} has ended before: {word}", self.name));
            match rest(&line) {
                Some(rest) => return rest,
                None => self.said.push_back(line),
            }
        }
    }

    async fn write(&mut self, command: &str) {
        let line = format!("{command}\n");
        self.commands.write_all(line.as_bytes()).await.unwrap();
    }
}

/// An address that no other test takes while nobody listens there: the settings for it.
pub(super) fn a_place_of_its_own() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    // Linux has all of 127/8.
    let host = if cfg!(target_os = "linux") {
        Ipv4Addr::new(127, 78, high, low)
    } else {
        Ipv4Addr::LOCALHOST
    };
    format!("server.default.host={host}")
}

/// A file in which nodes write down what they run; it goes with this.
#[derive(Debug)]
pub(super) struct Journal(PathBuf);

impl Journal {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let (process, number) = (process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let name = format!("journal-{process}-{number}");
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, "").unwrap();
        Self(path)
    }

    /// The setting that has a node write here.
    pub(super) fn setting(&self) -> String {
        format!("journal={}", self.0.display())
    }

    /// Node and id of each call that has run, in the order they began.
    pub(super) fn runs(&self) -> Vec<(String, i64)> {
        let text = fs::read_to_string(&self.0).unwrap();
        let run = |line: &str| {
            let (name, id) = line.split_once(' ').unwrap();
            (name.to_owned(), id.parse().unwrap())
        };
        // The last line may be half written yet.
        let whole = text
            .split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'));
        whole.map(run).collect()
    }

    /// Those that have run the call of this id, in their order.
    pub(super) fn runs_of(&self, id: i64) -> Vec<String> {
        let runs = self.runs().into_iter();
        runs.filter(|run| run.1 == id).map(|run| run.0).collect()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
