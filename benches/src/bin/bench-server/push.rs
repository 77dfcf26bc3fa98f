//! The bare push: what telling everybody costs at the least.
//!
//! A loop writes the same bytes to one socket after the other, one system call each. Nobody else writes to
//! them meanwhile, and nobody who does not read is dropped: a server for strangers needs more.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tangelo_bench::frame;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

/// The first byte of an answer, and of a message that nobody asked for.
const RESPONSE: u8 = 0x04;
const PUSH: u8 = 0x06;

/// Those who have joined.
type Members = Arc<Mutex<Vec<Arc<OwnedWriteHalf>>>>;

/// Tells every publish to all that have joined.
pub(crate) async fn serve() -> io::Result<()> {
    let members = Members::default();
    crate::listen(move |stream| run(stream, Arc::clone(&members))).await
}

async fn run(stream: TcpStream, members: Members) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, writer) = stream.into_split();
    let writer = Arc::new(writer);
    let mut input = Vec::new();
    while reader.read_buf(&mut input).await? > 0 {
        let mut rest = &input[..];
        while let Some((_, message, next)) = frame::split(rest) {
            rest = next;
            let asked = parse(message);
            let asked = asked.ok_or_else(|| io::Error::other("a message that is no request"))?;
            if asked.route.ends_with(b"join") {
                members.lock().push(Arc::clone(&writer));
            } else {
                let told = told(asked.body);
                let all = members.lock().clone();
                for member in all {
                    if write(&member, &told).await.is_err() {
                        // Gone, as those of a run before.
                        members.lock().retain(|other| !Arc::ptr_eq(other, &member));
                    }
                }
            }
            write(&writer, &answer(asked.id)).await?;
        }
        let used = input.len() - rest.len();
        input.drain(..used);
    }
    Ok(())
}

/// What members are told, once for all of them.
fn told(body: &[u8]) -> Vec<u8> {
    const ROUTE: &[u8] = b"onPush";
    let mut told = Vec::new();
    frame::put_header(&mut told, frame::DATA, 2 + ROUTE.len() + body.len());
    told.extend_from_slice(&[PUSH, ROUTE.len() as u8]);
    told.extend_from_slice(ROUTE);
    told.extend_from_slice(body);
    told
}

fn answer(id: &[u8]) -> Vec<u8> {
    const DONE: &[u8] = br#"{"code":200}"#;
    let mut answer = Vec::new();
    frame::put_header(&mut answer, frame::DATA, 1 + id.len() + DONE.len());
    answer.push(RESPONSE);
    answer.extend_from_slice(id);
    answer.extend_from_slice(DONE);
    answer
}

/// Writes all of it, and waits only where the socket is full.
async fn write(stream: &OwnedWriteHalf, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A request: the bytes of its id, its route, its body.
struct Asked<'a> {
    id: &'a [u8],
    route: &'a [u8],
    body: &'a [u8],
}

fn parse(message: &[u8]) -> Option<Asked<'_>> {
    let (_, rest) = message.split_first()?;
    let length = rest.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let (id, rest) = rest.split_at_checked(length)?;
    let (&length, rest) = rest.split_first()?;
    let (route, body) = rest.split_at_checked(length.into())?;
    Some(Asked { id, route, body })
}
