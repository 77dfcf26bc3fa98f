//! What the servers of one type are made of.

use std::{fmt, sync::Arc, time::Duration};

use tangelo_connector::{Connector, Hybrid};
use tangelo_registry::Instance;
use tangelo_rpc::{Definition, Service, Services};

use crate::{
    Channel, Context, Handlers, Limits, Member, Resume, SingleSession, States,
    channel::{OnLeave, PushFilters},
    component::Components,
    connections, encodings, greeting,
    life_cycle::{Hooks, ServerEvents},
    limits::FOREVER,
    pipeline::Pipeline,
    push, remote, rpc, schedule,
    session::Events,
    store::Stores,
};

/// What the servers of one type are made of.
pub struct Blueprint {
    pub(crate) server_type: String,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) limits: Limits,
    pub(crate) pipeline: Pipeline,
    pub(crate) pushes: push::Plan,
    pub(crate) states: States,
    pub(crate) connections: connections::Plan,
    pub(crate) encodings: encodings::Plan,
    pub(crate) greeting: greeting::Plan,
    pub(crate) services: Vec<MakeService>,
    pub(crate) components: Components,
    pub(crate) hooks: Hooks,
    pub(crate) server_events: ServerEvents,
    pub(crate) cluster: Option<Vec<Arc<Instance>>>,
    pub(crate) on_leave: Option<OnLeave>,
    pub(crate) jobs: schedule::Plan,
    pub(crate) push_filters: PushFilters,
    pub(crate) stores: Stores,
    pub(crate) remotes: remote::ByName,
    pub(crate) rpc: rpc::Settings,
    pub(crate) events: Events,
    pub(crate) single_session: Option<SingleSession>,
    pub(crate) resume: Option<Resume>,
    pub(crate) mistakes: Vec<String>,
}

/// Makes a service for the server it will run on.
pub(crate) type MakeService = Box<dyn FnOnce(&Context, Services) -> Services + Send>;

impl Blueprint {
    /// A server type, with a [`Hybrid`] connector where it has clients, and a heartbeat of 3 s.
    pub fn new(server_type: &str) -> Self {
        Self {
            server_type: server_type.to_owned(),
            connector: Arc::new(Hybrid::new()),
            heartbeat: Some(Duration::from_secs(3)),
            limits: Limits::default(),
            pipeline: Pipeline::default(),
            pushes: push::Plan::default(),
            states: States::default(),
            connections: connections::Plan::default(),
            encodings: encodings::Plan::default(),
            greeting: greeting::Plan::default(),
            services: Vec::new(),
            components: Components::default(),
            hooks: Hooks::default(),
            server_events: ServerEvents::default(),
            cluster: None,
            on_leave: None,
            jobs: schedule::Plan::default(),
            push_filters: PushFilters::default(),
            stores: Stores::default(),
            remotes: remote::ByName::default(),
            rpc: rpc::Settings::default(),
            events: Events::default(),
            single_session: None,
            resume: None,
            mistakes: Vec::new(),
        }
    }

    /// How clients connect. Default: [`Hybrid`], TCP and WebSocket on one port.
    #[must_use]
    pub fn connector(mut self, connector: impl Connector) -> Self {
        self.connector = Arc::new(connector);
        self
    }

    /// How often clients send a heartbeat; silent for twice as long, they are taken for gone.
    /// `None`: never, and [`Limits::IDLE`] of silence is the end. Default 3 s.
    #[must_use]
    pub fn heartbeat(mut self, interval: impl Into<Option<Duration>>) -> Self {
        let interval: Option<Duration> = interval.into();
        self.heartbeat = interval.map(|interval| interval.min(FOREVER));
        self
    }

    /// What a client may make this server do at once.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Changes some of the limits, and leaves the others as they are.
    #[must_use]
    pub fn change_limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    /// Changes the limits of the connector. One that has none keeps the server from starting.
    #[must_use]
    pub fn change_connector_limits(
        mut self,
        change: impl FnOnce(&mut tangelo_connector::Limits),
    ) -> Self {
        let connector = Arc::get_mut(&mut self.connector);
        match connector.and_then(|connector| connector.limits_mut()) {
            Some(limits) => change(limits),
            None => self
                .mistakes
                .push("its connector has no limits of packages and buffers".to_owned()),
        }
        self
    }

