//! One server as others see it.

/// One server as others see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Instance {
    /// Its name, such as `chat-server-1`; unique.
    pub id: String,
    /// Its type, such as `chat`: the first part of the routes it serves.
    pub server_type: String,
    /// Where it listens, both for clients and for other servers.
    pub host: String,
    /// Port for other servers; none where nobody calls it.
    pub port: Option<u16>,
    /// Where it listens for clients, if that is not `host`.
    pub client_host: Option<String>,
    /// Port for clients; none for a back end.
    pub client_port: Option<u16>,
    /// Whether clients connect to it.
    pub frontend: bool,
    /// krpc services that can be called there.
    pub services: Vec<Offer>,
    /// What else its configuration says, for the application.
    pub settings: serde_json::Map<String, serde_json::Value>,
}

/// A krpc service that a server offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its number.
    pub service_id: i32,
    /// Its name.
    pub name: String,
    /// Group it is offered under; callers see their own group only.
    pub group: String,
    /// Its share of the calls beside other servers' weights.
    pub weight: u32,
}
