//! A krpc server in a process of its own, for tests that look at several of them from outside.
//!
//! `krpc-node NAME [KEY=VALUE]…`: its settings are those of `tangelo.toml`, such as
//! `server.default.port=5600`, and besides `journal` (a file that takes a line `NAME ID` for each call
//! that runs), `next` (the addresses of the nodes behind it) and `w3c`. It says `ready ADDRESS` when it
//! listens. Then each line it reads is a command:
//!
//! * `code N`, `delay N`: what its work answers from now on, and how many milliseconds that takes. `ok`.
//! * `release N`: lets so many calls go on that it holds; of each it has said `holds ID`. `ok`.
//! * `executed`: answered by `executed N`, the calls it has run.
//! * `stop`: it says `stopping` when it takes nothing new, and `stopped N` when all is answered but
//!   for so many that were cut off.
//!
//! It ends with its input. With the argument `serve` it has no commands: it is as all of `main`, and ends
//! by a signal.

use std::{
    env,
    error::Error,
    fs::{File, OpenOptions},
    io::{self, Write},
    process::ExitCode,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI32, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::Value;
use tangelo::{
    BlockingApp, Bootstrap, RpcApp,
    rpc::{ServerContext, Status, W3c, config::ServerConfig},
};
use tangelo_runtime::{Stop, Tasks};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, sleep_until},
};
use tracing::Span;

mod proto {
    tangelo::include_proto!("worker");
}

use proto::{RelayReq, RelayRes, Seen, WorkReq, WorkRes, Worker, WorkerClient, WorkerServer};

