//! The rules of one field, ready to be asked.

use std::borrow::Cow;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, Value};

use super::{
    Error,
    options::Validate,
    pattern::Pattern,
    range::{Range, TextRange},
};

/// All of them have to hold. Which is asked first makes no difference to the answer, so the quick ones are.
#[derive(Debug, Default)]
pub(super) struct Rules {
    of_count: Vec<Check<Range>>,
    of_each: Vec<Check<Rule>>,
    /// For an enum, whose text is its name.
    names: Option<EnumDescriptor>,
}

#[derive(Debug)]
struct Check<T> {
    rule: T,
    /// `empty_or_…`: what is empty passes.
    or_empty: bool,
}

#[derive(Debug)]
enum Rule {
    Required,
    Length(Range),
    Values(Box<[String]>),
    Number(Range),
    Text(TextRange),
    Match(Pattern),
}

impl Rules {
    pub(super) fn parse(field: &FieldDescriptor, vld: &Validate) -> Result<Self, Error> {
        let mut rules = Self {
            names: field.kind().as_enum().cloned(),
            ..Self::default()
        };
        if vld.required && matches!(field.kind(), Kind::String) {
            rules.of_each.push(Check {
                rule: Rule::Required,
                or_empty: false,
            });
        }
        let counted = [
            ("arrlen", &vld.arrlen, false),
            ("empty_or_arrlen", &vld.empty_or_arrlen, true),
        ];
        for (name, text, or_empty) in counted {
            if !text.is_empty() {
                let rule = count_rule(field, text);
                let rule = rule.map_err(|problem| Error::new(field, name, problem))?;
                rules.of_count.push(Check { rule, or_empty });
            }
        }
        type Parse = fn(&str) -> Result<Rule, String>;
        let asked: [(&str, &String, bool, Parse); 10] = [
            ("length", &vld.length, false, Rule::length),
            ("empty_or_length", &vld.empty_or_length, true, Rule::length),
            ("values", &vld.values, false, Rule::values),
            ("empty_or_values", &vld.empty_or_values, true, Rule::values),
            ("nrange", &vld.nrange, false, Rule::nrange),
            ("empty_or_nrange", &vld.empty_or_nrange, true, Rule::nrange),
            ("srange", &vld.srange, false, Rule::srange),
            ("empty_or_srange", &vld.empty_or_srange, true, Rule::srange),
            ("match", &vld.r#match, false, Rule::pattern),
            ("empty_or_match", &vld.empty_or_match, true, Rule::pattern),
        ];
        for (name, text, or_empty, parse) in asked {
            if !text.is_empty() {
                let rule = parse(text).and_then(|rule| rule.on(field));
                let rule = rule.map_err(|problem| Error::new(field, name, problem))?;
                rules.of_each.push(Check { rule, or_empty });
            }
        }
        Ok(rules)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.of_count.is_empty() && self.of_each.is_empty()
    }

    pub(super) fn hold(&self, value: &Value) -> bool {
        match value {
            Value::List(values) => {
                self.hold_count(values.len()) && values.iter().all(|value| self.hold_one(value))
            }
            Value::Map(entries) => self.hold_count(entries.len()),
            value => self.hold_one(value),
        }
    }

    fn hold_count(&self, count: usize) -> bool {
        self.of_count
            .iter()
            .all(|check| (check.or_empty && count == 0) || check.rule.holds_count(count))
    }

    fn hold_one(&self, value: &Value) -> bool {
        let empty = value.as_str().is_some_and(str::is_empty);
        self.of_each
            .iter()
            .all(|check| (check.or_empty && empty) || check.rule.holds(value, self.names.as_ref()))
    }
}

fn count_rule(field: &FieldDescriptor, text: &str) -> Result<Range, String> {
    if field.is_list() || field.is_map() {
        Range::parse_count(text)
    } else {
        Err("counts elements, which only a repeated field has; a string has a `length`".to_owned())
    }
}

impl Rule {
    fn length(text: &str) -> Result<Self, String> {
        Range::parse_count(text).map(Self::Length)
    }

    fn values(text: &str) -> Result<Self, String> {
        let values = text.split(',').map(str::trim);
        let values: Box<[_]> = values
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
            .collect();
        if values.is_empty() {
            return Err(format!("`{text}` has no value in it; write `a,b,c`"));
        }
        Ok(Self::Values(values))
    }

    fn nrange(text: &str) -> Result<Self, String> {
        Range::parse(text).map(Self::Number)
    }

    fn srange(text: &str) -> Result<Self, String> {
        TextRange::parse(text).map(Self::Text)
    }

    fn pattern(text: &str) -> Result<Self, String> {
        Pattern::parse(text).map(Self::Match)
    }

    /// Whether the rule can work on a field of this type.
    fn on(self, field: &FieldDescriptor) -> Result<Self, String> {
        let number = matches!(self, Self::Number(_));
        let problem = match field.kind() {
            _ if field.is_map() => {
                "is for strings and numbers, and the field is a map; a map can have `arrlen`"
            }
            Kind::Message(_) => {
                "is for strings and numbers, and the field is a message; give the rule to a field of that"
            }
            Kind::Bytes => {
                "is for strings and numbers, and the field is bytes; check it in the method"
            }
            Kind::Bool | Kind::Enum(_) if number => {
                "is for numbers and strings of digits; write `values` with the names"
            }
            _ => return Ok(self),
        };
        Err(problem.to_owned())
    }

    fn holds(&self, value: &Value, names: Option<&EnumDescriptor>) -> bool {
        let text = || text(value, names);
        match self {
            Self::Required => !text().is_empty(),
            Self::Length(range) => range.holds_count(text().encode_utf16().count()),
            Self::Values(values) => {
                let text = text();
                values.iter().any(|value| *value == *text)
            }
            Self::Number(range) => number(value).is_some_and(|number| range.holds(number)),
            Self::Text(range) => range.holds(&text()),
            Self::Match(pattern) => pattern.matches(&text()),
        }
    }
}

fn text<'a>(value: &'a Value, names: Option<&EnumDescriptor>) -> Cow<'a, str> {
    match value {
        Value::String(text) => text.into(),
        Value::Bool(value) => value.to_string().into(),
        Value::I32(number) => number.to_string().into(),
        Value::I64(number) => number.to_string().into(),
        Value::U32(number) => number.to_string().into(),
        Value::U64(number) => number.to_string().into(),
        // With a fraction, as in Java: `1.0`.
        Value::F32(number) => format!("{number:?}").into(),
        Value::F64(number) => format!("{number:?}").into(),
        Value::EnumNumber(number) => names
            .and_then(|names| names.get_value(*number))
            .map_or_else(|| number.to_string(), |value| value.name().to_owned())
            .into(),
        // Such fields have no rule that asks for text.
        Value::Bytes(_) | Value::Message(_) | Value::List(_) | Value::Map(_) => "".into(),
    }
}

/// A fraction is cut off; what is too large for the type stays outside of any range with an end.
fn number(value: &Value) -> Option<i128> {
    match value {
        Value::String(text) => text.parse::<i64>().ok().map(i128::from),
        Value::I32(number) => Some((*number).into()),
        Value::I64(number) => Some((*number).into()),
        Value::U32(number) => Some((*number).into()),
        Value::U64(number) => Some((*number).into()),
        Value::F32(number) => (!number.is_nan()).then_some(*number as i128),
        Value::F64(number) => (!number.is_nan()).then_some(*number as i128),
        _ => None,
    }
}
