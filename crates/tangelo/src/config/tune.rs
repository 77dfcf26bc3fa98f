//! What the configuration says of how a server works, said to its blueprint after the code.

use std::time::Duration;

use tangelo_server::{Blueprint, SingleSession};

use super::keys::{OneSession, Tuning};

impl Tuning {
    /// Overrules what the code says.
    pub(crate) fn apply(&self, mut blueprint: Blueprint) -> Blueprint {
        if let Some(seconds) = self.heartbeat_seconds {
            let interval = Duration::from_secs(seconds.into());
            blueprint = blueprint.heartbeat(Some(interval).filter(|interval| !interval.is_zero()));
        }
        if let Some(most) = self.max_connections {
            // As in Pomelo, 0 is no limit.
            let most = usize::try_from(most).ok();
            blueprint = blueprint.max_connections(most.filter(|most| *most > 0));
        }
        if let Some(one) = self.single_session {
            blueprint = blueprint.change_single_session(match one {
                OneSession::RefuseNew => SingleSession::refuse_new(),
                OneSession::KickOld => SingleSession::kick_old(),
            });
        }
        blueprint = self.resume(blueprint);
        blueprint = blueprint.change_limits(|limits| {
            limits.deadline = self.deadline.or(limits.deadline);
            limits.in_flight = self.max_in_flight.unwrap_or(limits.in_flight);
            limits.blocking = self.max_blocking.unwrap_or(limits.blocking);
            limits.queue = self.max_queue.unwrap_or(limits.queue);
        });
        if self.max_package.is_none() && self.max_outgoing.is_none() {
            return blueprint;
        }
        blueprint.change_connector_limits(|limits| {
            limits.package = self.max_package.unwrap_or(limits.package);
            limits.outgoing = self.max_outgoing.unwrap_or(limits.outgoing);
        })
    }

    fn resume(&self, blueprint: Blueprint) -> Blueprint {
        let (window, max_away) = (self.resume_window, self.resume_max_away);
        let seconds = match self.resume_seconds {
            Some(0) => return blueprint.resume(None),
            None if window.is_none() && max_away.is_none() => return blueprint,
            seconds => seconds,
        };
        blueprint.change_resume(|mut resume| {
            if let Some(seconds) = seconds {
                resume = resume.time(seconds.into());
            }
            if let Some(window) = window {
                resume = resume.window(window);
            }
            match max_away {
                Some(most) => resume.max_away(most),
                None => resume,
            }
        })
    }
}
