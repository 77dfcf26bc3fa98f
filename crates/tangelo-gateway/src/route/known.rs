//! What routes may name.

use std::collections::{BTreeMap, BTreeSet};

use tangelo_reflect::Pool;

/// The services, messages and plugins that there are.
#[derive(Clone, Debug, Default)]
pub struct Known {
    services: BTreeMap<i32, BTreeSet<i32>>,
    plugins: BTreeSet<String>,
}

/// How many names a mistake lists.
const LISTED: usize = 20;

impl Known {
    /// Nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds messages of a service.
    #[must_use]
    pub fn service(mut self, id: i32, messages: impl IntoIterator<Item = i32>) -> Self {
        self.services.entry(id).or_default().extend(messages);
        self
    }

    /// Adds a plugin.
    #[must_use]
    pub fn plugin(mut self, name: impl Into<String>) -> Self {
        self.plugins.insert(name.into());
        self
    }

    /// Adds plugins.
    #[must_use]
    pub fn plugins(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.plugins.extend(names.into_iter().map(Into::into));
        self
    }

    /// What is wrong with a service.
    pub(super) fn check_service(&self, id: i32) -> Result<(), String> {
        if self.services.contains_key(&id) {
            return Ok(());
        }
        let known = listed(self.services.keys());
        Err(format!("serviceId: there is no service {id}; {known}"))
    }

    /// What is wrong with a message of a service, if there is the service.
    pub(super) fn check_message(&self, service_id: i32, msg_id: i32) -> Result<(), String> {
        match self.services.get(&service_id) {
            Some(messages) if !messages.contains(&msg_id) => {
                let known = listed(messages);
                Err(format!(
                    "msgId: service {service_id} has no message {msg_id}; {known}"
                ))
            }
            _ => Ok(()),
        }
    }

    /// What is wrong with the name of a plugin.
    pub(super) fn check_plugin(&self, name: &str) -> Result<(), String> {
        if self.plugins.contains(name) {
            return Ok(());
        }
        let known = listed(&self.plugins);
        Err(format!("there is no plugin `{name}`; {known}"))
    }
}

/// The services of a pool.
impl From<&Pool> for Known {
    fn from(pool: &Pool) -> Self {
        pool.services().fold(Self::new(), |known, service| {
            known.service(service.id, service.methods.iter().map(|method| method.id))
        })
    }
}

fn listed<T: ToString>(names: impl IntoIterator<Item = T>) -> String {
    let mut names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    let more = names.len().saturating_sub(LISTED);
    names.truncate(LISTED);
    match (names.is_empty(), more) {
        (true, _) => "there are none".to_owned(),
        (false, 0) => format!("there are: {}", names.join(", ")),
        (false, more) => format!("there are: {} and {more} more", names.join(", ")),
    }
}
