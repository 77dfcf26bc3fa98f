//! What nobody said but everybody means.

use tangelo_rpc::config::{ClientConfig, ServerConfig};

use crate::bootstrap::{Bootstrap, elements::Chapter};

/// Whom a referer without address and registry calls.
const DEFAULT_ADDRESS: &str = "127.0.0.1:5600";

impl Bootstrap {
    /// Adds what nobody declared but somebody needs: a server, a client.
    pub(in crate::bootstrap) fn imply(&mut self) {
        let offers = self.services.iter().any(|service| !service.reverse);
        if offers && self.servers.is_empty() && self.web_servers.is_empty() {
            self.servers.push(ServerConfig::default());
        }
        let calls = self.referers.iter().any(|referer| !referer.reverse);
        let answers = self.services.iter().any(|service| service.reverse);
        if (calls || answers) && self.clients.is_empty() {
            self.clients.push(ClientConfig::default());
        }
    }

    /// Binds services and referers that do not say to what: to the one there is, and
    /// services to all web servers.
    pub(in crate::bootstrap) fn bind(&mut self) {
        let server = only(&self.ids(Chapter::Server));
        let webs: Vec<_> = self.ids(Chapter::WebServer);
        let webs: Vec<_> = webs.into_iter().map(str::to_owned).collect();
        let has_server = !self.servers.is_empty();
        let client = only(&self.ids(Chapter::Client));
        let registry = only(&self.ids(Chapter::Registry));
        for service in &mut self.services {
            if service.transport.is_empty() {
                if service.reverse {
                    service.transport.extend(client.clone());
                } else if server.is_some() || !has_server {
                    // What of it is reachable at a web server stands in the routes there.
                    service
                        .transport
                        .extend(server.iter().chain(&webs).cloned());
                }
            }
            if service.registry_names.is_empty() && !service.reverse {
                service.registry_names.extend(registry.clone());
            }
        }
        let asked = self.registries.iter().filter(|one| one.enable_discover);
        let asked = only(&asked.map(|one| one.id.as_str()).collect::<Vec<_>>());
        for referer in &mut self.referers {
            if referer.transport.is_empty() {
                let one = if referer.reverse { &server } else { &client };
                referer.transport = one.clone().unwrap_or_default();
            }
            if referer.reverse || !referer.direct.is_empty() || !referer.registry_name.is_empty() {
                continue;
            }
            match &asked {
                Some(registry) => registry.clone_into(&mut referer.registry_name),
                None => referer.direct.push(DEFAULT_ADDRESS.to_owned()),
            }
        }
    }
}

fn only(ids: &[&str]) -> Option<String> {
    match ids {
        [one] => Some((*one).to_owned()),
        _ => None,
    }
}
