//! Calls from a server to its clients.

use std::{fmt, sync::Arc};

use tokio::task::coop::consume_budget;

use crate::{
    Answer, Code, Connection, Home, Reply, Request, ServerContext, Service, Trace,
    access_log::AccessLog, call::deadline, config::RefererConfig, log_call::LogCall,
};

/// A service of clients, called over the connection they made: krpc's PUSH. Such a call has one place
/// to go, so nothing is balanced or tried again.
#[derive(Clone)]
pub struct ReverseReferer {
    shared: Arc<Shared>,
}

struct Shared {
    config: RefererConfig,
    log: Option<AccessLog>,
    sample_rate: u32,
    home: Home,
}

impl ReverseReferer {
    /// A referer for a service of clients.
    pub fn new(
        config: RefererConfig,
        log: Option<AccessLog>,
        sample_rate: u32,
        home: Home,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                config,
                log,
                sample_rate,
                home,
            }),
        }
    }

    /// Its settings.
    pub fn config(&self) -> &RefererConfig {
        &self.shared.config
    }

    /// The service behind this connection. `None` answers as krpc does when a connection is gone:
    /// [`Code::SEND_FAILED`].
    pub fn to(&self, connection: Option<Connection>) -> Arc<dyn Service> {
        Arc::new(Over {
            shared: Arc::clone(&self.shared),
            connection,
        })
    }
}

struct Over {
    shared: Arc<Shared>,
    connection: Option<Connection>,
}

impl Service for Over {
    fn call(&self, mut request: Request) -> Answer {
        let (shared, connection) = (Arc::clone(&self.shared), self.connection.clone());
        let serving = ServerContext::current();
        let timeout = timeout(&shared.config, request.msg_id);
        let deadline = deadline(&request, timeout);
        Box::pin(async move {
            // As in a referer: who is refused at once, every time, must not keep the thread.
            consume_budget().await;
            let Some(connection) = connection else {
                return Err(Code::SEND_FAILED.into());
            };
            let mut trace = Trace::of_call(serving.as_ref(), shared.sample_rate);
            let headers = request.headers.get_or_insert_default();
            if !headers.label.is_empty() {
                headers.label.clone_into(&mut trace.dyeing);
            }
            headers.trace = trace.encode();
            let log = LogCall::begin(shared.log.as_ref(), &request, &trace);
            let (sequence, outcome) = if request.one_way {
                (
                    0,
                    connection
                        .ask_one_way(&request, None)
                        .map(|()| Reply::default()),
                )
            } else {
                connection.ask(&request, deadline, None).await
            };
            log.finish(Some(Arc::clone(connection.name())), sequence, &outcome);
            outcome
        })
    }

    fn home(&self) -> Option<&Home> {
        Some(&self.shared.home)
    }
}

fn timeout(config: &RefererConfig, msg_id: i32) -> std::time::Duration {
    let methods = config.described.as_ref();
    let methods = methods.map_or(&[][..], |described| described.methods());
    let method = methods.iter().find(|method| method.msg_id == msg_id);
    let settings = method.and_then(|method| config.methods.iter().find(|one| one.fits(method)));
    settings
        .and_then(|settings| settings.timeout)
        .unwrap_or(config.timeout)
}

impl fmt::Debug for ReverseReferer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ReverseReferer")
            .field("id", &self.shared.config.id)
            .field("service_id", &self.shared.config.service_id)
            .finish_non_exhaustive()
    }
}
