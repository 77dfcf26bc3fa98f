//! Who answers.

use std::{collections::HashMap, fmt, sync::Arc};

use tangelo_rpc::{Definition, Service};

/// The services that a gateway calls, by number.
///
/// A service of this process goes before a referer to the same service elsewhere.
#[derive(Clone, Default)]
pub struct Backends {
    here: HashMap<i32, Arc<dyn Service>>,
    elsewhere: HashMap<i32, Arc<dyn Service>>,
}

impl Backends {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a generated service of this process.
    #[must_use]
    pub fn service<S: Service + Definition>(self, service: S) -> Self {
        self.service_dyn(S::SERVICE_ID, Arc::new(service))
    }

    /// Adds a service of this process under a number; one of the same number is replaced.
    #[must_use]
    pub fn service_dyn(mut self, service_id: i32, service: Arc<dyn Service>) -> Self {
        self.here.insert(service_id, service);
        self
    }

    /// Adds a referer to a service elsewhere; the first one of a number stays.
    #[must_use]
    pub fn referer(mut self, service_id: i32, referer: Arc<dyn Service>) -> Self {
        self.elsewhere.entry(service_id).or_insert(referer);
        self
    }

    /// Who answers for this service.
    pub(crate) fn find(&self, service_id: i32) -> Option<&Arc<dyn Service>> {
        let here = self.here.get(&service_id);
        here.or_else(|| self.elsewhere.get(&service_id))
    }
}

impl fmt::Debug for Backends {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Backends")
            .field("here", &self.here.keys())
            .field("elsewhere", &self.elsewhere.keys())
            .finish()
    }
}
