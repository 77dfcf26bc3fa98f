//! Remotes: what servers offer each other by name, with JSON.

mod request;
mod serve;

use std::{collections::HashMap, fmt};

use bytes::Bytes;
use prost::Message as _;
use tangelo_rpc::{Code, Reply, Status};

pub use self::request::RemoteRequest;
pub(crate) use self::serve::RemoteOnServer;
use crate::{
    Blueprint, Handler,
    generated::remote::{InvokeReq, InvokeRes},
    handler::{self, Handling},
};

/// Service and message number; see remote.proto.
pub(crate) const INVOKE: (i32, i32) = (14, 1);

/// The methods of one remote, such as `chatRemote`, by name. Made with [`remotes!`](crate::remotes).
#[derive(Clone, Default)]
pub struct Remotes {
    methods: Vec<(String, Method)>,
}

/// From here on a method is a service like any other.
type Method = Handling<RemoteRequest>;

impl Remotes {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a method: an async function whose arguments are taken from the request as a handler's are.
    /// What it is called with is `Json<T>`; several arguments are a tuple.
    #[must_use]
    pub fn add<A: 'static>(
        mut self,
        method: &str,
        function: impl Handler<A, RemoteRequest>,
    ) -> Self {
        let function = handler::erase(function);
        self.methods.push((method.to_owned(), function));
        self
    }
}

/// Makes [`Remotes`](crate::Remotes) of functions, each under its own name.
///
/// ```
/// # use tangelo_server::{remotes, Json};
/// async fn add(Json((one, other)): Json<(i32, i32)>) -> Json<i32> {
///     Json(one + other)
/// }
///
/// let sums = remotes! { add };
/// ```
///
/// After a colon stands the function, where it has another name: `remotes! { addAll: add }`.
#[macro_export]
macro_rules! remotes {
    ($($method:ident $(: $function:expr)?),* $(,)?) => {
        $crate::Remotes::new()$(.add(
            stringify!($method),
            $crate::remotes!(@one $method $($function)?),
        ))*
    };
    (@one $method:ident) => { $method };
    (@one $method:ident $function:expr) => { $function };
}

/// The remotes of one server, by name.
#[derive(Default)]
pub(crate) struct ByName(HashMap<String, HashMap<String, Method>>);

impl ByName {
    /// The method of this name.
    fn find(&self, remote: &str, method: &str) -> Result<&Method, Status> {
        let problem = match self.0.get(remote) {
            Some(methods) => match methods.get(method) {
                Some(method) => return Ok(method),
                None => format!("remote `{remote}` has no method `{method}`"),
            },
            None => format!("no remote `{remote}`"),
        };
        Err(Status::new(Code::NOT_FOUND, problem))
    }

    /// Adds a remote.
    fn add(&mut self, name: &str, remotes: Remotes) -> Result<(), String> {
        let is_name = |name: &str| !name.is_empty() && !name.contains('.');
        if !is_name(name) {
            return Err(format!("`{name}` is no name for a remote"));
        }
        let mut methods = HashMap::new();
        for (method, function) in remotes.methods {
            if !is_name(&method) {
                return Err(format!(
                    "`{method}` is no name for a method of remote `{name}`"
                ));
            }
            if methods.insert(method.clone(), function).is_some() {
                return Err(format!("remote `{name}` has two methods `{method}`"));
            }
        }
        match self.0.insert(name.to_owned(), methods) {
            None => Ok(()),
            Some(_) => Err(format!("there are two remotes `{name}`")),
        }
    }
}

impl Blueprint {
    /// A remote: its methods answer other servers, and this one, as `serverType.name.method`; see
    /// [`Rpc::invoke`](crate::Rpc::invoke).
    #[must_use]
    pub fn remote(mut self, name: &str, remotes: Remotes) -> Self {
        if let Err(mistake) = self.remotes.add(name, remotes) {
            self.mistakes.push(mistake);
        }
        self
    }
}

/// The message that asks for a method with these arguments.
pub(crate) fn request(name: &str, args: Bytes) -> Bytes {
    let message = InvokeReq {
        name: name.to_owned(),
        args,
    };
    message.encode_to_vec().into()
}

/// What a method answered.
pub(crate) fn answer(reply: Reply) -> Result<Reply, Status> {
    let answer = InvokeRes::decode(reply.body)
        .map_err(|error| Status::from(Code::DECODE_RES_ERROR).with_cause(error))?;
    match answer.ret_code {
        0 => Ok(Reply::json(answer.result)),
        code => Err(Status::new(code, answer.ret_msg)),
    }
}

impl fmt::Debug for Remotes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.methods.iter().map(|(name, _)| name);
        formatter.debug_set().entries(names).finish()
    }
}

impl fmt::Debug for ByName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods = self.0.iter().map(|(name, methods)| (name, methods.keys()));
        formatter.debug_map().entries(methods).finish()
    }
}
