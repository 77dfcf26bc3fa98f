//! The table of services a server answers with.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

use tangelo_wire::krpc::meta::Meta;

use crate::{
    Answer, Code, Connection, Definition, Request, Service, access_log::AccessLog, server,
};

/// Services by number.
#[derive(Clone, Default)]
pub struct Services {
    by_id: HashMap<i32, Arc<dyn Service>, foldhash::fast::RandomState>,
    elsewhere: BTreeSet<i32>,
    log: Option<AccessLog>,
}

impl Services {
    /// The lowest number an application's service may have; those below are krpc's and Tangelo's.
    pub const FIRST_APPLICATION_ID: i32 = tangelo_reflect::FIRST_APPLICATION_ID;

    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a generated service; one of the same number is replaced.
    #[must_use]
    pub fn with<S: Service + Definition>(self, service: S) -> Self {
        self.with_dyn(S::SERVICE_ID, Arc::new(service))
    }

    /// Adds a service under a number; one of the same number is replaced.
    #[must_use]
    pub fn with_dyn(mut self, service_id: i32, service: Arc<dyn Service>) -> Self {
        self.by_id.insert(service_id, service);
        self
    }

    /// The same services, each within what `wrap` makes of it.
    #[must_use]
    pub fn within(mut self, wrap: impl Fn(Arc<dyn Service>) -> Arc<dyn Service>) -> Self {
        for service in self.by_id.values_mut() {
            *service = wrap(Arc::clone(service));
        }
        self
    }

    /// Notes that a service is there, but not to be reached through this table.
    #[must_use]
    pub fn without(mut self, service_id: i32) -> Self {
        self.elsewhere.insert(service_id);
        self
    }

    /// Has a line written for each request that reaches none of the services.
    #[must_use]
    pub fn with_log(mut self, log: AccessLog) -> Self {
        self.log = Some(log);
        self
    }

    /// A request reached none of the services, for this reason.
    pub(crate) fn refused(&self, connection: &Connection, meta: &Meta, code: Code) {
        if let Some(log) = &self.log {
            server::log_refused(log, connection, meta, code);
        }
    }

    pub(crate) fn find(&self, service_id: i32) -> Result<&Arc<dyn Service>, Code> {
        self.by_id.get(&service_id).ok_or_else(|| {
            if self.elsewhere.contains(&service_id) {
                Code::SERVICE_NOT_ALLOWED
            } else {
                Code::NOT_FOUND
            }
        })
    }
}

/// Answers a request made in this process.
impl Service for Services {
    fn call(&self, request: Request) -> Answer {
        match self.find(request.service_id) {
            Ok(service) => service.call(request),
            Err(code) => Box::pin(std::future::ready(Err(code.into()))),
        }
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.by_id.keys()).finish()
    }
}
