//! One call through a generated client.

use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    sync::{Arc, mpsc},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::oneshot, time::Instant};
use tracing::debug_span;

use crate::{Answer, Code, Due, Headers, Message, Reply, Request, ServerContext, Service, Status};

/// How long a call waits for its answer unless told otherwise.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);

/// Whom a generated client asks, and how.
#[derive(Clone)]
pub struct Caller {
    callee: Arc<dyn Service>,
    timeout: Option<Duration>,
    headers: Option<Box<Headers>>,
}

impl Caller {
    /// Asks this callee.
    pub fn new(callee: Arc<dyn Service>) -> Self {
        Self {
            callee,
            timeout: None,
            headers: None,
        }
    }

    /// See the method of this name of generated clients.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// See the method of this name of generated clients.
    #[must_use]
    pub fn attachment(mut self, text: &str) -> Self {
        self.headers.get_or_insert_default().attachment = Bytes::copy_from_slice(text.as_bytes());
        self
    }

    /// See the method of this name of generated clients.
    #[must_use]
    pub fn label(mut self, label: &str) -> Self {
        label.clone_into(&mut self.headers.get_or_insert_default().label);
        self
    }

    /// See the method of this name of generated clients.
    #[must_use]
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.headers.get_or_insert_default().key = Bytes::copy_from_slice(key.as_ref());
        self
    }

    /// A call that begins when it is first polled, or [started](Call::start).
    pub fn call<A: Message>(&self, method: (i32, i32), message: &impl prost::Message) -> Call<A> {
        Call {
            state: State::New {
                callee: Arc::clone(&self.callee),
                timeout: self.timeout,
                request: self.request(method, message.encode_to_vec()),
            },
            answer: PhantomData,
        }
    }

    /// A call with a message that is encoded already; the reply comes as it is. Dropping it cancels it.
    pub fn call_encoded(&self, method: (i32, i32), message: impl Into<Bytes>) -> Answer {
        let mut state = State::New {
            callee: Arc::clone(&self.callee),
            timeout: self.timeout,
            request: self.request(method, message),
        };
        state.begin()
    }

    fn request(&self, method: (i32, i32), message: impl Into<Bytes>) -> Request {
        Request {
            headers: self.headers.clone(),
            ..Request::new(method, message)
        }
    }
}

/// A call: a future of its answer. Dropping it cancels it here; what the other side has begun goes on.
///
/// It begins when it is first polled. Join several, race them, or [start](Self::start) them.
#[must_use = "a call does nothing until it is awaited or started"]
pub struct Call<A> {
    state: State,
    answer: PhantomData<fn() -> A>,
}

enum State {
    New {
        callee: Arc<dyn Service>,
        timeout: Option<Duration>,
        request: Request,
    },
    Running(Answer),
    Over,
}

impl<A: Message + 'static> Call<A> {
    /// Begins now, and goes on to its answer even when what is returned is dropped.
    pub fn start(mut self) -> Started<A> {
        let (sender, answer) = oneshot::channel();
        self.run(move |outcome| {
            // Whoever dropped the other end does not want to know.
            let _ = sender.send(outcome);
        });
        Started { answer }
    }

    /// Begins now and blocks this thread until the answer is there: for programs without a runtime.
    ///
    /// # Errors
    /// As awaiting it; and [`Code::EXEC_EXCEPTION`] where the thread is the one that would have to
    /// do the work, as in a task of a single-threaded runtime.
    ///
    /// # Panics
    /// In a task of a `LocalSet` that belongs to the runtime of the calls.
    pub fn wait(mut self) -> Result<A, Status> {
        let callee = self.state.callee().cloned();
        let mut wait = || {
            let (sender, answer) = mpsc::sync_channel(1);
            self.run(move |outcome| {
                let _ = sender.send(outcome);
            });
            let cut_off = |_| Err(Code::USER_CANCEL.into());
            answer.recv().unwrap_or_else(cut_off)
        };
        let Some(home) = callee.as_ref().and_then(|callee| callee.home()) else {
            return wait();
        };
        home.block_on(wait).unwrap_or_else(|| {
            let problem = "wait() in the runtime's only thread would wait for ever: use .await";
            Err(Status::new(Code::EXEC_EXCEPTION, problem))
        })
    }

    /// Sends the request and waits for no answer: resolves when a connection has taken it. What comes
    /// of it, nobody hears.
    ///
    /// # Errors
    /// It was surely not sent.
    pub async fn one_way(mut self) -> Result<(), Status> {
        if let State::New { request, .. } = &mut self.state {
            request.one_way = true;
        }
        let sent = self.state.begin().await;
        sent.map(|_| ()).map_err(Status::of_call)
    }

    /// Runs the call in its callee's home.
    fn run(&mut self, done: impl FnOnce(Result<A, Status>) + Send + 'static) {
        let callee = self.state.callee().cloned();
        let Some(home) = callee.as_ref().and_then(|callee| callee.home()) else {
            let problem = "this callee has no tasks to start a call in: use .await";
            return done(Err(Status::new(Code::EXEC_EXCEPTION, problem)));
        };
        // The context is that of the caller, so it begins here and not in the task.
        let answer = self.state.begin();
        home.spawn(debug_span!("call"), async move {
            done(read(answer.await));
        });
    }
}

