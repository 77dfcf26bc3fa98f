//! What a message looks like as JSON.

/// How messages are written as JSON, and which JSON they are read from.
///
/// [`KRPC`](Self::KRPC) is what clients of krpc's own gateway know; [`STANDARD`](Self::STANDARD) is protobuf's own mapping.
/// Each difference between the two can be had alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonForm {
    /// Names in lowerCamelCase. They are read besides those of the .proto file. `false`: the names of the .proto file
    /// are written, and they alone are read.
    pub camel_names: bool,
    /// Which fields are written that have their default value.
    pub defaults: Defaults,
    /// 64-bit integers are written as strings; JavaScript reads numbers exactly up to 2^53 only. Read are both.
    pub int64_strings: bool,
    /// The names of enums' values are written. `false`: their numbers. Read are both.
    pub enum_names: bool,
    /// Bytes are base64. `false`: a list of numbers from 0 to 255; read is also a string, as its UTF-8.
    pub base64: bool,
    /// Types of the package `google.protobuf` have their own forms, as a `Timestamp` its text. `false`: they are messages
    /// as any.
    pub well_known: bool,
}

/// Fields with their default value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defaults {
    /// None.
    Never,
    /// Numbers, booleans, enums and maps; no empty strings, bytes and lists.
    Krpc,
    /// All, but for those of which a message says whether they are set: messages, `optional` fields and oneofs.
    Always,
}

impl JsonForm {
    /// As krpc's gateway: names of the .proto file, all numbers as numbers and always, bytes as lists of numbers.
    pub const KRPC: Self = Self {
        camel_names: false,
        defaults: Defaults::Krpc,
        int64_strings: false,
        enum_names: false,
        base64: false,
        well_known: false,
    };
    /// As protobuf: lowerCamelCase, no defaults, 64-bit integers as strings, enums by name, bytes in base64.
    pub const STANDARD: Self = Self {
        camel_names: true,
        defaults: Defaults::Never,
        int64_strings: true,
        enum_names: true,
        base64: true,
        well_known: true,
    };
}

impl Default for JsonForm {
    /// [`KRPC`](Self::KRPC).
    fn default() -> Self {
        Self::KRPC
    }
}
