//! How bodies are compressed.

use std::{fmt, sync::Arc};

use bytes::{Bytes, BytesMut};
use tangelo_wire::krpc::compress::{self, Compression};

/// A way to compress bodies. krpc has `zlib` and `snappy`; an application may add its own, which its
/// peers have to know as well.
pub trait Codec: fmt::Debug + Send + Sync + 'static {
    /// Its number in the meta of a frame: not 0, which says that a body is not compressed.
    fn number(&self) -> i32;

    /// Its name in a referer's `zip`.
    fn name(&self) -> &str;

    /// Appends the compressed body.
    ///
    /// # Errors
    /// The body cannot be compressed: the call ends with [`Code::ENCODE_REQ_ERROR`](crate::Code::ENCODE_REQ_ERROR),
    /// an answer goes as it is.
    fn compress(&self, body: &[u8], out: &mut BytesMut) -> Result<(), CodecError>;

    /// The body as it was. It must not become longer than `limit`, nor take more memory on the way:
    /// the bytes come from a peer.
    ///
    /// # Errors
    /// Bytes that this codec has not made, or that become too long.
    fn decompress(&self, bytes: &[u8], limit: usize) -> Result<Bytes, CodecError>;
}

/// Why a body cannot be compressed, or read.
pub type CodecError = Box<dyn std::error::Error + Send + Sync>;

/// krpc's own.
#[derive(Debug)]
struct BuiltIn(Compression, &'static str);

impl Codec for BuiltIn {
    fn number(&self) -> i32 {
        self.0 as i32
    }

    fn name(&self) -> &str {
        self.1
    }

    fn compress(&self, body: &[u8], out: &mut BytesMut) -> Result<(), CodecError> {
        Ok(compress::compress(self.0, body, out)?)
    }

    fn decompress(&self, bytes: &[u8], limit: usize) -> Result<Bytes, CodecError> {
        Ok(compress::decompress(self.0, bytes, limit)?)
    }
}

/// The codecs that are known. Clones share them.
#[derive(Clone, Debug)]
pub struct Codecs(Arc<[Arc<dyn Codec>]>);

impl Default for Codecs {
    fn default() -> Self {
        Self::new([])
    }
}

impl Codecs {
    /// krpc's own, and these; one of the same number replaces krpc's.
    pub fn new(own: impl IntoIterator<Item = Arc<dyn Codec>>) -> Self {
        let built_in = [
            Arc::new(BuiltIn(Compression::Zlib, "zlib")) as Arc<dyn Codec>,
            Arc::new(BuiltIn(Compression::Snappy, "snappy")),
        ];
        Self(own.into_iter().chain(built_in).collect())
    }

    pub(crate) fn by_number(&self, number: i32) -> Option<&Arc<dyn Codec>> {
        self.0.iter().find(|codec| codec.number() == number)
    }

    /// The codec that a referer's `zip` names, by its name or its number; none for `none` and `0`.
    ///
    /// # Errors
    /// No codec of this name; those there are.
    pub fn named(&self, name: &str) -> Result<Option<Arc<dyn Codec>>, String> {
        let is_it = |codec: &&Arc<dyn Codec>| {
            codec.name().eq_ignore_ascii_case(name) || codec.number().to_string() == name
        };
        match self.0.iter().find(is_it) {
            Some(codec) => Ok(Some(Arc::clone(codec))),
            None if name.is_empty() || name == "0" || name.eq_ignore_ascii_case("none") => Ok(None),
            None => {
                let known: Vec<_> = self.0.iter().map(|codec| codec.name()).collect();
                Err(format!(
                    "expected none, {}; found `{name}`",
                    known.join(" or ")
                ))
            }
        }
    }
}
