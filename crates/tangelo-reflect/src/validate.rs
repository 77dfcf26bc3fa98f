//! Rules for requests, as the fields of a .proto file carry them.
//!
//! ```proto
//! string name = 1  [(krpc.vld) = { required: true length: "2,20" retCode: -100007 }];
//! string born = 2  [(krpc.vld).empty_or_match = "date"];
//! repeated int32 sizes = 3  [(krpc.vld) = { arrlen: "1,-" nrange: "0,100" }];
//! ```
//!
//! Fields are looked at in the order they are declared in, messages in messages where their field stands;
//! the first rule that is broken makes the [`Violation`].
//!
//! | rule | passes | on |
//! |---|---|---|
//! | `required` | a string that is not empty; anything that is no string | any field |
//! | `match` | `int`, `long`, `double`, `date` (`yyyy-MM-dd`), `timestamp` (`yyyy-MM-dd HH:mm:ss`), `email`, else a regular expression: always the whole text | text |
//! | `values` | one of a list with commas; blanks around an item do not count | text |
//! | `length` | length in UTF-16 units in a range: `n`, `min,max`, `min,-` or `-,max` | text |
//! | `nrange` | number in such a range; fractions are cut off, what is no number is out of it | strings, numbers |
//! | `srange` | text between `min,max`, both included, or just `text`; `-` is no open end here | text |
//! | `arrlen` | number of elements in a range | repeated fields, maps |
//! | `empty_or_…` | an empty string or an empty list, else as the rule | as the rule |
//!
//! Text is strings, and numbers, bools and enums as they are written: `-1`, `2.5`, `true`, the enum's name. Of a repeated field each
//! element is looked at, except by `arrlen`. A rule where it cannot work is an [`Error`] when rules are compiled, not silence when requests come.
//!
//! What is not in a message is looked at as its default: an empty string, 0, an empty list, a message with
//! nothing in it. So a required string in a message makes that message required. Two kinds of fields may be absent
//! whatever they would have to be: members of a `oneof`, and a message by which a type holds itself, as a tree's node does; there a tree ends.
//! Keys of maps have no rules; the messages among their values are looked at, in the order they come.
//!
//! Whether there are rules or not, a body is measured first: one that would become far more memory than it is long is
//! not decoded (see [`MAX_GROWTH`]).

mod compile;
mod decoded_size;
mod error;
mod options;
mod pattern;
mod range;
mod rules;
mod scalar;
mod values;
mod violation;
mod walk;

use std::fmt;

use prost_reflect::MessageDescriptor;

use self::{
    compile::{Place, Plan},
    decoded_size::DecodedSize,
    walk::{Stop, Walk},
};
pub use self::{
    decoded_size::{ALWAYS_DECODED, MAX_GROWTH, Unreadable},
    error::{BodyError, Error},
    options::WrittenRules,
    scalar::MAX_NUMBERS_AS_TEXT,
    violation::{VALIDATE_ERROR, Violation},
};

/// The rules of one type of message and of all that it holds, and what it becomes when it is decoded.
pub struct Validator {
    descriptor: MessageDescriptor,
    /// A plan for each type, its own first. None where there are no rules.
    plans: Vec<Plan>,
    decoded_size: Option<DecodedSize>,
}

impl Validator {
    /// Reads the rules of a type of message. `None`: it has none, nor has anything within it, and its messages
    /// never become more than [`MAX_GROWTH`] times as long as their bodies.
    ///
    /// Each type is read once, so one that holds itself is fine.
    ///
    /// # Errors
    /// A rule that cannot be kept to: a range that is none, a regular expression that is none or needs look-around or
    /// back-references, a rule that does not fit the field's type, a rule unknown here.
    pub fn compile(descriptor: &MessageDescriptor) -> Result<Option<Self>, Error> {
        let plans = compile::plans(descriptor)?;
        let decoded_size = DecodedSize::of(descriptor);
        let needless = plans.is_none() && decoded_size.is_none();
        Ok((!needless).then(|| Self {
            descriptor: descriptor.clone(),
            plans: plans.unwrap_or_default(),
            decoded_size,
        }))
    }

    /// Looks at a body where it lies, without decoding it. That takes time in proportion to its length,
    /// whatever is in it.
    ///
    /// # Errors
    /// A body that is no such message as far as its rules reach, one that would become more than
    /// [`MAX_GROWTH`] times its length and more than [`ALWAYS_DECODED`] when it is decoded, or the first rule
    /// that is broken.
    pub fn check_body(&self, body: &[u8]) -> Result<(), BodyError> {
        if let Some(size) = &self.decoded_size {
            size.check(body)?;
        }
        Walk::check(&self.plans, body).map_err(|stop| match stop {
            Stop::Malformed(malformed) => BodyError::Decode(malformed.into()),
            Stop::Broken(place) => BodyError::Violation(self.violation(place)),
        })
    }

    fn violation(&self, place: Place) -> Violation {
        let field = &self.plans[place.plan].fields[place.field];
        Violation {
            code: field.answer.code,
            message: field.answer.message.clone(),
            field: field.descriptor.full_name().to_owned(),
        }
    }
}

impl fmt::Debug for Validator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Validator")
            .field("message", &self.descriptor.full_name())
            .field("types", &self.plans.len())
            .finish()
    }
}
