//! Other servers that come and go.

use std::{collections::BTreeMap, fmt, sync::Arc};

use tangelo_registry::{Instance, Instances};
use tangelo_runtime::guard;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tracing::error;

use super::neighbours::{Neighbours, Seen};
use crate::{Blueprint, Context};

/// Whom to tell of servers that come and go.
#[derive(Default)]
pub(crate) struct ServerEvents {
    added: Vec<OnServers>,
    removed: Vec<OnServers>,
    replaced: Vec<OnServers>,
}

type OnServers = Box<dyn Fn(&Arc<Context>, &[Arc<Instance>]) + Send + Sync>;

/// Other servers that come and go. A server that this one is connected with is there while it is; one
/// that leaves is gone when it says so, and one that is lost three seconds later, unless it is back. Other
/// servers, such as those of the same type, are there while the registry names them. Several functions may
/// be added; they are called one after the other, and shall be quick. A panic is logged.
impl Blueprint {
    /// Called with servers that have come, and first with those that are there already: Pomelo's
    /// `add_servers`.
    #[must_use]
    pub fn on_servers_added(
        mut self,
        on_added: impl Fn(&Arc<Context>, &[Arc<Instance>]) + Send + Sync + 'static,
    ) -> Self {
        self.server_events.added.push(Box::new(on_added));
        self
    }

    /// Called with servers that have gone: Pomelo's `remove_servers`.
    #[must_use]
    pub fn on_servers_removed(
        mut self,
        on_removed: impl Fn(&Arc<Context>, &[Arc<Instance>]) + Send + Sync + 'static,
    ) -> Self {
        self.server_events.removed.push(Box::new(on_removed));
        self
    }

    /// Called with servers that are another one under the same id, as they are now: they have moved, or
    /// have started again sooner than their absence was noticed. What they kept may be gone. Pomelo's
    /// `replace_servers`.
    #[must_use]
    pub fn on_servers_replaced(
        mut self,
        on_replaced: impl Fn(&Arc<Context>, &[Arc<Instance>]) + Send + Sync + 'static,
    ) -> Self {
        self.server_events.replaced.push(Box::new(on_replaced));
        self
    }
}

/// The servers that are there: what the registry says, and which life it is if that is known.
type Present = BTreeMap<String, (Arc<Instance>, Option<u32>)>;

impl ServerEvents {
    pub(crate) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.replaced.is_empty()
    }

    /// Tells what happens, for as long as it runs. `connected` says which servers this one keeps a
    /// connection with.
    pub(crate) async fn run(
        self,
        context: Arc<Context>,
        mut registry: watch::Receiver<Instances>,
        neighbours: Arc<Neighbours>,
        connected: impl Fn(&Instance) -> bool,
    ) {
        let mut connections = neighbours.watch();
        let mut before = Present::new();
        loop {
            let named = registry.borrow_and_update().clone();
            connections.borrow_and_update();
            let others = named.iter().filter(|named| named.id != context.server_id());
            let (now, look_again) = present(others, &before, |instance| {
                connected(instance).then(|| neighbours.seen(&instance.id))
            });
            self.tell(&context, &changes(&before, &now));
            before = now;
            tokio::select! {
                changed = registry.changed() => if changed.is_err() { return },
                changed = connections.changed() => if changed.is_err() { return },
                () = at(look_again) => {}
            }
        }
    }

    fn tell(&self, context: &Arc<Context>, changes: &Changes) {
        each(&self.removed, context, &changes.removed);
        each(&self.replaced, context, &changes.replaced);
        each(&self.added, context, &changes.added);
    }
}

struct Changes {
    added: Vec<Arc<Instance>>,
    removed: Vec<Arc<Instance>>,
    replaced: Vec<Arc<Instance>>,
}

fn changes(before: &Present, now: &Present) -> Changes {
    let gone = before.iter().filter(|(id, _)| !now.contains_key(*id));
    let come = now.iter().filter(|(id, _)| !before.contains_key(*id));
    let other = now
        .iter()
        .filter(|(id, there)| before.get(*id).is_some_and(|known| known != *there));
    Changes {
        added: servers(come),
        removed: servers(gone),
        replaced: servers(other),
    }
}

