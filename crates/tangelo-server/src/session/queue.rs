//! What other tasks say to a session's client.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tangelo_connector::Push;
use tangelo_rpc::{Encoding, Reply, Status};

use super::{Wake, waiting::Waiting};
use crate::forward;

/// What other tasks say to a session's client. Bounded in bytes; many additions cost one wake-up.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Whether there is anything to take: looked at before every reply.
    filled: AtomicBool,
    limit: usize,
}

#[derive(Debug)]
struct State {
    waiting: Waiting,
    attention: Attention,
    /// The client did not read, and something had to be left out.
    overflown: bool,
    closed: bool,
}

/// How soon the session's task looks at its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Attention {
    /// When it is woken.
    Asleep,
    /// When its turn comes in a line of sessions that are to be woken.
    InLine,
    /// Before it sleeps.
    Awake,
}

/// One thing to say.
#[derive(Debug)]
pub(crate) enum Item {
    /// Something unasked.
    Push(Arc<Push>),
    /// Something unasked, in place of what waits under the same key.
    Replaceable { push: Arc<Push>, key: Arc<str> },
    /// An answer that must not overtake what is here already.
    Response { id: u32, body: Bytes, failed: bool },
    /// A back end's short answer to the request under this token, which is nothing but a reply. Its body lies
    /// with those of the others.
    Answered {
        token: u64,
        encoding: Encoding,
        length: usize,
    },
    /// A back end's answer to the request under this token.
    Forwarded {
        token: u64,
        outcome: Result<Reply, Status>,
    },
    /// The answer to this request has come and is with the push scheduler.
    Scheduled { token: u64 },
    /// This answer to it has been handed to the push scheduler, and its after filters may begin.
    HandedOn {
        token: u64,
        outcome: Result<Reply, Status>,
    },
    /// What the push scheduler has handed on as the answer to the request under this token.
    Answer {
        token: u64,
        body: Bytes,
        failed: bool,
    },
}

impl Item {
    /// A push that replaces what has the same key, if it has one.
    pub(crate) fn push(push: &Arc<Push>, key: Option<&Arc<str>>) -> Self {
        let push = Arc::clone(push);
        match key {
            None => Self::Push(push),
            Some(key) => Self::Replaceable {
                push,
                key: Arc::clone(key),
            },
        }
    }

    /// Bytes it takes in a queue.
    pub(crate) fn size(&self) -> usize {
        const FIXED: usize = std::mem::size_of::<Item>();
        FIXED
            + match self {
                Self::Push(push) => push.size(),
                Self::Replaceable { push, key } => push.size() + key.len(),
                Self::Response { body, .. } | Self::Answer { body, .. } => body.len(),
                Self::Answered { length, .. } => *length,
                Self::Scheduled { .. } => 0,
                Self::Forwarded { outcome, .. } | Self::HandedOn { outcome, .. } => {
                    outcome.as_ref().map_or(0, |reply| reply.body.len())
                }
            }
    }
}

impl Item {
    fn unpin(&mut self) {
        if let Self::Forwarded {
            outcome: Ok(reply), ..
        }
        | Self::HandedOn {
            outcome: Ok(reply), ..
        } = self
        {
            reply.body = Bytes::copy_from_slice(&reply.body);
        }
    }
}

/// The longest body that is copied to where an answer waits: to count it would cost more than that, as whoever
/// reads it and whoever drops it run on two processors.
const SHORT: usize = 512;

/// What was taken from a queue.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(super) items: Vec<Item>,
    /// The bodies of those that are [answered](Item::Answered), one behind the other.
    pub(super) bodies: Vec<u8>,
}

impl Taken {
    /// All of it, each with its body if that lies here.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (Item, &[u8])> {
        let mut bodies = &self.bodies[..];
        self.items.drain(..).map(move |item| {
            let length = match &item {
                Item::Answered { length, .. } => *length,
                _ => 0,
            };
            (item, bodies.split_off(..length).unwrap_or_default())
        })
    }
}

