//! A single value: from text or a token of JSON to its form on the wire.

use std::borrow::Cow;

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use prost_reflect::Kind;

use super::number::whole;

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// Any text of a form, a query, a header, and a string of JSON.
    Text(Cow<'a, str>),
    /// A number of JSON as it is written.
    Number(&'a str),
    Bool(bool),
}

/// A value in its form on the wire.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar<'a> {
    Varint(u64),
    Fixed32(u32),
    Fixed64(u64),
    Bytes(Cow<'a, [u8]>),
}

/// It does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unfit;

/// How texts are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// Bytes are base64.
    pub(super) base64: bool,
    /// Strings lose the white space around them.
    pub(super) trim: bool,
    /// It is the client's own: what does not fit can be said again.
    pub(super) shows: bool,
}

/// The value; `None` for an empty text where only something else could stand, as of a form's field that was left blank.
pub(super) fn scalar<'a>(
    kind: &Kind,
    said: Said<'a>,
    reading: Reading,
) -> Result<Option<Scalar<'a>>, Unfit> {
    let value = match kind {
        Kind::String => Scalar::Bytes(into_bytes(text(said, reading))),
        Kind::Bytes => Scalar::Bytes(bytes(said, reading)?),
        _ => {
            let (text, quoted) = match &said {
                Said::Text(text) => (text.trim(), true),
                Said::Number(token) => (*token, false),
                Said::Bool(value) if matches!(kind, Kind::Bool) => {
                    return Ok(Some(Scalar::Varint((*value).into())));
                }
                Said::Bool(_) => return Err(Unfit),
            };
            if text.is_empty() {
                return Ok(None);
            }
            match kind {
                Kind::Int32 => Scalar::Varint(int::<i32>(text)? as u64),
                Kind::Int64 => Scalar::Varint(int::<i64>(text)? as u64),
                Kind::Uint32 => Scalar::Varint(int::<u32>(text)?.into()),
                Kind::Uint64 => Scalar::Varint(int(text)?),
                Kind::Sint32 => Scalar::Varint(zigzag(int::<i32>(text)?.into())),
                Kind::Sint64 => Scalar::Varint(zigzag(int(text)?)),
                Kind::Fixed32 => Scalar::Fixed32(int(text)?),
                Kind::Fixed64 => Scalar::Fixed64(int(text)?),
                Kind::Sfixed32 => Scalar::Fixed32(int::<i32>(text)? as u32),
                Kind::Sfixed64 => Scalar::Fixed64(int::<i64>(text)? as u64),
                Kind::Float => Scalar::Fixed32(float::<f32>(text)?.to_bits()),
                Kind::Double => Scalar::Fixed64(float::<f64>(text)?.to_bits()),
                Kind::Bool => Scalar::Varint(truth(text, quoted)?.into()),
                Kind::Enum(names) => {
                    let named = names.get_value_by_name(text).map(|value| value.number());
                    let numbered = || {
                        let number = int(text).ok()?;
                        names.get_value(number).map(|_| number)
                    };
                    let number = named.or_else(numbered).ok_or(Unfit)?;
                    Scalar::Varint(number as u64)
                }
                Kind::String | Kind::Bytes | Kind::Message(_) => return Err(Unfit),
            }
        }
    };
    Ok(Some(value))
}

fn text(said: Said<'_>, reading: Reading) -> Cow<'_, str> {
    match said {
        Said::Text(text) if reading.trim => match text {
            Cow::Borrowed(text) => text.trim().into(),
            Cow::Owned(text) => text.trim().to_owned().into(),
        },
        Said::Text(text) => text,
        Said::Number(token) => token.into(),
        Said::Bool(true) => "true".into(),
        Said::Bool(false) => "false".into(),
    }
}

fn bytes(said: Said<'_>, reading: Reading) -> Result<Cow<'_, [u8]>, Unfit> {
    /// Of either alphabet, padded or not.
    const ANY: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let Said::Text(text) = said else {
        return Err(Unfit);
    };
    if !reading.base64 {
        return Ok(into_bytes(text));
    }
    let alphabet = if text.contains(['-', '_']) {
        &URL_SAFE
    } else {
        &STANDARD
    };
    let decoded = GeneralPurpose::new(alphabet, ANY).decode(text.as_bytes());
    decoded.map(Cow::Owned).map_err(|_| Unfit)
}

fn into_bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => text.as_bytes().into(),
        Cow::Owned(text) => text.into_bytes().into(),
    }
}

fn int<T: TryFrom<i128>>(text: &str) -> Result<T, Unfit> {
    let number = whole(text).ok_or(Unfit)?;
    T::try_from(number).map_err(|_| Unfit)
}

trait Float: std::str::FromStr + Copy {
    const SPECIAL: [(&'static str, Self); 3];
    fn is_finite(self) -> bool;
}

impl Float for f32 {
    const SPECIAL: [(&'static str, Self); 3] = [
        ("NaN", Self::NAN),
        ("Infinity", Self::INFINITY),
        ("-Infinity", Self::NEG_INFINITY),
    ];
    fn is_finite(self) -> bool {
        self.is_finite()
    }
}

impl Float for f64 {
    const SPECIAL: [(&'static str, Self); 3] = [
        ("NaN", Self::NAN),
        ("Infinity", Self::INFINITY),
        ("-Infinity", Self::NEG_INFINITY),
    ];
    fn is_finite(self) -> bool {
        self.is_finite()
    }
}

/// A number beyond the type's largest does not fit: infinity has to be said.
fn float<T: Float>(text: &str) -> Result<T, Unfit> {
    if let Some((_, value)) = T::SPECIAL.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let value: T = text.parse().map_err(|_| Unfit)?;
    if value.is_finite() {
        Ok(value)
    } else {
        Err(Unfit)
    }
}

/// `on` is what a browser says of a box that is ticked.
fn truth(text: &str, quoted: bool) -> Result<bool, Unfit> {
    const TRUE: [&str; 6] = ["true", "1", "yes", "y", "t", "on"];
    const FALSE: [&str; 6] = ["false", "0", "no", "n", "f", "off"];
    if !quoted {
        return match whole(text) {
            Some(1) => Ok(true),
            Some(0) => Ok(false),
            _ => Err(Unfit),
        };
    }
    let is = |word: &&str| text.eq_ignore_ascii_case(word);
    if TRUE.iter().any(is) {
        Ok(true)
    } else if FALSE.iter().any(is) {
        Ok(false)
    } else {
        Err(Unfit)
    }
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

impl Scalar<'_> {
    /// Whether it is what a message has that says nothing.
    pub(super) fn is_default(&self) -> bool {
        match self {
            Self::Varint(number) | Self::Fixed64(number) => *number == 0,
            Self::Fixed32(number) => *number == 0,
            Self::Bytes(bytes) => bytes.is_empty(),
        }
    }
}
