//! Requests on their way through filters: on servers that have some.

use std::sync::Arc;

use tangelo_rpc::{Code, Reply, Status};
use tangelo_runtime::guard::Guarded;
use tokio::time::Instant;

use super::{End, Front};
use crate::{
    Context, Request, forward,
    pipeline::{Bounds, Passage, Place, Step, client_gone},
};

impl Front {
    /// Starts a request that passes filters.
    pub(super) fn start_passing(
        &mut self,
        context: &Context,
        id: u32,
        mut request: Request,
    ) -> Result<(), End> {
        let (place, in_line) = match self
            .admit()
            .and_then(|place| Ok((place, self.line_up(context)?)))
        {
            Ok(admitted) => admitted,
            // It never came to the filters.
            Err(status) => return self.reply(id, request.route(), &Err(status)),
        };
        let to = context
            .pipeline
            .destination(request.route(), context.server_type());
        let manner = context.pipeline.manner(to);
        if let Some(limit) = manner.deadline {
            request.due_by(self.now + limit);
        }
        let deadline = request.deadline();
        let mut bounds = Bounds::new(deadline);
        if manner.with_client {
            bounds = bounds.with_client(request.session());
        }
        let passage = Passage::of_client(request);
        let route = passage.request().route_bytes();
        let step = Guarded::new(Box::pin(passage.pass(in_line, to, bounds)) as _);
        match self
            .running
            .add_passing((id, place), deadline, &route, step)
        {
            Some(step) => self.take_step((id, place), &route, deadline, step),
            None => {
                self.timer.at_latest(deadline);
                Ok(())
            }
        }
    }

    /// A place in the session's line, where one is needed for requests to start in the order they came.
    fn line_up(&self, context: &Context) -> Result<Option<Place>, Status> {
        if !context.pipeline.may_wait() {
            return Ok(None);
        }
        let place = context.turns.join(self.session.id());
        place.map(Some).ok_or_else(|| Code::FLOW_LIMIT.into())
    }

    /// What a request has come to is told, or sent on, and what is left of its way begins.
    pub(super) fn take_step(
        &mut self,
        (id, place): (u32, u32),
        route: &[u8],
        deadline: Instant,
        step: Step,
    ) -> Result<(), End> {
        match step {
            Step::Answered { outcome, passage } => {
                let said = self.reply(id, route, &outcome);
                if let Some(passage) = passage {
                    self.begin_afterwards(place, passage, &outcome);
                }
                said
            }
            Step::Elsewhere {
                mut passage,
                place: in_line,
            } => {
                let context = Arc::clone(&self.context);
                let token = self.running.token(place);
                let sent = self.send(&context, (id, token), passage.request());
                drop(in_line);
                let outcome = match sent {
                    Ok(Some(sent)) => {
                        let passage = Some(passage);
                        self.running
                            .add_forwarded((id, token), deadline, sent, passage);
                        self.timer.at_latest(deadline);
                        return Ok(());
                    }
                    Ok(None) => Ok(Reply::default()),
                    Err(status) => passage.told(Err(status)),
                };
                let passage = Some(passage);
                let step = Step::Answered { outcome, passage };
                self.take_step((id, place), route, deadline, step)
            }
            Step::Done => Ok(()),
        }
    }

    /// The reply has been handed on: after filters begin, in the place that the request had.
    pub(super) fn begin_afterwards(
        &mut self,
        place: u32,
        passage: Box<Passage>,
        outcome: &Result<Reply, Status>,
    ) {
        let deadline = Instant::now() + self.context.limits().deadline;
        let Some(work) = passage.afterwards(outcome, deadline) else {
            return;
        };
        let step = Guarded::new(Box::pin(async move {
            work.await;
            Step::Done
        }) as _);
        // Nobody waits for it: it has the id of a notify.
        if self
            .running
            .add_passing((0, place), deadline, b"", step)
            .is_none()
        {
            self.timer.at_latest(deadline);
        }
    }

    /// The client has gone: what back ends were to answer is over for its filters, and so is what ends with
    /// its client. The rest runs on.
    pub(super) fn end_with_client(&mut self) {
        let mut told = Vec::new();
        for (place, mut entry) in self.running.forget_forwarded() {
            if let Some(connection) = entry.back_end()
                && !told.contains(&connection.id())
            {
                told.push(connection.id());
                forward::tell_gone(connection, self.session.id());
            }
            if let Some(mut passage) = entry.take_passage() {
                passage.failed(client_gone());
                self.begin_afterwards(place, passage, &Err(client_gone()));
            }
        }
        for place in self.running.passing() {
            if let Some((_, step)) = self.running.poll(place) {
                self.take_last_step(place, step);
            }
        }
    }

    /// As [`take_step`](Self::take_step), when nobody is there to be told.
    pub(super) fn take_last_step(&mut self, place: u32, step: Step) {
        match step {
            Step::Answered {
                outcome,
                passage: Some(passage),
            } => self.begin_afterwards(place, passage, &outcome),
            Step::Elsewhere { mut passage, .. } => {
                passage.failed(client_gone());
                self.begin_afterwards(place, passage, &Err(client_gone()));
            }
            Step::Answered { passage: None, .. } | Step::Done => {}
        }
    }
}
