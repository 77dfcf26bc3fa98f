//! JSON as Pomelo's clients write and read it.
//!
//! Old browser clients encode each UTF-16 unit alone, so that a character beyond the BMP arrives as
//! two three-byte sequences (CESU-8), and they cannot read the four-byte form. Hence reading mends
//! such pairs, and writing escapes those characters (`\ud83d\ude00`), which every client reads.

use std::{borrow::Cow, io};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::ser::Formatter;

/// Reads a value.
///
/// # Errors
/// Text that is no JSON, or not of this shape.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    match mend(bytes) {
        Cow::Borrowed(bytes) => serde_json::from_slice(bytes),
        Cow::Owned(mended) => serde_json::from_slice(&mended),
    }
}

/// Writes a value, characters beyond the BMP escaped.
///
/// # Errors
/// As `serde_json`: a map whose keys are no text, or the type's own refusal.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(128);
    value.serialize(&mut serde_json::Serializer::with_formatter(
        &mut out,
        EscapeAstral,
    ))?;
    Ok(out)
}

/// Whether an answer tells of a failure, as those of Pomelo and of this server do: by a `code` that is
/// neither 200 nor 0.
pub fn tells_of_failure(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        code: i64,
    }
    serde_json::from_slice::<Answer>(body).is_ok_and(|answer| !matches!(answer.code, 0 | 200))
}

/// Joins surrogate halves that were encoded one by one; text without them is returned as it is.
pub fn mend(bytes: &[u8]) -> Cow<'_, [u8]> {
    if std::str::from_utf8(bytes).is_ok() {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        if let Some(character) = surrogate_pair(rest) {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            rest = rest.get(PAIR..).unwrap_or_default();
        } else {
            out.push(first);
            rest = tail;
        }
    }
    Cow::Owned(out)
}

const PAIR: usize = 6;

fn surrogate_pair(bytes: &[u8]) -> Option<char> {
    let &[
        0xed,
        a @ 0xa0..=0xaf,
        b @ 0x80..=0xbf,
        0xed,
        c @ 0xb0..=0xbf,
        d @ 0x80..=0xbf,
        ..,
    ] = bytes
    else {
        return None;
    };
    let ten_bits = |high: u8, low: u8| u32::from(high & 0x0f) << 6 | u32::from(low & 0x3f);
    char::from_u32(0x1_0000 + (ten_bits(a, b) << 10 | ten_bits(c, d)))
}

struct EscapeAstral;

impl Formatter for EscapeAstral {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        write_escaped(writer, fragment)
    }

    // JSON that is passed on unread (`RawValue`): outside its strings there are no such characters.
    fn write_raw_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        write_escaped(writer, fragment)
    }
}

fn write_escaped<W: io::Write + ?Sized>(writer: &mut W, fragment: &str) -> io::Result<()> {
    // Only four-byte characters begin with 0xf0 and up; almost no text has one.
    if fragment.bytes().all(|byte| byte < 0xf0) {
        return writer.write_all(fragment.as_bytes());
    }
    for character in fragment.chars() {
        if (character as u32) < 0x1_0000 {
            writer.write_all(character.encode_utf8(&mut [0; 4]).as_bytes())?;
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
    }
    Ok(())
}
