//! A service elsewhere, and how it is called.

use std::{collections::HashMap, fmt, net::IpAddr, sync::Arc, time::Duration};

use futures_util::future::select_all;
use parking_lot::RwLock;
use tangelo_reflect::MethodInfo;
use tokio::{
    task::coop::consume_budget,
    time::{Instant, timeout_at},
};
use tracing::debug;

use super::{
    Balance, Client,
    breaker::BreakerConfig,
    canned::Answers,
    node::Outcome,
    reply_codes::ReplyCodes,
    retry::{RetryBudget, RetryLevel},
    route::{Admitted, RouteRules},
    targets::{Target, Targets},
};
use crate::{
    Answer, Code, Codecs, Headers, Home, Method, Reply, Request, ServerContext, Service, Status,
    Trace, Tracer,
    access_log::AccessLog,
    call::deadline,
    config::RefererConfig,
    connection::Zip,
    log_call::LogCall,
    tracer::{self, OpenSpan},
};

/// A service elsewhere as something to call: balanced, retried, limited in time. Clones share it.
#[derive(Clone)]
pub struct Referer {
    shared: Arc<Shared>,
}

/// What a referer is made of beside its configuration.
#[derive(Debug)]
pub struct RefererSettings {
    /// Finds the value of the request field that the balancer hashes.
    pub key: Option<Arc<dyn KeyOf>>,
    /// Canned answers that are given instead of calling.
    pub mock: Option<Arc<dyn Answers>>,
    /// Canned answers for when no server can be reached.
    pub fallback: Option<Arc<dyn Answers>>,
    /// How requests can be compressed.
    pub codecs: Codecs,
    /// Where calls are logged.
    pub log: Option<AccessLog>,
    /// What is done to the trace of each call.
    pub tracer: Option<Arc<dyn Tracer>>,
    /// Calls out of a hundred that may be sampled.
    pub sample_rate: u32,
    /// What is known of the methods.
    pub methods: Vec<MethodInfo>,
    /// Name of the application, for routing rules.
    pub application: String,
    /// This machine's address, for routing rules.
    pub own_host: Option<IpAddr>,
}

impl RefererSettings {
    fn own_host(&self) -> String {
        self.own_host
            .map(|host| host.to_string())
            .unwrap_or_default()
    }
}

/// Finds the value of a request's field.
pub trait KeyOf: fmt::Debug + Send + Sync + 'static {
    /// The value as text; none if the field is empty or cannot be read.
    fn key(&self, msg_id: i32, body: &[u8]) -> Option<Vec<u8>>;
}

struct Shared {
    config: RefererConfig,
    client: Client,
    settings: RefererSettings,
    balance: Arc<dyn Balance>,
    breaker: Option<BreakerConfig>,
    zip: Option<Zip>,
    own: Policy,
    methods: HashMap<i32, Policy, foldhash::fast::RandomState>,
    codes: ReplyCodes,
    rules: Option<Rules>,
    targets: RwLock<Arc<Targets>>,
    budget: RetryBudget,
}

struct Rules {
    rules: RouteRules,
    /// Whether they give weights, which count in place of a registry's then.
    has_weights: bool,
}

/// How calls of one method are made.
#[derive(Clone, Copy, Debug)]
struct Policy {
    timeout: Duration,
    level: RetryLevel,
    retries: u32,
}

impl Referer {
    /// A referer whose calls go over the client's connections; it has no address yet.
    ///
    /// # Errors
    /// A setting that does not make sense.
    pub fn new(
        config: RefererConfig,
        client: Client,
        settings: RefererSettings,
    ) -> Result<Self, String> {
        let own = Policy {
            timeout: config.timeout,
            level: config.retry_level,
            retries: config.retry_count,
        };
        let policy = |method: &Method| {
            let fitting = config
                .methods
                .iter()
                .find(|settings| settings.fits(method))?;
            let policy = Policy {
                timeout: fitting.timeout.unwrap_or(own.timeout),
                level: fitting.retry_level.unwrap_or(own.level),
                retries: fitting.retry_count.unwrap_or(own.retries),
            };
            Some((method.msg_id, policy))
        };
        let described = config.described.as_ref();
        let methods = described.map_or(&[][..], |described| described.methods());
        let methods = methods.iter().filter_map(policy).collect();
        let rules = config.routes.as_ref().map(|routes| {
            let rules = RouteRules::new(routes, &settings.own_host());
            let has_weights = routes
                .weights
                .as_ref()
                .is_some_and(|weights| !weights.is_empty());
            rules.map(|rules| Rules { rules, has_weights })
        });
        let rules = rules.transpose().map_err(|error| error.to_string())?;
        let breaker = config.breaker()?;
        let zip = Zip::named(&settings.codecs, &config)?;
        let balance = config.load_balance.balance();
        let balance = Arc::clone(balance.map_err(ToString::to_string)?);
        Ok(Self {
            shared: Arc::new(Shared {
                balance,
                zip,
                own,
                methods,
                codes: ReplyCodes::new(&settings.methods),
                rules,
                targets: RwLock::default(),
                budget: RetryBudget::new(Instant::now()),
                breaker,
                config,
                client,
                settings,
            }),
        })
    }

