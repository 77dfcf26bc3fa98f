//! Reads `testdata/*.txt`: paragraphs of `name: verdict` and indented `key value` lines; `#` is a remark.
#![allow(dead_code, reason = "each test uses its part")]

/// One paragraph.
#[derive(Debug)]
pub(crate) struct Vector {
    pub(crate) name: &'static str,
    pub(crate) verdict: &'static str,
    /// In the order of the file; a key may come again.
    pub(crate) fields: Vec<(&'static str, &'static str)>,
}

pub(crate) fn packages() -> Vec<Vector> {
    parse(include_str!("../../testdata/packages.txt"))
}

pub(crate) fn messages() -> Vec<Vector> {
    parse(include_str!("../../testdata/messages.txt"))
}

pub(crate) fn strings() -> Vec<Vector> {
    parse(include_str!("../../testdata/strings.txt"))
}

pub(crate) fn handshakes() -> Vec<Vector> {
    parse(include_str!("../../testdata/handshakes.txt"))
}

pub(crate) fn protobuf() -> Vec<Vector> {
    parse(include_str!("../../testdata/protobuf.txt"))
}

pub(crate) fn krpc_frames() -> Vec<Vector> {
    parse(include_str!("../../testdata/krpc_frames.txt"))
}

/// The one of this name.
pub(crate) fn named(vectors: Vec<Vector>, name: &str) -> Vector {
    vectors
        .into_iter()
        .find(|vector| vector.name == name)
        .expect(name)
}

impl Vector {
    /// The bytes on the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        hex(self.text("bytes"))
    }

    /// A field as it stands; empty where there is none.
    pub(crate) fn text(&self, key: &str) -> &'static str {
        self.find(key).unwrap_or_default()
    }

    /// A field that may be missing.
    pub(crate) fn find(&self, key: &str) -> Option<&'static str> {
        self.fields
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| *value)
    }

    /// A field as a number; 0 where there is none.
    pub(crate) fn number(&self, key: &str) -> i32 {
        self.find(key)
            .map_or(0, |value| value.parse().expect("a number"))
    }

    /// A field as bytes; none where there is none.
    pub(crate) fn value(&self, key: &str) -> Vec<u8> {
        value(self.text(key))
    }
}

/// Text as it stands, or bytes as `0x..`.
pub(crate) fn value(text: &str) -> Vec<u8> {
    text.strip_prefix("0x").map_or_else(|| text.into(), hex)
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.split_whitespace().flat_map(str::chars).collect();
    let (pairs, odd) = digits.as_chunks();
    assert!(odd.is_empty(), "half a byte in {text}");
    let digit = |c: char| c.to_digit(16).expect("a hexadecimal digit") as u8;
    pairs
        .iter()
        .map(|[high, low]| digit(*high) << 4 | digit(*low))
        .collect()
}

fn parse(file: &'static str) -> Vec<Vector> {
    let mut vectors = Vec::<Vector>::new();
    for line in file
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(field) = line.strip_prefix("  ") {
            let field = field.split_once(' ').unwrap_or((field, ""));
            vectors
                .last_mut()
                .expect("a name before its fields")
                .fields
                .push(field);
        } else {
            let (name, verdict) = line.split_once(": ").expect("`name: verdict`");
            assert!(
                vectors.iter().all(|vector| vector.name != name),
                "{name} comes twice"
            );
            vectors.push(Vector {
                name,
                verdict,
                fields: Vec::new(),
            });
        }
    }
    vectors
}
