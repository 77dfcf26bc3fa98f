//! Scheduled jobs, on a clock that the test moves.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use tangelo::{
    App, Result, Running,
    server::{
        Blueprint, Channels, Context, Cron, Ended, Every, Handlers, Incoming, Job, JobError,
        JobRun, JobStatus, Jobs, Json, ManualClock, Once, Overlap, PomeloCron, Server, Session,
        State,
    },
};

use crate::{
    client::Door,
    world::{DEADLINE, Heard, Hold, World, alone, chat, client, connector, pair, soon, until},
};

const MINUTE: Duration = Duration::from_secs(60);
/// A Sunday, 0:00 in Greenwich.
const START: Duration = Duration::from_secs(1_767_484_800);

/// A clock that shows the start.
fn clock() -> ManualClock {
    ManualClock::new(SystemTime::UNIX_EPOCH + START)
}

/// So long after the start.
fn at(after: Duration) -> SystemTime {
    SystemTime::UNIX_EPOCH + START + after
}

fn status(server: &Server, id: &str) -> JobStatus {
    server.context().jobs().get(id).unwrap()
}

/// A back end, alone.
async fn back(blueprint: Blueprint) -> Server {
    World::new().back("chat-1", blueprint).await
}

/// A folder with servers of a configuration, and its jobs.
fn config(name: &str, jobs: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    let servers = r#"{"chat": [{"id": "chat-1", "port": 0}, {"id": "chat-2", "port": 0}]}"#;
    fs::write(folder.join("servers.json"), servers).unwrap();
    fs::write(folder.join("crons.json"), jobs).unwrap();
    folder
}

async fn stop(running: &Running) {
    let cut_off = soon("the end", running.shutdown(DEADLINE)).await;
    assert_eq!(cut_off, 0);
}

#[tokio::test]
async fn pomelos_file_has_jobs_for_a_type_and_for_one_of_its_servers() {
    let (clock, mut ran) = (clock(), Heard::new());
    let tell = ran.teller();
    let tidy = move |run: JobRun, context: Arc<Context>| {
        tell((
            run.id().to_owned(),
            context.server_id().to_owned(),
            run.due(),
        ));
        async {}
    };
    let folder = config(
        "jobs-file",
        r#"{"development": {"chat": [
            {"id": 1, "time": "0 0/30 * * * *", "action": "roomCron.tidy"},
            {"id": "one", "time": "0 15 * * * *", "action": "roomCron.tidy", "serverId": "chat-2"}
        ]}, "production": {"chat": "nothing that is read"}}"#,
    );
    let running = App::new()
        .config(folder)
        .clock(clock.clock())
        .server("chat", move |server| {
            server.job("roomCron.tidy", tidy.clone())
        })
        .start()
        .await
        .unwrap();
    clock.advance(15 * MINUTE);
    let one = ("one".to_owned(), "chat-2".to_owned(), at(15 * MINUTE));
    assert_eq!(ran.next("it runs on its server").await, one);
    clock.advance(15 * MINUTE);
    let mut both = [ran.next("a run").await, ran.next("another").await];
    both.sort();
    let on = |server: &str| ("1".to_owned(), server.to_owned(), at(30 * MINUTE));
    assert_eq!(both, [on("chat-1"), on("chat-2")]);
    let jobs = running.server("chat-1").unwrap().context().jobs().all();
    let [job] = &jobs[..] else { panic!("{jobs:?}") };
    assert_eq!(job.action.as_deref(), Some("roomCron.tidy"));
    assert_eq!(job.schedule, "0 0/30 * * * *");
    assert_eq!(job.next, Some(at(60 * MINUTE)));
    stop(&running).await;
    ran.is_silent();
}

