//! What other tasks say to a session's client.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::Mutex;
use tangelo_connector::Push;
use tangelo_rpc::{Reply, Status};

use super::Wake;

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
    items: VecDeque<Item>,
    bytes: usize,
    /// Whether the session's task will look here before it sleeps.
    awake: bool,
    /// The client did not read, and something had to be left out.
    overflown: bool,
    closed: bool,
}

/// One thing to say.
#[derive(Debug)]
pub(crate) enum Item {
    /// Something unasked.
    Push(Arc<Push>),
    /// An answer that must not overtake what is here already.
    Response { id: u32, body: Bytes },
    /// A back end's answer to the request under this token.
    Forwarded {
        token: u64,
        outcome: Result<Reply, Status>,
    },
}

impl Item {
    fn size(&self) -> usize {
        const FIXED: usize = std::mem::size_of::<Item>();
        FIXED
            + match self {
                Self::Push(push) => push.size(),
                Self::Response { body, .. } => body.len(),
                Self::Forwarded { outcome, .. } => {
                    outcome.as_ref().map_or(0, |reply| reply.body.len())
                }
            }
    }
}

impl Item {
    fn unpinned(mut self) -> Self {
        if let Self::Forwarded {
            outcome: Ok(reply), ..
        } = &mut self
        {
            reply.body = Bytes::copy_from_slice(&reply.body);
        }
        self
    }
}

/// Bytes waiting beyond which a client is taken to be behind.
const COPIED_BEYOND: usize = 16 << 10;

impl Queue {
    /// A queue of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        let state = State {
            items: VecDeque::new(),
            bytes: 0,
            awake: false,
            overflown: false,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            filled: AtomicBool::new(false),
            limit,
        }
    }

    /// Adds something. Once the limit is passed nothing more is taken, and the session ends.
    pub(crate) fn add(&self, item: Item, wake: &Wake) {
        let mut state = self.state.lock();
        if state.closed || state.overflown {
            return;
        }
        // An answer is a part of a read buffer: for a client that is behind it would keep it whole.
        let item = if state.bytes > COPIED_BEYOND {
            item.unpinned()
        } else {
            item
        };
        state.bytes += item.size();
        if state.bytes > self.limit {
            state.overflown = true;
        } else {
            state.items.push_back(item);
        }
        self.filled.store(true, Ordering::Release);
        // While its client does not read, the task sleeps though something is here; that it ends it
        // has to hear nevertheless.
        let wakes = !std::mem::replace(&mut state.awake, true) || state.overflown;
        drop(state);
        if wakes {
            wake.wake();
        }
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
        state.awake = true;
        if state.overflown {
            Err(state.bytes)
        } else {
            Ok(())
        }
    }

    /// Whether all has been taken; if so, the next addition wakes the task.
    pub(crate) fn rest(&self) -> bool {
        let mut state = self.state.lock();
        state.awake = !state.items.is_empty() || state.overflown;
        !state.awake
    }

    /// Takes up to `most` things, in the order they were added.
    ///
    /// # Errors
    /// Something had to be left out, and what comes after it must not be said: how many bytes wait.
    pub(crate) fn take(&self, into: &mut Vec<Item>, most: usize) -> Result<(), usize> {
        let mut state = self.state.lock();
        if state.overflown {
            return Err(state.bytes);
        }
        let count = state.items.len().min(most);
        let taken = into.len();
        into.extend(state.items.drain(..count));
        state.bytes -= into.iter().skip(taken).map(Item::size).sum::<usize>();
        if state.items.is_empty() {
            self.filled.store(false, Ordering::Release);
        }
        Ok(())
    }

    /// Gives back room that nothing is in.
    pub(crate) fn shrink(&self) {
        self.state.lock().items.shrink_to_fit();
    }

    /// Nothing is added any more.
    pub(crate) fn seal(&self) {
        self.state.lock().closed = true;
    }

    /// Nothing is added any more, and what is here is left unsaid.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.items = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(bytes: usize) -> Item {
        Item::Push(Arc::new(Push::new("on", vec![b'x'; bytes]).unwrap()))
    }

    fn taken(queue: &Queue) -> usize {
        let mut items = Vec::new();
        queue.take(&mut items, 9).unwrap();
        items.len()
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
        assert_eq!(queue.take(&mut Vec::new(), 9), Err(2 * size + 1));
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
