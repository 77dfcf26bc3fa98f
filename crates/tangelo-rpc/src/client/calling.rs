//! One call of a referer, with all its attempts.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::future::select_all;
use tokio::{
    task::coop::consume_budget,
    time::{Instant, timeout_at},
};
use tracing::debug;

use super::{
    Node,
    address::Address,
    canned::Answers,
    node::{Outcome, Pass},
    referer::{Policy, Rules, Shared},
    retry::RetryLevel,
    route::Admitted,
    targets::{Target, Targets},
};
use crate::{
    Code, Headers, Reply, Request, ServerContext, Status, Trace,
    connection::Asked,
    log_call::LogCall,
    tracer::{self, OpenSpan},
};

/// The sequence it was made with, 0 where it was not; and how it ended.
type Attempted = (i32, Result<Reply, Status>);

/// A call that begins when it is first polled. Dropped it is given up.
///
/// Most calls end with their first attempt, which is made and awaited in place. Whatever takes more, be it a
/// retry or a rule, is a future of its own: so what most calls allocate and move stays small.
pub(super) struct Calling {
    /// None while [`Stage::Longer`] has it, and after the end.
    call: Option<Call>,
    stage: Stage,
}

enum Stage {
    New,
    /// The first attempt is under way.
    First(Asked, Pass),
    Longer(Pin<Box<dyn Future<Output = (Call, Attempted)> + Send>>),
    Over,
}

/// What there was of a call before [`Call::attempts`].
enum SoFar {
    Nothing,
    /// Whom it goes to was decided.
    Picked(Arc<Node>, Arc<Address>),
    /// The first attempt has failed.
    Failed(Arc<Node>, Attempted),
}

struct Call {
    shared: Arc<Shared>,
    policy: Policy,
    deadline: Instant,
    request: Request,
    /// What it is made for.
    serving: Option<ServerContext>,
    /// Where rules may ask for it.
    trace: Option<Box<Trace>>,
    log: LogCall,
    span: OpenSpan,
}

impl Calling {
    pub(super) fn new(
        shared: Arc<Shared>,
        policy: Policy,
        deadline: Instant,
        request: Request,
    ) -> Self {
        Self {
            call: Some(Call {
                shared,
                policy,
                deadline,
                request,
                serving: ServerContext::current(),
                trace: None,
                log: LogCall::default(),
                span: OpenSpan::default(),
            }),
            stage: Stage::New,
        }
    }

    fn begin(&mut self) -> Stage {
        let Some(call) = &mut self.call else {
            return Stage::Over;
        };
        call.prepare();
        match call.first() {
            Ok((asked, pass)) => Stage::First(asked, pass),
            Err(so_far) => self.longer(so_far),
        }
    }

    /// More than one attempt, or one that is not made at once.
    fn longer(&mut self, first: SoFar) -> Stage {
        match self.call.take() {
            Some(call) => Stage::Longer(Box::pin(call.attempts(first))),
            None => Stage::Over,
        }
    }
}

impl Future for Calling {
    type Output = Result<Reply, Status>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut self.stage {
                Stage::New => self.stage = self.begin(),
                Stage::First(asked, _) => {
                    let outcome = ready!(Pin::new(asked).poll(context));
                    let (stage, call) = (mem::replace(&mut self.stage, Stage::Over), &self.call);
                    let (Stage::First(asked, pass), Some(call)) = (stage, call) else {
                        continue;
                    };
                    let node = (call.policy.retries > 0).then(|| Arc::clone(pass.node()));
                    let attempted = call.ended(Some(pass), (asked.sequence(), outcome));
                    match node {
                        Some(node) if call.may_be_tried_again(&attempted) => {
                            self.stage = self.longer(SoFar::Failed(node, attempted));
                        }
                        _ => return Poll::Ready(self.finish(attempted)),
                    }
                }
                Stage::Longer(longer) => {
                    let (call, attempted) = ready!(longer.as_mut().poll(context));
                    self.call = Some(call);
                    return Poll::Ready(self.finish(attempted));
                }
                Stage::Over => return Poll::Ready(Err(Code::USER_CANCEL.into())),
            }
        }
    }
}

impl Calling {
    fn finish(&mut self, (sequence, outcome): Attempted) -> Result<Reply, Status> {
        self.stage = Stage::Over;
        if let Some(mut call) = self.call.take() {
            call.log.finish(sequence, &outcome);
            call.span.end(&outcome);
        }
        outcome
    }
}

impl Call {
    /// Gives the request what travels beside it.
    fn prepare(&mut self) {
        let (settings, request) = (&self.shared.settings, &mut self.request);
        let (trace, span) = tracer::begin_call(
            settings.tracer.as_deref(),
            &self.shared.config,
            settings.sample_rate,
            request,
            self.serving.as_ref(),
        );
        self.log = LogCall::begin(settings.log.as_ref(), request, &trace);
        self.trace = self.shared.rules.is_some().then(|| Box::new(trace));
        self.span = span;
        let headers: &mut Headers = request.headers.get_or_insert_default();
        if headers.key.is_empty()
            && let Some(key) = &settings.key
        {
            let key = key.key(request.msg_id, &request.body);
            headers.key = key.unwrap_or_default().into();
        }
    }

