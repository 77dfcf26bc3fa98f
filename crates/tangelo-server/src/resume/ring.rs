//! What a session's client was told and may not have.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use tangelo_connector::{Outgoing, Push};
use tokio::time::Instant;

use super::Resume;

/// What a session's client was told and may not have: numbered, bounded in bytes and in time. What is beyond
/// is gone, the oldest first.
#[derive(Debug)]
pub(crate) struct Ring {
    entries: VecDeque<Entry>,
    /// How many came before the first entry.
    first: u64,
    /// A client that is coming back was told that it gets all that is here.
    promised: bool,
    bytes: usize,
    window: usize,
    time: Duration,
}

#[derive(Debug)]
struct Entry {
    said: Said,
    at: Instant,
}

/// One thing a client was told.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Push(Arc<Push>),
    Response { id: u32, body: Bytes },
}

impl Said {
    pub(crate) fn outgoing(&self) -> Outgoing<'_> {
        match self {
            Self::Push(push) => Outgoing::Push(push),
            // Who can be told beside the body has agreed on something, and is not resumed.
            Self::Response { id, body } => Outgoing::Response {
                id: *id,
                body,
                failed: false,
            },
        }
    }

    fn size(&self) -> usize {
        size_of::<Entry>() + self.outgoing().size()
    }
}

impl Ring {
    pub(crate) fn new(resume: &Resume) -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            promised: false,
            bytes: 0,
            window: resume.window,
            time: resume.time,
        }
    }

    /// With these, which so many came before, as another server had them.
    pub(crate) fn with(resume: &Resume, first: u64, said: Vec<Said>) -> Self {
        let mut ring = Self::new(resume);
        ring.first = first;
        said.into_iter().for_each(|said| ring.add(said));
        ring
    }

    /// All that is here, the newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Said> {
        self.entries.iter().rev().map(|entry| &entry.said)
    }

    /// How many there have been.
    pub(crate) fn sent(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// How many there have been before the oldest that is here.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Adds one, in place of the oldest if there is no room.
    pub(crate) fn add(&mut self, said: Said) {
        self.bytes += said.size();
        let at = Instant::now();
        self.entries.push_back(Entry { said, at });
        self.fit();
    }

    /// Keeps what is here, and what comes, for a client that is told so, until there is as much again as may be; or
    /// no longer. Without it a full ring would lose its first with the next thing said, and a client to whom much is
    /// said would never be back in time.
    pub(crate) fn promise(&mut self, whether: bool) {
        self.promised = whether;
        self.fit();
    }

    fn fit(&mut self) {
        self.promised &= self.bytes <= self.window.saturating_mul(2);
        while !self.promised && self.bytes > self.window && self.drop_first() {}
    }

    /// Nothing stays for longer than it may.
    pub(crate) fn forget_old(&mut self, now: Instant) {
        while let Some(entry) = self.entries.front()
            && entry.at + self.time < now
            && self.drop_first()
        {}
    }

    /// The client has so many; `false` if there have not been so many.
    pub(crate) fn trim(&mut self, received: u64) -> bool {
        if received > self.sent() {
            return false;
        }
        while self.first < received && self.drop_first() {}
        true
    }

    /// The one that so many came before, if it is here.
    pub(crate) fn get(&self, number: u64) -> Option<&Said> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.entries.get(at).map(|entry| &entry.said)
    }

    /// The requests whose answers are here.
    pub(crate) fn answered(&self) -> impl Iterator<Item = u32> {
        self.entries.iter().filter_map(|entry| match entry.said {
            Said::Response { id, .. } => Some(id),
            Said::Push(_) => None,
        })
    }

    /// Gives back room that nothing is in.
    pub(crate) fn shrink(&mut self) {
        self.entries.shrink_to_fit();
    }

    fn drop_first(&mut self) -> bool {
        let Some(entry) = self.entries.pop_front() else {
            return false;
        };
        self.bytes -= entry.said.size();
        self.first += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(id: u32) -> Said {
        let body = Bytes::from(vec![b'x'; 100]);
        Said::Response { id, body }
    }

    fn ring(window: usize) -> Ring {
        Ring::new(&Resume::default().window(window).time(60))
    }

    #[tokio::test]
    async fn it_holds_as_much_as_its_window_and_not_a_byte_more() {
        let size = response(0).size();
        for (window, held) in [(3 * size, 3), (3 * size - 1, 2), (size - 1, 0)] {
            let mut ring = ring(window);
            (0..9).for_each(|id| ring.add(response(id)));
            assert_eq!((ring.sent(), ring.first()), (9, 9 - held));
            assert_eq!(ring.bytes, held as usize * size);
        }
    }

    #[tokio::test]
    async fn what_is_promised_stays_until_there_is_as_much_again() {
        let size = response(0).size();
        let mut ring = ring(3 * size);
        (0..5).for_each(|id| ring.add(response(id)));
        assert_eq!((ring.first(), ring.sent()), (2, 5));
        ring.promise(true);
        (5..8).for_each(|id| ring.add(response(id)));
        assert_eq!((ring.first(), ring.sent()), (2, 8));
        // As much again was the limit; then nothing is promised any more.
        ring.add(response(8));
        assert_eq!((ring.first(), ring.sent()), (6, 9));
        ring.promise(true);
        (9..12).for_each(|id| ring.add(response(id)));
        ring.promise(false);
        assert_eq!((ring.first(), ring.sent()), (9, 12));
    }

    #[tokio::test]
    async fn what_a_client_has_makes_room_and_what_it_cannot_have_changes_nothing() {
        let mut ring = ring(1 << 20);
        (0..5).for_each(|id| ring.add(response(id)));
        assert!(ring.trim(3) && ring.trim(2));
        assert_eq!((ring.first(), ring.sent()), (3, 5));
        assert!(!ring.trim(6));
        assert_eq!(ring.answered().collect::<Vec<_>>(), [3, 4]);
        assert!(ring.get(2).is_none() && ring.get(3).is_some() && ring.get(5).is_none());
        assert!(ring.trim(5));
        assert_eq!((ring.first(), ring.bytes), (5, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_stays_for_longer_than_it_may() {
        let mut ring = ring(1 << 20);
        ring.add(response(0));
        tokio::time::advance(Duration::from_secs(30)).await;
        ring.add(response(1));
        tokio::time::advance(Duration::from_secs(30)).await;
        ring.forget_old(Instant::now());
        assert_eq!(ring.first(), 0);
        tokio::time::advance(Duration::from_millis(1)).await;
        ring.forget_old(Instant::now());
        assert_eq!((ring.first(), ring.sent()), (1, 2));
    }
}
