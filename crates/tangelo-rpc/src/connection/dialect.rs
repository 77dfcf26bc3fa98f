//! How one connection writes what krpc leaves open: layout of the meta, compression, encryption.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use parking_lot::RwLock;
use tangelo_wire::krpc::{
    encrypt::{AES, Key},
    layout::Layout,
    meta::{Beside, Direction, Meta},
};

use super::{ReplyTo, asking::timeout_ms};
use crate::{Code, Codec, Codecs, Reply, Request, Status, config::RefererConfig};

/// Bytes above which an answer is compressed as its request was; krpc's default for requests.
const MIN_SIZE_TO_ZIP: usize = 10_000;

/// How many times as long as it came a body may become when it is read out of its compression. Text
/// becomes ten to fifty times as long.
const MAX_RATIO: usize = 200;

/// Bytes that every body may become, however short it came.
const ALWAYS_INFLATED: usize = 256 << 10;

/// How requests are compressed.
#[derive(Clone, Debug)]
pub(crate) struct Zip {
    pub(crate) codec: Arc<dyn Codec>,
    /// Bytes above which they are.
    pub(crate) min_size: usize,
}

impl Zip {
    /// What a referer asks for; none if for nothing.
    pub(crate) fn named(codecs: &Codecs, referer: &RefererConfig) -> Result<Option<Self>, String> {
        let codec = codecs.named(&referer.zip)?;
        Ok(codec.map(|codec| Self {
            codec,
            min_size: referer.min_size_to_zip,
        }))
    }
}

/// The layout of this name.
pub(crate) fn layout(name: &str) -> Result<Layout, String> {
    match name {
        "v1" => Ok(Layout::V1),
        "v2" => Ok(Layout::V2),
        _ => Err(format!("layout: expected v1 or v2, found `{name}`")),
    }
}

/// Why nothing is encrypted for a peer of the time before 0.2.
const UNSAYABLE: &str = "krpc's first layout cannot say that a body is encrypted";

/// A body as it travels.
pub(crate) type Body<'a> = Cow<'a, [u8]>;

/// How one connection writes and reads what krpc leaves open.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// Layout of the meta, until the other side tells.
    layout: AtomicU8,
    told: AtomicBool,
    may_encrypt: bool,
    key: RwLock<Option<Key>>,
    codecs: Codecs,
    /// Bytes that a body may have when it is read out of its compression.
    max_inflated: usize,
}

impl Dialect {
    pub(crate) fn new(
        layout: Layout,
        may_encrypt: bool,
        codecs: Codecs,
        max_inflated: usize,
    ) -> Self {
        Self {
            layout: AtomicU8::new(layout as u8),
            told: AtomicBool::new(false),
            may_encrypt,
            key: RwLock::new(None),
            codecs,
            max_inflated,
        }
    }

    /// What Tangelo's servers write to each other.
    pub(crate) fn ours(max_frame: usize) -> Self {
        Self::new(Layout::V2, false, Codecs::default(), max_frame)
    }

    pub(crate) fn layout(&self) -> Layout {
        if self.layout.load(Ordering::Relaxed) == Layout::V1 as u8 {
            Layout::V1
        } else {
            Layout::V2
        }
    }

    /// The first frame that tells the other side's layout settles it.
    pub(crate) fn learn(&self, layout: Layout) {
        // Looked at first: each request tells it again, and to swap costs as much as to read half of a meta.
        if !self.told.load(Ordering::Relaxed) && !self.told.swap(true, Ordering::Relaxed) {
            self.layout.store(layout as u8, Ordering::Relaxed);
        }
    }

    pub(crate) fn set_key(&self, key: Key) -> Result<(), Status> {
        if !self.may_encrypt {
            let problem = "enable_encrypt is off for this server or client";
            return Err(Status::new(Code::EXEC_EXCEPTION, problem));
        }
        if self.layout() == Layout::V1 {
            return Err(Status::new(Code::EXEC_EXCEPTION, UNSAYABLE));
        }
        *self.key.write() = Some(key);
        Ok(())
    }

