//! A client that writes and reads bytes.

use tangelo::server::Server;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use crate::world::{door, soon};

/// What bytes go through.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A client that writes and reads bytes.
pub(crate) struct Client {
    pub(crate) stream: Box<dyn Stream>,
    /// 4 is 3.1.1.
    pub(crate) version: u8,
    next_id: u16,
}

/// What the server has published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) topic: String,
    pub(crate) payload: String,
    /// 0: QoS 0.
    pub(crate) id: u16,
    pub(crate) properties: Vec<u8>,
}

/// A packet with its header.
pub(crate) fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![kind];
    let mut length = body.len();
    while length > 0x7f {
        packet.push(length as u8 | 0x80);
        length >>= 7;
    }
    packet.push(length as u8);
    packet.extend_from_slice(body);
    packet
}

/// Text with its length.
pub(crate) fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}

/// CONNECT with a clean session; `rest` is what comes behind the properties.
pub(crate) fn connect(version: u8, keep_alive: u16, properties: &[u8], rest: &[u8]) -> Vec<u8> {
    connect_with(version, 2, keep_alive, properties, rest)
}

pub(crate) fn connect_with(
    version: u8,
    flags: u8,
    keep_alive: u16,
    properties: &[u8],
    rest: &[u8],
) -> Vec<u8> {
    let mut body = text("MQTT");
    body.extend([version, flags]);
    body.extend(keep_alive.to_be_bytes());
    if version == 5 {
        body.push(properties.len() as u8);
        body.extend(properties);
    }
    body.extend(rest);
    packet(0x10, &body)
}

impl Client {
    /// Says nothing yet.
    pub(crate) async fn silent(server: &Server, version: u8) -> Self {
        let stream = TcpStream::connect(door(server)).await.unwrap();
        Self::over(stream, version)
    }

    pub(crate) fn over(stream: impl Stream + 'static, version: u8) -> Self {
        Self {
            stream: Box::new(stream),
            version,
            next_id: 0,
        }
    }

    /// Is let in.
    pub(crate) async fn new(server: &Server, version: u8) -> Self {
        let mut client = Self::silent(server, version).await;
        client.enter(0, &[]).await;
        client
    }

    /// Connects with these properties of MQTT 5, and is let in; those of the answer.
    pub(crate) async fn enter(&mut self, keep_alive: u16, properties: &[u8]) -> Vec<u8> {
        let connect = connect(self.version, keep_alive, properties, &text("me"));
        self.send(&connect).await;
        self.welcomed().await
    }