    /// Calls go to these addresses from now on, `host:port` and weight. Calls under way are answered
    /// where they are; a connection that nobody needs any more is closed after its last answer.
    pub fn set_addresses(&self, addresses: &[(String, u32)]) {
        let shared = &self.shared;
        let rules = &shared.rules;
        let weighted: Vec<_> = addresses
            .iter()
            .map(|(address, weight)| {
                let ruled = rules.as_ref().filter(|rules| rules.has_weights);
                let ruled = ruled.map(|rules| rules.rules.weight_of(address));
                (address.clone(), ruled.unwrap_or(*weight))
            })
            .collect();
        let mut targets = shared.targets.write();
        let after = targets.changed(&weighted, &shared.client, shared.breaker.as_ref());
        *targets = Arc::new(after);
    }

    /// Resolves when connecting to each address has been tried once, or takes longer than half a second.
    /// Cancel safe.
    pub async fn tried(&self) {
        if self.shared.client.config().lazy {
            return;
        }
        let targets = self.shared.targets.read().clone();
        for address in targets.addresses() {
            address.tried().await;
        }
    }

    /// Its settings.
    pub fn config(&self) -> &RefererConfig {
        &self.shared.config
    }

    fn policy(&self, msg_id: i32) -> Policy {
        let special = self.shared.methods.get(&msg_id);
        special.copied().unwrap_or(self.shared.own)
    }
}

impl Service for Referer {
    fn call(&self, request: Request) -> Answer {
        let serving = ServerContext::current();
        let policy = self.policy(request.msg_id);
        let deadline = deadline(&request, policy.timeout);
        let call = Call {
            shared: Arc::clone(&self.shared),
            policy,
            deadline,
        };
        Box::pin(call.run(request, serving))
    }

    fn home(&self) -> Option<&Home> {
        Some(self.shared.client.home())
    }
}

/// The sequence it was made with, 0 where it was not; and how it ended.
type Attempted = (i32, Result<Reply, Status>);

/// One call, with all its attempts.
struct Call {
    shared: Arc<Shared>,
    policy: Policy,
    deadline: Instant,
}

impl Call {
    async fn run(
        self,
        mut request: Request,
        serving: Option<ServerContext>,
    ) -> Result<Reply, Status> {
        // Who calls in a loop and is refused at once, every time, must not keep the thread.
        consume_budget().await;
        let shared = &self.shared;
        let (trace, span) = self.prepare(&mut request, serving.as_ref());
        let mut log = LogCall::begin(shared.settings.log.as_ref(), &request, &trace);
        let (sequence, outcome) = self.attempts(&request, &trace, &mut log).await;
        log.finish(sequence, &outcome);
        span.end(&outcome);
        outcome
    }

    /// Gives the request what travels beside it.
    fn prepare(&self, request: &mut Request, serving: Option<&ServerContext>) -> (Trace, OpenSpan) {
        let settings = &self.shared.settings;
        let (trace, span) = tracer::begin_call(
            settings.tracer.as_deref(),
            &self.shared.config,
            settings.sample_rate,
            request,
            serving,
        );
        let headers: &mut Headers = request.headers.get_or_insert_default();
        if headers.key.is_empty()
            && let Some(key) = &settings.key
        {
            let key = key.key(request.msg_id, &request.body);
            headers.key = key.unwrap_or_default().into();
        }
        (trace, span)
    }