/// How long calls that run may take when the node is told to stop.
const PATIENCE: Duration = Duration::from_secs(20);

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<ExitCode> {
    let (node, bootstrap) = read_arguments()?;
    let node = Arc::new(node);
    let app = bootstrap.service(WorkerServer::shared(Arc::clone(&node)));
    if node.serves {
        return Ok(app.serve_with(say_ready));
    }
    let app = app.start_blocking()?;
    let _ = node.app.set(RpcApp::clone(&app));
    say_ready(&app);
    for line in io::stdin().lines() {
        node.obey(&line?, &app)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn say_ready(app: &RpcApp) {
    for server in app.servers() {
        say(format_args!("ready {}", server.address()));
    }
}

fn read_arguments() -> Outcome<(Process, Bootstrap)> {
    let mut arguments = env::args().skip(1);
    let name = arguments.next().ok_or("krpc-node NAME [KEY=VALUE]…")?;
    let mut bootstrap = Bootstrap::new(&name).server(ServerConfig::from(0).host("127.0.0.1"));
    let mut node = Process::new(name);
    for argument in arguments {
        let (key, value) = argument.split_once('=').unwrap_or((&argument, ""));
        bootstrap = match key {
            "journal" => {
                let journal = OpenOptions::new().append(true).create(true).open(value)?;
                node.journal = Some(journal);
                bootstrap
            }
            "next" => {
                node.has_next = true;
                bootstrap.referer::<WorkerClient>("next", value)
            }
            "serve" => {
                node.serves = true;
                bootstrap
            }
            "w3c" => bootstrap.tracer(Arc::new(W3c)),
            _ => {
                let value: Value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
                bootstrap.set(key, value)
            }
        };
    }
    Ok((node, bootstrap))
}

/// This process.
struct Process {
    name: String,
    journal: Option<File>,
    has_next: bool,
    serves: bool,
    app: OnceLock<RpcApp>,
    tasks: Tasks,
    executed: AtomicU64,
    code: AtomicI32,
    delay: AtomicU64,
    released: Semaphore,
}

impl Process {
    fn new(name: String) -> Self {
        Self {
            name,
            journal: None,
            has_next: false,
            serves: false,
            app: OnceLock::new(),
            tasks: Tasks::new(Stop::new()),
            executed: AtomicU64::new(0),
            code: AtomicI32::new(0),
            delay: AtomicU64::new(0),
            released: Semaphore::new(0),
        }
    }

    fn obey(&self, command: &str, app: &BlockingApp) -> Outcome<()> {
        let (command, number) = command.split_once(' ').unwrap_or((command, ""));
        match command {
            "code" => self.code.store(number.parse()?, Ordering::Relaxed),
            "delay" => self.delay.store(number.parse()?, Ordering::Relaxed),
            "release" => self.released.add_permits(number.parse()?),
            "executed" => {
                let executed = self.executed.load(Ordering::Relaxed);
                say(format_args!("executed {executed}"));
                return Ok(());
            }
            "stop" => {
                stop(app);
                return Ok(());
            }
            _ => return Err(format!("no such command: {command}").into()),
        }
        say(format_args!("ok"));
        Ok(())
    }

    /// Written down at once, so that it is known whatever becomes of this process.
    fn write_down(&self, id: i64) -> Result<(), Status> {
        self.executed.fetch_add(1, Ordering::Relaxed);
        if let Some(mut journal) = self.journal.as_ref() {
            let line = format!("{} {id}\n", self.name);
            journal.write_all(line.as_bytes()).map_err(broken)?;
        }
        Ok(())
    }

    fn next(&self) -> Result<Option<WorkerClient>, Status> {
        match self.app.get().filter(|_| self.has_next) {
            Some(app) => Ok(Some(app.referer("next")?)),
            None => Ok(None),
        }
    }

    /// Asks the node behind when the time of this request is up.
    fn ask_late(&self, context: &ServerContext, next: WorkerClient) {
        let up = context.deadline().unwrap_or_else(Instant::now);
        let ask = async move {
            sleep_until(up).await;
            let asked = next.relay(RelayReq::default()).await.map(|_| ());
            let told = next.relay(RelayReq::default()).one_way().await;
            for outcome in [asked, told] {
                let code = outcome.map_or_else(|status| status.code().0, |()| 0);
                say(format_args!("late {code}"));
            }
        };
        self.tasks.spawn(Span::none(), context.scope(ask));
    }

    fn seen(&self, context: &ServerContext) -> Seen {
        let trace = context.trace();
        let left = context.deadline().map_or(Duration::ZERO, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        });
        Seen {
            server: self.name.clone(),
            peers: trace.peers.clone(),
            trace_id: trace.trace_id.clone(),
            span_id: trace.span_id.clone(),
            traceparent: trace.traceparent(),
            label: trace.dyeing.clone(),
            attachment: context.attachment().to_owned(),
            millis_left: i32::try_from(left.as_millis()).unwrap_or(i32::MAX),
        }
    }
}

impl Worker for Process {
    async fn work(&self, request: WorkReq) -> Result<WorkRes, Status> {
        self.write_down(request.id)?;
        let millis =
            u64::try_from(request.millis).unwrap_or(0) + self.delay.load(Ordering::Relaxed);
        if millis > 0 {
            sleep(Duration::from_millis(millis)).await;
        }
        if request.hold {
            say(format_args!("holds {}", request.id));
            self.released.acquire().await.map_err(broken)?.forget();
        }
        let context = ServerContext::current();
        let connection = context.as_ref().and_then(ServerContext::connection);
        Ok(WorkRes {
            ret_code: self.code.load(Ordering::Relaxed),
            id: request.id,
            server: self.name.clone(),
            peer: connection
                .map(|connection| connection.peer().to_string())
                .unwrap_or_default(),
            ..WorkRes::default()
        })
    }

    async fn relay(&self, request: RelayReq) -> Result<RelayRes, Status> {
        self.write_down(0)?;
        let Some(context) = ServerContext::current() else {
            return Err(broken("no context"));
        };
        let mut seen = vec![self.seen(&context)];
        if let Some(mut next) = self.next()? {
            if request.late {
                self.ask_late(&context, next);
                return std::future::pending().await;
            }
            if let Some(millis) = u64::try_from(request.timeout)
                .ok()
                .filter(|millis| *millis > 0)
            {
                next = next.with_timeout(Duration::from_millis(millis));
            }
            for _ in 0..request.calls.max(1) {
                let answer = next
                    .relay(RelayReq {
                        calls: request.calls,
                        ..RelayReq::default()
                    })
                    .await?;
                seen.extend(answer.seen);
            }
        }
        Ok(RelayRes {
            seen,
            ..RelayRes::default()
        })
    }
}

/// Takes nothing new from now on; commands are obeyed meanwhile.
fn stop(app: &BlockingApp) {
    for server in app.servers() {
        server.stop();
    }
    say(format_args!("stopping"));
    let (stopping, runtime) = (RpcApp::clone(app), app.runtime().handle().clone());
    thread::spawn(move || {
        let cut_off = runtime.block_on(stopping.stop(PATIENCE));
        say(format_args!("stopped {cut_off}"));
    });
}

fn broken(problem: impl Into<Box<dyn Error + Send + Sync>>) -> Status {
    Status::from(tangelo::rpc::Code::BUSINESS_ERROR).with_cause(problem)
}

/// A line for whoever has started this process; if he is gone, so is this process soon.
fn say(line: std::fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