#[tokio::test]
async fn all_mistakes_of_a_file_of_jobs_are_told_at_once_with_file_line_and_key() {
    let folder = config(
        "jobs-mistakes",
        r#"{"chat": [
    {"id": 1, "time": "0 0/30 * * * *", "action": "roomCron.tidi"},
    {"id": 2, "time": "*/5 * * * * *", "action": "roomCron.tidy"},
    {"id": 3, "time": "0 0 0 * * *", "action": "roomCron.tidy"},
    {"id": 3, "time": "0 0 0 * * *", "action": "roomCron.tidy"},
    {"id": 4, "time": "0 0 0 * * *", "action": "roomCron.tidy", "serverId": "chat-3"},
    {"id": 5, "time": "0 0 0 * * *", "action": "roomCron.tidy", "serverId": "chat-1"},
    {"id": 5, "time": "0 0 0 * * *", "action": "roomCron.tidy", "serverId": "chat-2"},
    {"time": "0 0 0 * * *"}
]}"#,
    );
    let app = App::new().config(folder);
    let app = app.server("chat", |server| server.job("roomCron.tidy", async || {}));
    let told = app.start().await.unwrap_err().to_string();
    let expected = [
        r#"crons.json:2: jobs.chat "1": no job function `roomCron.tidi`; there are: roomCron.tidy"#,
        "crons.json:3: jobs.chat 2: `time`: `*/5 * * * * *`: second `*/5`: write `0/5`",
        r#"crons.json:5: jobs.chat "3": there is a job of id `3`"#,
        r#"crons.json:6: jobs.chat "4": `serverId`: there is no chat `chat-3`"#,
        "crons.json:9: jobs.chat: needs `id`: a text or a number",
        "crons.json:9: jobs.chat: needs `action`: a text",
    ];
    let mut lines = told.lines().skip(1);
    for expected in expected {
        let line = lines.next().unwrap();
        assert!(line.contains(expected), "{line}\n{expected}");
    }
    assert_eq!(lines.next(), None, "a server may have what another has");
}

#[tokio::test]
async fn mistakes_of_jobs_in_code_keep_a_server_from_starting_all_at_once() {
    let blueprint = chat(Handlers::new())
        .job("cron.known", async || {})
        .job("cron.known", async || {})
        .schedule(Job::new("a", "cron.unknown", Every::secs(1)))
        .schedule(Job::new("b", "cron.known", Every::secs(0)))
        .schedule(Job::new("c", "cron.known", Cron("99 * * * *")))
        .schedule(Job::new("d", "cron.known", PomeloCron("* * *")))
        .schedule(Job::new("d", "cron.known", Every::secs(1)))
        .schedule(Job::new("e", "cron.known", Every::secs(1)).on("chat-1"))
        .schedule(Job::new("e", "cron.known", Every::secs(1)).on("chat-2"));
    let mistakes = blueprint.check();
    let begin = [
        "there are two job functions `cron.known`",
        "job `a`: no job function `cron.unknown`; there are: cron.known",
        "job `b`: a period of 0",
        "job `c`: `99 * * * *`: ",
        "job `d`: `* * *`: expected 6 fields",
        "job `d`: there is a job of id `d`",
    ];
    assert_eq!(mistakes.len(), begin.len(), "{mistakes:#?}");
    for (mistake, begin) in mistakes.iter().zip(begin) {
        assert!(mistake.starts_with(begin), "{mistake}\n{begin}");
    }
    let registry = Arc::new(tangelo::registry::Memory::new());
    let instance = crate::world::back("chat-1");
    let started = Server::start(
        blueprint,
        instance,
        registry,
        tangelo::server::Routes::new(),
    );
    let told = started.await.unwrap_err().to_string();
    assert!(
        mistakes.iter().all(|mistake| told.contains(mistake)),
        "{told}"
    );
}