    /// Changes what lies before the connector's connections: TLS, proxies, origins. A connector that has
    /// nothing there keeps the server from starting.
    #[must_use]
    pub fn change_entrance(
        mut self,
        change: impl FnOnce(&mut tangelo_connector::Entrance),
    ) -> Self {
        let connector = Arc::get_mut(&mut self.connector);
        match connector.and_then(|connector| connector.entrance_mut()) {
            Some(entrance) => change(entrance),
            None => self
                .mistakes
                .push("its connector has no TLS, proxies and origins".to_owned()),
        }
        self
    }

    /// Handlers under a name: they answer `serverType.name.method`.
    #[must_use]
    pub fn handler(mut self, name: &str, handlers: Handlers) -> Self {
        let twice = self.pipeline.add(&self.server_type, name, handlers);
        let twice = twice.into_iter();
        self.mistakes
            .extend(twice.map(|route| format!("two handlers answer `{route}`")));
        self
    }

    /// Calls to krpc services that the handlers so far make end when the handlers' own answers are due,
    /// unless they are made in a task of their own. It costs each request an allocation;
    /// an `App` with krpc services does it by itself.
    #[must_use]
    pub fn hand_deadlines_on(mut self) -> Self {
        self.pipeline.hand_deadlines_on();
        self
    }

    /// Shares a value with this type's handlers, which take it as [`State<T>`](crate::State).
    #[must_use]
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.states.insert(value);
        self
    }

    /// Shares these values as well, where there is none of the same type yet.
    #[must_use]
    pub fn states(mut self, states: &States) -> Self {
        self.states.extend(states);
        self
    }

    /// A service for other servers: Pomelo's remote, typed. `make` is given the server it will run on. It
    /// answers whoever can reach the server, also back ends over the connections a front end has dialed.
    #[must_use]
    pub fn service<S: Service + Definition>(
        mut self,
        make: impl FnOnce(&Context) -> S + Send + 'static,
    ) -> Self {
        match checked::<S>() {
            Ok(()) => self
                .services
                .push(Box::new(|context, services| services.with(make(context)))),
            Err(mistake) => self.mistakes.push(mistake),
        }
        self
    }

    /// The servers there are to be, in whatever process: what [`after_start_all`](Self::after_start_all)
    /// waits for. Default: those the registry names when this one has started.
    #[must_use]
    pub fn cluster(mut self, servers: impl IntoIterator<Item = Arc<Instance>>) -> Self {
        self.cluster = Some(servers.into_iter().collect());
        self
    }

    /// The type its servers have.
    pub fn server_type(&self) -> &str {
        &self.server_type
    }

    /// All that is wrong with it; a server of it does not start.
    pub fn check(&self) -> Vec<String> {
        let mut mistakes = self.mistakes.clone();
        mistakes.extend(self.jobs.mistakes());
        mistakes.extend(self.encodings.mistakes());
        mistakes.extend(self.greeting.mistakes());
        mistakes.extend(self.resume.into_iter().flat_map(Resume::mistakes));
        mistakes
    }

    /// Called when a member has left a channel because its session closed, or is not bound to its user any
    /// more where it [has to be](crate::ChannelOptions::bound_only).
    #[must_use]
    pub fn on_leave(
        mut self,
        on_leave: impl Fn(&Channel, &Member) + Send + Sync + 'static,
    ) -> Self {
        self.on_leave = Some(Arc::new(on_leave));
        self
    }
}

/// Services an application's servers offer each other.
fn checked<S: Definition>() -> Result<(), String> {
    let first = Services::FIRST_APPLICATION_ID;
    if S::SERVICE_ID < first {
        return Err(format!(
            "service {} has number {}, but those below {first} are not for applications",
            S::NAME,
            S::SERVICE_ID
        ));
    }
    Ok(())
}

impl fmt::Debug for Blueprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Blueprint")
            .field("server_type", &self.server_type)
            .field("pipeline", &self.pipeline)
            .finish_non_exhaustive()
    }
}
