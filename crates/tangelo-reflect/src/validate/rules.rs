//! The rules of one field, ready to be asked.

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, Value};

use super::{
    Error,
    options::WrittenRules,
    pattern::Pattern,
    range::{Range, TextRange},
    scalar::{Scalar, Texts},
    values::Values,
};

/// All of them have to hold. Which is asked first makes no difference to the answer, so the quick ones are.
#[derive(Debug)]
pub(super) struct Rules {
    of_count: Vec<Check<Range>>,
    /// What those allow together where there is anything to count.
    least: usize,
    most: usize,
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
    Values(Values),
    Number(Range),
    Text(TextRange),
    Match(Pattern),
}

impl Rules {
    pub(super) fn parse(field: &FieldDescriptor, vld: &WrittenRules) -> Result<Self, Error> {
        let mut rules = Self {
            of_count: Vec::new(),
            least: 0,
            most: usize::MAX,
            of_each: Vec::new(),
            names: field.kind().as_enum().cloned(),
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
                rules.most = rules.most.min(rule.most());
                rules.least = rules.least.max(rule.least());
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

    /// Whether they hold of a field that is not set.
    pub(super) fn hold_default(&self, default: &Value) -> bool {
        match default {
            Value::List(_) | Value::Map(_) => self
                .of_count
                .iter()
                .all(|check| check.or_empty || check.rule.holds_count(0)),
            value => self.hold_one(Scalar::of(value), &mut Texts::default()),
        }
    }

    /// How many elements a list or a map that has any may have.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// How many elements it has to have.
    pub(super) fn least(&self) -> usize {
        self.least
    }

    pub(super) fn hold_one(&self, value: Scalar<'_>, texts: &mut Texts) -> bool {
        let empty = matches!(value, Scalar::Text(""));
        self.of_each.iter().all(|check| {
            (check.or_empty && empty) || check.rule.holds(value, self.names.as_ref(), texts)
        })
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
        Values::parse(text).map(Self::Values)
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
            Kind::Enum(names) => {
                return Ok(match self {
                    Self::Values(values) => Self::Values(values.named(&names)),
                    rule => rule,
                });
            }
            _ => return Ok(self),
        };
        Err(problem.to_owned())
    }

    fn holds(&self, value: Scalar<'_>, names: Option<&EnumDescriptor>, texts: &mut Texts) -> bool {
        match self {
            Self::Number(range) => return value.number().is_some_and(|number| range.holds(number)),
            Self::Values(values) => return values.hold(value, texts),
            _ => {}
        }
        let Some(text) = texts.of(value, names) else {
            return false;
        };
        match self {
            Self::Required => !text.is_empty(),
            Self::Length(range) => range.holds_length(&text),
            Self::Text(range) => range.holds(&text),
            Self::Match(pattern) => pattern.matches(&text),
            Self::Number(_) | Self::Values(_) => true,
        }
    }
}
