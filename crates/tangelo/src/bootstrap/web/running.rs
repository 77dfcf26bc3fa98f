//! Web servers from their addresses to their end.

use std::time::Duration;

use futures_util::future::join_all;
use tangelo_gateway::{self as gateway, Backends, Gateway};
use tangelo_runtime::{Stop, Tasks};

use super::{
    One, Planned,
    watch::{Watched, watch},
};
use crate::{Mistakes, bootstrap::start::Answering};

/// The web servers that have their addresses.
pub(in crate::bootstrap) struct Bound(Vec<OneBound>);

struct OneBound {
    id: String,
    bound: gateway::Bound,
    watched: Option<(Watched, Duration)>,
}

/// The web servers while they run.
#[derive(Debug, Default)]
pub(crate) struct WebServers(Vec<Gateway>);

impl Planned {
    /// Takes their addresses; what cannot be had is among the mistakes then.
    pub(in crate::bootstrap) async fn bind(self, mistakes: &mut Mistakes) -> Bound {
        let mut all = Vec::new();
        for one in self.0 {
            let One {
                id,
                loaded,
                watched,
                reload_interval,
            } = one;
            let every = Duration::from_millis(reload_interval.into());
            match loaded.bind().await {
                Ok(bound) => all.push(OneBound {
                    id,
                    bound,
                    watched: (!every.is_zero()).then_some((watched, every)),
                }),
                Err(problem) => mistakes.add(format!("web_server.{id}.port: {problem}")),
            }
        }
        Bound(all)
    }
}

impl Bound {
    /// Has them call those who answer: of several for one number, the first one.
    pub(in crate::bootstrap) fn call(
        self,
        who: impl Fn(&str) -> Result<Answering, String>,
        mistakes: &mut Mistakes,
    ) -> Self {
        let call = |one: OneBound| match who(&one.id) {
            Ok(answering) => {
                let backends = answering
                    .into_iter()
                    .fold(Backends::new(), |all, (id, service)| {
                        all.referer(id, service)
                    });
                let bound = one.bound.backends(backends);
                Some(OneBound { bound, ..one })
            }
            Err(problem) => {
                mistakes.add(problem);
                None
            }
        };
        Self(self.0.into_iter().filter_map(call).collect())
    }

    /// Lets clients in, and follows files that change until `background` stops.
    pub(in crate::bootstrap) fn start(self, background: &Tasks) -> WebServers {
        let start = |one: OneBound| {
            let gateway = one.bound.start(&Tasks::new(Stop::new()));
            if let Some((watched, every)) = one.watched {
                watch(watched, gateway.clone(), every, background);
            }
            gateway
        };
        WebServers(self.0.into_iter().map(start).collect())
    }
}

impl WebServers {
    pub(crate) fn all(&self) -> &[Gateway] {
        &self.0
    }

    /// Lets nobody in any more, and answers what has come; for up to `patience`. How many tasks had to be cut off.
    pub(crate) async fn close(&self, patience: Duration) -> usize {
        let all = self.0.iter().map(|gateway| gateway.close(patience));
        join_all(all).await.into_iter().sum()
    }

    /// The same, and nobody waits for it.
    pub(crate) fn stop(&self) {
        self.0.iter().for_each(Gateway::stop);
    }
}
