//! The sessions of one socket, by address.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::SessionLimits;

/// The sessions of one socket, by address.
#[derive(Debug)]
pub(super) struct Sessions {
    limits: SessionLimits,
    all: HashMap<SocketAddr, Session>,
    /// How many each host has; no host that has none.
    hosts: HashMap<IpAddr, usize>,
    /// Those whose handshake is not done, the oldest first.
    half_open: BTreeMap<u64, SocketAddr>,
    begun: u64,
}

#[derive(Debug)]
struct Session {
    number: u64,
    inbox: Sender<Bytes>,
    /// Bytes that wait in it.
    waiting: Arc<AtomicUsize>,
    /// None when the handshake is done.
    credit: Option<Arc<Credit>>,
}

/// What came from an address that may be forged, and what was sent there.
#[derive(Debug, Default)]
pub(super) struct Credit {
    received: AtomicUsize,
    sent: AtomicUsize,
}

/// What the session's connection has of it.
#[derive(Debug)]
pub(super) struct Begun {
    /// Which one this is of those that an address has had.
    pub(super) number: u64,
    pub(super) inbox: Receiver<Bytes>,
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) credit: Arc<Credit>,
}

impl Sessions {
    pub(super) fn new(limits: SessionLimits) -> Self {
        Self {
            limits,
            all: HashMap::new(),
            hosts: HashMap::new(),
            half_open: BTreeMap::new(),
            begun: 0,
        }
    }

    /// Gives a datagram to its session; `false` if there is none. It may be lost.
    pub(super) fn deliver(&self, from: SocketAddr, datagram: &[u8]) -> bool {
        let Some(session) = self.all.get(&from) else {
            return false;
        };
        session.deliver(datagram);
        true
    }

    /// Begins a session, if there may be another; its first datagram waits in it. Where too many have not done their
    /// handshake the oldest of them makes room: whoever forges addresses would keep everybody out.
    pub(super) fn begin(&mut self, from: SocketAddr, datagram: &[u8]) -> Option<Begun> {
        let of_host = self.hosts.get(&from.ip()).copied().unwrap_or_default();
        if self.all.contains_key(&from) || of_host >= self.limits.of_one_host {
            return None;
        }
        if self.half_open.len() >= self.limits.half_open {
            let (number, address) = self.half_open.pop_first()?;
            self.end(address, number);
        }
        if self.all.len() >= self.limits.sessions {
            return None;
        }
        let Entry::Vacant(vacant) = self.all.entry(from) else {
            return None;
        };
        let (sender, inbox) = mpsc::channel(SessionLimits::WAITING);
        let (waiting, credit) = (Arc::default(), Arc::default());
        self.begun += 1;
        let number = self.begun;
        let session = vacant.insert(Session {
            number,
            inbox: sender,
            waiting: Arc::clone(&waiting),
            credit: Some(Arc::clone(&credit)),
        });
        session.deliver(datagram);
        *self.hosts.entry(from.ip()).or_default() += 1;
        self.half_open.insert(number, from);
        Some(Begun {
            number,
            inbox,
            waiting,
            credit,
        })
    }

    /// The session's handshake is done: its address is its own.
    pub(super) fn opened(&mut self, address: SocketAddr, number: u64) {
        if let Some(session) = self.all.get_mut(&address)
            && session.number == number
        {
            session.credit = None;
            self.half_open.remove(&number);
        }
    }

    /// The session has ended, if it is still there.
    pub(super) fn end(&mut self, address: SocketAddr, number: u64) {
        match self.all.entry(address) {
            Entry::Occupied(session) if session.get().number == number => {
                session.remove();
            }
            _ => return,
        }
        self.half_open.remove(&number);
        if let Entry::Occupied(mut host) = self.hosts.entry(address.ip()) {
            *host.get_mut() -= 1;
            if *host.get() == 0 {
                host.remove();
            }
        }
    }
}

impl Session {
    fn deliver(&self, datagram: &[u8]) {
        let length = datagram.len();
        if let Some(credit) = &self.credit
            && credit.received.fetch_add(length, Ordering::Relaxed) + length
                > SessionLimits::BEFORE_HANDSHAKE
        {
            return;
        }
        let waiting = self.waiting.load(Ordering::Relaxed);
        if waiting + length > SessionLimits::WAITING_BYTES {
            return;
        }
        self.waiting.fetch_add(length, Ordering::Relaxed);
        if self
            .inbox
            .try_send(Bytes::copy_from_slice(datagram))
            .is_err()
        {
            self.waiting.fetch_sub(length, Ordering::Relaxed);
        }
    }
}

