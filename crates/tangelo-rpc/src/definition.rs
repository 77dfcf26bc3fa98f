//! What code generation tells of a service.

use std::borrow::Cow;

/// What is known of a service at build time: implemented by generated servers and clients.
pub trait Definition {
    /// Its number.
    const SERVICE_ID: i32;
    /// Its name in the .proto file.
    const NAME: &'static str;
    /// Its methods, in the order of the .proto file.
    const METHODS: &'static [Method] = &[];
    /// The encoded `FileDescriptorSet` of the .proto file and all it imports; empty where a service
    /// is written by hand.
    const DESCRIPTORS: &'static [u8] = &[];
}

/// A method of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    /// Its number.
    pub msg_id: i32,
    /// Its name in the .proto file.
    pub name: Cow<'static, str>,
}

/// A response message of a generated service: one with a `retCode`.
pub trait Message: prost::Message + Default {
    /// The outcome: 0, or a negative code.
    fn ret_code(&self) -> i32;

    /// Words for the outcome; empty where the message has no `retMsg`.
    fn ret_msg(&self) -> &str {
        ""
    }

    /// Sets the outcome, and its words where the message has a `retMsg`.
    fn set_outcome(&mut self, code: i32, text: &str);

    /// The message if its outcome is no failure.
    ///
    /// # Errors
    /// A negative `retCode`, with the words of `retMsg`.
    fn checked(self) -> Result<Self, crate::Status> {
        match self.ret_code() {
            0.. => Ok(self),
            code => Err(crate::Status::new(
                crate::Code(code),
                self.ret_msg().to_owned(),
            )),
        }
    }
}
