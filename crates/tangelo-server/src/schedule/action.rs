//! What a job does: plain async functions, with what they need as arguments.

use std::{fmt, marker::PhantomData, pin::Pin, sync::Arc, time::SystemTime};

use crate::{Channels, Context, Error, Jobs, Result, Rpc, Servers, State};

/// An async function that a job runs: each argument is a [`FromJob`], what it returns a [`JobOutcome`].
///
/// You need not care about `Arguments`: it is what lets functions of any number of arguments be run
/// without the compiler taking two of them for one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be run by a job",
    note = "a job runs an `async fn` whose arguments are extractors, such as `State<T>` or `Channels`, and which returns `()` or `Result<()>`"
)]
pub trait JobFn<Arguments>: Send + Sync + 'static {
    /// Takes the arguments from the run, and calls.
    ///
    /// # Errors
    /// An argument cannot be had here.
    fn call(&self, run: &JobRun) -> Result<Outcome>;
}

/// What becomes of a run.
type Outcome = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// What a job's function may have as an argument.
#[diagnostic::on_unimplemented(
    message = "a job cannot have a `{Self}` as an argument",
    note = "arguments are `State<T>`, `Channels`, `Servers`, `Rpc`, `Jobs`, `JobRun`, `Arc<Context>` or a type of yours that implements `FromJob`"
)]
pub trait FromJob: Sized + Send {
    /// Takes it from the run.
    ///
    /// # Errors
    /// It cannot be had here: the run has failed.
    fn from_job(run: &JobRun) -> Result<Self>;
}

/// What a job's function may return: `()`, or a `Result` of it.
pub trait JobOutcome {
    /// As the result.
    ///
    /// # Errors
    /// The run has failed.
    fn into_outcome(self) -> Result<()>;
}

/// One run of a job. As an argument, what says which.
#[derive(Clone)]
pub struct JobRun {
    id: Arc<str>,
    due: SystemTime,
    context: Arc<Context>,
}

impl JobRun {
    pub(super) fn new(id: Arc<str>, due: SystemTime, context: Arc<Context>) -> Self {
        Self { id, due, context }
    }

    /// The job's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The time it was to begin.
    pub fn due(&self) -> SystemTime {
        self.due
    }

    /// The server it runs on.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }
}

/// A function, whatever its arguments.
pub(crate) trait Callable: Send + Sync {
    fn call(&self, run: &JobRun) -> Result<Outcome>;
}

pub(super) fn erase<A: 'static>(function: impl JobFn<A>) -> Arc<dyn Callable> {
    struct Erased<F, A>(F, PhantomData<fn(A)>);

    impl<A: 'static, F: JobFn<A>> Callable for Erased<F, A> {
        fn call(&self, run: &JobRun) -> Result<Outcome> {
            self.0.call(run)
        }
    }

    Arc::new(Erased(function, PhantomData))
}

impl FromJob for JobRun {
    fn from_job(run: &JobRun) -> Result<Self> {
        Ok(run.clone())
    }
}

impl FromJob for Arc<Context> {
    fn from_job(run: &JobRun) -> Result<Self> {
        Ok(Self::clone(run.context()))
    }
}

/// A type that the application did not bring: the run has failed.
impl<T: Clone + Send + Sync + 'static> FromJob for State<T> {
    fn from_job(run: &JobRun) -> Result<Self> {
        Self::of(run.context())
    }
}

impl FromJob for Channels {
    fn from_job(run: &JobRun) -> Result<Self> {
        Ok(run.context().channels().clone())
    }
}

impl FromJob for Servers {
    fn from_job(run: &JobRun) -> Result<Self> {
        Ok(run.context().servers())
    }
}

impl FromJob for Rpc {
    fn from_job(run: &JobRun) -> Result<Self> {
        Ok(run.context().rpc())
    }
}

impl FromJob for Jobs {
    fn from_job(run: &JobRun) -> Result<Self> {
        Ok(run.context().jobs().clone())
    }
}

impl JobOutcome for () {
    fn into_outcome(self) -> Result<()> {
        Ok(())
    }
}

impl<E: Into<Error>> JobOutcome for Result<(), E> {
    fn into_outcome(self) -> Result<()> {
        self.map_err(Into::into)
    }
}

macro_rules! job_fn {
    ($($argument:ident),*) => {
        impl<F, Fut, R, $($argument),*> JobFn<($($argument,)*)> for F
        where
            F: Fn($($argument),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = R> + Send + 'static,
            R: JobOutcome,
            $($argument: FromJob,)*
        {
            #[allow(non_snake_case, unused_variables,
                reason = "arguments are named as their types; there may be none")]
            fn call(&self, run: &JobRun) -> Result<Outcome> {
                $(let $argument = $argument::from_job(run)?;)*
                let outcome = self($($argument),*);
                Ok(Box::pin(async move { outcome.await.into_outcome() }))
            }
        }
    };
}

job_fn!();
job_fn!(T1);
job_fn!(T1, T2);
job_fn!(T1, T2, T3);
job_fn!(T1, T2, T3, T4);
job_fn!(T1, T2, T3, T4, T5);
job_fn!(T1, T2, T3, T4, T5, T6);
job_fn!(T1, T2, T3, T4, T5, T6, T7);
job_fn!(T1, T2, T3, T4, T5, T6, T7, T8);

impl fmt::Debug for JobRun {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("JobRun")
            .field("id", &self.id)
            .field("due", &self.due)
            .finish_non_exhaustive()
    }
}
