//! Definitions as their files say them.

/// A message, in the order of its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProtoMessage {
    /// Its route; of a message within others its name. One that all may hold stands beside the routes as
    /// `message Name`, as in the file.
    pub name: String,
    /// Its fields.
    pub fields: Vec<ProtoField>,
    /// The messages that are known in it.
    pub messages: Vec<Self>,
}

/// A field of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProtoField {
    /// How often it is there.
    pub rule: ProtoRule,
    /// `uInt32`, `sInt32`, `int32`, `float`, `double`, `string`; for clients that ask for it `bool`, `bytes`,
    /// `uInt64`, `sInt64`, `int64`; or a message's name.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its number.
    pub tag: u32,
}

/// How often a field is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtoRule {
    /// Once.
    Required,
    /// Once or never.
    Optional,
    /// Any number of times.
    Repeated,
}

/// A key in a message's definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtoKey<'a> {
    /// `message Name`.
    Message(&'a str),
    /// `required type name` and its kin.
    Field(ProtoRule, &'a str, &'a str),
}

impl ProtoMessage {
    /// A message without fields.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }
}

impl ProtoField {
    /// A field.
    pub fn new(
        rule: ProtoRule,
        kind: impl Into<String>,
        name: impl Into<String>,
        tag: u32,
    ) -> Self {
        Self {
            rule,
            kind: kind.into(),
            name: name.into(),
            tag,
        }
    }

    /// Whether a name is that of a type which is no message.
    pub fn is_type(name: &str) -> bool {
        super::Kind::named(name).is_some()
    }
}

impl<'a> ProtoKey<'a> {
    /// Reads a key; none where Pomelo passes over it without a word.
    pub fn parse(key: &'a str) -> Option<Self> {
        let mut words = key.split(' ');
        let key = match (words.next()?, words.next()?, words.next()) {
            ("message", name, None) => Self::Message(name),
            (rule, kind, Some(name)) => Self::Field(ProtoRule::named(rule)?, kind, name),
            _ => return None,
        };
        words.next().is_none().then_some(key)
    }
}

impl ProtoRule {
    /// The rule of this name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "required" => Self::Required,
            "optional" => Self::Optional,
            "repeated" => Self::Repeated,
            _ => return None,
        })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Optional => "optional",
            Self::Repeated => "repeated",
        }
    }
}