    pub(crate) async fn welcomed(&mut self) -> Vec<u8> {
        let (kind, body) = self.hear().await;
        assert_eq!((kind, &body[..2]), (0x20, &[0, 0][..]));
        body[2..].to_vec()
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next packet: the first byte of its header, and what is behind the header.
    pub(crate) async fn hear(&mut self) -> (u8, Vec<u8>) {
        soon("a packet", self.try_hear()).await.expect("a packet")
    }

    async fn try_hear(&mut self) -> Option<(u8, Vec<u8>)> {
        let kind = self.stream.read_u8().await.ok()?;
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = self.stream.read_u8().await.ok()?;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.ok()?;
        Some((kind, body))
    }

    /// The server says nothing more.
    pub(crate) async fn is_cut(&mut self) {
        let heard = soon("the connection ends", self.try_hear()).await;
        assert_eq!(heard, None);
    }

    /// In MQTT 5 it is told why, and in any case cut.
    pub(crate) async fn is_cut_for(&mut self, reason: u8) {
        if self.version == 5 {
            let (kind, body) = self.hear().await;
            assert_eq!((kind, body[0]), (0xe0, reason), "{body:?}");
        }
        self.is_cut().await;
    }

    pub(crate) fn id(&mut self) -> u16 {
        self.next_id += 1;
        self.next_id
    }

    /// PUBLISH; the id of its QoS.
    pub(crate) async fn publish(&mut self, topic: &str, qos: u8, payload: &[u8]) -> u16 {
        self.publish_with(topic, qos, &[], payload).await
    }

    /// PUBLISH with properties, which only MQTT 5 has.
    pub(crate) async fn publish_with(
        &mut self,
        topic: &str,
        qos: u8,
        properties: &[u8],
        payload: &[u8],
    ) -> u16 {
        let id = if qos > 0 { self.id() } else { 0 };
        let publish = self.publishing(topic, qos, id, properties, payload);
        self.send(&publish).await;
        id
    }

    pub(crate) fn publishing(
        &self,
        topic: &str,
        qos: u8,
        id: u16,
        properties: &[u8],
        payload: &[u8],
    ) -> Vec<u8> {
        let mut body = text(topic);
        if qos > 0 {
            body.extend(id.to_be_bytes());
        }
        if self.version == 5 {
            body.push(properties.len() as u8);
            body.extend(properties);
        }
        body.extend(payload);
        packet(0x30 | qos << 1, &body)
    }

    /// SUBSCRIBE, and what is granted.
    pub(crate) async fn subscribe(&mut self, filters: &[(&str, u8)]) -> Vec<u8> {
        let id = self.subscribes(filters).await;
        self.granted(id).await
    }

    pub(crate) async fn subscribes(&mut self, filters: &[(&str, u8)]) -> u16 {
        let id = self.id();
        let filters = filters
            .iter()
            .map(|(filter, qos)| [text(filter), vec![*qos]].concat());
        let filters: Vec<u8> = filters.flatten().collect();
        self.send(&packet(0x82, &self.with_id(id, &filters))).await;
        id
    }

    pub(crate) async fn granted(&mut self, id: u16) -> Vec<u8> {
        self.answered(0x90, id).await
    }

    pub(crate) async fn unsubscribe(&mut self, filter: &str) -> Vec<u8> {
        let id = self.id();
        self.send(&packet(0xa2, &self.with_id(id, &text(filter))))
            .await;
        self.answered(0xb0, id).await
    }

    /// What is behind the id and the properties, of which there are none.
    async fn answered(&mut self, expected: u8, id: u16) -> Vec<u8> {
        let (kind, body) = self.hear().await;
        let head = self.with_id(id, &[]);
        assert_eq!((kind, &body[..head.len()]), (expected, &head[..]));
        body[head.len()..].to_vec()
    }

    fn with_id(&self, id: u16, rest: &[u8]) -> Vec<u8> {
        let properties: &[u8] = if self.version == 5 { &[0] } else { &[] };
        [&id.to_be_bytes(), properties, rest].concat()
    }

    /// Waits for PUBACK; its reason, which is 0 where there is none.
    pub(crate) async fn acknowledged(&mut self, id: u16) -> u8 {
        let (kind, body) = self.hear().await;
        assert_eq!((kind, &body[..2]), (0x40, &id.to_be_bytes()[..]));
        match self.version {
            4 => assert_eq!(body.len(), 2),
            _ => assert!(body.len() <= 3, "{body:?}"),
        }
        body.get(2).copied().unwrap_or_default()
    }

    /// Says that it has what was published.
    pub(crate) async fn acknowledge(&mut self, id: u16) {
        self.send(&packet(0x40, &id.to_be_bytes())).await;
    }

    /// What the server publishes next.
    pub(crate) async fn published(&mut self) -> Published {
        let (kind, body) = self.hear().await;
        assert!(kind == 0x30 || kind == 0x32, "{kind:#x} {body:?}");
        let mut rest = &body[..];
        let mut take = |length: usize| {
            let (taken, left) = rest.split_at(length);
            rest = left;
            taken.to_vec()
        };
        let number = |bytes: &[u8]| u16::from_be_bytes([bytes[0], bytes[1]]);
        let length = number(&take(2));
        let topic = String::from_utf8(take(length.into())).unwrap();
        let id = if kind == 0x32 { number(&take(2)) } else { 0 };
        let properties = match self.version {
            5 => {
                let length = take(1)[0];
                take(length.into())
            }
            _ => Vec::new(),
        };
        Published {
            topic,
            payload: String::from_utf8(rest.to_vec()).unwrap(),
            id,
            properties,
        }
    }

    /// What was said before has been handled, and nothing came of it.
    pub(crate) async fn hears_nothing(&mut self) {
        self.send(&[0xc0, 0]).await;
        assert_eq!(self.hear().await, (0xd0, Vec::new()));
    }
}
