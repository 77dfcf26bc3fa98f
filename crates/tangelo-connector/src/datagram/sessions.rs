//! The sessions of one socket, by address.

use std::{
    collections::{HashMap, hash_map::Entry},
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
    half_open: usize,
}

#[derive(Debug)]
struct Session {
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
            half_open: 0,
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

    /// Begins a session, if there may be another; its first datagram waits in it.
    pub(super) fn begin(&mut self, from: SocketAddr, datagram: &[u8]) -> Option<Begun> {
        let of_host = self.hosts.get(&from.ip()).copied().unwrap_or_default();
        if self.all.len() >= self.limits.sessions
            || of_host >= self.limits.of_one_host
            || self.half_open >= self.limits.half_open
        {
            return None;
        }
        let Entry::Vacant(vacant) = self.all.entry(from) else {
            return None;
        };
        let (sender, inbox) = mpsc::channel(SessionLimits::WAITING);
        let (waiting, credit) = (Arc::default(), Arc::default());
        let session = vacant.insert(Session {
            inbox: sender,
            waiting: Arc::clone(&waiting),
            credit: Some(Arc::clone(&credit)),
        });
        session.deliver(datagram);
        *self.hosts.entry(from.ip()).or_default() += 1;
        self.half_open += 1;
        Some(Begun {
            inbox,
            waiting,
            credit,
        })
    }

    /// The session's handshake is done: its address is its own.
    pub(super) fn opened(&mut self, address: SocketAddr) {
        let session = self.all.get_mut(&address);
        if session.is_some_and(|session| session.credit.take().is_some()) {
            self.half_open -= 1;
        }
    }

    /// The session has ended.
    pub(super) fn end(&mut self, address: SocketAddr) {
        let Some(session) = self.all.remove(&address) else {
            return;
        };
        if session.credit.is_some() {
            self.half_open -= 1;
        }
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
        assert!(sessions.begin(address(1, 1), b"a").is_some());
        assert!(sessions.begin(address(1, 1), b"a").is_none(), "it is there");
        assert!(sessions.begin(address(1, 2), b"a").is_some());
        assert!(sessions.begin(address(2, 1), b"a").is_none(), "half open");
        sessions.opened(address(1, 1));
        sessions.opened(address(1, 1));
        assert!(sessions.begin(address(1, 3), b"a").is_none(), "of one host");
        assert!(sessions.begin(address(2, 1), b"a").is_some());
        sessions.opened(address(2, 1));
        assert!(sessions.begin(address(3, 1), b"a").is_none(), "in all");
    }

    #[test]
    fn one_that_ends_makes_room_for_another() {
        let mut sessions = limited();
        for port in [1, 2] {
            assert!(sessions.begin(address(1, port), b"a").is_some());
        }
        sessions.opened(address(1, 1));
        for port in [1, 2, 2, 9] {
            sessions.end(address(1, port));
        }
        assert!(sessions.hosts.is_empty() && sessions.all.is_empty());
        assert_eq!(sessions.half_open, 0);
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
        sessions.opened(address(1, 1));
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
