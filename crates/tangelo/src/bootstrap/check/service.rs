//! The chapter `service`.

use tangelo_reflect::validate::Validator;
use tangelo_rpc::config::{Served, ServiceConfig};

use super::{Chapter, Check, Place, listed, method};

impl Check<'_> {
    pub(super) fn service(&mut self, place: Place, service: &ServiceConfig) {
        let Some(served) = &service.served else {
            let services = self.all.services.iter();
            let brought = services.filter(|service| service.served.is_some());
            let brought: Vec<_> = brought.map(|service| service.id.as_str()).collect();
            let problem = format!(
                "no such service is brought in code (Bootstrap::service); there are: {}",
                listed(&brought)
            );
            return self.wrong(place, "id", problem);
        };
        self.numbers(place, served);
        self.rules(place, served);
        self.bound(place, service, served);
        if service.reverse && !service.registry_names.is_empty() {
            let problem = "a reverse service is not announced; leave it out";
            self.wrong(place, "registry_names", problem);
        }
        for registry in &service.registry_names {
            self.named(place, "registry_names", registry, &[Chapter::Registry]);
        }
        self.threads(
            place,
            "threads",
            service.threads,
            "no limit beside the server's",
        );
        self.flow_control(place, service);
        self.methods(
            place,
            &service.methods,
            Some(served.methods()),
            method::of_referers,
        );
        for settings in &service.methods {
            if let (Some(pattern), Some(threads)) = (&settings.pattern, settings.threads) {
                let key = format!("method.{pattern}.threads");
                self.threads(place, &key, threads, "no limit of its own");
            }
        }
    }

    /// Its number and those of its messages are an application's.
    fn numbers(&mut self, place: Place, served: &Served) {
        self.number(place, served.service_id());
        for method in served.methods().iter().filter(|method| method.msg_id < 1) {
            let problem = format!(
                "{} has number {}: messages begin at 1",
                method.name, method.msg_id
            );
            self.wrong(place, "msg_id", problem);
        }
    }

    /// The validation rules of its requests make sense.
    fn rules(&mut self, place: Place, served: &Served) {
        let known = self.all.pool.service(served.service_id());
        let methods = known
            .map(|service| &service.methods[..])
            .unwrap_or_default();
        for method in methods {
            if let Err(error) = Validator::compile(&method.input) {
                self.wrong(place, &format!("{} (krpc.vld)", method.name), error);
            }
        }
    }

    /// It is bound to what is there, and nothing there has two services of its number.
    fn bound(&mut self, place: Place, service: &ServiceConfig, served: &Served) {
        let kind: &[_] = if service.reverse {
            &[Chapter::Client]
        } else {
            &[Chapter::Server, Chapter::WebServer]
        };
        if service.transport.is_empty() {
            self.named(place, "transport", "", kind);
        }
        for transport in &service.transport {
            self.named(place, "transport", transport, kind);
            let same = |other: &&ServiceConfig| {
                let number = other.served.as_ref().map(Served::service_id);
                number == Some(served.service_id())
                    && other.reverse == service.reverse
                    && other.transport.contains(transport)
            };
            if let Some(other) = self.all.services.iter().take(place.position).find(same) {
                let problem = format!(
                    "`{}` offers service {} on `{transport}` already",
                    other.id,
                    served.service_id()
                );
                self.wrong(place, "transport", problem);
            }
        }
    }

    /// Limits count only if the application counts.
    fn flow_control(&mut self, place: Place, service: &ServiceConfig) {
        const OFF: &str = "counts only if application.flow_control is memory";
        let (application, brought) = (&self.all.application, &self.all.brought);
        if application.flow_control == "memory" || brought.flow_control.is_some() {
            return;
        }
        // What it is instead is told already.
        if !application.flow_control.is_empty() {
            return;
        }
        if service.flow_control.is_some() {
            self.wrong(place, "flow_control", OFF);
        }
        for settings in &service.methods {
            if let (Some(pattern), Some(_)) = (&settings.pattern, &settings.flow_control) {
                self.wrong(place, &format!("method.{pattern}.flow_control"), OFF);
            }
        }
    }
}
