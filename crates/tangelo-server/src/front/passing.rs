//! Requests on their way through filters, on servers that have some; and those whose back end has to be asked
//! for.

use std::sync::{Arc, atomic::AtomicBool};

use tangelo_registry::Instance;
use tangelo_rpc::{Reply, Status};
use tokio::time::Instant;

use super::{
    End, Front,
    requests::{CHOICES, Went},
    running::{Came, Entry, Found, Passing},
};
use crate::{
    Context, Request, answer, forward,
    pipeline::{Bounds, Passage, Step, Turn, client_gone},
    route::Asking,
};

impl Front {
    /// Begins a request that passes filters.
    pub(super) fn begin_passing(
        &mut self,
        context: &Context,
        (id, place): (u32, u32),
        mut request: Request,
    ) -> Result<(), End> {
        let pipeline = &context.pipeline;
        let to = pipeline.destination(request.route(), context.server_type());
        let manner = pipeline.manner(to);
        request.due_by(request.due_within(manner.deadline, context.limits()));
        let deadline = request.deadline();
        let mut bounds = Bounds::new(deadline);
        if manner.with_client {
            bounds = bounds.with_client(request.session());
        }
        let begun = pipeline
            .may_wait()
            .then(|| Arc::new(AtomicBool::new(false)));
        let turn = begun.clone().map_or(Turn::Free, Turn::Now);
        let passage = Passage::of_client(request);
        let route = passage.request().route_bytes();
        let passing = Passing::new(passage.pass(turn, to, bounds), begun);
        match self
            .running
            .add_passing((id, place), (deadline, &route), passing)
        {
            Some(step) => self.take_step((id, place), &route, step),
            None => {
                self.timer.at_latest(deadline);
                Ok(())
            }
        }
    }

    /// What a place has come to goes on.
    pub(super) fn take(&mut self, place: u32, mut entry: Entry, came: Came) -> Result<(), End> {
        match came {
            Came::Step(step) => self.take_step((entry.id, place), entry.route(), step),
            Came::Routed(found) => match entry.take_passage() {
                Some(passage) => self.go_on((entry.id, place), passage, found),
                None => Ok(()),
            },
        }
    }

    /// What a request has come to is told, or sent on, and what is left of its way begins.
    fn take_step(&mut self, (id, place): (u32, u32), route: &[u8], step: Step) -> Result<(), End> {
        match step {
            Step::Answered { outcome, passage } => {
                let said = self.reply(id, route, &outcome);
                if let Some(passage) = passage {
                    self.begin_afterwards(place, passage, &outcome);
                }
                said
            }
            Step::Elsewhere(passage) => self.pass_on((id, place), passage, Ok(None)),
            Step::Done => Ok(()),
        }
    }

    /// A route function is asked where a request goes.
    pub(super) fn ask(
        &mut self,
        (id, place): (u32, u32),
        passage: Box<Passage>,
        asking: Asking,
    ) -> Result<(), End> {
        let deadline = passage.request().deadline();
        match self.running.ask((id, place), passage, asking) {
            Some((passage, found)) => self.go_on((id, place), passage, found),
            None => {
                self.timer.at_latest(deadline);
                Ok(())
            }
        }
    }

    /// It is known where a request goes.
    fn go_on(
        &mut self,
        (id, place): (u32, u32),
        passage: Box<Passage>,
        found: Found,
    ) -> Result<(), End> {
        self.pass_on((id, place), passage, found.map(Some))
    }

    /// It goes to the back end that was found, or the one that is chosen; or nowhere.
    fn pass_on(
        &mut self,
        (id, place): (u32, u32),
        mut passage: Box<Passage>,
        found: Result<Option<Arc<Instance>>, Status>,
    ) -> Result<(), End> {
        let context = Arc::clone(&self.context);
        let token = self.running.token(place);
        // Who was found by asking may be asked for again only so often.
        let choices = match &found {
            Ok(Some(_)) if !passage.asks_again() => 1,
            _ => CHOICES,
        };
        let went = found.and_then(|found| {
            self.send(&context, (found, choices), (id, token), passage.request())
        });
        let status = match went {
            Ok(Went::Sent(sent)) => {
                let deadline = passage.request().deadline();
                // Without filters nobody asks for the request again.
                let passage = (!context.pipeline.is_plain()).then_some(passage);
                self.running
                    .add_forwarded((id, token), deadline, sent, passage);
                self.timer.at_latest(deadline);
                return Ok(());
            }
            Ok(Went::Asks(asking)) => return self.ask((id, place), passage, asking),
            Err(status) => status,
        };
        let outcome = passage.told(Err(status));
        let route = passage.request().route_bytes();
        let passage = Some(passage);
        self.take_step((id, place), &route, Step::Answered { outcome, passage })
    }

