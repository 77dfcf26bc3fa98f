//! The road of a request: admitted, held back or begun, handled here or forwarded.

use std::sync::Arc;

use tangelo_registry::Instance;
use tangelo_rpc::{Code, Sequence, Status, Waiter};
use tangelo_runtime::guard;
use tangelo_wire::pomelo::message::{Kind as MessageKind, Message, Route};

use super::{
    End, Front,
    choices::{BackEnd, Chosen, Unsent},
    running::Sent,
};
use crate::{
    Context, Request, Session, forward, pipeline::Passage, push::Forwarded, route::Asking,
    session::Kind,
};

/// How many servers are chosen for a request, each because the one before it has left meanwhile.
pub(super) const CHOICES: u32 = 4;

/// What has become of a request for another server.
pub(super) enum Went {
    Sent(Sent),
    /// Its route function has to be asked first.
    Asks(Asking),
}

impl Front {
    pub(super) fn handle_message(
        &mut self,
        context: &Context,
        message: &mut Message,
    ) -> Result<(), End> {
        let id = match message.kind() {
            MessageKind::Request => message.id(),
            // Pomelo does not look at the direction: a push from a client is a notify.
            MessageKind::Notify | MessageKind::Push => 0,
            MessageKind::Response => return Ok(()),
        };
        if self.was_taken(id) || self.forward_known(context, id, message) {
            return Ok(());
        }
        let route = match message.route() {
            Route::Name(name) => 0..name.len(),
            Route::Code(code) => {
                let status = Status::new(Code::NOT_FOUND, "no route has this code");
                return self.reply(id, format!("code {code}").as_bytes(), &Err(status));
            }
        };
        let bytes = message.take_route_and_body();
        let (body, deadline) = (
            route.end..bytes.len(),
            self.now + context.limits().deadline_or_default(),
        );
        // Handlers had it in their hands, and may have left another's in its place.
        let spare = self.spare.take();
        let request = match spare.filter(|spare| spare.is_of(&self.session)) {
            Some(mut request) => {
                request.renew(bytes, route, body, deadline);
                request
            }
            None => {
                let session = Session(Kind::Front(Arc::clone(&self.session)));
                Box::new(Request::new(bytes, route, body, session, deadline))
            }
        };
        self.start(context, id, request)
    }

    /// Starts a request, behind those that were held back.
    pub(super) fn start(
        &mut self,
        context: &Context,
        id: u32,
        mut request: Box<Request>,
    ) -> Result<(), End> {
        let place = match self.admit() {
            Ok(place) => place,
            Err(status) => return self.reply(id, request.route(), &Err(status)),
        };
        let pipeline = &context.pipeline;
        if self.running.is_holding() || !pipeline.is_plain() {
            // Filters see it whole.
            request.complete_route(context.server_type());
        }
        if self.running.is_holding() {
            let to = pipeline.destination(request.route(), context.server_type());
            let due = request.due_within(pipeline.manner(to).deadline, context.limits());
            self.timer.at_latest(due);
            self.running.hold((id, place), due, request);
            return Ok(());
        }
        self.begin(context, place, id, request)
    }

    /// Begins a request: it is answered at once, or takes its place among those that run.
    pub(super) fn begin(
        &mut self,
        context: &Context,
        place: u32,
        id: u32,
        mut request: Box<Request>,
    ) -> Result<(), End> {
        if !context.pipeline.is_plain() {
            return self.begin_passing(context, (id, place), *request);
        }
        let mut handler = context.pipeline.find(request.route());
        if handler.is_none() && request.complete_route(context.server_type()) {
            handler = context.pipeline.find(request.route());
        }
        let Some(handler) = handler.and_then(|number| context.pipeline.get(number)) else {
            return self.forward(context, (id, place), *request);
        };
        if handler.manner.deadline.is_some() {
            request.due_by(request.due_within(handler.manner.deadline, context.limits()));
        }
        let deadline = request.deadline();
        let answered = self.running.add(place, id, handler, &mut request);
        // What handlers have laid beside it may panic on its way out.
        if guard::catch(|| request.clear()).is_ok() {
            self.spare = Some(request);
        }
        if let Some(outcome) = answered {
            return self.reply(id, &handler.route, &outcome);
        }
        self.timer.at_latest(deadline);
        Ok(())
    }

    /// The place a request takes that may start.
    pub(super) fn admit(&mut self) -> Result<u32, Status> {
        if self.context.is_draining() {
            Err(Code::SERVER_SHUTDOWN.into())
        } else {
            self.running.place()
        }
    }

    /// Another server answers.
    pub(super) fn forward(
        &mut self,
        context: &Context,
        (id, place): (u32, u32),
        request: Request,
    ) -> Result<(), End> {
        let token = self.running.token(place);
        match self.send(context, (None, CHOICES), (id, token), &request) {
            Ok(Went::Asks(asking)) => self.ask((id, place), Passage::of_client(request), asking),
            Ok(Went::Sent(sent)) => {
                let deadline = request.deadline();
                self.running
                    .add_forwarded((id, token), deadline, sent, None);
                self.timer.at_latest(deadline);
                Ok(())
            }
            Err(status) => self.reply(id, request.route(), &Err(status)),
        }
    }

    /// To the back end that was `found`, or else to the one that is chosen. What has surely not been sent as
    /// that one has left meanwhile goes to another, of so many in all.
    pub(super) fn send(
        &mut self,
        context: &Context,
        (found, choices): (Option<Arc<Instance>>, u32),
        (id, token): (u32, u64),
        request: &Request,
    ) -> Result<Went, Status> {
        let mut went = self.send_once(context, found, (id, token), request);
        for _ in 1..choices {
            let Err(Unsent::Left(_)) = went else { break };
            went = self.send_once(context, None, (id, token), request);
        }
        Ok(went?)
    }

    fn send_once(
        &mut self,
        context: &Context,
        found: Option<Arc<Instance>>,
        (id, token): (u32, u64),
        request: &Request,
    ) -> Result<Went, Unsent> {
        let choices = &mut self.choices;
        let chosen = match found {
            Some(server) => choices.found(context, &self.session, request, server)?,
            None => match choices.choose(context, &self.session, request)? {
                BackEnd::Known(chosen) => chosen,
                BackEnd::Asks(asking) => return Ok(Went::Asks(asking)),
            },
        };
        match self.send_to(&chosen, (id, token), request) {
            Ok(sequence) => Ok(Went::Sent(Sent { chosen, sequence })),
            Err(status) => Err(chosen.unsent(context, status)),
        }
    }

    /// Over the session's connection to this back end. It says of a notify, too, when it has ended: those that
    /// run are counted here. On an error it was surely not sent.
    fn send_to(
        &mut self,
        chosen: &Chosen,
        (id, token): (u32, u64),
        request: &Request,
    ) -> Result<Sequence, Status> {
        let kind = match id {
            0 => forward::Kind::Notify,
            _ => forward::Kind::Request,
        };
        let is_scheduled = id != 0 && !self.context.pushes().is_direct();
        let waiter: Arc<dyn Waiter> = if !is_scheduled {
            Arc::clone(&self.session) as Arc<dyn Waiter>
        } else {
            Arc::new(Forwarded {
                session: Arc::clone(&self.session),
                id,
                route: request.route().into(),
                filtered: !self.context.pipeline.is_plain(),
            })
        };
        let timeout = request.deadline().saturating_duration_since(self.now);
        let (connection, frame) = (&chosen.connection, &chosen.frame);
        let said = (kind, request.body());
        forward::send(connection, frame, (waiter, token), said, timeout)
    }
}
