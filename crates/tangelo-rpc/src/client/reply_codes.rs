//! What an answer says of its outcome, in its meta and in its message: decided once, before anybody asks.

use std::collections::HashMap;

use tangelo_reflect::{MethodInfo, message};

use crate::{Code, Reply, Status, call::settled};

/// Where the messages that a service answers with have their outcome.
#[derive(Debug, Default)]
pub(super) struct ReplyCodes {
    fields: HashMap<i32, Fields, foldhash::fast::RandomState>,
}

#[derive(Clone, Copy, Debug)]
struct Fields {
    ret_code: u32,
    ret_msg: Option<u32>,
}

impl ReplyCodes {
    pub(super) fn new(methods: &[MethodInfo]) -> Self {
        let fields = methods.iter().map(|method| {
            let fields = Fields {
                ret_code: method.ret_code,
                ret_msg: method.ret_msg,
            };
            (method.id, fields)
        });
        Self {
            fields: fields.collect(),
        }
    }

    /// The reply with the one code it has; a failure if that is the framework's, also when a message came
    /// with it.
    pub(super) fn settle(&self, msg_id: i32, reply: Reply) -> Result<Reply, Status> {
        let fields = self.fields.get(&msg_id);
        let told = fields.and_then(|fields| message::int32(&reply.body, fields.ret_code).ok()?);
        let code = settled(Code(reply.ret_code), Code(told.unwrap_or_default()));
        if !code.is_frameworks() {
            return Ok(Reply {
                ret_code: code.0,
                ..reply
            });
        }
        let words = fields.and_then(|fields| message::string(&reply.body, fields.ret_msg?).ok()?);
        let status = match words {
            Some(words) if !words.is_empty() => Status::new(code, words.to_owned()),
            _ => code.into(),
        };
        Err(status.with_response(reply.body))
    }
}
