//! A body of several parts: texts, and files that go to disk as they come.

use std::{
    io,
    path::Path,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;
use multer::{Constraints, Field, Multipart, SizeLimit};
use serde_json::{Map, Value, json, map::Entry};
use tangelo_rpc::Code as RpcCode;
use tokio::{
    fs::{File, OpenOptions},
    io::AsyncWriteExt,
    time::timeout,
};

use super::{disposition::base_name, uploaded::Uploaded};
use crate::serve::{
    UploadLimits,
    content::Held,
    problem::{Code, Problem},
};

/// Bytes of the headers of one part.
const PART_HEADERS: usize = 64 << 10;

/// Letters of the longest ending of a file's name.
const LONGEST_ENDING: usize = 16;

/// What has come.
#[derive(Debug, Default)]
pub(in crate::serve) struct Form {
    pub(in crate::serve) texts: Map<String, Value>,
    /// As the field `files` has them.
    pub(in crate::serve) files: Vec<Value>,
    /// Bytes of all of it.
    pub(in crate::serve) received: usize,
}

/// Where files go, and how much may come.
pub(in crate::serve) struct Receiving<'a> {
    pub(in crate::serve) limits: UploadLimits,
    /// Bytes of all that is no file.
    pub(in crate::serve) text_bytes: usize,
    /// None where no files are taken.
    pub(in crate::serve) folder: Option<&'a Path>,
    pub(in crate::serve) is_kept: bool,
    /// Bytes of all bodies that are here at once.
    pub(in crate::serve) held: &'a mut Held,
    pub(in crate::serve) held_bytes: usize,
    /// Bytes of all files that come at once.
    pub(in crate::serve) on_disk: &'a mut Held,
    pub(in crate::serve) uploaded: &'a mut Uploaded,
}

/// Why a body is not taken.
#[derive(Debug)]
pub(in crate::serve) enum Refused {
    /// It is the client's.
    Problem(Problem),
    /// The disk's.
    Disk(io::Error),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// What stands between the parts; none if the body does not come in parts.
pub(in crate::serve) fn boundary(headers: &HeaderMap) -> Option<Result<String, Problem>> {
    let kind = headers.get(header::CONTENT_TYPE)?;
    let kind = String::from_utf8_lossy(kind.as_bytes());
    let essence = kind.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    if essence == "multipart/form-data" {
        let boundary = multer::parse_boundary(&*kind);
        return Some(boundary.map_err(|_| {
            bad("the Content-Type says no boundary: multipart/form-data; boundary=...")
        }));
    }
    essence.starts_with("multipart/").then(|| {
        let words = "of bodies of several parts only multipart/form-data is understood";
        let code = RpcCode::DECODE_REQ_ERROR;
        Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, words).closing())
    })
}

/// Takes a body, within limits of bytes and time.
pub(in crate::serve) async fn receive(
    body: Incoming,
    boundary: String,
    receiving: Receiving<'_>,
) -> Result<Form, Refused> {
    let limits = receiving.limits;
    if body.size_hint().lower() > limits.request_bytes as u64 {
        return Err(too_long(limits.request_bytes).into());
    }
    let whole = timeout(limits.time, collect(body, boundary, receiving));
    whole.await.unwrap_or_else(|_| {
        let words = format!("the body has not come within {:?}", limits.time);
        let code = RpcCode::DECODE_REQ_ERROR;
        Err(Problem::new(StatusCode::REQUEST_TIMEOUT, code, words)
            .closing()
            .into())
    })
}

async fn collect(
    body: Incoming,
    boundary: String,
    mut receiving: Receiving<'_>,
) -> Result<Form, Refused> {
    let limits = receiving.limits;
    let unread = Arc::new(AtomicUsize::new(0));
    let received = Arc::new(AtomicUsize::new(0));
    let frames = Frames {
        body,
        unread: Arc::clone(&unread),
        received: Arc::clone(&received),
        rests: false,
    };
    let size = SizeLimit::new().whole_stream(limits.request_bytes as u64);
    let constraints = Constraints::new().size_limit(size);
    let mut parts = Multipart::with_constraints(frames, boundary, constraints);
    let mut form = Form::default();
    let (mut count, mut text_bytes) = (0, 0);
    let problem = |error| wrong(&error, limits.request_bytes);
    while let Some(field) = parts.next_field().await.map_err(problem)? {
        unread.store(0, Relaxed);
        count += 1;
        if count > limits.parts {
            let words = format!("the body has more than {} parts", limits.parts);
            return Err(too_much(words).into());
        }
        let Some(name) = field.name().map(str::to_owned) else {
            return Err(bad("a part has no name").into());
        };
        if let Some(filename) = filename(&field) {
            let file = save(
                field,
                (name, &filename),
                form.files.len(),
                &unread,
                &mut receiving,
            )
            .await?;
            form.files.extend(file);
            continue;
        }
        text_bytes += name.len();
        let text = text(field, &unread, &mut text_bytes, &mut receiving).await?;
        match form.texts.entry(name) {
            Entry::Vacant(free) => {
                free.insert(text);
            }
            Entry::Occupied(mut taken) => match taken.get_mut() {
                Value::Array(values) => values.push(text),
                single => *single = Value::Array(vec![single.take(), text]),
            },
        }
    }
    form.received = received.load(Relaxed);
    Ok(form)
}

