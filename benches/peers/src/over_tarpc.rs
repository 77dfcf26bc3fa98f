//! tarpc: bincode, the most compact of its formats, over a TCP connection for each client.

use std::error::Error;
use std::net::SocketAddr;

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tarpc::serde_transport::{self, Transport};
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::{client, context};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use crate::load::Caller;

/// The request of [`bench.proto`](../../proto/bench.proto), which is also the answer.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Message {
    name: String,
    payload: String,
    number: i64,
}

#[tarpc::service]
pub(crate) trait BenchService {
    async fn echo(message: Message) -> Message;
}

#[derive(Clone)]
struct Echo;

impl BenchService for Echo {
    async fn echo(self, _: context::Context, message: Message) -> Message {
        message
    }
}

pub(crate) async fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    loop {
        let (stream, _) = listener.accept().await?;
        let server = BaseChannel::with_defaults(transport(stream)?);
        // An echo waits for nothing: it is answered where it was read, without a task of its own.
        tokio::spawn(server.execute(Echo.serve()).for_each(|response| response));
    }
}

/// The transport of `tarpc::serde_transport::tcp`, with TCP_NODELAY, which that leaves off.
fn transport<Item, SinkItem>(
    stream: TcpStream,
) -> Result<Transport<TcpStream, Item, SinkItem, Bincode<Item, SinkItem>>, std::io::Error>
where
    Item: for<'de> Deserialize<'de>,
    SinkItem: Serialize,
{
    stream.set_nodelay(true)?;
    let frames = Framed::new(stream, LengthDelimitedCodec::new());
    Ok(serde_transport::new(frames, Bincode::default()))
}

pub(crate) async fn connect(address: SocketAddr) -> Result<BenchServiceClient, Box<dyn Error>> {
    let stream = TcpStream::connect(address).await?;
    Ok(BenchServiceClient::new(client::Config::default(), transport(stream)?).spawn())
}

impl Caller for BenchServiceClient {
    async fn call(&mut self, payload: &str) -> Result<String, String> {
        let request = Message {
            payload: payload.to_owned(),
            ..Message::default()
        };
        match self.echo(context::current(), request).await {
            Ok(answer) => Ok(answer.payload),
            Err(error) => Err(error.to_string()),
        }
    }
}
