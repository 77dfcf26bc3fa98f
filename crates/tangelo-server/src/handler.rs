//! Handlers: plain async functions, with what they need as arguments.

mod blocking;
mod extract;
mod manner;
mod reply;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tangelo_rpc::{Answer, Service};

pub(crate) use self::{blocking::Threads, manner::Manner};
pub use self::{
    extract::{Body, Extension, FromRequest, Incoming, Json, State},
    manner::InManner,
    reply::{IntoReply, Options, WithOptions},
};
use crate::{Request, Result};

/// An async function that answers a request: each argument is a [`FromRequest`], what it returns an
/// [`IntoReply`]. `R` is what it answers: a client's request, or a
/// [`RemoteRequest`](crate::RemoteRequest) of another server; or a [`JobRun`](crate::JobRun), for which
/// it is only run.
///
/// You need not care about `Arguments`: it is what lets functions of any number of arguments be
/// handlers without the compiler taking two of them for one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no handler",
    note = "a handler is an `async fn` whose arguments are extractors, such as `Json<T>` or `Session`, and which returns `Result<Json<T>>`, `Json<T>`, `Body` or `()`",
    note = "the `T` of a `Json<T>` argument is `Deserialize`, that of a returned one `Serialize`: `#[derive(serde::Deserialize, serde::Serialize)]`; the future is `Send`"
)]
pub trait Handler<Arguments, R = Request>: Send + Sync + 'static {
    /// Takes the arguments from the request, and calls.
    ///
    /// # Errors
    /// An argument cannot be had from this request.
    fn call(&self, request: &mut R) -> Result<Answer>;

    #[doc(hidden)]
    fn manner(&self) -> Manner {
        Manner::default()
    }
}

/// How a handler is run, where that is not as the others are.
pub trait HandlerExt<Arguments>: Handler<Arguments> + Sized {
    /// The same handler, whose answer is due `deadline` after the request has come to its server; then the
    /// request fails with 504. It is at the most [`Limits::deadline`](crate::Limits::deadline) of the front
    /// end, in any case.
    fn deadline(self, deadline: Duration) -> InManner<Self> {
        InManner::new(self).due_within(deadline)
    }

    /// The same handler on a thread of its own, for one that computes for long or blocks. As many of a
    /// server's run at once as [`Limits::blocking`](crate::Limits::blocking) says; what comes on top fails
    /// with 503. A thread cannot be stopped: past the deadline it goes on, and nobody hears of it.
    fn blocking(self) -> InManner<Self> {
        InManner::new(self).on_a_thread()
    }

    /// The same handler, dropped at an await when its client has gone. Others run on: they belong to the
    /// session, and end by their deadlines.
    fn cancel_with_client(self) -> InManner<Self> {
        InManner::new(self).ended_with_client()
    }
}

impl<A, H: Handler<A>> HandlerExt<A> for H {}

/// The handlers of one name, such as `chatHandler`, by method. Made with
/// [`handlers!`](crate::handlers).
#[derive(Clone, Default)]
pub struct Handlers {
    methods: HashMap<String, (Handling<Request>, Manner)>,
    twice: Vec<String>,
}

impl Handlers {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a method. A server with two of the same name does not start.
    #[must_use]
    pub fn add<A: 'static>(mut self, method: &str, handler: impl Handler<A>) -> Self {
        let manner = handler.manner();
        let mut handler = erase(handler);
        if manner.blocking {
            handler = Arc::new(blocking::Blocking(handler));
        }
        let before = self.methods.insert(method.to_owned(), (handler, manner));
        if before.is_some() {
            self.twice.push(method.to_owned());
        }
        self
    }

    /// Methods that were added more than once.
    pub(crate) fn twice(&self) -> impl Iterator<Item = &str> {
        self.twice.iter().map(String::as_str)
    }

    pub(crate) fn into_methods(self) -> impl Iterator<Item = (String, Handling<Request>, Manner)> {
        let methods = self.methods.into_iter();
        methods.map(|(method, (handler, manner))| (method, handler, manner))
    }
}

/// Makes [`Handlers`](crate::Handlers) of functions, each under its own name.
///
/// ```
/// # use tangelo_server::{handlers, Json};
/// async fn hello(Json(name): Json<String>) -> Json<String> {
///     Json(format!("hello {name}"))
/// }
///
/// let handlers = handlers! { hello };
/// ```
///
/// After a colon stands what the method is, where it is not just the function of that name:
///
/// ```
/// # use std::time::Duration;
/// # use tangelo_server::{handlers, HandlerExt};
/// # async fn hello() {}
/// # async fn count() {}
/// let handlers = handlers! { hello: hello.deadline(Duration::from_secs(5)), count: count.blocking() };
/// ```
#[macro_export]
macro_rules! handlers {
    ($($method:ident $(: $handler:expr)?),* $(,)?) => {
        $crate::Handlers::new()$(.add(
            stringify!($method),
            $crate::handlers!(@one $method $($handler)?),
        ))*
    };
    (@one $method:ident) => { $method };
    (@one $method:ident $handler:expr) => { $handler };
}

/// From here on a handler is a service like any other. It takes what it wants from the request, which is its
/// caller's, who may have more of them to make.
pub(crate) type Handling<R> = Arc<dyn for<'r> Service<&'r mut R>>;

/// This handler, whatever its arguments are.
pub(crate) fn erase<A: 'static, R: 'static, H: Handler<A, R>>(handler: H) -> Handling<R> {
    struct Erased<H, A>(H, std::marker::PhantomData<fn(A)>);

    impl<A: 'static, R: 'static, H: Handler<A, R>> Service<&mut R> for Erased<H, A> {
        fn call(&self, request: &mut R) -> Answer {
            self.0
                .call(request)
                .unwrap_or_else(|error| Box::pin(std::future::ready(Err(error.into_answer()))))
        }
    }

    Arc::new(Erased(handler, std::marker::PhantomData))
}

macro_rules! handler {
    ($($argument:ident),*) => {
        impl<F, Fut, A, R, $($argument),*> Handler<($($argument,)*), R> for F
        where
            F: Fn($($argument),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = A> + Send + 'static,
            A: IntoReply + 'static,
            $($argument: FromRequest<R>,)*
        {
            #[allow(non_snake_case, unused_mut, unused_variables,
                reason = "arguments are named as their types; there may be none")]
            fn call(&self, request: &mut R) -> Result<Answer> {
                $(let $argument = $argument::from_request(request)?;)*
                Ok(Box::pin(self($($argument),*).map(IntoReply::into_reply)))
            }
        }
    };
}

handler!();
handler!(T1);
handler!(T1, T2);
handler!(T1, T2, T3);
handler!(T1, T2, T3, T4);
handler!(T1, T2, T3, T4, T5);
handler!(T1, T2, T3, T4, T5, T6);
handler!(T1, T2, T3, T4, T5, T6, T7);
handler!(T1, T2, T3, T4, T5, T6, T7, T8);

impl fmt::Debug for Handlers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.methods.keys()).finish()
    }
}
