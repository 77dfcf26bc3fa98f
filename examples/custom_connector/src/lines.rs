//! A line protocol over a Unix socket.

use std::{fs, io, path::PathBuf};

use tangelo::connector::{
    Options,
    custom::{BoxError, Codec, CustomConnector, Decoded, FrameReceiver, FrameSender, Socket},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixListener,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// Bytes of a line, its end included.
pub(crate) const LONGEST: u64 = 8 << 10;

/// Clients that talk in lines over a Unix socket.
pub(crate) struct Lines {
    path: PathBuf,
    listener: Option<UnixListener>,
}

impl Lines {
    /// At the path that the options have as `socket`.
    pub(crate) fn new(options: &Options) -> io::Result<Self> {
        let path = options.get("socket").and_then(|path| path.as_str());
        let path = path.ok_or(io::Error::other("`socket` is missing in the settings"))?;
        Ok(Self {
            path: path.into(),
            listener: None,
        })
    }
}

impl CustomConnector for Lines {
    type Frame = String;
    type Receiver = Reader;
    type Sender = Writer;

    fn codec(&self) -> Codec<String> {
        Codec::new()
            .encode(encode)
            .decode(|line: String| decode(&line))
    }

    async fn start(&mut self) -> io::Result<()> {
        self.listener = Some(UnixListener::bind(&self.path)?);
        Ok(())
    }

    async fn accept(&mut self) -> io::Result<Socket<Reader, Writer>> {
        let listener = self.listener.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let (stream, _) = listener.accept().await?;
        let (reader, writer) = stream.into_split();
        Ok(Socket::new(Reader(BufReader::new(reader)), Writer(writer)))
    }

    async fn stop(&mut self) {
        if self.listener.take().is_some() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// `3 hall.main.say {"text":"hi"}` asks under the id 3, `- hall.main.say {"text":"hi"}` just tells.
fn decode(line: &str) -> Result<Decoded, BoxError> {
    if line.is_empty() {
        return Ok(Decoded::Alive);
    }
    let (id, rest) = line.split_once(' ').ok_or("a line without a route")?;
    let (route, body) = rest.split_once(' ').unwrap_or((rest, "{}"));
    Ok(match id {
        "-" => Decoded::notify(route, body.to_owned()),
        id => Decoded::request(id.parse()?, route, body.to_owned()),
    })
}

/// `3 {}` answers, `onSay {"text":"hi"}` is a push. JSON has no line ends.
fn encode(id: Option<u32>, route: &str, body: &[u8]) -> Result<String, BoxError> {
    let body = std::str::from_utf8(body)?;
    Ok(match id {
        Some(id) => format!("{id} {body}\n"),
        None => format!("{route} {body}\n"),
    })
}

/// Reads lines.
pub(crate) struct Reader(BufReader<OwnedReadHalf>);

impl FrameReceiver<String> for Reader {
    async fn receive(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        (&mut self.0).take(LONGEST).read_line(&mut line).await?;
        match line.strip_suffix('\n') {
            Some(line) => Ok(Some(line.to_owned())),
            None if line.is_empty() => Ok(None),
            None => Err(io::Error::other("a line that is cut off or too long")),
        }
    }
}

/// Writes lines.
pub(crate) struct Writer(OwnedWriteHalf);

impl FrameSender<String> for Writer {
    async fn send(&mut self, line: String) -> io::Result<()> {
        self.0.write_all(line.as_bytes()).await
    }

    async fn send_batch(&mut self, lines: Vec<String>) -> io::Result<()> {
        self.send(lines.concat()).await
    }

    async fn closing(&mut self, reason: &str) -> io::Result<()> {
        self.send(format!("bye {reason}\n")).await
    }
}
