//! How a call ended, as far as rules about its address care.

use crate::Code;

/// krpc's sister product answers its own timeouts with this.
const INVOKE_TIMEOUT: Code = Code(-802);

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a reply that says success.
    Ok,
    /// With an answer of the service that says otherwise.
    BusinessError,
    /// In time came nothing, or what says so.
    Timeout,
    /// Without an answer of the service.
    Failed,
}

impl From<Code> for Outcome {
    /// 0 is success; codes outside of the framework's -600 to -699 are the application's own.
    fn from(code: Code) -> Self {
        match code {
            Code(0) => Self::Ok,
            Code::RPC_TIMEOUT | Code::QUEUE_TIMEOUT | INVOKE_TIMEOUT => Self::Timeout,
            Code::BUSINESS_ERROR | Code::VALIDATE_ERROR => Self::BusinessError,
            Code(-699..=-600) => Self::Failed,
            _ => Self::BusinessError,
        }
    }
}