    /// The meta of a request, but for its sequence, and the body as it travels.
    pub(crate) fn outgoing<'a>(
        &self,
        request: &'a Request,
        timeout: Duration,
        zip: Option<&Zip>,
    ) -> Result<(Meta, Body<'a>), Status> {
        let mut meta = Meta {
            service_id: request.service_id,
            msg_id: request.msg_id,
            timeout_ms: if timeout.is_zero() {
                0
            } else {
                timeout_ms(timeout)
            },
            ..Meta::default()
        };
        if let Some(headers) = &request.headers {
            meta.beside = Beside::of(headers.trace.clone(), headers.attachment.clone());
        }
        let body = &request.body;
        let key = if self.may_encrypt {
            self.key.read().clone()
        } else {
            None
        };
        if key.is_some() && self.layout() == Layout::V1 {
            // It was set before the other side told its layout.
            return Err(Status::new(Code::ENCODE_REQ_ERROR, UNSAYABLE));
        }
        let body = match (key, zip) {
            (Some(key), _) => {
                meta.encrypt = AES;
                Cow::Owned(encrypted(&key, body))
            }
            (None, Some(zip)) if body.len() > zip.min_size => {
                match compressed(&*zip.codec, body)? {
                    Some(short) => {
                        meta.compress = zip.codec.number();
                        Cow::Owned(short)
                    }
                    None => Cow::Borrowed(&body[..]),
                }
            }
            _ => Cow::Borrowed(&body[..]),
        };
        Ok((meta, body))
    }

    /// The meta and the body, as it travels, of an answer.
    pub(super) fn response<'a>(
        &self,
        to: ReplyTo,
        outcome: &'a Result<Reply, Status>,
    ) -> (Meta, Body<'a>) {
        let (code, body) = match outcome {
            Ok(reply) => (Code(reply.ret_code), &reply.body),
            Err(status) => (status.code(), status.response()),
        };
        let v1 = self.layout() == Layout::V1;
        let mut meta = Meta {
            direction: Direction::Response,
            service_id: to.service_id,
            msg_id: to.msg_id,
            sequence: to.sequence,
            ret_code: if v1 { code.to_v1() } else { code.0 },
            ..Meta::default()
        };
        // The time before 0.2 knows a failure by its code alone.
        let body: &[u8] = if v1 && code.is_frameworks() {
            &[]
        } else {
            body
        };
        if body.is_empty() || (to.encrypt, to.compress) == (0, 0) {
            return (meta, Cow::Borrowed(body));
        }
        let key = (to.encrypt == AES && !v1)
            .then(|| self.key.read().clone())
            .flatten();
        let body = match (key, self.codecs.by_number(to.compress)) {
            (Some(key), _) => {
                meta.encrypt = AES;
                Cow::Owned(encrypted(&key, body))
            }
            (None, Some(codec)) if body.len() > MIN_SIZE_TO_ZIP => {
                match compressed(&**codec, body) {
                    Ok(Some(short)) => {
                        meta.compress = to.compress;
                        Cow::Owned(short)
                    }
                    Ok(None) | Err(_) => Cow::Borrowed(body),
                }
            }
            _ => Cow::Borrowed(body),
        };
        (meta, body)
    }

    /// The body out of its compression and encryption; none if it cannot be read.
    #[inline]
    pub(crate) fn open(&self, meta: &Meta, body: Bytes) -> Option<Bytes> {
        match (meta.encrypt, meta.compress) {
            (0, 0) => Some(body),
            _ => self.undo(meta, body),
        }
    }

    fn undo(&self, meta: &Meta, body: Bytes) -> Option<Bytes> {
        match (meta.encrypt, meta.compress) {
            // Without bytes there is nothing to be compressed.
            (0, _) if body.is_empty() => Some(body),
            (0, number) => {
                let codec = self.codecs.by_number(number)?;
                let limit = self.max_inflated.min(inflated_at_most(body.len()));
                let opened = codec.decompress(&body, limit).ok()?;
                // A codec of the application's may be wrong.
                (opened.len() <= limit).then_some(opened)
            }
            (AES, _) if body.is_empty() => Some(body),
            (AES, 0) => {
                let key = self.key.read().clone()?;
                key.decrypt(&body).ok()
            }
            _ => None,
        }
    }

    /// The code of an answer, by the numbers of 0.2.51.
    pub(crate) fn code(&self, meta: &Meta) -> Code {
        match self.layout() {
            Layout::V1 => Code::from_v1(meta.ret_code),
            Layout::V2 => Code(meta.ret_code),
        }
    }
}

