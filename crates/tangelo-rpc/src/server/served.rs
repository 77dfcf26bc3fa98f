//! The road of a request through a server, before and after the method that answers it.

use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
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

impl Service for Served {
    fn call(&self, mut request: Request) -> Answer {
        let context = ServerContext::of(&mut request);
        let line = Line::begin(self.shared.settings.log.as_ref(), &request, &context);
        let span = self.shared.begin_span(&context);
        Box::pin(Arc::clone(&self.shared).serve(request, line, span))
    }

    fn is_crowded(&self, msg_id: i32) -> bool {
        match self.shared.run_of(msg_id) {
            Run::Limited(executor) => executor.is_full(),
            Run::Custom(_) => false,
        }
    }
}

impl Shared {
    fn begin_span(&self, context: &ServerContext) -> OpenSpan {
        let (service_id, msg_id) = context.method();
        let known = self.methods.get(&msg_id);
        let method = tracer::Method {
            service: &self.settings.name,
            method: known.map_or("", |known| &known.info.name),
            service_id,
            msg_id,
        };
        let tracer = self.settings.tracer.as_ref();
        OpenSpan::new(tracer.and_then(|tracer| tracer.serve(method, context)))
    }

    async fn serve(
        self: Arc<Self>,
        request: Request,
        mut line: Line,
        span: OpenSpan,
    ) -> Result<Reply, Status> {
        let msg_id = request.msg_id;
        let outcome = self.admit(request, &mut line).await;
        let outcome = self.complete(msg_id, outcome);
        line.finish(&outcome);
        span.end(&outcome);
        outcome
    }

    /// Who runs calls of this method.
    fn run_of(&self, msg_id: i32) -> &Run {
        let own = self.settings.executors.get(&msg_id);
        own.unwrap_or(&self.settings.executor)
    }

    /// Counts it, lets it wait for its turn, runs it.
    async fn admit(&self, mut request: Request, line: &mut Line) -> Result<Reply, Status> {
        let (received, service_id) = (Instant::now(), request.service_id);
        let failed = |panicked| failed(service_id, panicked);
        if let Some(flow) = &self.settings.flow {
            let judged = guard::catch(|| flow.check(service_id, request.msg_id, received));
            match judged.map_err(failed)? {
                Verdict::Admitted => {}
                Verdict::Refused(code) => return Err(code.into()),
                Verdict::Pending(judge) => Guarded::new(judge).await.map_err(failed)??,
            }
        }
        match self.run_of(request.msg_id) {
            Run::Custom(execute) => {
                line.runs();
                let answer = self.execute(&**execute, &request).map_err(failed)?;
                Guarded::new(answer).await.map_err(failed)?
            }
            Run::Limited(executor) => {
                let entry = match &request.connection {
                    Some(connection) => executor.try_enter_for(connection.sender()),
                    None => executor.try_enter(),
                };
                let permit = match entry {
                    Entry::Entered(permit) => permit,
                    Entry::Wait(waiting) => {
                        request.unpin();
                        let permit = Queued::new(waiting, &request).await?;
                        line.waited(received.elapsed());
                        permit
                    }
                    Entry::Full => return Err(Code::QUEUE_FULL.into()),
                };
                line.runs();
                self.validate(&request)?;
                self.run(request, permit).await
            }
        }
    }

    /// Runs the method, on a thread of its own if it may block.
    async fn run(&self, request: Request, permit: Permit) -> Result<Reply, Status> {
        let (service, service_id) = (Arc::clone(&self.service), request.service_id);
        let failed = move |panicked| failed(service_id, panicked);
        let answer = async move {
            let _permit = permit;
            let answer = guard::catch(|| service.call(request)).map_err(failed)?;
            Guarded::new(answer).await.map_err(failed)?
        };
        match &self.settings.blocking {
            None => answer.await,
            Some(home) => {
                let outcome = home.run_blocking(answer).await;
                outcome.unwrap_or_else(|_| Err(Code::SERVER_SHUTDOWN.into()))
            }
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
