//! The chapter `referer`.

use std::{borrow::Cow, time::Duration};

use super::MethodConfig;
use crate::{
    Definition, Method,
    policy::{balance::LoadBalance, breaker::BreakerConfig, retry::RetryLevel, route::RouteConfig},
};

super::settings! {
    /// A service elsewhere, and how it is called.
    RefererConfig {
        /// Its name, by which the application gets its client.
        id: String = String::new();
        /// Number of the service, where no interface tells it.
        service_id: i32 = 0;
        /// Client whose connections it uses, by id; for a reverse referer the server. Empty: the one
        /// there is.
        transport: String = String::new();
        /// Whether it calls clients over their connections: krpc's PUSH.
        reverse: bool = false;
        /// Addresses of its servers, `host:port`. Not together with `registry_name`.
        direct: Vec<String> = Vec::new();
        /// Registry that knows its servers, by id. Empty: the one there is, if `direct` says nothing.
        registry_name: String = String::new();
        /// Group its servers are announced under.
        group: String = "default".to_owned();
        /// Milliseconds a call waits for its answer, all attempts together.
        timeout: Duration = Duration::from_millis(3000) => "3000";
        /// What is tried again, at another address: `no_retry`, `send_failed`, `not_available`,
        /// `disconnect` or `timeout`, each with those before it.
        retry_level: RetryLevel = RetryLevel::NoRetry => "\"no_retry\"";
        /// How often at most.
        retry_count: u32 = 0;
        /// Who of several servers is called: `rr`, `random`, `responsetime`, `leastactive`, or
        /// `hash:hashField=x`, of which equal values go to the same. All mind weights.
        load_balance: LoadBalance = LoadBalance::default() => "\"rr\"";
        /// How requests are compressed: `none`, `zlib`, `snappy`, krpc's numbers for these as texts, or the
        /// name of a codec of the application's own.
        zip: String = "none".to_owned();
        /// Bytes above which they are.
        min_size_to_zip: usize = 10_000;
        /// Leaves an address alone that fails too often.
        breaker_enabled: bool = false;
        /// Seconds over which failures are counted.
        breaker_window_seconds: u32 = 5;
        /// Calls in that time below which nothing is concluded.
        breaker_window_min_reqs: u32 = 20;
        /// What is a failure: 1, any code but 0; 2, timeouts.
        breaker_close_by: u32 = 1;
        /// Failures in a hundred calls at which the address is left alone.
        breaker_close_rate: u32 = 50;
        /// Seconds after which one call is let through to see.
        breaker_sleep_seconds: u32 = 5;
        /// Milliseconds within which that call must succeed.
        breaker_succ_mills: u32 = 500;
        /// Leaves every address alone, as if all had failed: to see the fallback work.
        breaker_force_close: bool = false;
    }
    file {
        /// Name of the service, as the .proto file has it, with its package or without: instead of
        /// `service_id`, for services known by `descriptors`.
        "interface";
        /// Settings of single methods, each in a `[[referer.method]]`.
        "method";
    }
    refused {
        "interface_name" => "is known by the code that asks for the client: `interface` names it in [[referer]]";
        "retry_broken" => "is written retry_level = \"disconnect\"";
        "registry_names" => "is called registry_name here: one registry";
    }
    unset {
        /// Settings of single methods; the first that fits a method counts, and counts alone.
        methods: Vec<MethodConfig>;
        /// What is known of the service.
        described: Option<Described>;
        /// Routing rules and weights of the service's servers.
        routes: Option<RouteConfig>;
    }
}

/// What is known of a service elsewhere at build time.
#[derive(Clone, Debug)]
pub struct Described {
    pub(crate) name: Cow<'static, str>,
    pub(crate) methods: Cow<'static, [Method]>,
    pub(crate) descriptors: &'static [u8],
}

impl Described {
    /// What is known of a service at run time only.
    pub fn new(name: String, methods: Vec<Method>) -> Self {
        Self {
            name: name.into(),
            methods: methods.into(),
            descriptors: &[],
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its methods.
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// The descriptors that came with generated code; empty where none did.
    pub fn descriptors(&self) -> &'static [u8] {
        self.descriptors
    }
}

impl RefererConfig {
    /// A referer of this name for the service of a generated client.
    pub fn new<C: Definition>(id: impl Into<String>) -> Self {
        let described = Described {
            name: C::NAME.into(),
            methods: C::METHODS.into(),
            descriptors: C::DESCRIPTORS,
        };
        Self {
            id: id.into(),
            service_id: C::SERVICE_ID,
            described: Some(described),
            ..Self::default()
        }
    }

    /// A referer of this name for the service of this number, which is known at run time only.
    pub fn dynamic(id: impl Into<String>, service_id: i32) -> Self {
        Self {
            id: id.into(),
            service_id,
            ..Self::default()
        }
    }

    pub(crate) fn breaker(&self) -> Result<Option<BreakerConfig>, String> {
        if !self.breaker_enabled && !self.breaker_force_close {
            return Ok(None);
        }
        let close_by = u8::try_from(self.breaker_close_by).unwrap_or(0);
        Ok(Some(BreakerConfig {
            enabled: self.breaker_enabled,
            window_seconds: self.breaker_window_seconds,
            window_min_reqs: self.breaker_window_min_reqs,
            close_by: close_by.try_into()?,
            close_rate: self.breaker_close_rate,
            sleep_seconds: self.breaker_sleep_seconds,
            succ_mills: self.breaker_succ_mills,
            force_close: self.breaker_force_close,
        }))
    }

    /// Adds servers' addresses, separated by commas.
    #[must_use]
    pub fn to(mut self, addresses: &str) -> Self {
        let addresses = addresses.split(',').map(str::trim);
        let addresses = addresses.filter(|address| !address.is_empty());
        self.direct.extend(addresses.map(str::to_owned));
        self
    }

    /// Adds settings of the methods that a pattern names.
    #[must_use]
    pub fn method(mut self, method: MethodConfig) -> Self {
        self.methods.push(method);
        self
    }

    /// Routing rules and weights.
    #[must_use]
    pub fn routes(mut self, routes: RouteConfig) -> Self {
        self.routes = Some(routes);
        self
    }
}
