//! What `google.api.http` says of a request: which fields the path fills, which the body, and names with dots.

mod merge;

use std::borrow::Cow;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use self::merge::{Leaf, Tree};
use super::{BadParameter, Body, Input, JsonForm, request::pairs};

/// Names in a dotted name, at the most.
const MAX_STEPS: usize = 32;

/// Which part of a request fills which field.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    message: MessageDescriptor,
    body: Filled,
    camel_names: bool,
}

/// What the body fills.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Filled {
    Nothing,
    /// Whatever the path does not; the query says nothing.
    All,
    /// This field. The query says others.
    Field(String),
}

/// A request whose parts are where a plan looks for them.
#[derive(Debug)]
pub(crate) struct Arranged<'a> {
    variables: Vec<(&'a str, Cow<'a, str>)>,
    body: Said<'a>,
}

#[derive(Debug)]
enum Said<'a> {
    As(Body<'a>),
    Json(Vec<u8>),
    Whole(Vec<u8>),
}

impl Binding {
    /// With these variables in the path, and `body` as the rule has it.
    ///
    /// # Errors
    /// A name that is no field's, or of one that cannot be filled so.
    pub(crate) fn compile<'v>(
        message: &MessageDescriptor,
        variables: impl Iterator<Item = &'v str>,
        body: &str,
        form: JsonForm,
    ) -> Result<Self, String> {
        let body = match body {
            "" => Filled::Nothing,
            "*" => Filled::All,
            name if message.get_field_by_name(name).is_some() => Filled::Field(name.to_owned()),
            name => return Err(format!("body: {} has no field `{name}`", message.name())),
        };
        let binding = Self {
            message: message.clone(),
            body,
            camel_names: form.camel_names,
        };
        for name in variables {
            let steps = resolve(message, name, false)
                .ok_or_else(|| format!("{{{name}}}: {} has no such field", message.name()))?;
            let is_text = steps.last().is_some_and(|field| {
                !field.is_list() && !field.is_map() && !matches!(field.kind(), Kind::Message(_))
            });
            if !is_text {
                return Err(format!("{{{name}}}: a path fills single values only"));
            }
            if matches!(&binding.body, Filled::Field(body) if body == name) {
                return Err(format!("{{{name}}}: the body fills it already"));
            }
        }
        Ok(binding)
    }

    /// The field that the body fills; empty: none, `*`: all that the path does not.
    pub(crate) fn body_name(&self) -> &str {
        match &self.body {
            Filled::Nothing => "",
            Filled::All => "*",
            Filled::Field(name) => name,
        }
    }

    /// Puts the parts of a request where a plan looks for them.
    ///
    /// # Errors
    /// A body that is no JSON where one is due, names with dots that cannot be said together, too many.
    pub(crate) fn arrange<'a>(&self, input: &Input<'a>) -> Result<Arranged<'a>, BadParameter> {
        let mut tree = Tree::default();
        if self.body != Filled::All
            && let Some(query) = input.http.query
        {
            self.dotted(query, &mut tree)?;
        }
        let mut variables = Vec::new();
        for (name, value) in input.variables {
            match resolve(&self.message, name, false) {
                Some(steps) if steps.len() > 1 => {
                    tree.put(&steps, Leaf::Path(value.to_string()))
                        .map_err(|words| BadParameter::new(name, words))?;
                }
                _ => variables.push((*name, value.clone())),
            }
        }
        let body = self.body(input, &tree)?;
        Ok(Arranged { variables, body })
    }

    /// Names of the query that have dots and lead to a field. Others are passed over, as is what the body fills.
    fn dotted(&self, query: &str, tree: &mut Tree) -> Result<(), BadParameter> {
        pairs(query.as_bytes(), "the query", |name, value| {
            if !name.contains('.') {
                return Ok(());
            }
            let Some(steps) = resolve(&self.message, &name, self.camel_names) else {
                return Ok(());
            };
            let is_of_body = |first: &FieldDescriptor| matches!(&self.body, Filled::Field(body) if body == first.name());
            if steps.first().is_some_and(is_of_body) {
                return Ok(());
            }
            let leaf = Leaf::Query(vec![value.into_owned()]);
            tree.put(&steps, leaf)
                .map_err(|words| BadParameter::new(&name, words))
        })
    }

    fn body<'a>(&self, input: &Input<'a>, tree: &Tree) -> Result<Said<'a>, BadParameter> {
        let kind = input.http.content_type();
        let content = input.http.content;
        let is_json = kind.eq_ignore_ascii_case("application/json");
        match &self.body {
            Filled::Nothing if tree.is_empty() => Ok(Said::As(Body::None)),
            Filled::Nothing => Ok(Said::Json(merge::merged(None, tree)?)),
            Filled::All if content.is_empty() => Ok(Said::Whole(merge::merged(None, tree)?)),
            // A form has no messages in it to say a field of.
            Filled::All if !is_json && tree.is_empty() => Ok(Said::As(input.body)),
            Filled::All | Filled::Field(_) if !content.is_empty() && !is_json => {
                Err(BadParameter::new("the body", "expected application/json"))
            }
            Filled::All if tree.is_empty() => Ok(Said::Whole(content.to_vec())),
            Filled::All => Ok(Said::Whole(merge::merged(Some(content), tree)?)),
            Filled::Field(_) if content.is_empty() && tree.is_empty() => Ok(Said::As(Body::None)),
            Filled::Field(name) => {
                let value = match content {
                    [] => None,
                    content => Some(merge::value(content)?),
                };
                let object = value.map(|value| merge::alone(name, value));
                Ok(Said::Json(merge::merged(object.as_deref(), tree)?))
            }
        }
    }
}

impl Arranged<'_> {
    /// The same request, so arranged.
    pub(crate) fn input<'b>(&'b self, input: &Input<'b>) -> Input<'b> {
        let body = match &self.body {
            Said::As(body) => *body,
            Said::Json(json) => Body::Json(json),
            Said::Whole(json) => Body::Whole(json),
        };
        Input {
            http: input.http,
            variables: &self.variables,
            body,
            plugins: input.plugins,
            session: input.session,
        }
    }
}

/// The fields that a name with dots leads through. `None`: it leads to none.
pub(crate) fn resolve(
    message: &MessageDescriptor,
    name: &str,
    camel_names: bool,
) -> Option<Vec<FieldDescriptor>> {
    let mut message = Some(message.clone());
    let mut fields: Vec<FieldDescriptor> = Vec::new();
    for step in name.split('.') {
        if fields.len() == MAX_STEPS {
            return None;
        }
        let within = message.take()?;
        let field = within.get_field_by_name(step);
        let field = field.or_else(|| {
            let by_json = within.get_field_by_json_name(step);
            by_json.filter(|_| camel_names)
        })?;
        if let (Kind::Message(below), false, false) =
            (field.kind(), field.is_list(), field.is_map())
        {
            message = Some(below);
        }
        fields.push(field);
    }
    Some(fields)
}
