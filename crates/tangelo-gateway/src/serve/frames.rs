//! What is written to an HTTP/2 connection, frame by frame.

use std::io::IoSlice;

/// Bytes before each frame: its length in three, its type in one, flags in one, its stream in four.
const HEAD: usize = 9;

/// The type of a frame that has bytes of a body.
const DATA: u8 = 0;

/// So many bytes of bodies are progress: who takes them one by one, as windows allow, has not taken anything yet.
const PROGRESS: usize = 1 << 10;

/// Tells bodies from what a client can have written without reading any: answers to its PINGs and SETTINGS.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Of the next frame's head, those bytes that are written.
    head: [u8; HEAD],
    has: usize,
    /// Bytes of the frame that are still to be written.
    left: usize,
    /// Bytes of bodies that were no progress yet.
    body: usize,
}

impl Frames {
    /// So many of these bytes are written. Whether that is progress.
    pub(super) fn wrote(&mut self, written: usize, bytes: &[IoSlice<'_>]) -> bool {
        let mut rest = written;
        for bytes in bytes {
            let part = bytes.get(..rest.min(bytes.len())).unwrap_or_default();
            rest -= part.len();
            self.walk(part);
        }
        let is_progress = self.body >= PROGRESS;
        self.body %= PROGRESS;
        is_progress
    }

    fn walk(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left == 0 {
                let Some((byte, rest)) = bytes.split_first() else {
                    break;
                };
                if let Some(place) = self.head.get_mut(self.has) {
                    *place = *byte;
                }
                self.has += 1;
                bytes = rest;
                if self.has == HEAD {
                    let [first, second, third, ..] = self.head;
                    self.left = u32::from_be_bytes([0, first, second, third]) as usize;
                    self.has = 0;
                }
                continue;
            }
            let [_, _, _, kind, ..] = self.head;
            let step = self.left.min(bytes.len());
            if kind == DATA {
                self.body += step;
            }
            self.left -= step;
            bytes = bytes.get(step..).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let [_, a, b, c] = (payload.len() as u32).to_be_bytes();
        [&[a, b, c, kind, 0, 0, 0, 0, 1], payload].concat()
    }

    #[test]
    fn bytes_of_bodies_are_told_from_all_other_frames_however_they_are_cut() {
        let (ping, settings) = (frame(6, b"12345678"), frame(4, b""));
        let (empty, data) = (frame(0, b""), frame(0, &[b'x'; 3 * PROGRESS / 2]));
        let quiet = [&ping[..], &settings, &empty, &ping].concat();
        let loud = [&quiet[..], &data, &ping].concat();
        for size in 1..40 {
            let mut frames = Frames::default();
            let mut write = |bytes: &[u8]| {
                let mut chunks = bytes.chunks(size);
                let written = |chunk: &[u8]| {
                    let (first, second) = chunk.split_at(chunk.len() / 2);
                    let bytes = [IoSlice::new(first), IoSlice::new(second)];
                    frames.wrote(chunk.len(), &bytes)
                };
                chunks.by_ref().map(written).filter(|it| *it).count()
            };
            assert_eq!(write(&quiet), 0, "{size}");
            assert_eq!(write(&loud), 1, "{size}");
            assert_eq!(write(&quiet), 0, "{size}");
            // The other half of it.
            assert_eq!(write(&loud), 2, "{size}");
        }
    }

    #[test]
    fn what_is_not_written_does_not_count() {
        let mut frames = Frames::default();
        let data = frame(0, &[b'x'; PROGRESS]);
        let written = data.len() - 1;
        assert!(!frames.wrote(written, &[IoSlice::new(&data)]));
        assert!(frames.wrote(1, &[IoSlice::new(b"x")]));
    }
}