#[tokio::test]
async fn a_job_takes_what_it_needs_as_a_handler_does_and_reaches_clients() {
    async fn enter(session: Session, channels: Channels) -> Result<()> {
        channels
            .get_or_create("room")
            .add_by_id("ann", session.id(), session.frontend_id())?;
        Ok(())
    }
    async fn chime(State(word): State<&'static str>, channels: Channels) -> Result<()> {
        channels.get("room")?.push("onChime", word)?;
        Ok(())
    }
    let clock = clock();
    let back = chat(Handlers::new().add("enter", enter))
        .state("ding")
        .job("clockCron.chime", chime)
        .schedule(Job::new("chime", "clockCron.chime", Every::hours(1)))
        .clock(clock.clock());
    let (front, _back) = pair(connector(Handlers::new()), back).await;
    let mut client = client(&front, Door::Tcp).await;
    assert_eq!(client.ask("chat.main.enter", &json!({})).await, json!({}));
    clock.advance(60 * MINUTE);
    assert_eq!(client.push("onChime").await, "ding");
}

#[tokio::test]
async fn handlers_add_and_remove_jobs_while_a_server_runs() {
    async fn remind(Json(seconds): Json<u64>, session: Session, jobs: Jobs) -> Result<()> {
        let once = Once::after(Duration::from_secs(seconds));
        let told = session.clone();
        let job = Job::call(session.id().to_string(), once, move || {
            let told = told.clone();
            async move { told.push("onTime", "it is time") }
        });
        Ok(jobs.add(job)?)
    }
    async fn forget(session: Session, jobs: Jobs) -> Json<bool> {
        Json(jobs.remove(&session.id().to_string()))
    }
    let clock = clock();
    let handlers = Handlers::new().add("remind", remind).add("forget", forget);
    let server = alone(connector(handlers).clock(clock.clock())).await;
    let mut patient = client(&server, Door::Tcp).await;
    let mut hasty = client(&server, Door::WebSocket).await;
    for client in [&mut patient, &mut hasty] {
        client.ask("connector.main.remind", &json!(60)).await;
        client
            .is_refused("connector.main.remind", &json!(60), 500)
            .await;
    }
    assert_eq!(hasty.ask("connector.main.forget", &json!({})).await, true);
    assert_eq!(hasty.ask("connector.main.forget", &json!({})).await, false);
    clock.advance(MINUTE);
    assert_eq!(patient.push("onTime").await, "it is time");
    hasty.was_ignored("connector.main.echo").await;
    until("it is over", || {
        server
            .context()
            .jobs()
            .all()
            .iter()
            .all(|job| job.running == 0)
    })
    .await;
    patient.ask("connector.main.remind", &json!(60)).await;
}

#[tokio::test]
async fn what_cannot_be_added_is_told_why() {
    let server = back(chat(Handlers::new()).job("cron.known", async || {})).await;
    let jobs = server.context().jobs();
    let add = |id: &str, action: &str, when| jobs.add(Job::new(id, action, when)).unwrap_err();
    jobs.add(Job::new("a", "cron.known", Every::hours(1)))
        .unwrap();
    assert_eq!(
        add("a", "cron.known", Every::secs(1)),
        JobError::Duplicate("a".into())
    );
    let unknown = JobError::UnknownAction("cron.other".into(), "cron.known".into());
    assert_eq!(add("b", "cron.other", Every::secs(1)), unknown);
    assert!(matches!(
        add("b", "cron.known", Every::secs(0)),
        JobError::Schedule(_)
    ));
    let elsewhere = Job::new("b", "cron.known", Every::secs(1)).on("chat-2");
    assert_eq!(
        jobs.add(elsewhere),
        Err(JobError::OtherServer("chat-2".into()))
    );
    assert_eq!(jobs.all().len(), 1);
}

