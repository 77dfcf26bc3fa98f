//! The chapter `service`.

use std::sync::Arc;

use super::MethodConfig;
use crate::{Definition, Method, Service, policy::flow::FlowLimits};

super::settings! {
    /// A service, and where it can be reached.
    ServiceConfig {
        /// Its name among the services of this application; its interface's unless given.
        id: String = String::new();
        /// Servers and web servers it is bound to, by id; for a reverse service the client. Empty: the one
        /// server there is, and all web servers.
        transport: Vec<String> = Vec::new();
        /// Whether servers call it over the connections of a client: krpc's PUSH.
        reverse: bool = false;
        /// Registries it is announced in, by id. Empty: the one there is, if there is one.
        registry_names: Vec<String> = Vec::new();
        /// Group it is announced under.
        group: String = "default".to_owned();
        /// Weight it is announced with: of two servers the one of twice the weight gets twice the calls.
        weight: u32 = 100;
        /// Calls that run at once: -1 no limit beside the server's, 0 for 1,024.
        threads: i32 = -1;
        /// As many may run once the queue is full, if that is more than `threads`.
        max_threads: u32 = 0;
        /// Calls that may wait for their turn.
        queue_size: u32 = 10_000;
        /// Runs its methods on threads of their own, where they may block. What has begun there goes on to
        /// its end, whether anybody still waits or not, and keeps its place.
        blocking: bool = false;
        /// Calls allowed in windows of seconds: `1=5;3=20` is 5 in each second, and 20 in each three. It
        /// counts if the application's `flow_control` is `memory`.
        flow_control: Option<FlowLimits> = None;
    }
    file {
        /// Name of its interface, as the .proto file has it: says which service is meant, where `id` is
        /// not given or is to be another.
        "interface";
        /// Settings of single methods, each in a `[[service.method]]`.
        "method";
    }
    refused {
        "interface_name" => "is known by the code that brings the service: `interface` names it in [[service]]";
        "impl" => "is brought in code: Bootstrap::service";
        "plugins" => "are brought in code: see Bootstrap";
    }
    unset {
        /// Settings of single methods; the first that fits a method counts.
        methods: Vec<MethodConfig>;
        /// Who answers.
        served: Option<Served>;
    }
}

/// A service that answers, and what is known of it.
#[derive(Clone)]
pub struct Served {
    pub(crate) service_id: i32,
    pub(crate) name: &'static str,
    pub(crate) methods: &'static [Method],
    pub(crate) descriptors: &'static [u8],
    pub(crate) service: Arc<dyn Service>,
}

impl Served {
    /// Its number.
    pub fn service_id(&self) -> i32 {
        self.service_id
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its methods.
    pub fn methods(&self) -> &'static [Method] {
        self.methods
    }

    /// The descriptors that came with generated code; empty where none did.
    pub fn descriptors(&self) -> &'static [u8] {
        self.descriptors
    }

    /// Who answers.
    pub fn service(&self) -> Arc<dyn Service> {
        Arc::clone(&self.service)
    }
}

impl std::fmt::Debug for Served {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} ({})", self.name, self.service_id)
    }
}

impl ServiceConfig {
    /// A service that is answered by `service`.
    pub fn new<S: Service + Definition>(service: S) -> Self {
        let served = Served {
            service_id: S::SERVICE_ID,
            name: S::NAME,
            methods: S::METHODS,
            descriptors: S::DESCRIPTORS,
            service: Arc::new(service),
        };
        Self {
            id: S::NAME.to_owned(),
            served: Some(served),
            ..Self::default()
        }
    }

    /// Binds it to this server or web server, beside those named before.
    #[must_use]
    pub fn on(mut self, transport: impl Into<String>) -> Self {
        self.transport.push(transport.into());
        self
    }

    /// Adds settings of the methods that a pattern names.
    #[must_use]
    pub fn method(mut self, method: MethodConfig) -> Self {
        self.methods.push(method);
        self
    }
}

impl<S: Service + Definition> From<S> for ServiceConfig {
    fn from(service: S) -> Self {
        Self::new(service)
    }
}