/// The servers that are there, and when somebody's absence becomes one. Whether a server is there
/// `seen` says, if its connections tell.
fn present<'a>(
    named: impl Iterator<Item = &'a Arc<Instance>>,
    before: &Present,
    seen: impl Fn(&Instance) -> Option<Seen>,
) -> (Present, Option<Instant>) {
    let mut look_again: Option<Instant> = None;
    let there = named.filter_map(|instance| {
        let life = match seen(instance) {
            None => None,
            Some(Seen::There(life)) => Some(life),
            Some(Seen::Lost(life, until)) if before.contains_key(&instance.id) => {
                look_again = Some(look_again.map_or(until, |at| at.min(until)));
                Some(life)
            }
            Some(Seen::Lost(..) | Seen::Gone) => return None,
        };
        Some((instance.id.clone(), (Arc::clone(instance), life)))
    });
    let there = there.collect();
    (there, look_again)
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn servers<'a>(
    of: impl Iterator<Item = (&'a String, &'a (Arc<Instance>, Option<u32>))>,
) -> Vec<Arc<Instance>> {
    of.map(|(_, (instance, _))| Arc::clone(instance)).collect()
}

fn each(hooks: &[OnServers], context: &Arc<Context>, servers: &[Arc<Instance>]) {
    if servers.is_empty() {
        return;
    }
    for hook in hooks {
        if let Err(panicked) = guard::catch(|| hook(context, servers)) {
            error!(%panicked, "what was to be told of other servers failed");
        }
    }
}

impl fmt::Debug for ServerEvents {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ServerEvents")
            .field("added", &self.added.len())
            .field("removed", &self.removed.len())
            .field("replaced", &self.replaced.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn server(id: &str, port: u16) -> Arc<Instance> {
        Arc::new(Instance {
            id: id.to_owned(),
            port: Some(port),
            ..Instance::default()
        })
    }

    /// What is told of one server that was `before` and is `now`, by its connections and the registry.
    fn told(before: Option<(u16, Seen)>, now: Option<(u16, Seen)>) -> Vec<&'static str> {
        let look = |of: Option<(u16, Seen)>, before: &Present| {
            let named = of.map(|(port, _)| server("chat-1", port));
            let seen = |_: &Instance| of.map(|(_, seen)| seen);
            present(named.iter(), before, seen)
        };
        let (before, _) = look(before, &Present::new());
        let (now, _) = look(now, &before);
        let changes = changes(&before, &now);
        let told = [
            ("removed", changes.removed),
            ("replaced", changes.replaced),
            ("added", changes.added),
        ];
        let told = told.into_iter().filter(|(_, servers)| !servers.is_empty());
        told.map(|(what, _)| what).collect()
    }

    const THERE: Seen = Seen::There(1);

    #[tokio::test]
    async fn a_server_is_added_replaced_and_removed() {
        let soon = Instant::now() + Duration::from_secs(1);
        let lost = Seen::Lost(1, soon);
        assert!(told(None, None).is_empty());
        assert_eq!(told(None, Some((1, THERE))), ["added"]);
        assert_eq!(told(Some((1, THERE)), Some((1, Seen::Gone))), ["removed"]);
        assert_eq!(told(Some((1, THERE)), None), ["removed"]);
        assert!(
            told(Some((1, THERE)), Some((1, lost))).is_empty(),
            "it may be back"
        );
        assert!(told(None, Some((1, lost))).is_empty(), "nobody knew it");
        assert_eq!(
            told(Some((1, THERE)), Some((1, Seen::There(2)))),
            ["replaced"]
        );
        assert_eq!(told(Some((1, THERE)), Some((2, THERE))), ["replaced"]);
    }

    #[test]
    fn a_server_without_connections_to_this_one_is_there_while_it_is_named() {
        let named = [server("chat-2", 1)];
        let (there, _) = present(named.iter(), &Present::new(), |_| None);
        assert_eq!(there.len(), 1);
    }
}