async fn text(
    mut field: Field<'_>,
    unread: &AtomicUsize,
    text_bytes: &mut usize,
    receiving: &mut Receiving<'_>,
) -> Result<Value, Refused> {
    let most = receiving.text_bytes;
    let request_bytes = receiving.limits.request_bytes;
    let mut whole = Vec::new();
    while let Some(chunk) = field
        .chunk()
        .await
        .map_err(|error| wrong(&error, request_bytes))?
    {
        unread.store(0, Relaxed);
        *text_bytes += chunk.len();
        if *text_bytes > most {
            let words = format!("the parts that are no files have more than {most} bytes");
            return Err(too_much(words).into());
        }
        if !receiving.held.take(chunk.len(), receiving.held_bytes) {
            let words = "too many requests with large bodies at once";
            return Err(Problem::unavailable(RpcCode::QUEUE_FULL, words)
                .closing()
                .into());
        }
        whole.extend_from_slice(&chunk);
    }
    match String::from_utf8(whole) {
        Ok(text) => Ok(text.into()),
        Err(_) => {
            let name = field.name().unwrap_or_default();
            Err(bad(format!("{name}: not UTF-8")).into())
        }
    }
}

/// A file, as a service is told of it; none if a browser had none to send.
async fn save(
    mut field: Field<'_>,
    (name, filename): (String, &str),
    files: usize,
    unread: &AtomicUsize,
    receiving: &mut Receiving<'_>,
) -> Result<Option<Value>, Refused> {
    let limits = receiving.limits;
    let problem = |error| wrong(&error, limits.request_bytes);
    let filename = base_name(&unescaped(filename));
    let kind = field.content_type().map(ToString::to_string);
    let mut chunk = field.chunk().await.map_err(problem)?;
    // Nothing may come as a chunk of nothing.
    while chunk.as_ref().is_some_and(Bytes::is_empty) {
        chunk = field.chunk().await.map_err(problem)?;
    }
    if chunk.is_none() && filename.is_empty() {
        return Ok(None);
    }
    if files == limits.files {
        let words = format!("there are more than {} files", limits.files);
        return Err(too_much(words).into());
    }
    let Some(folder) = receiving.folder else {
        let (code, words) = (RpcCode::DECODE_REQ_ERROR, "files are not taken here");
        let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, words);
        return Err(problem.closing().into());
    };
    let path = receiving.uploaded.name(folder, receiving.is_kept)?;
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .await?;
    let mut size = 0;
    while let Some(bytes) = chunk {
        unread.store(0, Relaxed);
        size += bytes.len();
        if size > limits.file_bytes {
            let words = format!("a file has more than {} bytes", limits.file_bytes);
            return Err(too_much(words).into());
        }
        if !receiving.on_disk.take(bytes.len(), limits.at_once_bytes) {
            let words = "too many files come at once";
            return Err(Problem::unavailable(RpcCode::QUEUE_FULL, words)
                .closing()
                .into());
        }
        file.write_all(&bytes).await?;
        chunk = field.chunk().await.map_err(problem)?;
    }
    // It is read by others from now on.
    file.flush().await?;
    Ok(Some(json!({
        "name": name,
        "ext": ending(&filename),
        "filename": filename,
        "contentType": kind.as_deref().unwrap_or("application/octet-stream"),
        "file": path.to_string_lossy(),
        "size": size,
    })))
}

/// A name as the client has it: in a header it has `%22` for its quotes, and `%0D`, `%0A` for ends of lines (RFC 7578).
fn unescaped(name: &str) -> String {
    let name = name.replace("%22", "\"");
    name.replace("%0D", "\r").replace("%0A", "\n")
}

/// The name of a part that is a file. One that is not UTF-8 or has no end is a file's as well.
fn filename(field: &Field<'_>) -> Option<String> {
    if let Some(name) = field.file_name() {
        return Some(name.to_owned());
    }
    let said = field.headers().get(header::CONTENT_DISPOSITION)?;
    lossy_filename(said.as_bytes())
}

fn lossy_filename(said: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"filename";
    let at = said
        .windows(NAME.len())
        .enumerate()
        .find(|(at, word)| {
            let is_word = *at == 0
                || said
                    .get(at - 1)
                    .is_some_and(|byte| matches!(byte, b';' | b' ' | b'\t'));
            is_word && word.eq_ignore_ascii_case(NAME)
        })
        .map(|(at, _)| at + NAME.len())?;
    let rest = said.get(at..)?.trim_ascii_start();
    // `filename*=` is a file's, too, of whatever name.
    let value = match rest.strip_prefix(b"=") {
        Some(value) => value.trim_ascii(),
        None if rest.starts_with(b"*") => b"",
        None => return None,
    };
    let value = match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.split(|byte| *byte == b'"').next(),
        None => value.split(|byte| *byte == b';').next(),
    };
    Some(String::from_utf8_lossy(value.unwrap_or_default()).into_owned())
}