    /// What a back end has answered goes to the client; or why it has not.
    pub(super) fn hand_on(
        &mut self,
        place: u32,
        mut entry: Entry,
        answer: Result<Result<Reply, Status>, Status>,
    ) -> Result<(), End> {
        let mut passage = entry.take_passage();
        let outcome = match (answer, &mut passage) {
            // What failed there is in the log there, and was for the error handler there.
            (Ok(answer), None) => answer,
            (Ok(answer), Some(passage)) => answer.inspect_err(|s| passage.failed(s.clone())),
            (Err(lost), passage) => {
                let told = match passage {
                    Some(passage) => passage.told(Err(lost)),
                    None => Err(lost),
                };
                told.inspect_err(|status| self.log(entry.id, entry.route(), status))
            }
        };
        let said = if entry.id == 0 {
            Ok(())
        } else if self.context.pushes().is_direct() {
            self.respond((entry.id, outcome.is_err()), &answer::body(&outcome))
        } else {
            self.schedule(entry.id, entry.route(), &outcome);
            Ok(())
        };
        if let Some(passage) = passage {
            self.begin_afterwards(place, passage, &outcome);
        }
        said
    }

    /// What a back end has answered is with the push scheduler.
    pub(super) fn handed_on(
        &mut self,
        place: u32,
        mut entry: Entry,
        outcome: &Result<Reply, Status>,
    ) {
        if let Some(mut passage) = entry.take_passage() {
            if let Err(status) = outcome {
                passage.failed(status.clone());
            }
            self.begin_afterwards(place, passage, outcome);
        }
    }

    /// The reply has been handed on: after filters begin, in the place that the request had.
    fn begin_afterwards(
        &mut self,
        place: u32,
        passage: Box<Passage>,
        outcome: &Result<Reply, Status>,
    ) {
        let deadline = Instant::now() + self.context.limits().deadline_or_default();
        let Some(work) = passage.afterwards(outcome, deadline) else {
            return;
        };
        let work = async {
            work.await;
            Step::Done
        };
        // Nobody waits for it: it has the id of a notify.
        let passing = Passing::new(work, None);
        let step = self
            .running
            .add_passing((0, place), (deadline, b""), passing);
        if step.is_none() {
            self.timer.at_latest(deadline);
        }
    }

    /// The client has gone: what back ends were to answer is over for its filters, and so is what ends with
    /// its client. The rest runs on.
    pub(super) fn end_with_client(&mut self) {
        let mut told = Vec::new();
        for (place, mut entry) in self.running.give_up_waiting() {
            if let Some(connection) = entry.back_end()
                && !told.contains(&connection.id())
            {
                told.push(connection.id());
                forward::tell_gone(connection, self.session.id());
            }
            if let Some(passage) = entry.take_passage() {
                self.end_passage(place, passage);
            }
        }
        // All else looks whether that concerns it; what was to be polled in this turn is among it.
        for place in 0..self.running.places() {
            if let Some((_, came)) = self.running.poll(place) {
                self.take_last(place, came);
            }
        }
    }

    /// What a place has come to goes on, with nobody there to be told.
    pub(super) fn take_last(&mut self, place: u32, came: Came) {
        match came {
            Came::Step(Step::Answered {
                outcome,
                passage: Some(passage),
            }) => self.begin_afterwards(place, passage, &outcome),
            Came::Step(Step::Elsewhere(passage)) => self.end_passage(place, passage),
            Came::Step(Step::Answered { passage: None, .. } | Step::Done) | Came::Routed(_) => {}
        }
    }

    /// It ends before anybody answered.
    fn end_passage(&mut self, place: u32, mut passage: Box<Passage>) {
        passage.failed(client_gone());
        self.begin_afterwards(place, passage, &Err(client_gone()));
    }
}
