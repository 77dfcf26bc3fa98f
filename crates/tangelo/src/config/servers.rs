//! From what was said of servers to the servers there are.

use std::collections::{BTreeMap, HashMap, HashSet};

use tangelo_registry::Instance;

use super::{
    changes::{Changes, Rest},
    draft::{Draft, Read},
    keys::{Tuning, written},
};
use crate::{Mistakes, mistakes::At};

/// A server there is.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) instance: Instance,
    pub(crate) tuning: Tuning,
    /// Where it is declared.
    pub(crate) at: At,
}

/// Puts together what was said: of types, of servers, and outside of files.
pub(super) fn assemble(
    types: &BTreeMap<String, Draft>,
    drafts: Vec<Draft>,
    mut changes: Changes,
    krpc: bool,
    mistakes: &mut Mistakes,
) -> (Vec<Server>, Rest) {
    let mut servers: Vec<Draft> = Vec::new();
    let mut numbers: HashMap<String, u32> = HashMap::new();
    for draft in drafts {
        let server_type = draft.server_type.clone();
        let mut draft = draft.over(types.get(&server_type));
        changes.apply(&server_type, &mut draft, mistakes);
        let next = numbers.entry(server_type).or_default();
        servers.extend(draft.servers(next, mistakes));
    }
    for draft in &mut servers {
        if let Some(id) = draft.id().map(str::to_owned) {
            changes.apply(&id, draft, mistakes);
        }
    }
    let known = names(&servers);
    let rest = changes.finish(&known, krpc, mistakes);
    let mut seen: HashMap<String, At> = HashMap::new();
    let mut all = Vec::new();
    for draft in &servers {
        let read = draft.read(mistakes);
        if let Some(id) = &read.said.id {
            if let Some(first) = seen.get(id) {
                let problem =
                    format!("there is one of this id already ({first}): give each its own");
                mistakes.add_at(
                    Some(draft.at("id")),
                    format!("{}: {problem}", draft.label()),
                );
            }
            seen.insert(id.clone(), draft.at("id").clone());
        }
        all.push(server(draft, read, mistakes));
    }
    check_ports(&all, mistakes);
    (all, rest)
}

/// Two servers of one host cannot have the same port.
fn check_ports(servers: &[Server], mistakes: &mut Mistakes) {
    let mut taken: HashMap<(&str, u16), &str> = HashMap::new();
    for Server { instance, at, .. } in servers {
        let client_host = instance.client_host.as_deref().unwrap_or(&instance.host);
        let for_clients = instance.client_port.filter(|_| instance.frontend);
        let own = instance.port.map(|port| (&*instance.host, port));
        for (host, port) in own
            .into_iter()
            .chain(for_clients.map(|port| (client_host, port)))
        {
            // Any port will do, if it is 0.
            if port == 0 {
                continue;
            }
            if let Some(other) = taken.insert((host, port), &instance.id) {
                let id = &instance.id;
                let problem = format!("{id}: {other} has port {port} of {host} already");
                mistakes.add_at(Some(at), problem);
            }
        }
    }
}

/// The types and ids there are.
fn names(servers: &[Draft]) -> Vec<String> {
    let types = servers.iter().map(|server| server.server_type.as_str());
    let all = types.chain(servers.iter().filter_map(Draft::id));
    let mut seen = HashSet::new();
    all.filter(|name| seen.insert(*name))
        .map(str::to_owned)
        .collect()
}

fn server(draft: &Draft, Read { said, free }: Read, mistakes: &mut Mistakes) -> Server {
    let frontend = said.frontend.unwrap_or(false);
    if frontend && said.client_port.is_none() && !draft.is_wrong("client_port") {
        let key = written("client_port", draft.spelling);
        let problem = format!("{}: a front end needs a `{key}`", draft.label());
        mistakes.add_at(Some(draft.at("frontend")), problem);
    }
    Server {
        instance: Instance {
            id: said.id.unwrap_or_default(),
            server_type: draft.server_type.clone(),
            host: said.host.unwrap_or_else(|| "127.0.0.1".to_owned()),
            port: said.port,
            client_host: said.client_host,
            client_port: said.client_port,
            frontend,
            settings: free,
            ..Instance::default()
        },
        tuning: said.tuning,
        at: draft.at.clone(),
    }
}
