//! A TCP connection with its two buffers, read and written once per wake-up.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Holds what sixteen small messages need many times over. A read that fills less than the buffer
/// also tells tokio that the socket is empty, which saves the system call that would only say so.
const READ_BUFFER: usize = 16 * 1024;

/// A connection, what has been read from it, and what is to be written to it.
#[derive(Debug)]
pub struct Pipe<S = TcpStream> {
    stream: S,
    input: Vec<u8>,
    /// What has been read and not consumed is `input[consumed..filled]`.
    consumed: usize,
    filled: usize,
    output: Vec<u8>,
    written: usize,
}

impl Pipe {
    /// Takes a connection over and sets it to send at once what is written.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self::over(stream))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Pipe<S> {
    /// Takes over what bytes come and go by.
    pub fn over(stream: S) -> Self {
        Self {
            stream,
            input: vec![0; READ_BUFFER],
            consumed: 0,
            filled: 0,
            output: Vec::new(),
            written: 0,
        }
    }

    /// What it was made of.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// What has been read and not yet consumed.
    #[must_use]
    pub fn input(&self) -> &[u8] {
        &self.input[self.consumed..self.filled]
    }

    /// Forgets the first `count` bytes of the input.
    pub fn consume(&mut self, count: usize) {
        self.consumed += count;
    }

    /// The buffer to which the next output is appended.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// The input beside the output, for whoever writes while reading; what was used of the input is
    /// then consumed.
    pub fn split(&mut self) -> (&[u8], &mut Vec<u8>) {
        (&self.input[self.consumed..self.filled], &mut self.output)
    }

    /// Writes as much of the output as the socket takes; ready when nothing is left.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.output.len() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.output[self.written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        self.output.clear();
        self.written = 0;
        // What is made safe may have been taken and not sent yet.
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Reads what is there; ready with the number of new bytes, which is zero when the peer has
    /// closed.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.input.copy_within(self.consumed..self.filled, 0);
        self.filled -= self.consumed;
        self.consumed = 0;
        if self.filled == self.input.len() {
            self.input.resize(2 * self.filled, 0);
        }
        let mut room = ReadBuf::new(&mut self.input[self.filled..]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
        let count = room.filled().len();
        self.filled += count;
        Poll::Ready(Ok(count))
    }

    /// Waits until the output is written.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Waits for input; zero says that the peer has closed.
    pub async fn fill(&mut self) -> io::Result<usize> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    /// Waits for input and meanwhile writes the output, so that two peers with full sockets do not
    /// wait for each other.
    pub async fn exchange(&mut self) -> io::Result<usize> {
        poll_fn(|cx| {
            // A write that has to wait does not keep us from reading; its waker is registered all
            // the same.
            if let Poll::Ready(written) = self.poll_flush(cx) {
                written?;
            }
            self.poll_fill(cx)
        })
        .await
    }
}
