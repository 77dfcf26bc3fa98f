//! A client that comes back to the session it had.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tangelo_wire::pomelo::package::Kind;

use crate::client::{Client, Door, Said, connect};

/// A client that comes back to the session it had. It counts what it hears.
#[derive(Debug)]
pub(crate) struct Returning {
    pub(crate) client: Client,
    over: Door,
    pub(crate) token: String,
    /// How many messages it has heard in its session.
    pub(crate) received: u64,
}

impl Returning {
    /// A new session.
    pub(crate) async fn new(over: Door, address: SocketAddr) -> Self {
        let mut client = Client::silent(over, address).await;
        let resume = greet(&mut client, &json!(true)).await.unwrap();
        assert!(resume.get("received").is_none(), "{resume}");
        client.send(Kind::HandshakeAck, b"").await;
        // From here on what it is told reaches it.
        assert_eq!(client.hear().await, Said::Receipt(0));
        let token = resume["token"].as_str().unwrap().to_owned();
        Self {
            client,
            over,
            token,
            received: 0,
        }
    }

    /// Goes on with its session over a new connection; what it had is still open. Returns what is said of it.
    pub(crate) async fn back(&mut self, address: SocketAddr) -> Value {
        let mut client = Client::silent(self.over, address).await;
        let resume = greet(&mut client, &self.wish()).await.unwrap();
        client.send(Kind::HandshakeAck, b"").await;
        let lost = std::mem::replace(&mut self.client, client);
        drop(lost);
        self.follow(&resume);
        resume
    }

    /// The same, over a connection that may be cut anywhere; none if it was.
    pub(crate) async fn try_back(&mut self, address: SocketAddr) -> Option<Value> {
        let stream = connect(address).await;
        let mut client = Client::try_over(self.over, stream).await?;
        client.may_be_cut = true;
        let resume = greet(&mut client, &self.wish()).await?;
        self.follow(&resume);
        client.send(Kind::HandshakeAck, b"").await;
        self.client = client;
        Some(resume)
    }

    /// What it says in the handshake.
    pub(crate) fn wish(&self) -> Value {
        json!({ "token": self.token, "received": self.received })
    }

    /// Takes what an answer to its handshake says to heart.
    pub(crate) fn follow(&mut self, resume: &Value) {
        self.token = resume["token"].as_str().unwrap().to_owned();
        self.received += resume.get("gap").and_then(Value::as_u64).unwrap_or(0);
        if resume.get("received").is_none() {
            self.received = 0;
        }
    }

    /// The next thing it is told.
    pub(crate) async fn hear(&mut self) -> Said {
        loop {
            match self.client.hear().await {
                Said::Heartbeat | Said::Receipt(_) => {}
                said @ (Said::Reply(..) | Said::Push(..)) => {
                    self.received += 1;
                    return said;
                }
                said => return said,
            }
        }
    }

    /// The next thing it is told is a push under this route.
    pub(crate) async fn push(&mut self, route: &str) -> Value {
        match self.hear().await {
            Said::Push(heard, body) if heard == route => body,
            other => panic!("expected a push on {route}, heard {other:?}"),
        }
    }

    /// The next thing it is told is the answer under this id.
    pub(crate) async fn reply(&mut self, id: u32) -> Value {
        match self.hear().await {
            Said::Reply(answered, answer) if answered == id => answer,
            other => panic!("expected the answer {id}, heard {other:?}"),
        }
    }

    /// Requests, and hears the answer as the next thing.
    pub(crate) async fn ask(&mut self, route: &str, body: &Value) -> Value {
        let id = self.client.request(route, body).await;
        self.reply(id).await
    }

    /// Says in a heartbeat how many messages it has heard.
    pub(crate) async fn tell_received(&mut self) {
        let received = self.received.to_string();
        self.client.send(Kind::Heartbeat, received.as_bytes()).await;
    }
}

/// Says hello with this wish; what the server says about it, if it says anything.
pub(crate) async fn greet(client: &mut Client, wish: &Value) -> Option<Value> {
    let hello = json!({ "sys": { "type": "suite", "version": "1", "resume": wish }, "user": {} });
    client
        .send(Kind::Handshake, hello.to_string().as_bytes())
        .await;
    match client.hear().await {
        Said::Hello(answer) => {
            assert_eq!(answer["code"], 200);
            answer["sys"].get("resume").cloned()
        }
        Said::End => None,
        other => panic!("no answer to the handshake: {other:?}"),
    }
}