    /// Makes the first attempt, where it can be made at once and nothing else is to be thought of.
    fn first(&mut self) -> Result<(Asked, Pass), SoFar> {
        let shared = &self.shared;
        let is_plain = shared.settings.mock.is_none() && shared.rules.is_none();
        if !is_plain || self.request.one_way {
            return Err(SoFar::Nothing);
        }
        let now = Instant::now();
        let targets = shared.targets.load();
        let (node, address) = self
            .pick(now, &targets, &[], Admitted::default())
            .ok_or(SoFar::Nothing)?;
        let picked = || SoFar::Picked(Arc::clone(node), Arc::clone(address));
        let connection = address.connection().ok_or_else(picked)?;
        self.log.goes_over(&connection);
        let deadline = self.attempt_deadline(now, self.policy.retries, 0);
        let asked = connection.begin(&self.request, (now, deadline), shared.zip.as_ref());
        if asked
            .as_ref()
            .is_err_and(|status| is_unsent(0, status.code()))
        {
            // The address may have another connection.
            return Err(picked());
        }
        shared.budget.deposit(now);
        match asked {
            Ok(asked) => Ok((asked, node.enter(now))),
            Err(status) => Err(SoFar::Failed(
                Arc::clone(node),
                self.ended(None, (0, Err(status))),
            )),
        }
    }

    /// Whether what was sent has ended so that another attempt may follow, if any is left.
    fn may_be_tried_again(&self, (_, outcome): &Attempted) -> bool {
        let level = self.policy.level;
        outcome
            .as_ref()
            .is_err_and(|status| level.covers(status.code()))
    }

    /// All attempts, or all that follow the first.
    async fn attempts(mut self, mut so_far: SoFar) -> (Self, Attempted) {
        // Who calls in a loop and is refused at once, every time, must not keep the thread.
        consume_budget().await;
        let shared = Arc::clone(&self.shared);
        if let SoFar::Nothing = so_far
            && let Some(reply) = canned(shared.settings.mock.as_ref(), &self.request)
        {
            return (self, (0, Ok(reply)));
        }
        if !matches!(so_far, SoFar::Failed(..)) {
            shared.budget.deposit(Instant::now());
        }
        let admitted = shared.route(&self.request, self.trace.as_deref());
        let mut retries_left = self.policy.retries;
        let mut tried = Vec::new();
        let mut failed: Attempted = (0, Err(Code::NO_CONNECTION.into()));
        let (mut has_left, mut may_have_run) = (false, false);
        loop {
            let (node, attempted) = match mem::replace(&mut so_far, SoFar::Nothing) {
                SoFar::Failed(node, attempted) => (node, attempted),
                so_far => {
                    let target = match so_far {
                        SoFar::Picked(node, address) => Some((node, address)),
                        _ => self.target(&tried, admitted).await,
                    };
                    let Some((node, address)) = target else {
                        let fallback = shared.settings.fallback.as_ref().filter(|_| !has_left);
                        if let Some(reply) = canned(fallback, &self.request) {
                            return (self, (0, Ok(reply)));
                        }
                        if tried.is_empty() {
                            failed = (0, Err(shared.nobody(admitted)));
                        }
                        return (self, failed);
                    };
                    let left = (retries_left, tried.len());
                    self.attempt(node, &address, left).await
                }
            };
            let (sequence, Err(status)) = &attempted else {
                return (self, attempted);
            };
            tried.push(node);
            let (now, code) = (Instant::now(), status.code());
            // What never left is no attempt: it goes elsewhere.
            let never_left = is_unsent(*sequence, code);
            has_left |= !never_left;
            // What may have run before is not told as what surely has not.
            if !(may_have_run && code.is_refusal()) {
                may_have_run = !code.is_refusal();
                failed = attempted;
            }
            let again = never_left
                || (retries_left > 0
                    && self.policy.level.covers(code)
                    && shared.budget.withdraw(now));
            if !again || now >= self.deadline {
                return (self, failed);
            }
            if !never_left {
                retries_left -= 1;
            }
        }
    }

    /// Whom to call. While nobody can be, but somebody is new and may only need a moment, it waits.
    async fn target(
        &mut self,
        tried: &[Arc<Node>],
        admitted: Admitted<'_>,
    ) -> Option<(Arc<Node>, Arc<Address>)> {
        let shared = &self.shared;
        if shared.is_disabled() {
            return None;
        }
        let lazy = shared.client.config().lazy;
        loop {
            let targets = shared.targets.load_full();
            let picked = self.pick(Instant::now(), &targets, tried, admitted);
            if let Some((node, address)) = picked {
                return Some((Arc::clone(node), Arc::clone(address)));
            }
            let new_ones = targets.new_ones(tried, |node| admitted.admits(node.address()));
            if lazy || new_ones.is_empty() {
                return None;
            }
            let first = select_all(new_ones.iter().map(|address| Box::pin(address.tried())));
            timeout_at(self.deadline, first).await.ok()?;
        }
    }

