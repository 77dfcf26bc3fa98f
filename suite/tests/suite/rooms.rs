//! A front end and a back end, one of which has channels that clients come into.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tangelo::{
    Result,
    server::{
        Blueprint, Channel, ChannelOptions, Channels, FrontendSession, Handlers, Json, Server,
        Session,
    },
};

use crate::{
    client::{Client, DOORS},
    world::{self, Heard, chat, connector, pair},
};

/// A front end and a back end, one of which has the channels.
pub(crate) struct Place {
    pub(crate) front: Server,
    pub(crate) back: Server,
    /// The type of the one that has them.
    pub(crate) at: &'static str,
    /// Hears of those who are gone: `user*channel`.
    pub(crate) left: Heard<String>,
    clients: AtomicUsize,
}

impl Place {
    /// The channels are on the front end, and on the back end; `more` is what both are made of besides.
    pub(crate) async fn each(more: impl Fn(Blueprint) -> Blueprint) -> [Self; 2] {
        [
            Self::new("connector", &more).await,
            Self::new("chat", &more).await,
        ]
    }

    async fn new(at: &'static str, more: impl Fn(Blueprint) -> Blueprint) -> Self {
        let left = Heard::new();
        let make = |blueprint: Blueprint| {
            let tell = left.teller();
            more(blueprint).on_leave(move |channel, member| {
                assert!(!channel.members().contains(member), "it is out already");
                tell(format!("{}*{}", member.uid, channel.name()));
            })
        };
        let (front, back) = pair(make(connector(entry(rooms()))), make(chat(rooms()))).await;
        Self {
            front,
            back,
            at,
            left,
            clients: AtomicUsize::new(0),
        }
    }

    /// Those of the server that has them.
    pub(crate) fn channels(&self) -> &Channels {
        let server = if self.at == "chat" {
            &self.back
        } else {
            &self.front
        };
        server.context().channels()
    }

    /// A new channel of this name, where the channels are, with nothing asked of its members.
    pub(crate) fn room(&self, name: &str) -> Channel {
        let made = self.channels().create(name, ChannelOptions::new());
        made.unwrap()
    }

    /// A client bound to nobody.
    pub(crate) async fn guest(&self) -> Client {
        let number = self.clients.fetch_add(1, Ordering::Relaxed);
        world::client(&self.front, DOORS[number % 2]).await
    }

    /// A client bound to this user.
    pub(crate) async fn client(&self, uid: &str) -> Client {
        let mut client = self.guest().await;
        assert_eq!(
            client.ask("connector.main.bind", &json!(uid)).await,
            json!({})
        );
        client
    }

    /// A client in this channel.
    pub(crate) async fn member(&self, uid: &str, channel: &str) -> Client {
        let mut client = self.client(uid).await;
        self.join(&mut client, channel).await;
        client
    }

    /// The client comes into this channel, which is there.
    pub(crate) async fn join(&self, client: &mut Client, channel: &str) {
        let joined = client.ask(&self.route("join"), &json!(channel)).await;
        assert_eq!(joined, json!({}));
    }

    /// The client does not come into this channel.
    pub(crate) async fn is_refused(&self, client: &mut Client, channel: &str) {
        client
            .is_refused(&self.route("join"), &json!(channel), 500)
            .await;
    }

    /// A handler where the channels are.
    pub(crate) fn route(&self, method: &str) -> String {
        format!("{}.main.{method}", self.at)
    }
}

/// Everybody heard exactly this, in this order.
pub(crate) async fn heard(clients: &mut [&mut Client], what: &[Value]) {
    for client in clients {
        for body in what {
            assert_eq!(client.push("on").await, *body);
        }
        client.was_ignored("connector.main.echo").await;
        client.was_ignored("chat.main.echo").await;
    }
}

/// `join` and `leave` channels that are there.
fn rooms() -> Handlers {
    async fn join(Json(room): Json<String>, session: Session, channels: Channels) -> Result<()> {
        Ok(channels.get(&room)?.add(&session)?)
    }
    async fn leave(
        Json(room): Json<String>,
        session: Session,
        channels: Channels,
    ) -> Result<Json<bool>> {
        Ok(Json(channels.get(&room)?.leave(&session)))
    }
    Handlers::new().add("join", join).add("leave", leave)
}

/// `bind`, `unbind` and `set` the session.
fn entry(handlers: Handlers) -> Handlers {
    async fn bind(Json(uid): Json<String>, session: FrontendSession) -> Result<()> {
        Ok(session.bind(&uid).await?)
    }
    async fn unbind(session: FrontendSession) {
        session.unbind().await.unwrap();
    }
    async fn set(
        Json((key, value)): Json<(String, Value)>,
        session: FrontendSession,
    ) -> Result<()> {
        session.set(&key, &value)
    }
    handlers
        .add("bind", bind)
        .add("unbind", unbind)
        .add("set", set)
}
