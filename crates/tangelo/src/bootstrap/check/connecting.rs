//! What connects: registries, servers, clients.

use std::time::Duration;

use tangelo_rpc::config::{ClientConfig, RegistryConfig, ServerConfig};

use super::{Check, Place};

/// The least that a frame can be asked to hold, and the most that its header can say.
const FRAME: std::ops::RangeInclusive<usize> = 1024..=i32::MAX as usize;
/// What `threads = -1` means for a server or client.
pub(super) const NO_LIMIT: &str = "no limit";

impl Check<'_> {
    pub(super) fn registry(&mut self, place: Place, registry: &RegistryConfig) {
        let is_brought = self.all.brought.registries.contains_key(&registry.id);
        match registry.kind.as_str() {
            "own" if is_brought => {}
            _ if is_brought => {
                let problem = "is brought in code: Bootstrap::own_registry; leave it out";
                self.wrong(place, "type", problem);
            }
            "memory" if registry.address.is_empty() => {}
            "memory" => {
                let problem = "memory is within this process and has no address; leave it out";
                self.wrong(place, "address", problem);
            }
            kind @ ("zookeeper" | "etcd" | "consul" | "redis" | "jedis" | "nacos") => {
                let problem = format!(
                    "{kind} is not there yet; use memory, give referers addresses (direct), or \
                     bring one: Bootstrap::own_registry"
                );
                self.wrong(place, "type", problem);
            }
            other => {
                let problem = format!("expected memory, found `{other}`");
                self.wrong(place, "type", problem);
            }
        }
    }

    pub(super) fn server(&mut self, place: Place, server: &ServerConfig) {
        self.within(place, "max_package_size", server.max_package_size, FRAME);
        self.at_least_one(place, "backlog", server.backlog);
        self.at_least_one(place, "idle_seconds", server.idle_seconds);
        self.at_least_one(place, "max_conns", server.max_conns as u64);
        self.threads(place, "threads", server.threads, NO_LIMIT);
        self.layout(place, &server.layout);
        self.tls(place, server.check_tls());
    }

    pub(super) fn client(&mut self, place: Place, client: &ClientConfig) {
        self.at_least_one(place, "ping_seconds", client.ping_seconds);
        self.within(place, "max_package_size", client.max_package_size, FRAME);
        self.time(place, "connect_timeout", client.connect_timeout);
        self.at_least_one(place, "reconnect_seconds", client.reconnect_seconds);
        self.within(place, "connections", client.connections, 1..=24);
        self.threads(place, "threads", client.threads, NO_LIMIT);
        self.layout(place, &client.layout);
        self.tls(place, client.check_tls());
    }

    /// A time that something may take.
    pub(super) fn time(&mut self, place: Place, key: &str, time: Duration) {
        if time.is_zero() {
            self.wrong(
                place,
                key,
                "expected a time in milliseconds, at least 1, found 0",
            );
        }
    }

    fn layout(&mut self, place: Place, layout: &str) {
        if !matches!(layout, "v1" | "v2") {
            let problem = format!("expected v1 or v2, found `{layout}`");
            self.wrong(place, "layout", problem);
        }
    }

    fn tls(&mut self, place: Place, usable: Result<(), String>) {
        let Err(problem) = usable else { return };
        // The problem begins with its key.
        let end = problem.find([':', ' ']).unwrap_or(problem.len());
        let (key, rest) = problem.split_at(end);
        self.wrong(place, key, rest.trim_start_matches([':', ' ']));
    }
}
