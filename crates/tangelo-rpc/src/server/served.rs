//! The road of a request through a server, before and after the method that answers it.

use std::{
    collections::HashMap,
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::BytesMut;
use prost::encoding;
use tangelo_reflect::{
    MethodInfo, message,
    validate::{BodyError, Unreadable, Validator},
};
use tangelo_runtime::guard::{self, Guarded, Panicked};
use tokio::time::Instant;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{
    Entry, ErrorTexts, Execute, Executor, FlowControl, Permit, Verdict, Waiting, line::Line,
};
use crate::{
    Answer, Code, Home, Reply, Request, ServerContext, Service, Status, Tracer,
    access_log::AccessLog,
    codegen,
    service::Begun,
    tracer::{self, OpenSpan},
};

/// A service as a server offers it: counted, queued, validated, logged.
#[derive(Clone)]
pub struct Served {
    shared: Arc<Shared>,
}

/// What a service is offered with.
pub struct ServedSettings {
    /// How many calls run at once: the server's, or the service's own.
    pub executor: Run,
    /// The same for single methods.
    pub executors: HashMap<i32, Run>,
    /// How many calls there may be in a time; none: any number.
    pub flow: Option<Arc<dyn FlowControl>>,
    /// Words for codes.
    pub texts: Option<Arc<dyn ErrorTexts>>,
    /// Where its methods run if they may block; none if they may not.
    pub blocking: Option<Home>,
    /// Name of the service.
    pub name: String,
    /// Is told of requests.
    pub tracer: Option<Arc<dyn Tracer>>,
    /// Where requests are logged.
    pub log: Option<AccessLog>,
    /// What is known of the methods.
    pub methods: Vec<MethodInfo>,
}

/// Who runs calls.
#[derive(Clone, Debug)]
pub enum Run {
    /// So many at once, the others in their order.
    Limited(Executor),
    /// In a manner of the user's own.
    Custom(Arc<dyn Execute>),
}

struct Shared {
    service: Arc<dyn Service>,
    settings: ServedSettings,
    methods: HashMap<i32, Known, foldhash::fast::RandomState>,
}

/// What is known of a method.
struct Known {
    info: MethodInfo,
    validator: Option<Validator>,
}

impl Served {
    /// Offers a service.
    ///
    /// # Errors
    /// Validation rules of its messages that make no sense.
    pub fn new(service: Arc<dyn Service>, settings: ServedSettings) -> Result<Self, String> {
        let known = settings.methods.iter().map(|info| {
            let validator = Validator::compile(&info.input).map_err(|error| error.to_string())?;
            let info = info.clone();
            Ok((info.id, Known { info, validator }))
        });
        let methods = known.collect::<Result<_, String>>()?;
        Ok(Self {
            shared: Arc::new(Shared {
                service,
                settings,
                methods,
            }),
        })
    }
}

impl Served {
    fn serve(&self, mut request: Request) -> Serving {
        let context = ServerContext::of(&mut request);
        let shared = &self.shared;
        Serving {
            shared: Arc::clone(shared),
            msg_id: request.msg_id,
            line: Line::begin(shared.settings.log.as_ref(), &request, &context),
            span: shared.begin_span(&context),
            way: Way::New(request),
        }
    }
}

impl Service for Served {
    fn call(&self, request: Request) -> Answer {
        Box::pin(self.serve(request))
    }

    fn begin(&self, request: Request, task: &mut Context<'_>) -> Begun {
        let mut serving = self.serve(request);
        match Pin::new(&mut serving).poll(task) {
            Poll::Ready(outcome) => Begun::Answered(outcome),
            Poll::Pending => Begun::Waits(Box::pin(serving)),
        }
    }

    fn is_crowded(&self, msg_id: i32) -> bool {
        match self.shared.run_of(msg_id) {
            Run::Limited(executor) => executor.is_full(),
            Run::Custom(_) => false,
        }
    }
}

/// A request on its way through the server; resolves to its answer.
struct Serving {
    shared: Arc<Shared>,
    msg_id: i32,
    way: Way,
    line: Line,
    span: OpenSpan,
}

/// How far a request has come.
enum Way {
    /// It has not begun.
    New(Request),
    /// Something has to be waited for.
    Waits(Pin<Box<dyn Future<Output = Step> + Send>>),
    /// Its method runs.
    Runs(Turn),
    /// It is answered.
    Over(Result<Reply, Status>),
}

impl Way {
    fn wait(wait: impl Future<Output = Step> + Send + 'static) -> Self {
        Self::Waits(Box::pin(wait))
    }
}

/// What comes when something has been waited for.
enum Step {
    /// It is counted.
    Enter(Request),
    /// It has its turn, after so long.
    Run(Request, Permit, Duration),
    Over(Result<Reply, Status>),
}

/// The turn of a method: it runs, in its place.
struct Turn {
    service_id: i32,
    answer: Guarded<dyn Future<Output = Result<Reply, Status>> + Send>,
    permit: Option<Permit>,
}

impl Future for Serving {
    type Output = Result<Reply, Status>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let serving = &mut *self;
        loop {
            let outcome = match &mut serving.way {
                Way::New(request) => {
                    let request = mem::take(request);
                    serving.way = serving.shared.judge(request, &mut serving.line);
                    continue;
                }
                Way::Waits(waits) => {
                    let step = ready!(waits.as_mut().poll(context));
                    serving.go_on(step);
                    continue;
                }
                Way::Runs(turn) => {
                    let outcome = ready!(Pin::new(turn).poll(context));
                    serving.way = Way::Over(Err(Code::USER_CANCEL.into()));
                    outcome
                }
                Way::Over(outcome) => mem::replace(outcome, Err(Code::USER_CANCEL.into())),
            };
            let outcome = serving.shared.complete(serving.msg_id, outcome);
            serving.line.finish(&outcome);
            serving.span.end(&outcome);
            return Poll::Ready(outcome);
        }
    }
}

