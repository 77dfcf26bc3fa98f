//! Buffers that connections of a thread take in turns.
//!
//! An idle connection holds none, and one that wakes up finds one without asking the allocator.

use std::cell::RefCell;

use bytes::BytesMut;

/// Buffers kept for a thread; more are given back to the allocator.
const KEPT: usize = 32;
/// A buffer that has grown beyond this is not kept.
const LARGEST: usize = 64 << 10;

thread_local! {
    static BUFFERS: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// Makes room in a buffer, which may be one that another connection has left.
pub(crate) fn reserve(buffer: &mut BytesMut, room: usize) {
    if buffer.capacity() == 0
        && let Some(left) = BUFFERS.with_borrow_mut(Vec::pop)
    {
        *buffer = left;
    }
    buffer.reserve(room);
}

/// Leaves an empty buffer to others.
pub(crate) fn leave(buffer: &mut BytesMut) {
    let mut left = std::mem::take(buffer);
    if left.capacity() == 0 {
        return;
    }
    left.clear();
    BUFFERS.with_borrow_mut(|buffers| {
        if buffers.len() < KEPT && left.capacity() <= LARGEST {
            buffers.push(left);
        }
    });
}
