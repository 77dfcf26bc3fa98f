//! Asks a server, and asks again.

use std::sync::Arc;

use tangelo_rpc::{Reply, Request, Status};
use tokio::time::{Instant, sleep_until};

use super::{
    fail_mode::{Way, surely_not_run},
    road::{Road, To},
};
use crate::route::By;

impl Road {
    /// Asks, and asks again as far as the fail mode, the budget and the time allow.
    pub(super) async fn attempts(
        &self,
        mut server_id: Arc<str>,
        redirected: bool,
        request: &Request,
        deadline: Instant,
    ) -> Result<Reply, Status> {
        let shared = &self.rpc.shared;
        let lane = self.to.by().map_or(0, By::lane);
        if self.rpc.fail_mode.way != Way::Fast {
            shared.budget.deposit(Instant::now());
        }
        let (mut tried, mut told) = (Vec::new(), None::<Status>);
        loop {
            let outcome = shared.ask(&server_id, lane, request, deadline).await;
            let status = match outcome {
                Ok(reply) => return Ok(reply),
                Err(status) => status,
            };
            let code = status.code();
            // What may have run stays so, however a later attempt ends.
            let worst = match told {
                Some(before) if !surely_not_run(before.code()) => before,
                _ => status,
            };
            tried.push(server_id);
            if !self.rpc.fail_mode.covers(code) {
                return Err(worst);
            }
            match self.next(&tried, redirected, deadline).await {
                Some(next) => (server_id, told) = (next, Some(worst)),
                None => return Err(worst),
            }
        }
    }

    /// The server to ask next, when it is time to; none if nobody is asked any more.
    async fn next(
        &self,
        tried: &[Arc<str>],
        redirected: bool,
        deadline: Instant,
    ) -> Option<Arc<str>> {
        let shared = &self.rpc.shared;
        match (self.rpc.fail_mode.way, &self.to) {
            (
                Way::Over,
                To::Route {
                    server_type, by, ..
                },
            ) if !redirected => {
                let (routes, cluster) = (&shared.routes, &shared.cluster);
                let next = routes.choose_next(server_type, by, tried, cluster)?;
                self.may_ask_again().then(|| next.id.as_str().into())
            }
            (Way::Safe { .. }, to) if self.pause(tried.len(), deadline).await => match to {
                To::Route {
                    server_type, by, ..
                } if !redirected => {
                    let chosen = self.choose_anew(server_type, by, deadline).await;
                    chosen.ok().or_else(|| tried.last().cloned())
                }
                _ => tried.last().cloned(),
            },
            _ => None,
        }
    }

    /// Waits as long as failsafe does after so many failures; `false`, at once, if it does not go on.
    pub(super) async fn pause(&self, failures: usize, deadline: Instant) -> bool {
        let Way::Safe { retries, pause } = self.rpc.fail_mode.way else {
            return false;
        };
        let nth = u32::try_from(failures).ok().filter(|nth| *nth <= retries);
        let pause = nth.and_then(|nth| pause.checked_mul(nth));
        let at = pause.and_then(|pause| Instant::now().checked_add(pause));
        let Some(at) = at.filter(|at| *at < deadline && self.may_ask_again()) else {
            return false;
        };
        sleep_until(at).await;
        true
    }

    /// Whether the budget allows it.
    fn may_ask_again(&self) -> bool {
        self.rpc.shared.budget.withdraw(Instant::now())
    }
}
