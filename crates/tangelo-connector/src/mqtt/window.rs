//! What was published with QoS 1 and not acknowledged yet, and what waits behind it.

use std::collections::VecDeque;

use bytes::BytesMut;
use tokio::time::Instant;

use super::MqttLimits;

/// What was published with QoS 1 and not acknowledged yet, and what waits behind it. Nothing is sent again: the
/// connection loses nothing, and nothing outlives it.
#[derive(Debug)]
pub(super) struct Window {
    /// How many may be under way.
    most: usize,
    sent: VecDeque<(u16, Instant)>,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    last: u16,
}

/// A packet without its id.
#[derive(Debug)]
struct Waiting {
    packet: Vec<u8>,
    id_at: usize,
}

impl Window {
    pub(super) fn new(most: u16) -> Self {
        Self {
            most: usize::from(most),
            sent: VecDeque::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            last: 0,
        }
    }

    /// How many may be under way from here on.
    pub(super) fn narrow(&mut self, most: u16) {
        self.most = self.most.min(usize::from(most));
    }

    /// Whether nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// Bytes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting_bytes
    }

    /// Sends a packet whose id belongs at this place, now or later.
    pub(super) fn send(&mut self, packet: Vec<u8>, id_at: usize, now: Instant, out: &mut BytesMut) {
        self.waiting_bytes += packet.len();
        self.waiting.push_back(Waiting { packet, id_at });
        self.move_on(now, out);
    }

    /// The client has this one; what waits moves up.
    pub(super) fn acknowledge(&mut self, id: u16, now: Instant, out: &mut BytesMut) {
        if let Some(place) = self.sent.iter().position(|(sent, _)| *sent == id) {
            self.sent.remove(place);
            self.move_on(now, out);
        }
    }

    /// Whether the client has taken too long.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        let oldest = self.sent.front();
        oldest.is_some_and(|(_, sent)| now.duration_since(*sent) > MqttLimits::ACKNOWLEDGED)
    }

    fn move_on(&mut self, now: Instant, out: &mut BytesMut) {
        while self.sent.len() < self.most
            && let Some(Waiting { mut packet, id_at }) = self.waiting.pop_front()
        {
            self.waiting_bytes -= packet.len();
            let id = self.next_id();
            let place = packet.get_mut(id_at..).into_iter().flatten();
            for (byte, value) in place.zip(id.to_be_bytes()) {
                *byte = value;
            }
            self.sent.push_back((id, now));
            out.extend_from_slice(&packet);
        }
    }

    /// One that is not under way; there are fewer of those than ids, as 65,535 may be, and one has just ended.
    fn next_id(&mut self) -> u16 {
        loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            if !self.sent.iter().any(|(sent, _)| *sent == self.last) {
                return self.last;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(window: &mut Window, out: &mut BytesMut) {
        window.send(vec![9, 0, 0], 1, Instant::now(), out);
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_are_under_way_as_the_limit_says_and_the_others_wait_in_their_order() {
        let (mut window, mut out) = (Window::new(2), BytesMut::new());
        for _ in 0..3 {
            send(&mut window, &mut out);
        }
        assert_eq!(out, [9, 0, 1, 9, 0, 2][..]);
        assert_eq!(window.waiting(), 3);
        out.clear();
        window.acknowledge(7, Instant::now(), &mut out);
        assert!(out.is_empty(), "there is none of this id");
        window.acknowledge(2, Instant::now(), &mut out);
        assert_eq!(out, [9, 0, 3][..]);
        assert_eq!(window.waiting(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_id_is_not_used_again_while_it_is_under_way() {
        let (mut window, mut out) = (Window::new(2), BytesMut::new());
        send(&mut window, &mut out);
        window.last = u16::MAX;
        out.clear();
        send(&mut window, &mut out);
        assert_eq!(out, [9, 0, 2][..], "0 is none, and 1 is under way");
    }

    #[tokio::test(start_paused = true)]
    async fn who_acknowledges_nothing_is_overdue_past_the_limit_and_not_at_it() {
        let (mut window, mut out) = (Window::new(2), BytesMut::new());
        send(&mut window, &mut out);
        tokio::time::advance(MqttLimits::ACKNOWLEDGED).await;
        assert!(!window.is_overdue(Instant::now()));
        tokio::time::advance(std::time::Duration::from_millis(1)).await;
        assert!(window.is_overdue(Instant::now()));
        window.acknowledge(1, Instant::now(), &mut out);
        assert!(!window.is_overdue(Instant::now()));
    }
}
