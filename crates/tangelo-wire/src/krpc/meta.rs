//! What stands before a frame's body: direction, target, correlation, outcome.
//!
//! The message is written and read by hand because every frame has one, most of its fields are small
//! numbers, some change their meaning with the [layout](super::layout), and the trace can stay unread.

use bytes::{BufMut, Bytes};

use super::{
    fields::{put_number, put_text},
    layout::{Fields, Layout},
    trace::{Form, Unread},
};

/// Which way a frame goes. Both sides of a connection may ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Asks.
    #[default]
    Request = 1,
    /// Answers.
    Response = 2,
}

/// Bytes that the numbers of a meta take at the most: eight keys, and ten bytes each.
pub(super) const LONGEST_NUMBERS: usize = 88;

/// The meta of a frame, whatever its layout. A field with its default value is not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Request or response.
    pub direction: Direction,
    /// Number of the service; at least 1.
    pub service_id: i32,
    /// Number of the message within the service; at least 1.
    pub msg_id: i32,
    /// What ties a response to its request.
    pub sequence: i32,
    /// How long the caller will wait, in milliseconds; 0: it did not say.
    pub timeout_ms: i32,
    /// The outcome, in a response: 0 or a negative code.
    pub ret_code: i32,
    /// What is no number, if there is anything.
    pub beside: Option<Box<Beside>>,
    /// How the body is [compressed](super::compress): 0 not, 1 zlib, 2 snappy. Others may come.
    pub compress: i32,
    /// How the body is [encrypted](super::encrypt): 0 not, 1 AES. Others may come. [`Layout::V1`] cannot say it.
    pub encrypt: i32,
    /// The layout that the bytes told, if they told any. It is not sent.
    pub told: Option<Layout>,
}

/// What most metas do not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// Where the request comes from, unread.
    pub trace: Unread,
    /// Free text that travels beside the body.
    pub attachment: Bytes,
}

impl Beside {
    /// None if there is neither.
    pub fn of(trace: Unread, attachment: Bytes) -> Option<Box<Self>> {
        let is_there = !attachment.is_empty() || !trace.is_empty();
        is_there.then(|| Box::new(Self { trace, attachment }))
    }

    /// How many bytes of a meta it takes, but for keys and lengths.
    pub fn size(&self) -> usize {
        self.trace.size() + self.attachment.len()
    }
}

/// Why bytes are no meta.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a protobuf message.
    #[error("meta is no protobuf message")]
    Malformed,
    /// Neither request nor response.
    #[error("meta with direction {0}")]
    Direction(i32),
    /// A service or message number below 1.
    #[error("meta for service {service_id}, message {msg_id}")]
    Target {
        /// The service number found.
        service_id: i32,
        /// The message number found.
        msg_id: i32,
    },
}

impl Meta {
    /// Reads a meta in the layout that its bytes [tell](Self::told), else in `fallback`. Bytes that fit
    /// both layouts, as those of a plain response, or neither tell none.
    ///
    /// Unknown fields are skipped, as are known numbers of another wire type. What the trace holds is
    /// not looked at.
    ///
    /// # Errors
    /// Bytes that are no protobuf message, an unknown direction, a target below 1.
    pub fn decode(bytes: &Bytes, fallback: Layout) -> Result<Self, Error> {
        Self::decode_front(bytes, bytes.len(), fallback)
    }

    /// Reads the meta that is the first `length` bytes; the rest is somebody else's.
    // Inlined, as `frame::decode` is: copied from one result to the next, a meta costs more than to be read.
    #[inline(always)]
    pub(super) fn decode_front(
        bytes: &Bytes,
        length: usize,
        fallback: Layout,
    ) -> Result<Self, Error> {
        let whole = bytes.get(..length).ok_or(Error::Malformed)?;
        let fields = Fields::read(whole).ok_or(Error::Malformed)?;
        let direction = match fields.direction {
            1 => Direction::Request,
            2 => Direction::Response,
            other => return Err(Error::Direction(other)),
        };
        if fields.service_id < 1 || fields.msg_id < 1 {
            return Err(Error::Target {
                service_id: fields.service_id,
                msg_id: fields.msg_id,
            });
        }
        let told = fields.told();
        let (timeout_ms, trace, attachment, compress, encrypt) = match told.unwrap_or(fallback) {
            Layout::V1 => (
                fields.number_7,
                fields.has_v1_trace().then_some(whole),
                fields.text_9,
                fields.number_10,
                0,
            ),
            Layout::V2 => (
                fields.number_5,
                fields.field_7,
                fields.text_8,
                fields.number_9,
                fields.number_10,
            ),
        };
        let beside = match (trace, attachment) {
            (None, []) => None,
            (trace, attachment) => {
                let trace = Unread::new(bytes.slice_ref(trace.unwrap_or_default()));
                Beside::of(trace, bytes.slice_ref(attachment))
            }
        };
        Ok(Self {
            direction,
            service_id: fields.service_id,
            msg_id: fields.msg_id,
            sequence: fields.sequence,
            timeout_ms: timeout_ms.unwrap_or_default(),
            ret_code: fields.ret_code,
            beside,
            compress,
            encrypt,
            told,
        })
    }

    /// Where the request comes from, unread; empty if it does not say.
    pub fn trace(&self) -> Unread {
        let beside = self.beside.as_ref();
        beside.map_or_else(Unread::default, |beside| beside.trace.clone())
    }

    /// Free text that travels beside the body.
    pub fn attachment(&self) -> &[u8] {
        let beside = self.beside.as_ref();
        beside.map_or(&[], |beside| &beside.attachment)
    }

    /// Appends the meta. A trace that came in the other layout is written in this one.
    pub fn encode(&self, layout: Layout, out: &mut impl BufMut) {
        let Some(beside) = &self.beside else {
            return self.encode_numbers(layout, out);
        };
        let Beside { trace, attachment } = &**beside;
        let converted = trace.converted(layout);
        let (trace_id, peers, trace) = match converted.as_ref().unwrap_or(trace).form() {
            Form::Nothing => (&[][..], &[][..], &[][..]),
            Form::V1 { trace_id, peers } => (trace_id, peers, &[][..]),
            Form::V2(message) => (&[][..], &[][..], message),
        };
        self.encode_with((trace_id, peers), trace, attachment, layout, out);
    }

    /// Appends what is a number.
    #[inline(always)]
    pub(super) fn encode_numbers(&self, layout: Layout, out: &mut impl BufMut) {
        self.encode_with((&[], &[]), &[], &[], layout, out);
    }

    #[inline(always)]
    fn encode_with(
        &self,
        (trace_id, peers): (&[u8], &[u8]),
        trace: &[u8],
        attachment: &[u8],
        layout: Layout,
        out: &mut impl BufMut,
    ) {
        put_number(1, self.direction as i32, out);
        put_number(2, self.service_id, out);
        put_number(3, self.msg_id, out);
        put_number(4, self.sequence, out);
        match layout {
            Layout::V1 => {
                put_text(5, trace_id, out);
                put_number(6, self.ret_code, out);
                put_number(7, self.timeout_ms, out);
                put_text(8, peers, out);
                put_text(9, attachment, out);
                put_number(10, self.compress, out);
            }
            Layout::V2 => {
                put_number(5, self.timeout_ms, out);
                put_number(6, self.ret_code, out);
                put_text(7, trace, out);
                put_text(8, attachment, out);
                put_number(9, self.compress, out);
                put_number(10, self.encrypt, out);
            }
        }
    }
}
