//! Where a request comes from: its trace, its place in it, and the addresses it came through.
//!
//! A trace informs and never fails a call: what cannot be read, or is longer than allowed, is no trace.

use std::fmt;

use bytes::Bytes;

use super::{
    fields::{self, Value, number_length, put_number, put_text, put_text_of, text_length},
    layout::Layout,
};

/// The longest `trace_id`, `parent_span_id` and `span_id`, in bytes.
pub const MAX_ID: usize = 256;
/// The longest `peers`, in bytes; some hundred addresses.
pub const MAX_PEERS: usize = 4 << 10;
/// The longest `tags`, in bytes.
pub const MAX_TAGS: usize = 8 << 10;
/// The longest `dyeing`, in bytes.
pub const MAX_DYEING: usize = 256;

const V1_TRACE_ID: u64 = 5;
const V1_PEERS: u64 = 8;
const V2_TRACE: u64 = 7;

/// A trace that was read, or is to be written. What is not known is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace<'a> {
    /// The addresses the request came through, the first client's first: `ip:port,ip:port`.
    pub peers: &'a str,
    /// What all calls that one request caused have in common; 32 hexadecimal digits in krpc's own.
    pub trace_id: &'a str,
    /// The span of the caller. Not in [`Layout::V1`].
    pub parent_span_id: &'a str,
    /// The place of this call in the trace: `0.1.2`, or `1:2` from and to peers of [`Layout::V1`].
    pub span_id: &'a str,
    /// Whatever travels on with all calls: `k=v&k=v`, the values URL-encoded. Not in [`Layout::V1`].
    pub tags: &'a str,
    /// 0 record as usual, 1 record, 2 do not record. Not in [`Layout::V1`].
    pub sample_flag: i32,
    /// A free label for choosing servers. Not in [`Layout::V1`].
    pub dyeing: &'a str,
}

/// One of the texts is longer than [`MAX_ID`], [`MAX_PEERS`], [`MAX_TAGS`] or [`MAX_DYEING`] allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a text of the trace is too long")]
pub struct TooLong;

/// A trace as it stands in a meta, or none. It is a part of the buffer it came in, and cheap to clone.
#[derive(Clone, Default)]
pub struct Unread {
    /// Fields of a meta: field 7 alone if the trace has [`Layout::V2`], else fields 5 and 8, or one of
    /// them, and any others but a message 7. So they tell the layout, and a meta need not be larger for it.
    fields: Bytes,
}

/// The parts of a trace as they stand in a meta; they may be no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form<'a> {
    Nothing,
    /// `<trace id>:<span>`, the span being `1:2:1` and the like.
    V1 {
        trace_id: &'a [u8],
        peers: &'a [u8],
    },
    /// A message of its own.
    V2(&'a [u8]),
}

impl<'a> Trace<'a> {
    /// Writes the trace for a [meta](super::meta::Meta). What the layout has no field for is left out.
    ///
    /// # Errors
    /// A text that is too long.
    pub fn encode(&self, layout: Layout) -> Result<Unread, TooLong> {
        if !self.is_within_limits() {
            return Err(TooLong);
        }
        match layout {
            Layout::V1 => {
                let trace_id = match self.span_id {
                    "" => self.trace_id.to_owned(),
                    span_id => format!("{}:{}", self.trace_id, v1_span(span_id)),
                };
                let mut fields = Vec::new();
                put_text(V1_TRACE_ID, trace_id.as_bytes(), &mut fields);
                put_text(V1_PEERS, self.peers.as_bytes(), &mut fields);
                Ok(Unread::new(fields.into()))
            }
            Layout::V2 => {
                let texts = [
                    self.peers,
                    self.trace_id,
                    self.parent_span_id,
                    self.span_id,
                    self.tags,
                    self.dyeing,
                ];
                let texts: usize = texts.iter().map(|text| text_length(text.len())).sum();
                let length = texts + number_length(self.sample_flag);
                let mut fields = Vec::with_capacity(text_length(length));
                put_text_of(V2_TRACE, length, &mut fields);
                put_text(1, self.peers.as_bytes(), &mut fields);
                put_text(2, self.trace_id.as_bytes(), &mut fields);
                put_text(3, self.parent_span_id.as_bytes(), &mut fields);
                put_text(4, self.span_id.as_bytes(), &mut fields);
                put_text(5, self.tags.as_bytes(), &mut fields);
                put_number(6, self.sample_flag, &mut fields);
                put_text(7, self.dyeing.as_bytes(), &mut fields);
                Ok(Unread::new(fields.into()))
            }
        }
    }

