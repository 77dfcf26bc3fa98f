//! Answers other servers.

use std::{future::ready, sync::Arc};

use prost::Message as _;
use tangelo_rpc::{Answer, Code, Definition, Reply, Request, ServerContext, Service, Status};
use tangelo_runtime::guard::{self, Guarded};

use super::{ByName, INVOKE, RemoteRequest};
use crate::{
    Context,
    generated::remote::{InvokeReq, InvokeRes},
    pipeline::failed,
    route::Route,
};

/// Answers service Remote: whoever asks, over whichever connection.
pub(crate) struct RemoteOnServer {
    pub(crate) context: Arc<Context>,
    pub(crate) remotes: ByName,
}

impl Definition for RemoteOnServer {
    const SERVICE_ID: i32 = INVOKE.0;
    const NAME: &'static str = "Remote";
}

impl Service for RemoteOnServer {
    fn call(&self, mut request: Request) -> Answer {
        if (request.service_id, request.msg_id) != INVOKE {
            return Box::pin(ready(Err(Code::NOT_FOUND.into())));
        }
        let serving = ServerContext::of(&mut request);
        let (name, caller, called) = match self.decode(request) {
            Ok(request) => {
                let (name, caller) = (Arc::clone(&request.name), Arc::clone(&request.caller));
                (name, caller, serving.enter(|| self.begin(request)))
            }
            Err(status) => return Box::pin(ready(Err(status))),
        };
        let context = Arc::clone(&self.context);
        Box::pin(serving.scope(async move {
            let outcome = match called {
                Ok(answer) => answer
                    .await
                    .unwrap_or_else(|panicked| Err(failed(panicked))),
                Err(status) => Err(status),
            };
            if let Err(status) = &outcome {
                context.log_remote_failure(&caller, &name, status);
            }
            Ok(answered(outcome))
        }))
    }
}

impl RemoteOnServer {
    fn decode(&self, request: Request) -> Result<RemoteRequest, Status> {
        let caller = match &request.connection {
            None => self.context.server_id(),
            Some(connection) => {
                let hello = connection.hello().ok_or(Code::SERVICE_NOT_ALLOWED)?;
                &hello.identity.server_id
            }
        };
        let message = InvokeReq::decode(request.body)
            .map_err(|error| Status::from(Code::DECODE_REQ_ERROR).with_cause(error))?;
        Ok(RemoteRequest {
            name: message.name.into(),
            args: message.args,
            caller: caller.into(),
            deadline: request.deadline.ok_or(Code::DECODE_REQ_ERROR)?,
            context: Arc::clone(&self.context),
        })
    }

    /// The method, begun. A panic while it takes its arguments is answered like one while it runs.
    fn begin(&self, mut request: RemoteRequest) -> Result<Guarded<Running>, Status> {
        let no_name = || Status::new(Code::NOT_FOUND, "a name is `serverType.remote.method`");
        let name = Arc::clone(&request.name);
        let route = Route::parse(name.as_bytes()).ok_or_else(no_name)?;
        if route.server_type != self.context.server_type() {
            let here = self.context.server_type();
            let problem = format!("`{name}` is not for a `{here}`");
            return Err(Status::new(Code::NOT_FOUND, problem));
        }
        let method = self.remotes.find(route.handler, route.method)?;
        let begun = guard::catch(|| method.call(&mut request)).map_err(failed)?;
        Ok(Guarded::new(begun))
    }
}

type Running = dyn Future<Output = Result<Reply, Status>> + Send;

fn answered(outcome: Result<Reply, Status>) -> Reply {
    let answer = match outcome {
        Ok(reply) => InvokeRes {
            result: reply.body,
            ..InvokeRes::default()
        },
        Err(status) => InvokeRes {
            ret_code: status.code().0,
            ret_msg: status.message().to_owned(),
            ..InvokeRes::default()
        },
    };
    Reply::protobuf(answer.ret_code, answer.encode_to_vec())
}
