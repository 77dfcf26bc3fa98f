//! Who waits, in lines.

use std::{
    collections::{BTreeMap, HashMap},
    task::Waker,
};

/// One that waits: where it stands, and since when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    line: u64,
    number: u64,
}

/// Who waits: a line for each of those who send calls. Each line keeps its order, and the lines take
/// turns, so that whoever sends the most does not make all others wait for him.
#[derive(Default)]
pub(super) struct Queue {
    next_number: u64,
    next_turn: u64,
    lines: HashMap<u64, Line, foldhash::fast::RandomState>,
    /// The lines by the turn that is theirs.
    turns: BTreeMap<u64, u64>,
}

#[derive(Default)]
struct Line {
    turn: u64,
    waiting: BTreeMap<u64, Option<Waker>>,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How many wait in this line.
    pub(super) fn in_line(&self, line: u64) -> usize {
        self.lines.get(&line).map_or(0, |line| line.waiting.len())
    }

    /// Joins the end of a line.
    pub(super) fn push(&mut self, line: u64) -> Ticket {
        let number = self.next_number;
        self.next_number += 1;
        let (next_turn, turns) = (&mut self.next_turn, &mut self.turns);
        let known = self.lines.entry(line).or_insert_with(|| {
            let turn = take_turn(next_turn, turns, line);
            let waiting = BTreeMap::new();
            Line { turn, waiting }
        });
        known.waiting.insert(number, None);
        Ticket { line, number }
    }

    /// The first of the line whose turn it is leaves the queue: it may run. One that was not polled
    /// yet has no waker.
    pub(super) fn pop(&mut self) -> Option<Waker> {
        let (_, line) = self.turns.pop_first()?;
        let known = self.lines.get_mut(&line)?;
        let first = known.waiting.pop_first();
        if known.waiting.is_empty() {
            self.lines.remove(&line);
        } else {
            known.turn = take_turn(&mut self.next_turn, &mut self.turns, line);
        }
        first.and_then(|(_, waker)| waker)
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
