//! Who waits, in lines.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    task::Waker,
};

use super::{counts::Place, senders::Seat};

/// One that waits: where it stands, and since when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    line: u64,
    number: u64,
}

/// Who waits: a line for each sender. Each line keeps its order, and the lines take turns, so that
/// whoever sends the most does not make all others wait for him.
#[derive(Default)]
pub(super) struct Queue {
    next_number: u64,
    next_turn: u64,
    lines: HashMap<u64, Line, foldhash::fast::RandomState>,
    /// The lines by the turn that is theirs.
    turns: BTreeMap<u64, u64>,
    /// Places on loan.
    pub(super) borrowed: u32,
}

/// The turn of a line, which may have come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn(u64);

struct Line {
    turn: u64,
    seat: Option<Arc<Seat>>,
    waiting: BTreeMap<u64, Option<Waker>>,
}

/// Where the calls of this sender stand.
fn line(seat: Option<&Arc<Seat>>) -> u64 {
    seat.map_or(0, |seat| seat.sender)
}

impl Queue {
    pub(super) fn lend(&mut self, place: Place) {
        self.borrowed += u32::from(place == Place::Borrowed);
    }

    /// How many wait in this line.
    pub(super) fn in_line(&self, seat: Option<&Arc<Seat>>) -> usize {
        let line = self.lines.get(&line(seat));
        line.map_or(0, |line| line.waiting.len())
    }

    /// Joins the end of a line.
    pub(super) fn push(&mut self, seat: Option<&Arc<Seat>>) -> Ticket {
        let (number, line) = (self.next_number, line(seat));
        self.next_number += 1;
        let (next_turn, turns) = (&mut self.next_turn, &mut self.turns);
        let known = self.lines.entry(line).or_insert_with(|| Line {
            turn: take_turn(next_turn, turns, line),
            seat: seat.cloned(),
            waiting: BTreeMap::new(),
        });
        known.waiting.insert(number, None);
        Ticket { line, number }
    }

    /// The first line, by turns, that `may` go on, and what was said of it.
    pub(super) fn first<T>(&self, may: impl Fn(Option<&Seat>) -> Option<T>) -> Option<(Turn, T)> {
        self.turns.iter().find_map(|(turn, line)| {
            let line = self.lines.get(line)?;
            Some((Turn(*turn), may(line.seat.as_deref())?))
        })
    }

    /// The first of the line whose turn this is leaves the queue: it may run. Tells whose it is, and whom
    /// to wake; one that was not polled yet has no waker.
    pub(super) fn pop(&mut self, Turn(turn): Turn) -> (Option<Arc<Seat>>, Option<Waker>) {
        let line = self.turns.remove(&turn);
        let Some((line, known)) = line.and_then(|line| Some((line, self.lines.get_mut(&line)?)))
        else {
            return (None, None);
        };
        let (seat, first) = (known.seat.clone(), known.waiting.pop_first());
        if known.waiting.is_empty() {
            self.lines.remove(&line);
        } else {
            known.turn = take_turn(&mut self.next_turn, &mut self.turns, line);
        }
        (seat, first.and_then(|(_, waker)| waker))
    }

    /// Whom to wake when its turn comes; none if it has come.
    pub(super) fn waker(&mut self, ticket: Ticket) -> Option<&mut Option<Waker>> {
        let line = self.lines.get_mut(&ticket.line)?;
        line.waiting.get_mut(&ticket.number)
    }

    /// Leaves the queue before its turn; `None` if that has come.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Option<Waker>> {
        let line = self.lines.get_mut(&ticket.line)?;
        let waited = line.waiting.remove(&ticket.number)?;
        if line.waiting.is_empty() {
            self.turns.remove(&line.turn);
            self.lines.remove(&ticket.line);
        }
        Some(waited)
    }
}

/// The last of all turns.
fn take_turn(next: &mut u64, turns: &mut BTreeMap<u64, u64>, line: u64) -> u64 {
    let turn = *next;
    *next += 1;
    turns.insert(turn, line);
    turn
}
