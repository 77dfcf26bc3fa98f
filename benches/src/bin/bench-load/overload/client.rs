//! Clients of a front end that do not wait for their answers.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use tangelo_bench::frame;
use tangelo_bench::pipe::Pipe;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout_at};

use super::{DRAIN, Offered, Stream, TICK};
use crate::client::{Client, Plan, RESPONSE, put_request, read_more, split_varint, stamp};
use crate::{Arguments, Window, connected};

/// Each of the clients sends its part of `rate` requests in a second.
pub(super) async fn offer(
    arguments: &Arguments,
    plan: Arc<Plan>,
    rate: f64,
    window: &Window,
) -> Result<Offered, Box<dyn Error>> {
    if plan.websocket || plan.bare {
        return Err("what may be refused is offered over Pomelo's TCP alone".into());
    }
    let clients = connected(arguments, &plan).await?;
    let mut offering = JoinSet::new();
    for client in clients {
        let client = Impatient::new(client, Arc::clone(&plan), window)?;
        offering.spawn(client.run(rate / arguments.connections as f64));
    }
    let mut all = Offered::new(window.to_us)?;
    for offered in offering.join_all().await {
        all.add(offered)?;
    }
    Ok(all)
}

struct Impatient {
    pipe: Pipe,
    plan: Arc<Plan>,
    window: Window,
    body: Vec<u8>,
    /// When each request was sent, by its id, which begins with 1; none when it has its answer.
    sent: Vec<Option<Instant>>,
    outstanding: u64,
    seen: Offered,
}

impl Impatient {
    fn new(client: Client, plan: Arc<Plan>, window: &Window) -> io::Result<Self> {
        Ok(Self {
            pipe: client.into_pipe(),
            body: plan.body(),
            plan,
            window: window.clone(),
            sent: Vec::new(),
            outstanding: 0,
            seen: Offered::new(0)?,
        })
    }

    async fn run(mut self, per_second: f64) -> Offered {
        let deadline = self.window.measurement.end + DRAIN;
        let ended = timeout_at(deadline.into(), self.exchange(per_second)).await;
        let outstanding = self.outstanding;
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let lost = outstanding.max(1);
                self.seen.done.error(lost, || error.to_string());
            }
            Err(_) => self.seen.done.error(outstanding, || {
                format!("{outstanding} requests of a client got no answer")
            }),
        }
        self.seen
    }

    async fn exchange(&mut self, per_second: f64) -> io::Result<()> {
        let mut stream = Stream::begin(per_second);
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = self.window.measurement.end;
        while Instant::now() < end {
            tokio::select! {
                _ = tick.tick() => self.send(&mut stream),
                read = read_more(&mut self.pipe) => {
                    read?;
                    self.receive()?;
                }
                () = sleep_until(end.into()) => {}
            }
        }
        while self.outstanding > 0 {
            read_more(&mut self.pipe).await?;
            self.receive()?;
        }
        Ok(())
    }

    fn send(&mut self, stream: &mut Stream) {
        let now = Instant::now();
        let due = stream.due(now);
        if self.window.measurement.contains(&now) {
            self.seen.due += due;
        }
        for _ in 0..due {
            self.sent.push(Some(now));
            let id = self.sent.len() as u32;
            stamp(&mut self.body, id);
            put_request(self.pipe.output(), id, &self.plan.route, &self.body);
        }
        self.outstanding += due;
    }

    fn receive(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let input = self.pipe.input();
        let mut rest = input;
        while let Some((kind, message, next)) = frame::split(rest) {
            rest = next;
            if kind != frame::DATA {
                continue;
            }
            let answer = message
                .split_first()
                .and_then(|(&flag, rest)| (flag == RESPONSE).then(|| split_varint(rest))?);
            let asked = answer.and_then(|(id, body)| {
                let sent = self.sent.get_mut((id as usize).checked_sub(1)?)?;
                Some((id, body, sent.take()?))
            });
            let Some((id, body, sent)) = asked else {
                return Err(io::Error::other("an answer to no request"));
            };
            self.outstanding -= 1;
            let counts = self.window.measurement.contains(&now);
            stamp(&mut self.body, id);
            if body == self.body {
                if counts {
                    let took = (now - sent).as_micros() as u64;
                    self.seen.done.latency.saturating_record(took);
                }
            } else if let Some(code) = code(body) {
                if counts {
                    self.seen.refused(code, now - sent);
                }
            } else {
                let body = String::from_utf8_lossy(body);
                let problem = || format!("request {id} was answered by {body}");
                self.seen.done.error(1, problem);
            }
        }
        let used = input.len() - rest.len();
        self.pipe.consume(used);
        Ok(())
    }
}

/// What a server says that refuses.
fn code(body: &[u8]) -> Option<i64> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    body["code"].as_i64()
}
