//! Calls from a server to its clients.

use std::{fmt, sync::Arc};

use tokio::task::coop::consume_budget;

use crate::{
    Answer, Code, Codecs, Connection, Home, Request, ServerContext, Service, Tracer,
    access_log::AccessLog, call::deadline, config::RefererConfig, connection::Zip,
    log_call::LogCall, tracer,
};

/// A service of clients, called over the connection they made: krpc's PUSH. Such a call has one place
/// to go, so nothing is balanced or tried again.
#[derive(Clone)]
pub struct ReverseReferer {
    shared: Arc<Shared>,
}

struct Shared {
    config: RefererConfig,
    zip: Option<Zip>,
    settings: ReverseSettings,
    home: Home,
}

/// What a reverse referer is made of beside its configuration.
#[derive(Debug)]
pub struct ReverseSettings {
    /// How requests can be compressed.
    pub codecs: Codecs,
    /// Where calls are logged.
    pub log: Option<AccessLog>,
    /// What is done to the trace of each call.
    pub tracer: Option<Arc<dyn Tracer>>,
    /// Calls out of a hundred that may be sampled.
    pub sample_rate: u32,
}

impl ReverseReferer {
    /// A referer for a service of clients.
    ///
    /// # Errors
    /// A compression that nobody knows.
    pub fn new(
        config: RefererConfig,
        settings: ReverseSettings,
        home: Home,
    ) -> Result<Self, String> {
        let zip = Zip::named(&settings.codecs, &config)?;
        Ok(Self {
            shared: Arc::new(Shared {
                config,
                zip,
                settings,
                home,
            }),
        })
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
            let settings = &shared.settings;
            let (trace, mut span) = tracer::begin_call(
                settings.tracer.as_deref(),
                &shared.config,
                settings.sample_rate,
                &mut request,
                serving.as_ref(),
            );
            let mut log = LogCall::begin(settings.log.as_ref(), &request, &trace);
            let (sequence, outcome) = match connection {
                Some(connection) => {
                    log.goes_over(&connection);
                    connection
                        .ask(&request, deadline, shared.zip.as_ref())
                        .await
                }
                None => (0, Err(Code::SEND_FAILED.into())),
            };
            log.finish(sequence, &outcome);
            span.end(&outcome);
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
