//! What engine.io and the client's task have between them: what came, what was written, how it ended.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use atomic_waker::AtomicWaker;
use bytes::Bytes;
use engineioxide::Str;

use crate::Error;

/// Bytes of what came and was not handled yet, from which on no more is read.
const ROOM: usize = 64 << 10;
/// What each thing that came takes beside its bytes.
const OVERHEAD: usize = 64;

/// One session of engine.io.
#[derive(Debug, Default)]
pub(super) struct Session {
    inbox: Mutex<Inbox>,
    /// The client's task.
    pub(super) task: AtomicWaker,
    /// Bytes that engine.io has written for it, or a little more.
    written: AtomicUsize,
    /// Who waits for room: its WebSocket, and a request that posts for it.
    reader: AtomicWaker,
    poster: AtomicWaker,
    /// One request at a time may post.
    posting: AtomicBool,
    /// Its WebSocket, if that waits until it can write.
    pub(super) writer: AtomicWaker,
    stage: AtomicU8,
    /// Its WebSocket's other side has ended.
    pub(super) is_cut_off: AtomicBool,
}

#[derive(Debug, Default)]
struct Inbox {
    frames: VecDeque<Frame>,
    bytes: usize,
    end: Option<Error>,
    has_ended: bool,
}

/// What a message of engine.io carries.
#[derive(Debug)]
pub(super) enum Frame {
    Text(Str),
    Binary(Bytes),
}

/// How far a session has come with its end, on this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
#[repr(u8)]
pub(super) enum Stage {
    Open = 0,
    /// What is left to write has a moment for that.
    Closing = 1,
    /// Nothing is written any more.
    Cut = 2,
}

impl Frame {
    fn size(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Text(text) => text.len(),
                Self::Binary(bytes) => bytes.len(),
            }
    }
}

impl Session {
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client said something.
    pub(super) fn receive(&self, frame: Frame) {
        let mut inbox = self.inbox();
        if inbox.has_ended {
            return;
        }
        inbox.bytes += frame.size();
        inbox.frames.push_back(frame);
        drop(inbox);
        self.task.wake();
    }

    /// It is over. The first reason counts.
    pub(super) fn end(&self, reason: Error) {
        let mut inbox = self.inbox();
        if !inbox.has_ended {
            inbox.has_ended = true;
            inbox.end = Some(reason);
        }
        drop(inbox);
        self.task.wake();
        self.reader.wake();
        self.poster.wake();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.inbox().has_ended
    }

    /// What came first; when all has been taken, how it ended. Register the task before.
    pub(super) fn take(&self) -> Poll<Result<Frame, Error>> {
        let mut inbox = self.inbox();
        let Some(frame) = inbox.frames.pop_front() else {
            return match inbox.has_ended {
                true => Poll::Ready(Err(inbox.end.take().unwrap_or(Error::Closed))),
                false => Poll::Pending,
            };
        };
        let was_full = inbox.bytes >= ROOM;
        inbox.bytes -= frame.size();
        let has_room = inbox.bytes < ROOM;
        if inbox.frames.is_empty() {
            inbox.frames = VecDeque::new();
        }
        drop(inbox);
        if was_full && has_room {
            self.reader.wake();
            self.poster.wake();
        }
        Poll::Ready(Ok(frame))
    }

    fn has_room(&self) -> bool {
        let inbox = self.inbox();
        inbox.bytes < ROOM || inbox.has_ended
    }

    /// Whether its WebSocket may be read.
    pub(super) fn poll_room(&self, context: &mut Context<'_>) -> Poll<()> {
        self.poll_room_of(&self.reader, context)
    }

    fn poll_room_of(&self, waker: &AtomicWaker, context: &mut Context<'_>) -> Poll<()> {
        if self.has_room() {
            return Poll::Ready(());
        }
        waker.register(context.waker());
        match self.has_room() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// The right to post, if nobody has it.
    pub(super) fn post(&self) -> Option<Posting<'_>> {
        let was_posting = self.posting.swap(true, Ordering::AcqRel);
        (!was_posting).then_some(Posting(self))
    }

    /// Engine.io has written so much for it.
    pub(super) fn wrote(&self, bytes: usize) {
        self.written.fetch_add(bytes, Ordering::AcqRel);
        self.task.wake();
    }

    /// How many of `handed` bytes, which engine.io was given since this was 0, are not written yet. Where none is,
    /// both begin anew: what engine.io says by itself does not add up.
    pub(super) fn unwritten(&self, handed: &mut usize) -> usize {
        let written = self.written.load(Ordering::Acquire);
        if written < *handed {
            return *handed - written;
        }
        if written > 0 {
            self.written.fetch_sub(written, Ordering::AcqRel);
        }
        *handed = 0;
        0
    }

    pub(super) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Open,
            1 => Stage::Closing,
            _ => Stage::Cut,
        }
    }

    pub(super) fn advance(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::AcqRel);
        self.writer.wake();
        self.reader.wake();
    }
}

/// The right to post what a client says, until this is dropped.
pub(super) struct Posting<'a>(&'a Session);

impl Posting<'_> {
    /// Waits until there is room. Cancel safe.
    pub(super) async fn room(&self) {
        std::future::poll_fn(|context| self.0.poll_room_of(&self.0.poster, context)).await;
    }
}

impl Drop for Posting<'_> {
    fn drop(&mut self) {
        self.0.posting.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_engineio_says_by_itself_does_not_add_up() {
        let (session, mut handed) = (Session::default(), 0);
        assert_eq!(session.unwritten(&mut handed), 0);
        session.wrote(30);
        assert_eq!(session.unwritten(&mut handed), 0);
        handed = 100;
        session.wrote(60);
        assert_eq!(session.unwritten(&mut handed), 40);
        session.wrote(45);
        assert_eq!((session.unwritten(&mut handed), handed), (0, 0));
        handed = 10;
        assert_eq!(session.unwritten(&mut handed), 10);
    }

    #[test]
    fn what_came_before_the_end_is_taken_before_it() {
        let session = Session::default();
        session.receive(Frame::Text("a".into()));
        session.end(Error::Silent);
        session.end(Error::Closed);
        session.receive(Frame::Text("b".into()));
        assert!(matches!(session.take(), Poll::Ready(Ok(Frame::Text(text))) if text == "a"));
        assert!(matches!(session.take(), Poll::Ready(Err(Error::Silent))));
    }

    #[tokio::test]
    async fn one_posts_at_a_time_and_waits_for_room() {
        let session = Session::default();
        let posting = session.post().unwrap();
        assert!(session.post().is_none());
        posting.room().await;
        let long = vec![0; ROOM - OVERHEAD];
        session.receive(Frame::Binary(long.into()));
        let mut room = Box::pin(posting.room());
        assert!(futures_util::poll!(&mut room).is_pending());
        assert!(session.take().is_ready());
        room.await;
        drop(posting);
        assert!(session.post().is_some());
    }
}
