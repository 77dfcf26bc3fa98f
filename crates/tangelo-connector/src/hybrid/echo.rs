//! The WebSocket door without packages: it says again what it is told.

use std::{future::poll_fn, net::SocketAddr};

use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use super::{upgrade, websocket::WebSocket};
use crate::{Connection, Entrance, Error, Limits};

/// Opens a WebSocket as [`Hybrid`](crate::Hybrid) does, and sends each message back as it came, until the
/// client leaves. For tests of conformance.
///
/// # Errors
/// The connection ends otherwise than by the client's goodbye.
pub async fn echo_websocket(
    stream: TcpStream,
    peer: SocketAddr,
    limits: Limits,
) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let entrance = Entrance::default();
    let upgraded = upgrade::answer(stream, BytesMut::new(), peer, &entrance).await?;
    let mut door = WebSocket::new(upgraded, limits).await;
    loop {
        match poll_fn(|context| door.poll_message(context)).await {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => door.queue_message(message)?,
            Ok(_) => {}
            Err(error) if error.is_goodbye() => return Ok(()),
            Err(error) => return Err(error),
        }
        poll_fn(|context| door.poll_flush(context)).await?;
    }
}