    async fn attempts(&self, request: &Request, trace: &Trace, log: &mut LogCall) -> Attempted {
        let shared = &self.shared;
        if let Some(reply) = canned(shared.settings.mock.as_ref(), request) {
            return (0, Ok(reply));
        }
        shared.budget.deposit(Instant::now());
        let admitted = self.route(request, trace);
        let mut retries_left = self.policy.retries;
        let mut tried = Vec::new();
        let mut failed: Attempted = (0, Err(Code::NO_CONNECTION.into()));
        let (mut has_left, mut may_have_run) = (false, false);
        loop {
            let Some(target) = self.target(request, &tried, admitted).await else {
                if !has_left && let Some(reply) = canned(shared.settings.fallback.as_ref(), request)
                {
                    return (0, Ok(reply));
                }
                if tried.is_empty() {
                    return (0, Err(self.nobody(admitted)));
                }
                return failed;
            };
            let deadline = self.attempt_deadline(retries_left, tried.len());
            let attempted = self.attempt(&target, request, deadline, log).await;
            let (sequence, Err(status)) = &attempted else {
                return attempted;
            };
            debug!(service = request.service_id, message = request.msg_id, %status, "failed");
            tried.push(target);
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
                return failed;
            }
            if !never_left {
                retries_left -= 1;
            }
        }
    }

    /// Whom to call. While nobody can be, but somebody is new and may only need a moment, it waits.
    async fn target(
        &self,
        request: &Request,
        tried: &[Target],
        admitted: Admitted<'_>,
    ) -> Option<Target> {
        let shared = &self.shared;
        if shared
            .rules
            .as_ref()
            .is_some_and(|rules| rules.rules.is_disabled())
        {
            return None;
        }
        let lazy = shared.client.config().lazy;
        loop {
            let targets = shared.targets.read().clone();
            if let Some(target) = self.pick(&targets, request, tried, admitted) {
                return Some(target);
            }
            let new_ones = targets.new_ones(tried, |node| admitted.admits(node.address()));
            if lazy || new_ones.is_empty() {
                return None;
            }
            let first = select_all(new_ones.iter().map(|address| Box::pin(address.tried())));
            timeout_at(self.deadline, first).await.ok()?;
        }
    }

    /// Nobody can be called, and why.
    fn nobody(&self, admitted: Admitted<'_>) -> Status {
        let shared = &self.shared;
        let rules = shared.rules.as_ref();
        let why = if rules.is_some_and(|rules| rules.rules.is_disabled()) {
            "the routing rules have disabled the service".to_owned()
        } else {
            let targets = shared.targets.read().clone();
            targets.why_none(|node| admitted.admits(node.address()))
        };
        Status::from(Code::NO_CONNECTION).with_cause(why)
    }

    async fn attempt(
        &self,
        target: &Target,
        request: &Request,
        deadline: Instant,
        log: &mut LogCall,
    ) -> Attempted {
        let shared = &self.shared;
        let connection = match target.address.connection() {
            Some(connection) => Ok(connection),
            None if shared.client.config().lazy => target.address.connected(deadline).await,
            None => Err(Code::SEND_FAILED.into()),
        };
        let mut connection = match connection {
            Ok(connection) => connection,
            Err(status) => return (0, Err(status)),
        };
        let pass = (!request.one_way).then(|| target.node.enter(Instant::now()));
        let mut others = shared.client.config().connections.saturating_sub(1);
        let (sequence, outcome) = loop {
            log.goes_over(&connection);
            let (sequence, outcome) = connection.ask(request, deadline, shared.zip.as_ref()).await;
            let outcome = outcome.and_then(|reply| shared.codes.settle(request.msg_id, reply));
            // One that breaks at this moment leaves the address its others.
            let other = match &outcome {
                Err(status) if others > 0 && is_unsent(sequence, status.code()) => {
                    target.address.connection()
                }
                _ => None,
            };
            let Some(other) = other else {
                break (sequence, outcome);
            };
            others -= 1;
            connection = other;
        };
        let code = match &outcome {
            Ok(reply) => Code(reply.ret_code),
            Err(status) => status.code(),
        };
        // What was not sent says nothing about the server.
        if let Some(pass) = pass.filter(|_| sequence != 0) {
            pass.finish(Instant::now(), Outcome::from(code));
        }
        (sequence, outcome)
    }

    /// The call's deadline, or an earlier one if time-outs are tried again: then each attempt that can
    /// follow has as much time as this one.
    fn attempt_deadline(&self, retries_left: u32, tried: usize) -> Instant {
        if self.policy.level < RetryLevel::Timeout {
            return self.deadline;
        }
        let addresses = self.shared.targets.read().addresses().len();
        let untried = addresses.saturating_sub(tried + 1);
        let follow = retries_left.min(u32::try_from(untried).unwrap_or(u32::MAX));
        let now = Instant::now();
        now + self.deadline.saturating_duration_since(now) / follow.saturating_add(1)
    }

    fn pick(
        &self,
        targets: &Targets,
        request: &Request,
        tried: &[Target],
        admitted: Admitted<'_>,
    ) -> Option<Target> {
        let shared = &self.shared;
        let key = request.headers.as_ref().map(|headers| &*headers.key);
        let key = key.filter(|key| !key.is_empty());
        let (balance, lazy) = (&*shared.balance, shared.client.config().lazy);
        let call = (key, request.msg_id, Instant::now());
        targets.pick(balance, call, tried, lazy, |node| {
            admitted.admits(node.address())
        })
    }

    /// Which addresses the routing rules leave to this call.
    fn route(&self, request: &Request, trace: &Trace) -> Admitted<'_> {
        let settings = &self.shared.settings;
        let Some(Rules { rules, .. }) = &self.shared.rules else {
            return Admitted::default();
        };
        rules.decide(&|key| match key {
            "host" => Some(settings.own_host().into()),
            "application" => Some(settings.application.clone().into()),
            "msgId" => Some(request.msg_id.to_string().into()),
            "dyeing" => Some(trace.dyeing.clone().into()),
            tag => trace.tag(tag).map(|value| value.into_owned().into()),
        })
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

impl fmt::Debug for Referer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Referer")
            .field("id", &self.shared.config.id)
            .field("service_id", &self.shared.config.service_id)
            .field("targets", &self.shared.targets.read())
            .finish_non_exhaustive()
    }
}