fn encrypted(key: &Key, body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    key.encrypt(body, &mut out);
    out.into()
}

/// None if nobody would believe what so few bytes become; then the body goes as it is.
fn compressed(codec: &dyn Codec, body: &[u8]) -> Result<Option<Vec<u8>>, Status> {
    let mut out = BytesMut::new();
    codec
        .compress(body, &mut out)
        .map_err(|error| Status::from(Code::ENCODE_REQ_ERROR).with_cause(error))?;
    let is_believed = body.len() <= inflated_at_most(out.len());
    Ok(is_believed.then(|| out.into()))
}

/// What so many compressed bytes may become.
fn inflated_at_most(compressed: usize) -> usize {
    ALWAYS_INFLATED.max(compressed.saturating_mul(MAX_RATIO))
}

#[cfg(test)]
mod tests {
    use tangelo_wire::krpc::compress::{Compression, compress};

    use super::*;

    /// Says that its body is so long, in few bytes, and makes it so.
    #[derive(Debug)]
    struct Runs;

    impl Codec for Runs {
        fn number(&self) -> i32 {
            1
        }

        fn name(&self) -> &str {
            "runs"
        }

        fn compress(&self, body: &[u8], out: &mut BytesMut) -> Result<(), crate::CodecError> {
            out.extend_from_slice(&body[..2000]);
            Ok(())
        }

        fn decompress(&self, _: &[u8], limit: usize) -> Result<Bytes, crate::CodecError> {
            Ok(vec![0; limit].into())
        }
    }

    fn dialect(codecs: Codecs) -> Dialect {
        Dialect::new(Layout::V2, false, codecs, 1_000_000)
    }

    fn zipped() -> Meta {
        Meta {
            compress: 1,
            ..Meta::default()
        }
    }

    #[test]
    fn a_body_becomes_so_many_times_as_long_as_it_came_and_no_longer() {
        let runs = Codecs::new([Arc::new(Runs) as Arc<dyn Codec>]);
        let opened = |came: usize| {
            let body = dialect(runs.clone()).open(&zipped(), vec![0; came].into());
            body.map(|body| body.len())
        };
        assert_eq!(opened(1), Some(ALWAYS_INFLATED));
        assert_eq!(opened(2000), Some(2000 * MAX_RATIO));
        assert_eq!(opened(6000), Some(1_000_000), "and never beyond a package");
    }

    #[test]
    fn a_bomb_is_not_read() {
        let dialect = dialect(Codecs::default());
        for (length, is_read) in [(ALWAYS_INFLATED, true), (ALWAYS_INFLATED + 1, false)] {
            let mut bomb = BytesMut::new();
            compress(Compression::Zlib, &vec![0; length], &mut bomb).unwrap();
            assert!(bomb.len() * MAX_RATIO < ALWAYS_INFLATED);
            let opened = dialect.open(&zipped(), bomb.freeze());
            assert_eq!(opened.is_some(), is_read, "{length}");
        }
    }

    #[test]
    fn what_the_other_side_would_not_read_is_sent_as_it_is() {
        let zip = Zip {
            codec: Arc::new(Runs),
            min_size: 0,
        };
        let dialect = dialect(Codecs::new([Arc::new(Runs) as Arc<dyn Codec>]));
        let sent = |length: usize| {
            let request = Request::new((100, 1), vec![0; length]);
            let timeout = Duration::from_secs(1);
            let (meta, body) = dialect.outgoing(&request, timeout, Some(&zip)).unwrap();
            let to = ReplyTo {
                service_id: 100,
                msg_id: 1,
                sequence: 1,
                compress: 1,
                encrypt: 0,
            };
            let reply = Ok(Reply::protobuf(0, vec![0; length]));
            let (answer, answered) = dialect.response(to, &reply);
            assert_eq!(
                (answer.compress, answered.len()),
                (meta.compress, body.len())
            );
            (meta.compress, body.len())
        };
        assert_eq!(sent(2000 * MAX_RATIO), (1, 2000));
        assert_eq!(sent(2000 * MAX_RATIO + 1), (0, 2000 * MAX_RATIO + 1));
    }
}
