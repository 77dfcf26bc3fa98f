//! Pushes to all clients of a type of front ends.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::Value;
use tangelo_connector::Push;
use tangelo_rpc::Status;
use tracing::debug;

use super::{Channels, NamedFilter, PUSH, Terms, confirm::Confirm, frame::Frame, push};
use crate::{Error, OutboundKind, session};

/// Which of the clients of a type hear a broadcast. The default: all that have shaken hands.
#[derive(Clone, Debug, Default)]
pub struct BroadcastOptions {
    bound_only: bool,
    filter: Option<Arc<NamedFilter>>,
}

/// How far a broadcast has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Broadcasted {
    /// How many sessions have got it.
    pub reached: usize,
    /// Names of the front ends that could not be told, or did not say in time that they were.
    pub unreached: Vec<String>,
}

impl BroadcastOptions {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only sessions bound to a user hear it: Pomelo's `binded`.
    #[must_use]
    pub fn bound_only(mut self) -> Self {
        self.bound_only = true;
        self
    }

    /// Who hears it is decided for each session by the filter that its front end has
    /// [under this name](crate::Blueprint::push_filter), given this parameter: Pomelo's `filterParam`. A
    /// front end that has none of this name lets nobody hear it.
    #[must_use]
    pub fn filter(mut self, name: &str, parameter: impl Into<Value>) -> Self {
        self.filter = Some(Arc::new(NamedFilter::new(name, parameter.into())));
        self
    }

    fn terms(&self) -> Terms<'_> {
        Terms {
            bound_only: self.bound_only,
            filter: self.filter.as_deref(),
            member_of: None,
        }
    }
}

impl Channels {
    /// Tells every client of the front ends of a type, once. It is under way when this returns; nobody
    /// waits for it.
    ///
    /// # Errors
    /// The message is no JSON or too long. Front ends that are not there are no error.
    pub fn broadcast<T: Serialize + ?Sized>(
        &self,
        frontend_type: &str,
        route: &str,
        message: &T,
        options: &BroadcastOptions,
    ) -> Result<(), Error> {
        let push = Arc::new(session::encode(route, message)?);
        let frame = Frame::new(&push, options.terms())?;
        for (frontend_id, lanes) in self.frontends().of_type(frontend_type) {
            for connection in lanes {
                if let Err(status) = connection.tell(PUSH, |out| frame.to_all(out)) {
                    debug!(frontend_id, %status, "a front end was not reached");
                }
            }
        }
        if self.is_here(frontend_type)
            && let Err(status) = self.tell_all_here(&push, options)
        {
            debug!(%status, "nobody here hears it");
        }
        Ok(())
    }

    /// As [`broadcast`](Self::broadcast), and says how far it came. It is under way when this returns,
    /// whether or not the future is awaited; that resolves after `within` at the latest.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub fn broadcast_confirmed<T: Serialize + ?Sized>(
        &self,
        frontend_type: &str,
        route: &str,
        message: &T,
        options: &BroadcastOptions,
        within: Duration,
    ) -> impl Future<Output = Result<Broadcasted, Error>> + Send + use<T> {
        let sent = self.ask_all(frontend_type, route, message, options, within);
        async move {
            let (confirm, asked, mut far) = sent?;
            let mut unreached: BTreeSet<_> = far.unreached.drain(..).collect();
            let answers = confirm.answers().await;
            for (answer, frontend_id) in answers.into_iter().zip(asked) {
                match answer.and_then(push::read) {
                    Ok(answer) => far.reached += answer.reached as usize,
                    Err(status) => {
                        debug!(frontend_id, %status, "a front end did not say whom it has told");
                        unreached.insert(frontend_id);
                    }
                }
            }
            far.unreached = unreached.into_iter().collect();
            Ok(far)
        }
    }

    /// Asks every lane; of which front end each is, and how far it is so far.
    fn ask_all<T: Serialize + ?Sized>(
        &self,
        frontend_type: &str,
        route: &str,
        message: &T,
        options: &BroadcastOptions,
        within: Duration,
    ) -> Result<(Confirm, Vec<String>, Broadcasted), Error> {
        let push = Arc::new(session::encode(route, message)?);
        let frame = Frame::new(&push, options.terms())?;
        let (mut confirm, mut asked) = (Confirm::new(within), Vec::new());
        let mut far = Broadcasted::default();
        let front_ends = self.frontends().of_type(frontend_type);
        for instance in self.shared.registered.borrow().iter() {
            let is_one = instance.frontend && instance.server_type == frontend_type;
            let is_there = front_ends.iter().any(|(id, _)| *id == instance.id);
            if is_one && !is_there && instance.id != self.own_id() {
                far.unreached.push(instance.id.clone());
            }
        }
        for (frontend_id, lanes) in front_ends {
            // What has no connection carries sessions as well.
            let of = lanes.first().and_then(|lane| lane.hello());
            if of.is_some_and(|hello| lanes.len() < hello.lanes as usize) {
                far.unreached.push(frontend_id.clone());
            }
            for connection in lanes {
                confirm.ask(&connection, PUSH, |out| frame.to_all(out));
                asked.push(frontend_id.clone());
            }
        }
        if self.is_here(frontend_type) {
            match self.tell_all_here(&push, options) {
                Ok(reached) => far.reached += reached as usize,
                Err(status) => {
                    debug!(%status, "nobody here hears it");
                    far.unreached.push(self.own_id().to_owned());
                }
            }
        }
        Ok((confirm, asked, far))
    }

    fn is_here(&self, frontend_type: &str) -> bool {
        let own = &self.shared.own;
        own.frontend && own.server_type == frontend_type
    }

    fn tell_all_here(&self, push: &Arc<Push>, options: &BroadcastOptions) -> Result<u32, Status> {
        let mut telling = self
            .shared
            .here
            .begin(OutboundKind::Broadcast, push, options.terms())?;
        telling.all(|_| true);
        Ok(telling.told())
    }
}