#[tokio::test]
async fn a_job_that_fails_or_panics_is_told_and_comes_again() {
    let (clock, runs) = (clock(), Arc::<AtomicU32>::default());
    let counted = Arc::clone(&runs);
    let moody = move || {
        let run = counted.fetch_add(1, Ordering::Relaxed);
        assert_ne!(run, 2, "in its arguments");
        async move {
            match run {
                0 => Err(tangelo::Error::new("not today")),
                1 => panic!("at its work"),
                _ => Ok(()),
            }
        }
    };
    async fn no_state(_: State<u8>) {}
    let blueprint = chat(Handlers::new())
        .schedule(Job::call("moody", Every::secs(1), moody))
        .schedule(Job::call("poor", Every::secs(1), no_state))
        .clock(clock.clock());
    let server = back(blueprint).await;
    let ends = [
        Ended::Failed("not today".into()),
        Ended::Failed("panicked: at its work".into()),
        Ended::Failed(
            "panicked: assertion `left != right` failed: in its arguments\n  left: 2\n right: 2"
                .into(),
        ),
        Ended::Done,
    ];
    for (run, end) in (1..).zip(ends) {
        clock.advance(Duration::from_secs(1));
        until("a run has ended", || {
            let status = status(&server, "moody");
            status.runs == run && status.running == 0
        })
        .await;
        let last = status(&server, "moody").last.unwrap();
        assert_eq!((last.ended, last.due), (end, at(Duration::from_secs(run))));
    }
    until("the other has ended", || {
        status(&server, "poor").running == 0
    })
    .await;
    let Some(Ended::Failed(reason)) = status(&server, "poor").last.map(|last| last.ended) else {
        panic!("it cannot run")
    };
    assert!(reason.contains("no state of type u8"), "{reason}");
}

#[tokio::test]
async fn a_job_that_is_due_and_still_runs_is_left_out_or_waits_or_runs_twice() {
    let (clock, hold) = (clock(), Hold::new());
    let job = |id, overlap| Job::call(id, Every::secs(1), hold.handler()).overlap(overlap);
    let blueprint = chat(Handlers::new())
        .schedule(job("skip", Overlap::Skip))
        .schedule(job("queue", Overlap::Queue))
        .schedule(job("concurrent", Overlap::Concurrent))
        .clock(clock.clock());
    let server = back(blueprint).await;
    clock.advance(Duration::from_secs(1));
    hold.entered(3).await;
    for second in [2, 3] {
        clock.advance(Duration::from_secs(1));
        until("it was looked at", || {
            status(&server, "skip").next == Some(at(Duration::from_secs(second + 1)))
        })
        .await;
    }
    hold.entered(2).await;
    let counts = |id| {
        let status = status(&server, id);
        (status.running, status.waiting, status.skipped)
    };
    assert_eq!(counts("skip"), (1, false, 2));
    assert_eq!(counts("queue"), (1, true, 1));
    assert_eq!(counts("concurrent"), (3, false, 0));
    hold.release(5);
    hold.entered(1).await;
    hold.release(1);
    until("all have ended", || {
        server
            .context()
            .jobs()
            .all()
            .iter()
            .all(|job| job.running == 0)
    })
    .await;
    let runs = server.context().jobs().all();
    let runs: Vec<_> = runs.iter().map(|job| (&*job.id, job.runs)).collect();
    assert_eq!(runs, [("concurrent", 3), ("queue", 2), ("skip", 1)]);
}

#[tokio::test]
async fn a_run_that_takes_longer_than_it_may_is_dropped() {
    struct Tell(Box<dyn Fn(()) + Send + Sync>);
    impl Drop for Tell {
        fn drop(&mut self) {
            (self.0)(());
        }
    }
    let mut dropped = Heard::new();
    let tell = dropped.teller();
    let hang = move || {
        let tell = Tell(Box::new(tell.clone()));
        async move {
            let _tell = tell;
            std::future::pending::<()>().await;
        }
    };
    let job = Job::call("job", Once::after(Duration::ZERO), hang);
    let server = back(chat(Handlers::new()).schedule(job.timeout(Duration::from_millis(1)))).await;
    dropped.next("it is dropped").await;
    until("it has ended", || status(&server, "job").last.is_some()).await;
    assert_eq!(status(&server, "job").last.unwrap().ended, Ended::TimedOut);
}