    fn from_v1(trace_id: &'a [u8], peers: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(trace_id).ok()?;
        let (trace_id, span_id) = text.split_once(':').unwrap_or((text, ""));
        Some(Self {
            peers: str::from_utf8(peers).ok()?,
            trace_id,
            span_id,
            ..Self::default()
        })
    }

    fn from_v2(mut message: &'a [u8]) -> Option<Self> {
        let text = |bytes| str::from_utf8(bytes).ok();
        let mut trace = Self::default();
        while !message.is_empty() {
            match fields::next(&mut message)? {
                (1, Value::Text(value)) => trace.peers = text(value)?,
                (2, Value::Text(value)) => trace.trace_id = text(value)?,
                (3, Value::Text(value)) => trace.parent_span_id = text(value)?,
                (4, Value::Text(value)) => trace.span_id = text(value)?,
                (5, Value::Text(value)) => trace.tags = text(value)?,
                (6, Value::Number(value)) => trace.sample_flag = value,
                (7, Value::Text(value)) => trace.dyeing = text(value)?,
                _ => {}
            }
        }
        Some(trace)
    }

    fn is_within_limits(&self) -> bool {
        let ids = [self.trace_id, self.parent_span_id, self.span_id];
        ids.iter().all(|id| id.len() <= MAX_ID)
            && self.peers.len() <= MAX_PEERS
            && self.tags.len() <= MAX_TAGS
            && self.dyeing.len() <= MAX_DYEING
    }
}

/// `0.1.2` as the first version has it: `1:2`.
fn v1_span(span_id: &str) -> String {
    let below_root = span_id.strip_prefix("0.").unwrap_or(span_id);
    below_root.replace('.', ":")
}

impl Unread {
    /// The trace that stands in these fields of a meta.
    pub(super) fn new(fields: Bytes) -> Self {
        Self { fields }
    }

    /// Whether there is none; what is there may still be no [`Trace`].
    pub fn is_empty(&self) -> bool {
        self.form() == Form::Nothing
    }

    /// How many bytes of a meta it takes.
    pub fn size(&self) -> usize {
        self.fields.len()
    }

    /// Copies it, so that it does not keep the whole buffer it came in.
    pub fn unpin(&mut self) {
        self.fields = Bytes::copy_from_slice(&self.fields);
    }

    /// Reads the trace. `None` when there is none, it is damaged, or one of its texts is too long.
    pub fn read(&self) -> Option<Trace<'_>> {
        match self.form() {
            Form::Nothing => None,
            Form::V1 { trace_id, peers } => Trace::from_v1(trace_id, peers),
            Form::V2(message) => Trace::from_v2(message),
        }
        .filter(Trace::is_within_limits)
    }

    /// The same trace for this layout, if it came in the other and can be read.
    pub(super) fn converted(&self, layout: Layout) -> Option<Self> {
        match (self.form(), layout) {
            (Form::V1 { .. }, Layout::V2) | (Form::V2(_), Layout::V1) => {
                self.read()?.encode(layout).ok()
            }
            _ => None,
        }
    }

    /// Where the parts are. Most frames have none, and are quickly done.
    #[inline]
    pub(super) fn form(&self) -> Form<'_> {
        if self.fields.is_empty() {
            return Form::Nothing;
        }
        self.find()
    }

    #[cold]
    fn find(&self) -> Form<'_> {
        let (mut trace_id, mut peers) = (&[][..], &[][..]);
        let mut fields = &*self.fields;
        while let Some(field) = fields::next(&mut fields) {
            match field {
                (V2_TRACE, Value::Text([])) => {}
                (V2_TRACE, Value::Text(message)) => return Form::V2(message),
                (V1_TRACE_ID, Value::Text(text)) => trace_id = text,
                (V1_PEERS, Value::Text(text)) => peers = text,
                _ => {}
            }
        }
        match (trace_id, peers) {
            ([], []) => Form::Nothing,
            (trace_id, peers) => Form::V1 { trace_id, peers },
        }
    }
}

impl PartialEq for Unread {
    /// Fields that are no trace do not count.
    fn eq(&self, other: &Self) -> bool {
        self.form() == other.form()
    }
}

impl Eq for Unread {}

impl fmt::Debug for Unread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.form().fmt(formatter)
    }
}