/// `.png`, if it is one that can be trusted to be no more than that.
fn ending(filename: &str) -> &str {
    let ending = filename.rfind('.').and_then(|at| filename.get(at..));
    let is_plain = |ending: &&str| {
        let letters = ending.get(1..).unwrap_or_default();
        (1..=LONGEST_ENDING).contains(&letters.len())
            && letters.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    ending.filter(is_plain).unwrap_or_default()
}

fn wrong(error: &multer::Error, request_bytes: usize) -> Problem {
    use multer::Error as E;
    match error {
        E::StreamSizeExceeded { .. } => too_long(request_bytes),
        E::StreamReadFailed(why) if why.is::<LongHeaders>() => too_much(why.to_string()),
        E::StreamReadFailed(_) => bad("the body breaks off"),
        E::IncompleteStream | E::IncompleteFieldData { .. } | E::IncompleteHeaders => {
            bad("the body is no multipart/form-data: it ends before its last boundary")
        }
        _ => bad("the body is no multipart/form-data: its parts cannot be read"),
    }
}

fn bad(words: impl Into<String>) -> Problem {
    Problem::bad_request(words).closing()
}

fn too_long(bytes: usize) -> Problem {
    too_much(format!("the body has more than {bytes} bytes"))
}

fn too_much(words: String) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, Code::TOO_LARGE, words).closing()
}

/// What goes before a part does not end.
#[derive(Debug, thiserror::Error)]
#[error("the headers of a part have more than {PART_HEADERS} bytes")]
struct LongHeaders;

/// The body's bytes. They are given one frame at a time, and no more are given as long as nothing comes of them:
/// the parser keeps all it is given.
struct Frames {
    body: Incoming,
    /// Bytes of which nothing has come yet.
    unread: Arc<AtomicUsize>,
    received: Arc<AtomicUsize>,
    rests: bool,
}

impl Stream for Frames {
    type Item = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.rests) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => return Poll::Ready(None),
            };
            // Trailers mean nothing here.
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if self.unread.fetch_add(data.len(), Relaxed) > PART_HEADERS {
                return Poll::Ready(Some(Err(LongHeaders.into())));
            }
            self.received.fetch_add(data.len(), Relaxed);
            self.rests = true;
            return Poll::Ready(Some(Ok(data)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_of_a_name_is_letters_and_digits_or_nothing() {
        for (name, found) in [
            ("a.png", ".png"),
            ("a.tar.gz", ".gz"),
            (".bashrc", ".bashrc"),
            ("a", ""),
            ("a.", ""),
            ("a.p g", ""),
            ("a.<b>", ""),
            ("a.1234567890123456", ".1234567890123456"),
            ("a.12345678901234567", ""),
            ("", ""),
        ] {
            assert_eq!(ending(name), found, "{name}");
        }
    }

    #[test]
    fn what_a_header_cannot_have_in_a_name_is_read_as_it_was() {
        assert_eq!(unescaped("my %22file%22.txt"), "my \"file\".txt");
        assert_eq!(unescaped("100%25.txt"), "100%25.txt");
        assert_eq!(base_name(&unescaped("a%0D%0Ab.txt")), "ab.txt");
    }

    #[test]
    fn a_file_is_one_whatever_its_name_is_made_of() {
        for (said, name) in [
            (&b"form-data; name=\"f\""[..], None),
            (
                b"form-data; name=\"f\"; filename=\"\xff\xfe.png\"",
                Some("\u{fffd}\u{fffd}.png"),
            ),
            (b"form-data; name=\"f\"; FileName=\"a", Some("a")),
            (
                b"form-data; name=\"f\";filename=\xff.png; x=1",
                Some("\u{fffd}.png"),
            ),
            (b"form-data; name=\"f\"; filename*=UTF-8''a.png", Some("")),
            (b"form-data; name=\"myfilename=x\"", None),
            (b"form-data; name=\"f\"; filenames=\"a\"", None),
        ] {
            assert_eq!(lossy_filename(said).as_deref(), name, "{said:?}");
        }
    }

    #[test]
    fn a_body_in_parts_is_told_by_its_type() {
        let boundary = |kind: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            super::boundary(&headers).map(|found| found.map_err(|problem| problem.status.as_u16()))
        };
        for (kind, found) in [
            (
                "multipart/form-data; boundary=abc",
                Some(Ok("abc".to_owned())),
            ),
            (
                "Multipart/Form-Data; boundary=\"a b\"",
                Some(Ok("a b".to_owned())),
            ),
            ("multipart/form-data", Some(Err(400))),
            ("multipart/mixed; boundary=abc", Some(Err(415))),
            ("application/json", None),
            ("multipart", None),
        ] {
            assert_eq!(boundary(kind), found, "{kind}");
        }
        assert!(super::boundary(&HeaderMap::new()).is_none());
    }
}