#[tokio::test]
async fn what_a_server_slept_through_is_not_made_up_for() {
    let (clock, hold) = (clock(), Hold::new());
    let job = Job::call("job", PomeloCron("0 0 * * * *"), hold.handler());
    let server = back(chat(Handlers::new()).schedule(job).clock(clock.clock())).await;
    assert_eq!(status(&server, "job").next, Some(at(60 * MINUTE)));
    clock.advance(5 * 60 * MINUTE + 30 * MINUTE);
    until("it was looked at", || status(&server, "job").missed == 1).await;
    let job = status(&server, "job");
    assert_eq!((job.runs, job.next), (0, Some(at(6 * 60 * MINUTE))));
}

#[tokio::test]
async fn a_clock_that_is_set_is_followed() {
    let (clock, mut ran) = (clock(), Heard::new());
    let tell = ran.teller();
    let noon = Job::call("noon", Cron("0 12 * * *"), move |run: JobRun| {
        tell(run.due());
        async {}
    });
    let server = back(chat(Handlers::new()).schedule(noon).clock(clock.clock())).await;
    clock.set(at(720 * MINUTE));
    assert_eq!(ran.next("it is noon").await, at(720 * MINUTE));
    clock.set(at(660 * MINUTE));
    until("noon comes again", || {
        status(&server, "noon").next == Some(at(720 * MINUTE))
    })
    .await;
    clock.set(at(1440 * MINUTE));
    until("it was left out", || status(&server, "noon").missed == 1).await;
    clock.set(at(2160 * MINUTE));
    assert_eq!(ran.next("it is noon").await, at(2160 * MINUTE));
}

#[tokio::test]
async fn a_calendar_is_read_in_the_clocks_time_zone() {
    let clock = clock();
    let zone = clock.clock().zone("Asia/Shanghai").unwrap();
    let job = Job::call("job", Cron("0 12 * * *"), async || {});
    let server = back(chat(Handlers::new()).schedule(job).clock(zone)).await;
    // Eight hours before Greenwich.
    assert_eq!(status(&server, "job").next, Some(at(4 * 60 * MINUTE)));
    assert!(clock.clock().zone("Nowhere/Land").is_err());
}

#[tokio::test]
async fn jobs_run_by_the_machines_clock_unless_there_is_another() {
    let mut ran = Heard::new();
    let tell = ran.teller();
    let soon = Job::call(
        "soon",
        Every::new(Duration::from_millis(1)).times(3),
        move |run: JobRun| {
            tell(run.context().server_id().to_owned());
            async {}
        },
    );
    let server = back(chat(Handlers::new()).schedule(soon)).await;
    for _ in 0..3 {
        assert_eq!(ran.next("it runs").await, "chat-1");
    }
    until("it is over", || {
        let job = status(&server, "soon");
        job.running == 0 && job.next.is_none()
    })
    .await;
    let every_second = Job::call("second", PomeloCron("* * * * * *"), async || {});
    server.context().jobs().add(every_second).unwrap();
    let next = status(&server, "second").next.unwrap();
    let left = next.duration_since(SystemTime::now()).unwrap_or_default();
    assert!(left <= Duration::from_secs(1), "{left:?}");
}

#[tokio::test]
async fn a_file_may_say_what_happens_when_a_job_still_runs() {
    let entry = json!({
        "id": 1, "time": {"period": 1000}, "action": "cron.hold", "overlap": "concurrent",
    });
    let (clock, hold) = (clock(), Hold::new());
    let server = back(
        chat(Handlers::new())
            .job("cron.hold", hold.handler())
            .clock(clock.clock()),
    )
    .await;
    let job: Value = entry;
    server
        .context()
        .jobs()
        .add(Job::from_pomelo(&job).unwrap())
        .unwrap();
    hold.entered(1).await;
    clock.advance(Duration::from_secs(1));
    hold.entered(1).await;
    assert_eq!(status(&server, "1").running, 2);
    hold.release(2);
}
