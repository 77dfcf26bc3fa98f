//! PROXY protocol: a proxy in front says first whom it speaks for.

use std::net::SocketAddr;

use proxy_header::{ParseConfig, ProxyHeader};
use tokio::{io::AsyncReadExt, net::TcpStream};

use crate::{Error, Limits};

/// How a header of version 2 begins.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// What it has before its addresses: the signature, version and command, family, length.
const FIXED: usize = 16;
/// How one of version 1 begins.
const WORD: &[u8] = b"PROXY ";
/// The longest line of version 1, its end included.
const LONGEST_LINE: usize = 107;

/// Takes the header off the stream, and not a byte more; the address it names, or none if the proxy speaks
/// for itself, as it does to see whether the server is well.
pub(super) async fn take(stream: &mut TcpStream) -> Result<Option<SocketAddr>, Error> {
    let mut bytes = vec![0; Limits::PROXY_HEADER];
    let mut length = 0;
    loop {
        let here = bytes.get_mut(length..).unwrap_or_default();
        let seen = stream.peek(here).await?;
        if seen == 0 {
            return Err(Error::Closed);
        }
        let so_far = bytes.get(..length + seen).unwrap_or_default();
        // What belongs to the header is read, so that the next look waits for more.
        let end = end(so_far)?;
        let taken = end.map_or(seen, |end| seen.min(end - length));
        let here = bytes.get_mut(length..length + taken).unwrap_or_default();
        stream.read_exact(here).await?;
        length += taken;
        if end == Some(length) {
            return address(bytes.get(..length).unwrap_or_default());
        }
    }
}

/// Where the header ends, once that can be seen.
fn end(bytes: &[u8]) -> Result<Option<usize>, Error> {
    if let Some(beginning) = SIGNATURE.get(..bytes.len().min(SIGNATURE.len()))
        && bytes.starts_with(beginning)
    {
        let Some([high, low]) = bytes.get(FIXED - 2..FIXED) else {
            return Ok(None);
        };
        let end = FIXED + usize::from(u16::from_be_bytes([*high, *low]));
        return if end <= Limits::PROXY_HEADER {
            Ok(Some(end))
        } else {
            Err(Error::Proxy("its header is too long"))
        };
    }
    let line = bytes.get(..LONGEST_LINE).unwrap_or(bytes);
    let beginning = WORD.get(..line.len().min(WORD.len()));
    if !beginning.is_some_and(|beginning| line.starts_with(beginning)) {
        return Err(Error::Proxy("it does not begin with a PROXY header"));
    }
    match line.iter().position(|byte| *byte == b'\n') {
        Some(last) => Ok(Some(last + 1)),
        None if line.len() == LONGEST_LINE => Err(Error::Proxy("its header is too long")),
        None => Ok(None),
    }
}

fn address(header: &[u8]) -> Result<Option<SocketAddr>, Error> {
    match ProxyHeader::parse(header, ParseConfig::default()) {
        Ok((parsed, length)) if length == header.len() => {
            Ok(parsed.proxied_address().map(|it| it.source))
        }
        _ => Err(Error::Proxy("its header is malformed")),
    }
}
