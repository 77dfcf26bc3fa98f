//! Servers that share stores: two front ends, which servers can reach, and a back end.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::json;
use tangelo::{
    Result,
    registry::Instance,
    server::{
        Blueprint, FrontendSession, GlobalChannelStore, GlobalChannels, Handlers, Json,
        MemoryGlobalChannels, MemoryPresence, Presence, PresenceStore, Server, Session, Stored,
    },
};

use crate::{
    client::{Client, DOORS},
    world::{self, World, chat, connector, soon},
};

/// Two front ends and a back end.
pub(crate) struct Shared {
    pub(crate) fronts: Vec<Server>,
    pub(crate) back: Server,
    pub(crate) presence: Arc<MayFail<MemoryPresence>>,
    pub(crate) channels: Arc<MayFail<MemoryGlobalChannels>>,
}

impl Shared {
    pub(crate) async fn new() -> Self {
        let world = World::new();
        let presence = Arc::new(MayFail::of(MemoryPresence::new()));
        let channels = Arc::new(MayFail::of(MemoryGlobalChannels::new()));
        let make = |blueprint: Blueprint| {
            let presence = Arc::clone(&presence) as Arc<dyn PresenceStore>;
            let channels = Arc::clone(&channels) as Arc<dyn GlobalChannelStore>;
            blueprint.presence(presence).global_channels(channels)
        };
        let back = world.back("chat-1", make(chat(asking()))).await;
        let mut fronts = Vec::new();
        for id in ["connector-1", "connector-2"] {
            let at = Instance {
                port: Some(0),
                ..world::front(id)
            };
            let front = world.start(make(connector(entry(asking()))), at);
            fronts.push(front.await);
        }
        for front in &fronts {
            soon("the servers meet", front.connected()).await;
        }
        Self {
            fronts,
            back,
            presence,
            channels,
        }
    }

    /// A client of `connector-1`, or `connector-2`, bound to this user.
    pub(crate) async fn client(&self, connector: usize, uid: &str) -> Client {
        let front = &self.fronts[connector - 1];
        let mut client = world::client(front, DOORS[uid.len() % 2]).await;
        let bound = client.ask("connector.main.bind", &json!(uid)).await;
        assert_eq!(bound, json!({}));
        client
    }

    /// All servers.
    pub(crate) fn servers(&self) -> impl Iterator<Item = &Server> {
        self.fronts.iter().chain([&self.back])
    }

    pub(crate) fn presence(&self) -> &Presence {
        self.back.context().presence()
    }

    pub(crate) fn channels(&self) -> &GlobalChannels {
        self.back.context().global_channels()
    }

    /// Where a user is, as soon as it is this.
    pub(crate) async fn is_on(&self, uid: &str, frontends: &[&str]) {
        let presence = self.presence();
        soon("it is known where he is", async {
            while presence.frontends_of(uid).await.unwrap() != frontends {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

/// `bind` and `unbind`.
pub(crate) fn entry(handlers: Handlers) -> Handlers {
    async fn bind(Json(uid): Json<String>, session: FrontendSession) -> Result<()> {
        Ok(session.bind(&uid).await?)
    }
    async fn unbind(session: FrontendSession) -> Result<()> {
        session.unbind().await
    }
    handlers.add("bind", bind).add("unbind", unbind)
}

/// `where` a user is; `enter` a global channel.
fn asking() -> Handlers {
    async fn find(Json(uid): Json<String>, presence: Presence) -> Result<Json<Vec<String>>> {
        Ok(Json(presence.frontends_of(&uid).await?))
    }
    async fn enter(
        Json(name): Json<String>,
        session: Session,
        channels: GlobalChannels,
    ) -> Result<Json<bool>> {
        Ok(Json(channels.add_session(&name, &session).await?))
    }
    Handlers::new().add("where", find).add("enter", enter)
}

/// A store that fails while it is told to.
#[derive(Debug)]
pub(crate) struct MayFail<S> {
    store: S,
    pub(crate) fails: AtomicBool,
}

impl<S> MayFail<S> {
    fn of(store: S) -> Self {
        Self {
            store,
            fails: AtomicBool::new(false),
        }
    }

    fn ask<'a, T: Send + 'static>(
        &'a self,
        ask: impl FnOnce(&'a S) -> Stored<'a, T>,
    ) -> Stored<'a, T> {
        if self.fails.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err("no connection".into())));
        }
        ask(&self.store)
    }
}

impl<S: PresenceStore> PresenceStore for MayFail<S> {
    fn add<'a>(&'a self, frontend_id: &'a str, uids: &'a [Arc<str>]) -> Stored<'a, ()> {
        self.ask(|store| store.add(frontend_id, uids))
    }

    fn remove<'a>(&'a self, frontend_id: &'a str, uids: &'a [Arc<str>]) -> Stored<'a, ()> {
        self.ask(|store| store.remove(frontend_id, uids))
    }

    fn frontends<'a>(&'a self, uids: &'a [&'a str]) -> Stored<'a, Vec<Vec<String>>> {
        self.ask(|store| store.frontends(uids))
    }

    fn remove_frontend<'a>(&'a self, frontend_id: &'a str) -> Stored<'a, ()> {
        self.ask(|store| store.remove_frontend(frontend_id))
    }
}

impl<S: GlobalChannelStore> GlobalChannelStore for MayFail<S> {
    fn add<'a>(
        &'a self,
        frontend_id: &'a str,
        members: &'a [(Arc<str>, Arc<str>)],
    ) -> Stored<'a, ()> {
        self.ask(|store| store.add(frontend_id, members))
    }

    fn remove<'a>(
        &'a self,
        frontend_id: &'a str,
        members: &'a [(Arc<str>, Arc<str>)],
    ) -> Stored<'a, ()> {
        self.ask(|store| store.remove(frontend_id, members))
    }

    fn members<'a>(&'a self, channel: &'a str) -> Stored<'a, Vec<(String, Vec<String>)>> {
        self.ask(|store| store.members(channel))
    }

    fn members_at<'a>(&'a self, channel: &'a str, frontend_id: &'a str) -> Stored<'a, Vec<String>> {
        self.ask(|store| store.members_at(channel, frontend_id))
    }

    fn remove_frontend<'a>(&'a self, frontend_id: &'a str) -> Stored<'a, ()> {
        self.ask(|store| store.remove_frontend(frontend_id))
    }
}
