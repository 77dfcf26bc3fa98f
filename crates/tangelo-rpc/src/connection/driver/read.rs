//! What a connection reads: answers, and requests.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tangelo_wire::krpc::{
    frame::{self, Frame},
    meta::Direction,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use tracing::debug;

use super::{Driver, role::Side};
use crate::{Code, Reply};

/// Frames handled before other connections get their turn.
const FRAMES_PER_POLL: usize = 256;
/// Frames after which the clock is looked at; after one that may have cost much it always is.
const FRAMES_PER_LOOK: usize = 16;
/// Bytes of such a frame, unless it was compressed.
const COSTLY_FRAME: usize = 4 << 10;
/// Time after which other connections get their turn, however few frames were handled.
pub(super) const TIME_PER_POLL: Duration = Duration::from_millis(1);
const MOST_READ: usize = 64 << 10;
/// How long a frame that has begun may take, and again after each [`FRAME_STEP`] that has come: a slow
/// link is no reason to cut it, nor is a connection idle over which one comes.
pub(super) const FRAME_PATIENCE: Duration = Duration::from_secs(30);
/// Bytes by which a frame comes on.
pub(super) const FRAME_STEP: usize = 8 << 10;

/// A frame of which only a part has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coming {
    /// When its first byte was read, or it came on.
    since: Instant,
    /// Bytes that were there then.
    bytes: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Driver<S> {
    /// Reads and handles what is there; true when the quota ended it.
    pub(super) fn read(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        let more = self.read_frames(context);
        for waiter in self.to_wake.drain(..) {
            waiter.wake();
        }
        more
    }

    fn read_frames(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        let mut frames = 0;
        loop {
            if self.is_unread() {
                // It may wait where nobody reads it.
                self.coming = None;
                return Ok(true);
            }
            while let Some(frame) = self.next_frame()? {
                self.silent_ticks = 0;
                self.coming = None;
                let is_costly = frame.body.len() > COSTLY_FRAME || frame.meta.compress != 0;
                self.receive(frame, context)?;
                frames += 1;
                if frames >= FRAMES_PER_POLL || !tokio::task::coop::has_budget_remaining() {
                    return Ok(true);
                }
                let looks = is_costly || self.is_costly || frames.is_multiple_of(FRAMES_PER_LOOK);
                if looks && self.now.elapsed() >= TIME_PER_POLL {
                    self.is_costly = frames <= FRAMES_PER_LOOK;
                    return Ok(true);
                }
                if self.is_unread() {
                    return Ok(true);
                }
            }
            self.reading.reserve(self.room);
            let Some(stream) = &mut self.stream else {
                return Err(io::ErrorKind::NotConnected.into());
            };
            let stream = Pin::new(stream);
            match tokio_util::io::poll_read_buf(stream, context, &mut self.reading)? {
                Poll::Ready(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Poll::Ready(read) if read >= self.room => {
                    self.room = (self.room * 2).min(MOST_READ);
                }
                Poll::Ready(_) => {}
                Poll::Pending => {
                    self.note_coming();
                    return Ok(false);
                }
            }
        }
    }

    /// All that has come is read.
    fn note_coming(&mut self) {
        let bytes = self.reading.len();
        if bytes == 0 {
            self.coming = None;
            return;
        }
        match self.coming {
            Some(coming) if bytes < coming.bytes + FRAME_STEP => return,
            Some(_) => self.silent_ticks = 0,
            None => {}
        }
        let since = self.now;
        self.coming = Some(Coming { since, bytes });
    }

    /// Whoever begins a frame and does not go on is cut.
    pub(super) fn check_coming(&self) -> io::Result<()> {
        let is_late = |coming: &Coming| self.now >= coming.since + FRAME_PATIENCE;
        match &self.coming {
            Some(coming) if is_late(coming) => {
                let problem = format!(
                    "of a frame {} bytes have come, and in {FRAME_PATIENCE:?} hardly more",
                    self.reading.len()
                );
                Err(io::Error::new(io::ErrorKind::TimedOut, problem))
            }
            _ => Ok(()),
        }
    }

    /// Whether so much waits for whoever has connected here that he is to read first. Whoever dialed
    /// always reads, so that two sides never wait for each other.
    pub(super) fn is_unread(&self) -> bool {
        let shared = &self.connection.shared;
        self.role.side == Side::Accepting && self.backlog > shared.limits.unread
    }

    #[inline(always)]
    pub(super) fn next_frame(&mut self) -> io::Result<Option<Frame>> {
        let shared = &self.connection.shared;
        let layout = shared.dialect.layout();
        let frame = frame::decode(&mut self.reading, layout, shared.limits.frame)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if let Some(told) = frame.as_ref().and_then(|frame| frame.meta.told) {
            shared.dialect.learn(told);
        }
        Ok(frame)
    }

    #[inline(always)]
    pub(super) fn receive(&mut self, frame: Frame, context: &mut Context<'_>) -> io::Result<()> {
        match frame.meta.direction {
            Direction::Response => {
                self.answer(frame);
                Ok(())
            }
            Direction::Request => self.serve(frame, context),
        }
    }

    pub(super) fn answer(&mut self, frame: Frame) {
        let waiter = self
            .connection
            .shared
            .state
            .lock()
            .waiting
            .take(frame.meta.sequence);
        let Some((waiter, token)) = waiter else {
            debug!(sequence = frame.meta.sequence, "an answer nobody waits for");
            return;
        };
        let Frame { meta, body, .. } = frame;
        let dialect = &self.connection.shared.dialect;
        let code = dialect.code(&meta);
        if code == Code::SERVER_SHUTDOWN {
            // All that plain krpc servers say when they leave.
            self.connection.set_peer_leaves();
        }
        let outcome = match dialect.open(&meta, body) {
            None => Err(Code::DECODE_RES_ERROR.into()),
            Some(body) if body.is_empty() && code.is_frameworks() => Err(code.into()),
            Some(body) => Ok(Reply::protobuf(code.0, body)),
        };
        if waiter.answer_among(token, outcome) {
            self.to_wake.push(waiter);
        }
    }
}
