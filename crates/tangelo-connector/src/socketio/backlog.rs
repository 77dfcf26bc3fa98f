//! What a client is told, until engine.io has it.

use std::{collections::VecDeque, sync::Arc, task::Poll};

use bytes::Bytes;
use engineioxide::Socket;
use tangelo_wire::socketio::text;

use super::{engine::Data, session::Session};

/// Bytes that engine.io is given at once: it does not tell how much waits in it, and what it puts into one polled
/// answer should fit there.
const HANDED: usize = 32 << 10;
/// What a text takes on the wire beside itself, at the least: its type.
const TYPE: usize = 1;

/// What a client is told, until engine.io has it.
pub(super) struct Backlog {
    frames: VecDeque<Told>,
    /// Bytes in `frames`.
    bytes: usize,
    /// Bytes that engine.io was given since it had none.
    handed: usize,
}

pub(super) enum Told {
    /// A packet.
    Text(String),
    /// In Pomelo's form: what waits together is one packet.
    Pomelos(String),
    Binary(Bytes),
}

impl Told {
    fn size(&self) -> usize {
        match self {
            Self::Text(text) | Self::Pomelos(text) => text.len() + TYPE,
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

impl Backlog {
    /// Texts and attachments that engine.io can be given at once, with room for what it says by itself.
    pub(super) const CHANNEL: usize = 2 * HANDED / 3;

    pub(super) fn new() -> Self {
        Self {
            frames: VecDeque::new(),
            bytes: 0,
            handed: 0,
        }
    }

    /// Bytes that the client was not sent yet.
    pub(super) fn waiting(&mut self, session: &Session) -> usize {
        self.bytes + session.unwritten(&mut self.handed)
    }

    pub(super) fn push(&mut self, told: Told) {
        self.bytes += told.size();
        self.frames.push_back(told);
    }

    /// Hands over as much as may be, whenever all before is written. Register the task before.
    pub(super) fn poll_flush(&mut self, session: &Session, socket: &Arc<Socket<Data>>) -> Poll<()> {
        if session.unwritten(&mut self.handed) > 0 {
            return Poll::Pending;
        }
        while self.handed < HANDED
            && let Some(told) = self.frames.pop_front()
        {
            self.bytes -= told.size();
            let told = match told {
                Told::Pomelos(text) => Told::Text(self.join(text)),
                told => told,
            };
            self.handed += told.size();
            let handed_over = match told {
                Told::Text(text) | Told::Pomelos(text) => socket.emit(text).map_err(drop),
                Told::Binary(bytes) => socket.emit_binary(bytes).map_err(drop),
            };
            // There is room for it, so the session has closed; why, the task is about to hear.
            if handed_over.is_err() {
                return Poll::Pending;
            }
        }
        if self.frames.is_empty() {
            self.frames = VecDeque::new();
        }
        match self.handed {
            0 => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
    /// The packet of this text, and of those in Pomelo's form behind it.
    fn join(&mut self, first: String) -> String {
        let (mut texts, mut length) = (vec![first], 0);
        while length < HANDED
            && let Some(Told::Pomelos(text)) = self.frames.front_mut()
        {
            let text = std::mem::take(text);
            self.frames.pop_front();
            self.bytes -= text.len() + TYPE;
            length += text.len();
            texts.push(text);
        }
        match &*texts {
            [alone] => text::packet(alone),
            _ => text::packet(&text::batch(&texts)),
        }
    }
}