    async fn attempt(
        &mut self,
        node: Arc<Node>,
        address: &Address,
        (retries_left, tried): (u32, usize),
    ) -> (Arc<Node>, Attempted) {
        let shared = &self.shared;
        let deadline = self.attempt_deadline(Instant::now(), retries_left, tried);
        let connection = match address.connection() {
            Some(connection) => Ok(connection),
            None if shared.client.config().lazy => address.connected(deadline).await,
            None => Err(Code::SEND_FAILED.into()),
        };
        let mut connection = match connection {
            Ok(connection) => connection,
            Err(status) => return (node, self.ended(None, (0, Err(status)))),
        };
        let request = &self.request;
        let pass = (!request.one_way).then(|| node.enter(Instant::now()));
        let mut others = shared.client.config().connections.saturating_sub(1);
        let attempted = loop {
            self.log.goes_over(&connection);
            let attempted = connection.ask(request, deadline, shared.zip.as_ref()).await;
            // One that breaks at this moment leaves the address its others.
            let other = match &attempted {
                (sequence, Err(status)) if others > 0 && is_unsent(*sequence, status.code()) => {
                    address.connection()
                }
                _ => None,
            };
            let Some(other) = other else {
                break attempted;
            };
            others -= 1;
            connection = other;
        };
        (node, self.ended(pass, attempted))
    }

    /// An attempt as its answer tells it, which its node hears as well.
    fn ended(&self, pass: Option<Pass>, (sequence, outcome): Attempted) -> Attempted {
        let (service, message) = (self.request.service_id, self.request.msg_id);
        let outcome = outcome.and_then(|reply| self.shared.codes.settle(message, reply));
        let code = match &outcome {
            Ok(reply) => Code(reply.ret_code),
            Err(status) => {
                debug!(service, message, %status, "failed");
                status.code()
            }
        };
        // What was not sent says nothing about the server.
        if let Some(pass) = pass.filter(|_| sequence != 0) {
            pass.finish(Instant::now(), Outcome::from(code));
        }
        (sequence, outcome)
    }

    /// The call's deadline, or an earlier one if time-outs are tried again: then each attempt that can
    /// follow has as much time as this one.
    fn attempt_deadline(&self, now: Instant, retries_left: u32, tried: usize) -> Instant {
        if self.policy.level < RetryLevel::Timeout {
            return self.deadline;
        }
        let addresses = self.shared.targets.load().addresses().len();
        let untried = addresses.saturating_sub(tried + 1);
        let follow = retries_left.min(u32::try_from(untried).unwrap_or(u32::MAX));
        now + self.deadline.saturating_duration_since(now) / follow.saturating_add(1)
    }

    fn pick<'a>(
        &self,
        now: Instant,
        targets: &'a Targets,
        tried: &[Arc<Node>],
        admitted: Admitted<'_>,
    ) -> Option<Target<'a>> {
        let (shared, request) = (&self.shared, &self.request);
        let key = request.headers.as_ref().map(|headers| &*headers.key);
        let key = key.filter(|key| !key.is_empty());
        let (balance, lazy) = (&*shared.balance, shared.client.config().lazy);
        let call = (key, request.msg_id, now);
        targets.pick(balance, call, tried, lazy, |node| {
            admitted.admits(node.address())
        })
    }
}

impl Shared {
    /// Which addresses the routing rules leave to this call.
    fn route(&self, request: &Request, trace: Option<&Trace>) -> Admitted<'_> {
        let (settings, Some(Rules { rules, .. })) = (&self.settings, &self.rules) else {
            return Admitted::default();
        };
        rules.decide(&|key| match key {
            "host" => Some(settings.own_host().into()),
            "application" => Some(settings.application.clone().into()),
            "msgId" => Some(request.msg_id.to_string().into()),
            "dyeing" => Some(trace?.dyeing.clone().into()),
            tag => trace?.tag(tag).map(|value| value.into_owned().into()),
        })
    }

    fn is_disabled(&self) -> bool {
        let rules = self.rules.as_ref();
        rules.is_some_and(|rules| rules.rules.is_disabled())
    }

    /// Nobody can be called, and why.
    fn nobody(&self, admitted: Admitted<'_>) -> Status {
        let why = if self.is_disabled() {
            "the routing rules have disabled the service".to_owned()
        } else {
            let targets = self.targets.load();
            targets.why_none(|node| admitted.admits(node.address()))
        };
        Status::from(Code::NO_CONNECTION).with_cause(why)
    }
}

/// Whether a request never left: no connection stood, or the one it was for was going or gone.
fn is_unsent(sequence: i32, code: Code) -> bool {
    let codes = [
        Code::NO_CONNECTION,
        Code::SEND_FAILED,
        Code::SERVER_SHUTDOWN,
    ];
    sequence == 0 && codes.contains(&code)
}

fn canned(answers: Option<&Arc<dyn Answers>>, request: &Request) -> Option<Reply> {
    answers?.answer(request.service_id, request.msg_id, &request.body)
}
