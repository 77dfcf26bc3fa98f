//! How a client comes in: CONNECT is a handshake, and its answer CONNACK.

use std::time::Duration;

use super::{
    connection::{Mqtt, Stage},
    greeting,
    incoming::{Connect, Version, Violation},
    outgoing::{self, Welcome},
};
use crate::{Error, Event};

impl<P> Mqtt<P> {
    /// The client's CONNECT, as a handshake.
    pub(super) fn greet(&mut self, mut connect: Connect) -> Result<Event, Error> {
        self.version = connect.version;
        let (id, most) = (&connect.client_id, self.settings.limits.topic);
        let has_no_id = id.is_empty() && connect.version == Version::V3 && !connect.is_clean;
        if has_no_id || id.len() > most {
            connect.refusal = Some(Violation::ClientIdentifierNotValid);
        }
        if let Some(refusal) = connect.refusal {
            return Err(self.cannot_serve(refusal));
        }
        let keep_alive = self.agree_on_keep_alive(&connect);
        let made_up = connect.client_id.is_empty().then(greeting::made_up_id);
        if let Some(id) = &made_up {
            connect.client_id.clone_from(id);
        }
        self.window.narrow(connect.receive_maximum);
        self.longest_of_client = connect.longest;
        self.stage = Stage::Waits(Welcome {
            receive_maximum: self.settings.limits.in_flight,
            longest: u32::try_from(self.limits.package)
                .unwrap_or(u32::MAX)
                .max(1),
            keep_alive,
            client_id: made_up,
        });
        let hello = greeting::hello(&connect);
        self.password = connect.password;
        Ok(Event::Hello(hello))
    }

    /// How long the client may be silent; what it is told if that is not what it has said.
    fn agree_on_keep_alive(&mut self, connect: &Connect) -> Option<u16> {
        let most = self.settings.keep_alive;
        let said = Duration::from_secs(connect.keep_alive.into());
        let is_ours = said.is_zero() || said > most && connect.version == Version::V5;
        let keep_alive = if is_ours { most } else { said };
        self.patience = keep_alive + keep_alive / 2;
        is_ours.then(|| u16::try_from(most.as_secs()).unwrap_or(u16::MAX))
    }

    pub(super) fn cannot_serve(&mut self, why: Violation) -> Error {
        self.stage = Stage::Over;
        let told = greeting::cannot_serve(self.version, why, &mut self.writing);
        told.err().unwrap_or(why).into()
    }

    /// The server's answer to the handshake.
    pub(super) fn greeted(&mut self, answer: &[u8]) -> Result<(), Error> {
        let (code, reason) = greeting::read_answer(answer);
        if let Some(waits) = self.waits.take() {
            waits.wake();
        }
        let welcome = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Waits(welcome) if code == greeting::WELCOME => welcome,
            _ => {
                let told = greeting::refuse(self.version, code, &reason, &mut self.writing);
                return told.map_err(Into::into);
            }
        };
        outgoing::welcome(self.version, welcome, &mut self.writing)?;
        self.stage = Stage::Welcome;
        Ok(())
    }
}
