//! A call of a remote's method, before it is made.

use std::{
    collections::BTreeMap, fmt, future::IntoFuture, marker::PhantomData, pin::Pin, sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tangelo_rpc::{Code, Reply, Request, Service, Status};

use super::{
    FailMode, Rpc,
    road::{Asked, Road, To},
};
use crate::{
    remote,
    route::{By, Route},
};

/// A call of a remote's method: made when it is awaited, which gives what the method returned.
///
/// # Errors
/// A [`Status`]: the method's own, or [`Code::NOT_FOUND`] (no such type, remote or method),
/// [`Code::DECODE_REQ_ERROR`] (arguments it does not take), [`Code::BUSINESS_ERROR`] (it failed or
/// panicked), [`Code::NO_CONNECTION`] and [`Code::SERVER_SHUTDOWN`] (nobody there, surely not run),
/// [`Code::CONNECTION_BROKEN`] and [`Code::RPC_TIMEOUT`] (it may have run), [`Code::DECODE_RES_ERROR`]
/// (what it returned is no `T`). With `?` in a handler or in another method only a code of the
/// application's is passed on; see [`Error`](crate::Error).
#[must_use = "a call does nothing until it is awaited"]
pub struct Invocation<T> {
    rpc: Rpc,
    name: Arc<str>,
    by: By,
    server_id: Option<Arc<str>>,
    args: Result<Bytes, Status>,
    one_way: bool,
    answer: PhantomData<fn() -> T>,
}

impl<T> Invocation<T> {
    pub(super) fn new(rpc: Rpc, name: &str, by: By, args: &(impl Serialize + ?Sized)) -> Self {
        let args = serde_json::to_vec(args).map(Bytes::from);
        Self {
            rpc,
            name: name.into(),
            by,
            server_id: None,
            args: args.map_err(|error| Status::from(Code::ENCODE_REQ_ERROR).with_cause(error)),
            one_way: false,
            answer: PhantomData,
        }
    }

    pub(super) fn one_way(mut self) -> Self {
        self.one_way = true;
        self
    }

    /// The server of this name answers, whatever the route says: Pomelo's `toServer`.
    pub fn to_server(mut self, server_id: &str) -> Self {
        self.server_id = Some(server_id.into());
        self
    }

    /// It waits at most this long, attempts together.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.rpc = self.rpc.with_timeout(timeout);
        self
    }

    /// What becomes of it if it fails.
    pub fn fail_mode(mut self, fail_mode: FailMode) -> Self {
        self.rpc = self.rpc.with_fail_mode(fail_mode);
        self
    }

    /// It may be made again also if it may have run; see [`FailMode::allow_twice`].
    pub fn may_run_twice(mut self) -> Self {
        self.rpc.fail_mode = self.rpc.fail_mode.allow_twice();
        self
    }

    /// The name's server type.
    fn server_type(&self) -> Result<&str, Status> {
        let route = Route::parse(self.name.as_bytes());
        let problem = "a remote's method is called `serverType.remote.method`";
        let route = route.ok_or_else(|| Status::new(Code::NOT_FOUND, problem))?;
        Ok(route.server_type)
    }

    fn begin(&self, to: To, args: Bytes) -> tangelo_rpc::Answer {
        let asked = Asked::Remote(Arc::clone(&self.name));
        let mut request = Request::new(remote::INVOKE, args);
        request.one_way = self.one_way;
        Road::new(self.rpc.clone(), to, asked).call(request)
    }
}

impl<T: DeserializeOwned> Invocation<T> {
    /// All servers of the type answer at once, this one too if it is of that type: what each answered,
    /// or why it did not, by its name. Pomelo's `toServer('*')`.
    ///
    /// # Errors
    /// There is, and was, no server of this type. While there is none it is nobody who answers.
    pub async fn to_all(self) -> Result<BTreeMap<String, Result<T, Status>>, Status> {
        let ask = |to, args| {
            let answer = self.begin(to, args);
            async { self.read(answer.await) }
        };
        let asked = async {
            let args = self.args.clone()?;
            let ask = |to| ask(to, args.clone());
            let server_type = self.server_type()?;
            self.rpc.each(server_type, Some(&self.by), ask).await
        };
        asked.await.map_err(Status::of_call)
    }

    /// What it has come to.
    fn read(&self, outcome: Result<Reply, Status>) -> Result<T, Status> {
        let read = outcome.and_then(|reply| self.result(&reply.body));
        read.map_err(Status::of_call)
    }

    fn result(&self, body: &[u8]) -> Result<T, Status> {
        let body = if self.one_way { b"null" } else { body };
        let read = serde_json::from_slice(body).or_else(|error| {
            // What a method without a result answers.
            let nothing = (body == b"{}").then(|| serde_json::from_slice(b"null").ok());
            nothing.flatten().ok_or(error)
        });
        read.map_err(|error| Status::from(Code::DECODE_RES_ERROR).with_cause(error))
    }
}

impl<T: DeserializeOwned + Send + 'static> IntoFuture for Invocation<T> {
    type Output = Result<T, Status>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<T, Status>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let answer = (|| {
            let server_type = self.server_type()?;
            let by = self.by.clone();
            let to = match &self.server_id {
                Some(server_id) => To::server(server_id, Some(by)),
                None => To::later(server_type, by),
            };
            Ok::<_, Status>(self.begin(to, self.args.clone()?))
        })();
        Box::pin(async move {
            let outcome = match answer {
                Ok(answer) => answer.await,
                Err(status) => Err(status),
            };
            self.read(outcome)
        })
    }
}

impl<T> fmt::Debug for Invocation<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Invocation")
            .field("name", &self.name)
            .field("by", &self.by)
            .field("server_id", &self.server_id)
            .finish_non_exhaustive()
    }
}