/// Bytes waiting beyond which a client is taken to be behind.
const COPIED_BEYOND: usize = 16 << 10;

/// What came of an addition.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Put {
    /// Nothing was left out.
    pub(crate) taken: bool,
    /// Whoever added it has to wake the session's task, whatever else he waits for.
    pub(crate) wakes: bool,
}

impl Queue {
    /// A queue of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        let state = State {
            waiting: Waiting::default(),
            attention: Attention::Asleep,
            overflown: false,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            filled: AtomicBool::new(false),
            limit,
        }
    }

    /// Adds something; whether it was taken. Once the limit is passed nothing more is, and the session
    /// ends.
    pub(crate) fn add(&self, item: Item, wake: &Wake) -> bool {
        let put = self.put_all([item]);
        if put.wakes {
            wake.wake();
        }
        put.taken
    }

    /// Adds these, and the session's task finds them all at once. It is woken even if it stands in a line.
    #[inline]
    pub(crate) fn put_all(&self, items: impl IntoIterator<Item = Item>) -> Put {
        self.put(Attention::Awake, |state| self.push_all(state, items))
    }

    /// The same, by somebody who lets it stand in a line instead of waking it.
    #[inline]
    pub(crate) fn put_for_line(&self, items: impl IntoIterator<Item = Item>) -> Put {
        self.put(Attention::InLine, |state| self.push_all(state, items))
    }

    /// Adds a back end's answer.
    #[inline]
    pub(crate) fn put_answer(&self, token: u64, outcome: Result<Reply, Status>) -> Put {
        let plain = forward::plain(&outcome).filter(|(_, body)| body.len() <= SHORT);
        let Some((encoding, body)) = plain else {
            let item = Item::Forwarded { token, outcome };
            return self.put(Attention::Awake, |state| self.push(state, item));
        };
        let length = body.len();
        self.put(Attention::Awake, |state| {
            state.waiting.push_body(body);
            self.push(
                state,
                Item::Answered {
                    token,
                    encoding,
                    length,
                },
            );
        })
    }

    #[inline(always)]
    fn put(&self, attention: Attention, put: impl FnOnce(&mut State)) -> Put {
        let mut state = self.state.lock();
        if state.closed || state.overflown {
            return Put::default();
        }
        put(&mut state);
        self.filled.store(true, Ordering::Release);
        Put {
            taken: !state.overflown,
            wakes: state.rouse(attention),
        }
    }

    fn push_all(&self, state: &mut State, items: impl IntoIterator<Item = Item>) {
        for item in items {
            self.push(state, item);
            if state.overflown {
                break;
            }
        }
    }

    // Inlined down to its place: to be copied on the way costs an answer more than the queue's lock.
    #[inline(always)]
    fn push(&self, state: &mut State, mut item: Item) {
        // An answer is a part of a read buffer: for a client that is behind it would keep it whole.
        if state.waiting.bytes() > COPIED_BEYOND {
            item.unpin();
        }
        state.waiting.push(item);
        state.overflown = state.waiting.bytes() > self.limit;
    }

    /// Whether there is anything to take.
    pub(crate) fn is_filled(&self) -> bool {
        self.filled.load(Ordering::Acquire)
    }

    /// From here to [`rest`](Self::rest) nobody need wake the session's task.
    ///
    /// # Errors
    /// Something had to be left out: how many bytes wait.
    pub(crate) fn begin_turn(&self) -> Result<(), usize> {
        let mut state = self.state.lock();
        state.attention = Attention::Awake;
        if state.overflown {
            Err(state.waiting.bytes())
        } else {
            Ok(())
        }
    }

    /// Whether all has been taken; if so, the next addition wakes the task.
    pub(crate) fn rest(&self) -> bool {
        let mut state = self.state.lock();
        let rests = state.waiting.is_empty() && !state.overflown;
        if rests {
            state.attention = Attention::Asleep;
        }
        rests
    }

    /// Takes up to `most` things, in the order they were added, into what nothing is left in.
    ///
    /// # Errors
    /// Something had to be left out, and what comes after it must not be said: how many bytes wait.
    pub(crate) fn take(&self, into: &mut Taken, most: usize) -> Result<(), usize> {
        let mut state = self.state.lock();
        if state.overflown {
            return Err(state.waiting.bytes());
        }
        state.waiting.take(into, most);
        if state.waiting.is_empty() {
            self.filled.store(false, Ordering::Release);
        }
        Ok(())
    }

    /// Gives back room that nothing is in.
    pub(crate) fn shrink(&self) {
        self.state.lock().waiting.shrink();
    }

    /// Nothing is added any more.
    pub(crate) fn seal(&self) {
        self.state.lock().closed = true;
    }

    /// Nothing is added any more, and what is here is left unsaid.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.waiting = Waiting::default();
    }
}