impl Serving {
    fn go_on(&mut self, step: Step) {
        let (shared, line) = (&self.shared, &mut self.line);
        self.way = match step {
            Step::Enter(request) => shared.enter(request, line),
            Step::Run(request, permit, waited) => {
                line.waited(waited);
                shared.run(request, permit, line)
            }
            Step::Over(outcome) => Way::Over(outcome),
        };
    }
}

impl Future for Turn {
    type Output = Result<Reply, Status>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(Pin::new(&mut self.answer).poll(context));
        self.permit = None;
        Poll::Ready(match outcome {
            Ok(outcome) => outcome,
            Err(panicked) => Err(failed(self.service_id, panicked)),
        })
    }
}

impl Shared {
    fn begin_span(&self, context: &ServerContext) -> OpenSpan {
        let Some(tracer) = &self.settings.tracer else {
            return OpenSpan::default();
        };
        let (service_id, msg_id) = context.method();
        let known = self.methods.get(&msg_id);
        let method = tracer::Method {
            service: &self.settings.name,
            method: known.map_or("", |known| &known.info.name),
            service_id,
            msg_id,
        };
        OpenSpan::new(tracer.serve(method, context))
    }

    /// Who runs calls of this method.
    fn run_of(&self, msg_id: i32) -> &Run {
        let own = self.settings.executors.get(&msg_id);
        own.unwrap_or(&self.settings.executor)
    }

    /// Counts it.
    fn judge(&self, request: Request, line: &mut Line) -> Way {
        let Some(flow) = &self.settings.flow else {
            return self.enter(request, line);
        };
        let (service_id, msg_id, received) = (request.service_id, request.msg_id, Instant::now());
        match guard::catch(|| flow.check(service_id, msg_id, received)) {
            Ok(Verdict::Admitted) => self.enter(request, line),
            Ok(Verdict::Refused(code)) => Way::Over(Err(code.into())),
            Ok(Verdict::Pending(judge)) => Way::wait(async move {
                match Guarded::new(judge).await {
                    Ok(Ok(())) => Step::Enter(request),
                    Ok(Err(status)) => Step::Over(Err(status.into())),
                    Err(panicked) => Step::Over(Err(failed(service_id, panicked))),
                }
            }),
            Err(panicked) => Way::Over(Err(failed(service_id, panicked))),
        }
    }

    /// Lets it wait for its turn.
    fn enter(&self, mut request: Request, line: &mut Line) -> Way {
        let executor = match self.run_of(request.msg_id) {
            Run::Limited(executor) => executor,
            Run::Custom(execute) => return self.hand_over(&**execute, &request, line),
        };
        let entry = match &request.connection {
            Some(connection) => executor.try_enter_for(connection.sender()),
            None => executor.try_enter(),
        };
        match entry {
            Entry::Entered(permit) => self.run(request, permit, line),
            Entry::Full => Way::Over(Err(Code::QUEUE_FULL.into())),
            Entry::Wait(waiting) => {
                request.unpin();
                let (queued, begun) = (Queued::new(waiting, &request), Instant::now());
                Way::wait(async move {
                    match queued.await {
                        Ok(permit) => Step::Run(request, permit, begun.elapsed()),
                        Err(code) => Step::Over(Err(code.into())),
                    }
                })
            }
        }
    }

    /// Runs the method, on a thread of its own if it may block.
    fn run(&self, request: Request, permit: Permit, line: &mut Line) -> Way {
        line.runs();
        if let Err(status) = self.validate(&request) {
            return Way::Over(Err(status));
        }
        let service_id = request.service_id;
        let Some(home) = &self.settings.blocking else {
            return match guard::catch(|| self.service.call(request)) {
                Ok(answer) => Way::Runs(Turn {
                    service_id,
                    answer: Guarded::new(answer),
                    permit: Some(permit),
                }),
                Err(panicked) => Way::Over(Err(failed(service_id, panicked))),
            };
        };
        let (service, failed) = (Arc::clone(&self.service), move |p| failed(service_id, p));
        let answer = home.run_blocking(async move {
            let _permit = permit;
            let answer = guard::catch(|| service.call(request)).map_err(failed)?;
            Guarded::new(answer).await.map_err(failed)?
        });
        Way::wait(async move {
            let cut_off = |_| Err(Code::SERVER_SHUTDOWN.into());
            Step::Over(answer.await.unwrap_or_else(cut_off))
        })
    }

