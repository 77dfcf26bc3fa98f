//! The bare echoes: nothing but a runtime, a socket and the framing.

use std::io;

use futures_util::{FutureExt, SinkExt, StreamExt};
use tangelo_bench::frame;
use tangelo_bench::pipe::Pipe;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite;

/// Echoes frames: those of one read are answered in place, and their answers leave in one write.
pub(crate) async fn serve_tcp() -> io::Result<()> {
    crate::listen(|stream| async move {
        let mut pipe = Pipe::new(stream)?;
        while pipe.fill().await? > 0 {
            let (input, output) = pipe.split();
            let mut rest = input;
            while let Some((kind, body, next)) = frame::split(rest) {
                frame::put(output, kind, body);
                rest = next;
            }
            let used = input.len() - rest.len();
            pipe.consume(used);
            pipe.flush().await?;
        }
        Ok(())
    })
    .await
}

/// Echoes WebSocket messages: whatever has been read is answered before anything is written.
pub(crate) async fn serve_websocket() -> io::Result<()> {
    crate::listen(|stream| async move {
        match echo_websocket(stream).await {
            // A load generator does not take its time to say goodbye.
            Err(tungstenite::Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            )) => Ok(()),
            other => other.map_err(io::Error::other),
        }
    })
    .await
}

async fn echo_websocket(stream: TcpStream) -> Result<(), tungstenite::Error> {
    stream.set_nodelay(true)?;
    let mut socket = tokio_tungstenite::accept_async(stream).await?;
    while let Some(first) = socket.next().await {
        let mut message = first?;
        loop {
            if message.is_binary() {
                socket.feed(message).await?;
            }
            match socket.next().now_or_never() {
                Some(Some(next)) => message = next?,
                // Nothing more has arrived; an end will show again in the outer loop.
                Some(None) | None => break,
            }
        }
        socket.flush().await?;
    }
    Ok(())
}
