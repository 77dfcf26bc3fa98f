//! Bytes become fewer.

use std::{
    io::{self, Write},
    pin::Pin,
    task::{Context, Poll, ready},
};

use brotli::{CompressorWriter, enc::BrotliEncoderParams};
use bytes::Bytes;
use flate2::write::GzEncoder;
use http_body::Frame;
use zstd::{stream::raw::CParameter, stream::write::Encoder as ZstdEncoder};

use super::{content::Held, files::Coding};
use crate::Body;

/// Bytes that are compressed in one go, on the task of their connection: others have their turn after them.
const PIECE: usize = 32 << 10;

/// How far back what is alike is looked for, as a power of two: 128 KiB. A client can have many answers compressed and
/// read none, so an encoder has to be small.
const WINDOW: u32 = 17;

/// Of br, from 0 to 11.
const BR_QUALITY: i32 = 4;
/// Of zstd, from 1 to 22.
const ZSTD_LEVEL: i32 = 3;
/// Of gzip, from 1 to 9.
const GZIP_LEVEL: u32 = 5;

/// Bytes that an encoder takes at the most, with what it has made and nobody has fetched yet.
pub(super) fn memory(coding: Coding) -> usize {
    match coding {
        Coding::Brotli => 2 << 20,
        Coding::Zstd => 3 << 19,
        Coding::Gzip => 1 << 19,
    }
}

enum Encoder {
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(ZstdEncoder<'static, Vec<u8>>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Encoder {
    /// For so many bytes, if that is known.
    fn new(coding: Coding, length: Option<usize>) -> io::Result<Self> {
        Ok(match coding {
            Coding::Brotli => {
                // From 10 on; no more than there is to look back at.
                let needed = length.map(|length| length.max(1 << 10).next_power_of_two().ilog2());
                let params = BrotliEncoderParams {
                    quality: BR_QUALITY,
                    lgwin: needed.map_or(WINDOW, |needed| needed.min(WINDOW)) as i32,
                    size_hint: length.unwrap_or_default(),
                    ..BrotliEncoderParams::default()
                };
                let writer = CompressorWriter::with_params(Vec::new(), 4 << 10, &params);
                Self::Brotli(Box::new(writer))
            }
            Coding::Zstd => {
                let mut encoder = ZstdEncoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.set_parameter(CParameter::WindowLog(WINDOW))?;
                encoder.set_pledged_src_size(length.map(|length| length as u64))?;
                Self::Zstd(encoder)
            }
            Coding::Gzip => {
                let level = flate2::Compression::new(GZIP_LEVEL);
                Self::Gzip(GzEncoder::new(Vec::new(), level))
            }
        })
    }

    /// What comes of it so far.
    fn write(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let out = match self {
            Self::Brotli(encoder) => {
                encoder.write_all(bytes)?;
                encoder.get_mut()
            }
            Self::Zstd(encoder) => {
                encoder.write_all(bytes)?;
                encoder.get_mut()
            }
            Self::Gzip(encoder) => {
                encoder.write_all(bytes)?;
                encoder.get_mut()
            }
        };
        Ok(std::mem::take(out))
    }

    /// The rest.
    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            // It ends what it writes as it is taken apart.
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
            Self::Zstd(encoder) => encoder.finish(),
            Self::Gzip(encoder) => encoder.finish(),
        }
    }
}

/// A whole body, compressed.
pub(super) fn whole(coding: Coding, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = Encoder::new(coding, Some(bytes.len()))?;
    let mut out = encoder.write(bytes)?;
    out.extend(encoder.finish()?);
    Ok(out)
}

/// A body that is compressed as its client reads it.
pub(super) struct Compressed {
    source: Body,
    /// Of the source, to be compressed.
    rest: Bytes,
    coding: Coding,
    /// Begun when its client takes the first bytes.
    encoder: Option<Encoder>,
    /// The room for the encoder; none when all is compressed.
    held: Option<Held>,
}

impl Compressed {
    pub(super) fn new(coding: Coding, source: Body, held: Held) -> Self {
        Self {
            source,
            rest: Bytes::new(),
            coding,
            encoder: None,
            held: Some(held),
        }
    }

    fn encoder(&mut self) -> io::Result<&mut Encoder> {
        if self.encoder.is_none() {
            self.encoder = Some(Encoder::new(self.coding, None)?);
        }
        let gone = || io::Error::other("there is no encoder");
        self.encoder.as_mut().ok_or_else(gone)
    }

    /// The last bytes. There is no encoder any more, however long its client takes to read them.
    fn finish(&mut self) -> io::Result<Vec<u8>> {
        self.encoder()?;
        let encoder = self.encoder.take();
        let last = encoder.map_or(Ok(Vec::new()), Encoder::finish);
        self.held = None;
        last
    }
}

impl http_body::Body for Compressed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if this.held.is_none() {
            return Poll::Ready(None);
        }
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.source).poll_frame(context)) {
                Some(Ok(frame)) => this.rest = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    let last = this.finish().map(|last| Frame::data(last.into()));
                    return Poll::Ready(Some(last));
                }
            }
        }
        let piece = this.rest.split_to(this.rest.len().min(PIECE));
        let out = this.encoder()?.write(&piece)?;
        if out.is_empty() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(Frame::data(out.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read, sync::Arc};

    use http_body::Body as _;
    use http_body_util::BodyExt;

    use super::*;
    use crate::serve::content::Room;

    const ALL: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

    fn plain(coding: Coding, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match coding {
            Coding::Brotli => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut out),
            Coding::Zstd => zstd::Decoder::new(bytes).unwrap().read_to_end(&mut out),
            Coding::Gzip => flate2::read::GzDecoder::new(bytes).read_to_end(&mut out),
        }
        .unwrap();
        out
    }

    fn text(length: usize) -> Vec<u8> {
        let mut noise = fastrand::Rng::with_seed(7);
        (0..length).map(|_| noise.u8(b'a'..=b'p')).collect()
    }

    #[tokio::test]
    async fn what_is_compressed_is_what_it_was_in_one_go_and_bit_by_bit() {
        let room = Arc::new(Room::default());
        for coding in ALL {
            for length in [0, 1, 1000, PIECE, PIECE + 1, 300_000] {
                let text = text(length);
                let once = whole(coding, &text).unwrap();
                assert_eq!(plain(coding, &once), text, "{coding:?} {length}");
                let source = Body::from(text.clone());
                let body = Compressed::new(coding, source, Held::none(&room));
                let bits = body.collect().await.unwrap().to_bytes();
                assert_eq!(plain(coding, &bits), text, "{coding:?} {length}");
            }
        }
    }

    #[tokio::test]
    async fn an_encoder_is_gone_with_the_last_bytes_and_with_its_body() {
        let room = Arc::new(Room::default());
        let is_free = || Held::none(&room).take(1, 1);
        let taken = || {
            let mut held = Held::none(&room);
            held.take(1, 1);
            held
        };
        let mut body = Compressed::new(Coding::Gzip, Body::from("abc"), taken());
        assert!(!is_free());
        while !body.is_end_stream() {
            body.frame().await.unwrap().unwrap();
        }
        assert!(body.encoder.is_none() && is_free());
        let body = Compressed::new(Coding::Gzip, Body::from("abc"), taken());
        assert!(!is_free());
        drop(body);
        assert!(is_free());
    }
}
