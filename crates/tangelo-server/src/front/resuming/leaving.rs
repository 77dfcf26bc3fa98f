//! How a session goes to another front end.

use tangelo_rpc::{Code, Status};
use tangelo_wire::pomelo::handshake::State;
use tokio::time::Instant;

use super::super::{End, Front};
use crate::{
    answer,
    resume::{Given, SETTLING},
    session::Demand,
};

impl Front {
    /// Another front end wants the session. What runs may still be answered.
    pub(super) fn prepare_to_leave(&mut self, demand: Demand) {
        if !self.outlives() {
            return;
        }
        self.now = Instant::now();
        self.lose_connection();
        self.state = State::Inited;
        let until = self.now + SETTLING;
        self.patience = self.patience.max(until + SETTLING);
        self.timer.at_latest(until);
        if let Some(resuming) = &mut self.resuming {
            resuming.broken = None;
            resuming.leaving = Some((demand, until));
        }
    }

    /// When it goes, if another front end wants it.
    pub(in crate::front) fn leaves_at(&self) -> Option<Instant> {
        let resuming = self.resuming.as_ref()?;
        Some(resuming.leaving.as_ref()?.1)
    }

    /// The session goes to the front end that wants it, once its requests are answered; those that take too
    /// long are answered so.
    pub(in crate::front) fn watch_leaving(&mut self) -> Result<(), End> {
        let Some(resuming) = &self.resuming else {
            return Ok(());
        };
        let Some((_, until)) = &resuming.leaving else {
            return Ok(());
        };
        if resuming
            .leaving
            .as_ref()
            .is_some_and(|(demand, _)| demand.give.is_closed())
        {
            return Err(self.stay());
        }
        let is_settled = self.running.is_empty() && self.owed.is_empty();
        if !is_settled && Instant::now() < *until {
            return Ok(());
        }
        self.tell_queued()?;
        let late: Vec<_> = self.running.ids().chain(self.owed.ids()).collect();
        if !late.is_empty() {
            self.end_with_client();
            self.running.owe_nothing();
            self.owed.clear();
        }
        for id in late {
            let words = "the session has gone to another server";
            let failed = Err(Status::new(Code::CONNECTION_BROKEN, words));
            self.keep_response(id, &answer::body(&failed));
        }
        let Some(resuming) = &mut self.resuming else {
            return Ok(());
        };
        let Some((demand, _)) = resuming.leaving.take() else {
            return Ok(());
        };
        if !resuming.ring.trim(demand.received) {
            return Err(End::BadCount);
        }
        let given = Given::new(resuming.received, &resuming.ring);
        // Who wanted it may have given up; then its client may still come here.
        match demand.give.send(given) {
            Ok(()) => Err(End::Moved),
            Err(_) => Err(End::NotTaken),
        }
    }

    /// Who wanted it has given up.
    fn stay(&mut self) -> End {
        if let Some(resuming) = &mut self.resuming {
            resuming.leaving = None;
        }
        End::NotTaken
    }
}
