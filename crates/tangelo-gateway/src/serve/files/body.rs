//! A file on its way.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{BufMut, Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use tokio::{
    fs::File,
    io::{AsyncSeekExt, SeekFrom},
};
use tokio_util::io::poll_read_buf;

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// A part of a file, read as its client reads it.
#[derive(Debug)]
pub(super) struct FileBody {
    file: File,
    left: u64,
    buffer: BytesMut,
}

impl FileBody {
    /// So many bytes from there on.
    pub(super) async fn new(file: std::fs::File, from: u64, length: u64) -> io::Result<Self> {
        let mut file = File::from_std(file);
        file.set_max_buf_size(CHUNK);
        if from > 0 {
            file.seek(SeekFrom::Start(from)).await?;
        }
        Ok(Self {
            file,
            left: length,
            buffer: BytesMut::new(),
        })
    }
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let this = &mut *self;
        let most = usize::try_from(this.left).map_or(CHUNK, |left| left.min(CHUNK));
        this.buffer.reserve(most);
        let mut room = (&mut this.buffer).limit(most);
        let read = ready!(poll_read_buf(Pin::new(&mut this.file), context, &mut room))?;
        if read == 0 {
            // It was longer when it was opened; what was promised cannot be kept.
            let error = io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter");
            return Poll::Ready(Some(Err(error)));
        }
        this.left -= read as u64;
        Poll::Ready(Some(Ok(Frame::data(this.buffer.split().freeze()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
