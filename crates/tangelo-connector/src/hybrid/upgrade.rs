//! The HTTP request that opens a WebSocket.

use std::net::SocketAddr;

use bytes::BytesMut;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::{Entrance, Error, Limits, entrance::Socket};

/// A stream whose WebSocket has been opened.
pub(crate) struct Upgraded<S> {
    pub(crate) stream: S,
    /// What the client sent after its request.
    pub(crate) rest: BytesMut,
    /// The client, if proxies that are trusted speak for it.
    pub(crate) peer: SocketAddr,
    /// What it shows to say who it is.
    pub(crate) token: Option<String>,
}

/// Reads the request, of which there may be some `bytes` already, and answers it. Any path and sub-protocol
/// is welcome, as in Pomelo. Extensions are none: what the client offers is not taken.
pub(crate) async fn answer<S: Socket>(
    mut stream: S,
    mut bytes: BytesMut,
    peer: SocketAddr,
    entrance: &Entrance,
) -> Result<Upgraded<S>, Error> {
    let verdict = loop {
        if let Some(verdict) = judge(&bytes, peer, entrance) {
            break verdict;
        }
        if bytes.len() >= Limits::UPGRADE_REQUEST {
            break TOO_LARGE;
        }
        let room = Limits::UPGRADE_REQUEST - bytes.len();
        if (&mut stream).take(room as u64).read_buf(&mut bytes).await? == 0 {
            return Err(Error::Closed);
        }
    };
    match verdict {
        Verdict::Welcome {
            head,
            response,
            peer,
            token,
        } => {
            stream.write_all(response.as_bytes()).await?;
            stream.flush().await?;
            let rest = bytes.split_off(head);
            Ok(Upgraded {
                stream,
                rest,
                peer,
                token,
            })
        }
        Verdict::Refuse(status, reason) => {
            let response = format!(
                "HTTP/1.1 {status}\r\nConnection: close\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nContent-Type: text/plain\r\n\
                 Content-Length: {}\r\n\r\n{reason}\n",
                reason.len() + 1
            );
            stream.write_all(response.as_bytes()).await?;
            stream.shutdown().await?;
            Err(Error::WebSocket(reason.to_owned()))
        }
    }
}

enum Verdict {
    Welcome {
        /// Bytes of the request.
        head: usize,
        response: String,
        peer: SocketAddr,
        token: Option<String>,
    },
    Refuse(&'static str, &'static str),
}

const BAD_REQUEST: &str = "400 Bad Request";
const TOO_LARGE: Verdict =
    Verdict::Refuse("431 Request Header Fields Too Large", "request too large");

/// `None` asks for more bytes.
fn judge(bytes: &[u8], peer: SocketAddr, entrance: &Entrance) -> Option<Verdict> {
    let mut headers = [httparse::EMPTY_HEADER; Limits::UPGRADE_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let head = match request.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return None,
        Err(httparse::Error::TooManyHeaders) => return Some(TOO_LARGE),
        Err(_) => return Some(Verdict::Refuse(BAD_REQUEST, "no HTTP request")),
    };
    if request.method != Some("GET") {
        return Some(Verdict::Refuse(
            "405 Method Not Allowed",
            "only GET opens a WebSocket",
        ));
    }
    let header = |name: &str| {
        let found = request
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name));
        found
            .and_then(|header| std::str::from_utf8(header.value).ok())
            .map(str::trim)
    };
    let lists = |name, word: &str| {
        header(name).is_some_and(|list| {
            list.split(',')
                .any(|item| item.trim().eq_ignore_ascii_case(word))
        })
    };
    if !lists("Upgrade", "websocket") || !lists("Connection", "upgrade") {
        let reason = "this is a WebSocket door: upgrade, or open the page elsewhere";
        return Some(Verdict::Refuse("426 Upgrade Required", reason));
    }
    if header("Sec-WebSocket-Version") != Some("13") {
        return Some(Verdict::Refuse(
            "426 Upgrade Required",
            "WebSocket version 13 is spoken here",
        ));
    }
    let Some(key) = header("Sec-WebSocket-Key").filter(|key| key.len() == KEY_LENGTH) else {
        return Some(Verdict::Refuse(BAD_REQUEST, "no Sec-WebSocket-Key"));
    };
    let all = |name: &'static str| {
        let named = request
            .headers
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value)
    };
    for origin in all("Origin") {
        let origin = std::str::from_utf8(origin).unwrap_or_default();
        if !entrance.origins.allow(origin.trim()) {
            return Some(Verdict::Refuse("403 Forbidden", "not for pages from there"));
        }
    }
    let forward = entrance.forward_header;
    let Ok(peer) = forward.client(all(forward.name()), peer, &entrance.forwarded_from) else {
        return Some(Verdict::Refuse(
            BAD_REQUEST,
            "a forward header makes no sense",
        ));
    };
    let token = token(header("Authorization"), request.path);
    // A browser that asks for sub-protocols leaves when none is chosen; Pomelo chooses the first.
    let protocol = header("Sec-WebSocket-Protocol")
        .and_then(|list| list.split(',').next())
        .map(|first| format!("Sec-WebSocket-Protocol: {}\r\n", first.trim()))
        .unwrap_or_default();
    let accept = derive_accept_key(key.as_bytes());
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{protocol}\r\n"
    );
    Some(Verdict::Welcome {
        head,
        response,
        peer,
        token,
    })
}

/// In the header, as programs send it; else in the query, as a page in a browser cannot send headers.
fn token(authorization: Option<&str>, path: Option<&str>) -> Option<String> {
    let bearer = authorization.and_then(|header| {
        let (scheme, token) = header.split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
    });
    if let Some(token) = bearer {
        return Some(token.to_owned());
    }
    let (_, query) = path?.split_once('?')?;
    let token = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("token="))?;
    let token = percent_decode_str(token).decode_utf8_lossy();
    Some(token.into_owned())
}

/// Sixteen bytes in base64.
const KEY_LENGTH: usize = 24;
