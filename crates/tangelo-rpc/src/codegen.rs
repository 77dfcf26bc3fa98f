//! What generated code stands on. Not for use by hand.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{Code, Message, Reply, Request, Service, Status};

pub use prost;

/// How long a call waits for its answer unless told otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);

/// Decodes a request, lets `method` answer it, encodes the response.
pub fn serve<Q, A, F>(
    request: &Request,
    method: impl FnOnce(Q) -> F,
) -> Pin<Box<dyn Future<Output = Result<Reply, Status>> + Send>>
where
    Q: prost::Message + Default,
    A: Message,
    F: Future<Output = Result<A, Status>> + Send + 'static,
{
    match Q::decode(request.body.clone()) {
        Ok(decoded) => {
            let response = method(decoded);
            Box::pin(async move {
                let response = response.await?;
                Ok(Reply::protobuf(
                    response.ret_code(),
                    response.encode_to_vec(),
                ))
            })
        }
        Err(error) => {
            let status = Status::from(Code::DECODE_REQ_ERROR).with_cause(error);
            Box::pin(async move { Err(status) })
        }
    }
}

/// The answer to a message number the service does not have.
pub fn not_found() -> Pin<Box<dyn Future<Output = Result<Reply, Status>> + Send>> {
    Box::pin(async { Err(Code::NOT_FOUND.into()) })
}

/// Encodes a request, asks, decodes the response.
pub async fn call<Q: prost::Message, A: Message>(
    callee: &Arc<dyn Service>,
    (service_id, msg_id): (i32, i32),
    timeout: Duration,
    message: &Q,
) -> Result<A, Status> {
    let request = Request {
        service_id,
        msg_id,
        body: message.encode_to_vec().into(),
        deadline: Some(Instant::now() + timeout),
        connection: None,
    };
    let reply = callee.call(request).await?;
    A::decode(reply.body).map_err(|error| Status::from(Code::DECODE_RES_ERROR).with_cause(error))
}
