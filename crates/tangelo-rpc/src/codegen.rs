//! What generated code stands on. Not for use by hand.

use crate::{Answer, Code, Message, Reply, Request, ServerContext, Status};

pub use prost;
pub use prost_types;

/// Decodes a request, lets `method` answer it, encodes the response.
pub fn serve<Q, A, F>(mut request: Request, method: impl FnOnce(Q) -> F) -> Answer
where
    Q: prost::Message + Default,
    A: Message,
    F: Future<Output = Result<A, Status>> + Send + 'static,
{
    match Q::decode(request.body.clone()) {
        Ok(decoded) => {
            let service_id = request.service_id;
            let context = ServerContext::of(&mut request);
            let answer = method(decoded);
            Box::pin(context.scope(async move {
                let response = answer
                    .await
                    .map_err(|status| failure::<A>(service_id, status))?;
                Ok(Reply::protobuf(
                    response.ret_code(),
                    response.encode_to_vec(),
                ))
            }))
        }
        Err(error) => {
            let status = Status::from(Code::DECODE_REQ_ERROR).with_cause(error);
            Box::pin(std::future::ready(Err(status)))
        }
    }
}

/// What a method's failure is to its callers: the same in words, and as a response in krpc's form.
///
/// That a call made by the method was refused says nothing of the method itself, which has run.
fn failure<A: Message>(service_id: i32, status: Status) -> Status {
    let code = status.code();
    let status =
        if code.is_refusal() || code == Code::CONNECTION_BROKEN || code == Code::BUSINESS_ERROR {
            failed_in(service_id, status.message()).with_cause(status)
        } else {
            status
        };
    let mut response = A::default();
    response.set_outcome(status.code().0, status.message());
    status.with_response(response.encode_to_vec())
}

/// The failure of a method, in krpc's words.
pub(crate) fn failed_in(service_id: i32, words: &str) -> Status {
    Status::new(Code::BUSINESS_ERROR, format!("{words} in ({service_id})"))
}

/// The answer to a message number the service does not have.
pub fn not_found() -> Answer {
    Box::pin(std::future::ready(Err(Code::NOT_FOUND.into())))
}
