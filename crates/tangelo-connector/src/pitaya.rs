//! Bodies as clients of Pitaya's read them.

use std::cell::RefCell;

use tangelo_wire::pomelo::pitaya::{Deflater, Serializer};

use crate::Pitaya;

/// The shortest body that is compressed. Shorter ones do not become shorter by what it costs.
const WORTH_COMPRESSING: usize = 128;

thread_local! {
    /// One for all connections of a thread: its memory is larger than what it is used for.
    static DEFLATER: RefCell<Option<Deflater>> = const { RefCell::new(None) };
}

impl Pitaya {
    /// A compressed body; none if it stays as it is.
    pub(crate) fn deflate(self, body: &[u8]) -> Option<Vec<u8>> {
        if !self.compression || body.len() < WORTH_COMPRESSING {
            return None;
        }
        DEFLATER.with_borrow_mut(|deflater| deflater.get_or_insert_default().deflate(body))
    }

    /// An answer that no definition says how to write. That of a handler with nothing to say is JSON, which in
    /// protobuf is no message: there it is the empty one.
    pub(crate) fn undefined(self, body: &[u8]) -> &[u8] {
        match self.serializer {
            Serializer::Protobuf if body == b"{}" => &[],
            Serializer::Json | Serializer::Protobuf => body,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_enough_and_becomes_shorter_is_compressed() {
        let pitaya = Pitaya {
            compression: true,
            ..Pitaya::default()
        };
        assert_eq!(pitaya.deflate(&[b'x'; WORTH_COMPRESSING - 1]), None);
        assert!(pitaya.deflate(&[b'x'; WORTH_COMPRESSING]).is_some());
        // All bytes once: nothing of it comes again.
        let dense: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(pitaya.deflate(&dense), None);
        assert_eq!(Pitaya::default().deflate(&[b'x'; 1000]), None);
    }

    #[test]
    fn an_empty_answer_is_an_empty_message_in_protobuf_and_else_stays() {
        let json = Pitaya::default();
        let protobuf = Pitaya {
            serializer: Serializer::Protobuf,
            ..json
        };
        assert_eq!(
            (json.undefined(b"{}"), protobuf.undefined(b"{}")),
            (&b"{}"[..], &b""[..])
        );
        assert_eq!(protobuf.undefined(b"\x08\x01"), b"\x08\x01");
    }
}