impl State {
    /// Whether the session's task has to be woken, or stand in a line, for what was added. While its client does
    /// not read, it sleeps though something is here; that it ends it has to hear nevertheless.
    fn rouse(&mut self, attention: Attention) -> bool {
        let is_roused = attention > self.attention;
        self.attention = attention.max(self.attention);
        is_roused || self.overflown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(bytes: usize) -> Item {
        Item::Push(Arc::new(Push::new("on", vec![b'x'; bytes]).unwrap()))
    }

    fn taken(queue: &Queue) -> usize {
        let mut taken = Taken::default();
        queue.take(&mut taken, 9).unwrap();
        taken.items.len()
    }

    #[test]
    fn it_holds_as_much_as_its_limit_and_not_a_byte_more() {
        let wake = Wake::default();
        let size = push(100).size();
        let queue = Queue::new(2 * size);
        queue.add(push(100), &wake);
        queue.add(push(100), &wake);
        assert_eq!((queue.begin_turn(), taken(&queue)), (Ok(()), 2));

        queue.add(push(100), &wake);
        queue.add(push(101), &wake);
        assert_eq!(queue.begin_turn(), Err(2 * size + 1));
        assert_eq!(queue.take(&mut Taken::default(), 9), Err(2 * size + 1));
    }

    #[test]
    fn whoever_puts_something_wakes_the_task_if_it_sleeps_or_has_to_hear_that_there_is_no_room() {
        let queue = Queue::new(2 * push(100).size());
        let wakes = |bytes| queue.put_all([push(bytes)]).wakes;
        assert!(wakes(100), "it sleeps");
        assert!(!wakes(100), "somebody wakes it already");
        assert!(wakes(0), "no room");
        assert!(!wakes(0), "that has been said");
        assert!(queue.begin_turn().is_err());
    }

    #[test]
    fn who_stands_in_a_line_is_woken_for_what_does_not_wait_for_the_line() {
        let queue = Queue::new(99 * push(100).size());
        let for_line = || queue.put_for_line([push(100)]).wakes;
        let at_once = || queue.put_all([push(100)]).wakes;
        assert!(for_line(), "it is to stand in the line");
        assert!(!for_line(), "it does");
        assert!(at_once(), "it is not awake yet");
        assert!(!at_once() && !for_line(), "somebody wakes it");
        queue.begin_turn().unwrap();
        assert_eq!(taken(&queue), 5);
        assert!(!at_once() && !for_line(), "it is awake");
        assert_eq!(taken(&queue), 2);
        assert!(queue.rest());
        assert!(for_line(), "it sleeps");
    }

    #[test]
    fn what_was_taken_makes_room() {
        let (queue, wake) = (Queue::new(push(100).size()), Wake::default());
        for _ in 0..10 {
            queue.add(push(100), &wake);
            assert_eq!((queue.begin_turn(), taken(&queue)), (Ok(()), 1));
        }
        assert!(queue.rest());
    }
}