    fn hand_over(&self, execute: &dyn Execute, request: &Request, line: &mut Line) -> Way {
        line.runs();
        let service_id = request.service_id;
        match self.execute(execute, request) {
            Ok(answer) => Way::Runs(Turn {
                service_id,
                answer: Guarded::new(answer),
                permit: None,
            }),
            Err(panicked) => Way::Over(Err(failed(service_id, panicked))),
        }
    }

    /// Hands it to an executor of the application's own.
    fn execute(&self, execute: &dyn Execute, request: &Request) -> Result<Answer, Panicked> {
        let (service, validated) = (Arc::clone(&self.service), self.validate(request));
        let given = request.clone();
        let work = Box::new(move || match validated {
            Ok(()) => service.call(given),
            Err(status) => Box::pin(std::future::ready(Err(status))),
        });
        guard::catch(|| execute.execute(request, work))
    }

    fn validate(&self, request: &Request) -> Result<(), Status> {
        let Some(known) = self.methods.get(&request.msg_id) else {
            return Ok(());
        };
        let Some(validator) = &known.validator else {
            return Ok(());
        };
        let violation = match validator.check_body(&request.body) {
            Ok(()) => return Ok(()),
            Err(BodyError::Violation(violation)) => violation,
            Err(BodyError::Decode(error @ Unreadable::TooLarge { .. })) => {
                return Err(Status::new(Code::DECODE_REQ_ERROR, error.to_string()));
            }
            Err(BodyError::Decode(error)) => {
                return Err(Status::from(Code::DECODE_REQ_ERROR).with_cause(error));
            }
        };
        let words = |code| Some(self.settings.texts.as_ref()?.text(code)?.into_owned());
        let text = violation.text(words);
        let status = Status::new(Code(violation.code), text);
        Err(known.tell(status))
    }

    /// Gives an answer the words it lacks, and a failure the form it travels in.
    fn complete(&self, msg_id: i32, outcome: Result<Reply, Status>) -> Result<Reply, Status> {
        let known = self.methods.get(&msg_id);
        match outcome {
            Ok(reply) if reply.ret_code > 0 => {
                let problem = format!(
                    "the method answered with {}, and codes are negative",
                    reply.ret_code
                );
                let status = Status::new(Code::BUSINESS_ERROR, problem);
                Err(known.map_or(status.clone(), |known| known.tell(status)))
            }
            Ok(mut reply) if reply.ret_code < 0 => {
                let field = known.and_then(|known| known.info.ret_msg);
                if let (Some(field), Some(texts)) = (field, &self.settings.texts)
                    && message::string(&reply.body, field)
                        .is_ok_and(|text| text.is_none_or(str::is_empty))
                    && let Some(text) = texts.text(reply.ret_code)
                {
                    reply.body = message::fill_text(reply.body, field, &text);
                }
                Ok(reply)
            }
            Err(status)
                if status.code() == Code::BUSINESS_ERROR && status.response().is_empty() =>
            {
                Err(known.map_or(status.clone(), |known| known.tell(status)))
            }
            outcome => outcome,
        }
    }
}

impl Known {
    /// The status with the response message that says the same.
    fn tell(&self, status: Status) -> Status {
        let mut response = BytesMut::new();
        encoding::int32::encode(self.info.ret_code, &status.code().0, &mut response);
        let response = match self.info.ret_msg {
            Some(field) => message::fill_text(response.freeze(), field, status.message()),
            None => response.freeze(),
        };
        status.with_response(response)
    }
}

/// A panic is told as any other failure of the method is.
fn failed(service_id: i32, panicked: Panicked) -> Status {
    codegen::failed_in(service_id, Code::BUSINESS_ERROR.text()).with_cause(panicked)
}

/// Waits for a turn, up to the deadline, and as long as its connection lives: nobody would hear the
/// answer. It has no timer: whoever polls it does so at the deadline.
struct Queued {
    waiting: Waiting,
    deadline: Option<Instant>,
    closed: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Queued {
    fn new(waiting: Waiting, request: &Request) -> Self {
        let connection = request.connection.as_ref();
        Self {
            waiting,
            deadline: request.deadline,
            closed: connection.map(|connection| Box::pin(connection.closed_owned())),
        }
    }
}

impl Future for Queued {
    type Output = Result<Permit, Code>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let closed = self.closed.as_mut();
        if closed.is_some_and(|closed| closed.as_mut().poll(context).is_ready()) {
            return Poll::Ready(Err(Code::SERVER_CONNECTION_BROKEN));
        }
        let is_late = self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline);
        match Pin::new(&mut self.waiting).poll(context) {
            _ if is_late => Poll::Ready(Err(Code::QUEUE_TIMEOUT)),
            Poll::Ready(permit) => Poll::Ready(Ok(permit)),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Served").finish_non_exhaustive()
    }
}

impl fmt::Debug for ServedSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ServedSettings")
            .field("executor", &self.executor)
            .field("flow", &self.flow)
            .finish_non_exhaustive()
    }
}