impl State {
    fn callee(&self) -> Option<&Arc<dyn Service>> {
        match self {
            Self::New { callee, .. } => Some(callee),
            _ => None,
        }
    }

    fn begin(&mut self) -> Answer {
        match std::mem::replace(self, Self::Over) {
            Self::New {
                callee,
                timeout,
                mut request,
            } => {
                request.deadline = timeout.map(after);
                callee.call(request)
            }
            Self::Running(answer) => answer,
            Self::Over => Box::pin(std::future::ready(Err(Code::USER_CANCEL.into()))),
        }
    }
}

impl<A: Message> Future for Call<A> {
    type Output = Result<A, Status>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::New { .. } = self.state {
            let answer = self.state.begin();
            self.state = State::Running(answer);
        }
        let State::Running(answer) = &mut self.state else {
            return Poll::Ready(Err(Code::USER_CANCEL.into()));
        };
        let outcome = ready!(answer.as_mut().poll(context));
        self.state = State::Over;
        Poll::Ready(read(outcome))
    }
}

/// What a call has come to.
fn read<A: Message>(outcome: Result<Reply, Status>) -> Result<A, Status> {
    outcome.and_then(decode).map_err(Status::of_call)
}

/// A call that runs whether or not anybody waits for it.
#[derive(Debug)]
pub struct Started<A> {
    answer: oneshot::Receiver<Result<A, Status>>,
}

impl<A> Future for Started<A> {
    type Output = Result<A, Status>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.answer).poll(context));
        // The task was cut off: its home has ended.
        Poll::Ready(answer.unwrap_or_else(|_| Err(Code::USER_CANCEL.into())))
    }
}

/// Which of the codes counts that stand beside an answer and in it. The message says what the method has
/// said; a failure of the framework's, or what stands alone, is told beside it.
pub(crate) fn settled(beside: Code, within: Code) -> Code {
    if beside.is_frameworks() || within == Code(0) {
        beside
    } else {
        within
    }
}

/// The response message of a reply. One without a body has the code alone.
///
/// A code of the framework is a failure, also when a message came with it.
pub(crate) fn decode<A: Message>(reply: Reply) -> Result<A, Status> {
    let mut message = A::decode(reply.body)
        .map_err(|error| Status::from(Code::DECODE_RES_ERROR).with_cause(error))?;
    let code = settled(Code(reply.ret_code), Code(message.ret_code()));
    if code != Code(message.ret_code()) {
        let words = message.ret_msg().to_owned();
        message.set_outcome(code.0, &words);
    }
    if !code.is_frameworks() {
        return Ok(message);
    }
    Err(match message.ret_msg() {
        "" => code.into(),
        words => Status::new(code, words.to_owned()),
    })
}

/// When a call must be answered: after `timeout`, unless the request says otherwise, and never later
/// than the request that is being served here, or the work at hand.
pub(crate) fn deadline(request: &Request, timeout: Duration) -> Instant {
    let own = request.deadline.unwrap_or_else(|| after(timeout));
    let limits = [ServerContext::current_deadline(), Due::current()];
    limits.into_iter().flatten().fold(own, Instant::min)
}

/// This far from now; in thirty years where that is beyond all clocks.
fn after(timeout: Duration) -> Instant {
    const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or(now + FOREVER)
}

impl fmt::Debug for Caller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Caller")
            .field("timeout", &self.timeout)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

impl<A> fmt::Debug for Call<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::New { .. } => "new",
            State::Running(_) => "running",
            State::Over => "over",
        };
        write!(formatter, "Call({state})")
    }
}
