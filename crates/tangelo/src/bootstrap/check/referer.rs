//! The chapter `referer`.

use std::net::SocketAddr;

use tangelo_rpc::{
    Codecs, Services,
    client::{RouteRules, breaker::MAX_WINDOW_SECONDS},
    config::RefererConfig,
};

use super::{Chapter, Check, Place, method};
use crate::bootstrap::{adapters::KeyField, start::described};

impl Check<'_> {
    pub(super) fn referer(&mut self, place: Place, referer: &RefererConfig) {
        self.whom(place, referer);
        self.where_to(place, referer);
        self.time(place, "timeout", referer.timeout);
        self.choice(place, referer);
        let codecs = Codecs::new(self.all.brought.codecs.iter().cloned());
        if let Err(problem) = codecs.named(&referer.zip) {
            self.wrong(place, "zip", problem);
        }
        self.breaker(place, referer);
        let known = referer.described.as_ref();
        let of_pool = self.all.pool.service(referer.service_id).map(described);
        let known = known.or(of_pool.as_ref()).map(|known| known.methods());
        self.methods(place, &referer.methods, known, method::of_services);
        for settings in &referer.methods {
            if let (Some(pattern), Some(timeout)) = (&settings.pattern, settings.timeout) {
                self.time(place, &format!("method.{pattern}.timeout"), timeout);
            }
        }
    }

    /// It is for a service, of which something is known.
    fn whom(&mut self, place: Place, referer: &RefererConfig) {
        let number = referer.service_id;
        if number == 0 && referer.described.is_none() {
            return self.wrong(place, "service_id", "is missing: give it, or interface");
        }
        if number < Services::FIRST_APPLICATION_ID {
            return self.number(place, number);
        }
        if referer.described.is_none() && self.all.pool.service(number).is_none() {
            let problem = format!(
                "nothing is known of service {number}: load its descriptor set (descriptors)"
            );
            self.wrong(place, "service_id", problem);
        }
    }

    /// Its connections are those of a client, or a server's; its addresses are given or looked up.
    fn where_to(&mut self, place: Place, referer: &RefererConfig) {
        let kind = if referer.reverse {
            Chapter::Server
        } else {
            Chapter::Client
        };
        self.named(place, "transport", &referer.transport, &[kind]);
        let has_registry = !referer.registry_name.is_empty();
        if referer.reverse && (has_registry || !referer.direct.is_empty()) {
            let problem =
                "calls clients over their connections: leave direct and registry_name out";
            return self.wrong(place, "reverse", problem);
        }
        if has_registry && !referer.direct.is_empty() {
            let problem = "give addresses (direct) or a registry (registry_name), not both";
            self.wrong(place, "direct", problem);
        }
        if has_registry {
            let name = referer.registry_name.as_str();
            self.named(place, "registry_name", name, &[Chapter::Registry]);
            let known = self
                .all
                .registries
                .iter()
                .find(|registry| registry.id == name);
            if known.is_some_and(|registry| !registry.enable_discover) {
                let problem =
                    format!("registry `{name}` is not looked in: its enable_discover is false");
                self.wrong(place, "registry_name", problem);
            }
        }
        for address in referer.direct.iter().filter(|address| !is_address(address)) {
            let problem = format!("expected host:port, found `{address}`");
            self.wrong(place, "direct", problem);
        }
    }

    /// Who of several addresses is called.
    fn choice(&mut self, place: Place, referer: &RefererConfig) {
        if let Err(unknown) = referer.load_balance.balance() {
            self.wrong(place, "load_balance", unknown.to_string());
        }
        let service = self.all.pool.service(referer.service_id);
        if let (Some(field), Some(service)) = (referer.load_balance.key_field(), service)
            && let Err(problem) = KeyField::find(service, field)
        {
            self.wrong(place, "load_balance", problem);
        }
        let routes = referer.routes.as_ref();
        if let Some(Err(error)) = routes.map(|routes| RouteRules::new(routes, "")) {
            for mistake in error.mistakes {
                self.wrong(place, "routes", mistake);
            }
        }
    }

    fn breaker(&mut self, place: Place, referer: &RefererConfig) {
        let seconds = referer.breaker_window_seconds;
        self.within(
            place,
            "breaker_window_seconds",
            seconds,
            1..=MAX_WINDOW_SECONDS,
        );
        if !matches!(referer.breaker_close_by, 1 | 2) {
            let problem = format!(
                "expected 1 (any code but 0) or 2 (timeouts), found {}",
                referer.breaker_close_by
            );
            self.wrong(place, "breaker_close_by", problem);
        }
        self.within(
            place,
            "breaker_close_rate",
            referer.breaker_close_rate,
            1..=100,
        );
        self.at_least_one(
            place,
            "breaker_sleep_seconds",
            referer.breaker_sleep_seconds,
        );
        self.at_least_one(place, "breaker_succ_mills", referer.breaker_succ_mills);
    }
}

/// Whether it is `host:port`.
fn is_address(text: &str) -> bool {
    text.parse::<SocketAddr>()
        .is_ok_and(|address| address.port() > 0)
        || text.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty()
                && !host.contains([':', '/', ' ', '[', ']'])
                && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
}

#[cfg(test)]
mod tests {
    use super::is_address;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for text in ["127.0.0.1:5600", "users:1", "a-b.c:65535", "[::1]:5600"] {
            assert!(is_address(text), "{text}");
        }
        for text in [
            "",
            "users",
            "users:",
            ":5600",
            "users:0",
            "127.0.0.1:0",
            "users:65536",
            "users:x",
            "::1:5600",
            "[::1]",
            "http://users:80",
            "a b:1",
        ] {
            assert!(!is_address(text), "{text}");
        }
    }
}