impl Credit {
    /// Bytes that may be sent now, at so many for each that came.
    pub(super) fn left(&self, amplification: usize) -> usize {
        let received = self.received.load(Ordering::Relaxed);
        let allowed = received.saturating_mul(amplification);
        allowed.saturating_sub(self.sent.load(Ordering::Relaxed))
    }

    /// Takes this much, if there is so much.
    pub(super) fn take(&self, length: usize, amplification: usize) -> bool {
        let enough = self.left(amplification) >= length;
        if enough {
            self.sent.fetch_add(length, Ordering::Relaxed);
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, host], port))
    }

    fn limited() -> Sessions {
        Sessions::new(SessionLimits {
            sessions: 3,
            of_one_host: 2,
            half_open: 2,
        })
    }

    #[test]
    fn there_are_as_many_as_the_limits_say() {
        let mut sessions = limited();
        let first = sessions.begin(address(1, 1), b"a").unwrap();
        assert!(sessions.begin(address(1, 1), b"a").is_none(), "it is there");
        sessions.opened(address(1, 1), first.number);
        assert!(sessions.begin(address(1, 2), b"a").is_some());
        assert!(sessions.begin(address(1, 3), b"a").is_none(), "of one host");
        assert!(sessions.begin(address(2, 1), b"a").is_some());
        assert_eq!(sessions.half_open.len(), 2);
        let third = sessions.begin(address(3, 1), b"a").unwrap();
        assert!(!sessions.deliver(address(1, 2), b"a"), "it made room");
        sessions.opened(address(2, 1), third.number - 1);
        sessions.opened(address(3, 1), third.number);
        assert!(sessions.begin(address(4, 1), b"a").is_none(), "in all");
    }

    #[test]
    fn one_that_ends_makes_room_for_another_and_ends_no_other() {
        let mut sessions = limited();
        let first = sessions.begin(address(1, 1), b"a").unwrap().number;
        sessions.end(address(1, 1), first);
        let second = sessions.begin(address(1, 1), b"a").unwrap().number;
        sessions.end(address(1, 1), first);
        sessions.end(address(1, 9), second);
        assert!(sessions.deliver(address(1, 1), b"a"));
        sessions.opened(address(1, 1), second);
        sessions.end(address(1, 1), second);
        sessions.end(address(1, 1), second);
        assert!(sessions.hosts.is_empty() && sessions.all.is_empty());
        assert!(sessions.half_open.is_empty());
        assert!(!sessions.deliver(address(1, 1), b"a"));
    }

    #[test]
    fn what_waits_is_bounded_in_number() {
        let mut sessions = limited();
        let mut begun = sessions.begin(address(1, 1), b"").unwrap();
        for _ in 0..2 * SessionLimits::WAITING {
            assert!(sessions.deliver(address(1, 1), b""));
        }
        let mut waited = 0;
        while begun.inbox.try_recv().is_ok() {
            waited += 1;
        }
        assert_eq!(waited, SessionLimits::WAITING);
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_and_more_so_before_the_handshake_is_done() {
        let mut sessions = limited();
        let mut begun = sessions.begin(address(1, 1), &[0; 8 << 10]).unwrap();
        for length in [8 << 10, 1] {
            sessions.deliver(address(1, 1), &vec![0; length]);
        }
        assert_eq!(
            begun.waiting.load(Ordering::Relaxed),
            SessionLimits::BEFORE_HANDSHAKE
        );
        sessions.opened(address(1, 1), begun.number);
        let deliver = |length| sessions.deliver(address(1, 1), &vec![0; length]);
        for _ in 0..5 {
            deliver(60 << 10);
        }
        assert_eq!(
            begun.waiting.load(Ordering::Relaxed),
            (16 << 10) + 4 * (60 << 10)
        );
        while begun.inbox.try_recv().is_ok() {}
    }

    #[test]
    fn no_more_is_sent_to_an_address_than_came_from_it() {
        let mut sessions = limited();
        let begun = sessions.begin(address(1, 1), &[0; 50]).unwrap();
        assert!(begun.credit.take(50, 1));
        assert!(!begun.credit.take(1, 1));
        assert!(begun.credit.take(100, 3));
        sessions.deliver(address(1, 1), &[0; 60]);
        assert_eq!(begun.credit.left(1), 0);
        assert_eq!(begun.credit.left(3), 180);
    }
}
