//! The scheduler that waits for nothing.

use super::{Outbound, PushScheduler, PushSender};

/// Hands everything on at once: the default, which costs nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Direct;

impl PushScheduler for Direct {
    fn schedule(&self, message: Outbound, sender: &PushSender) {
        sender.send(message);
    }
}
