//! What stands in a path for the variables of its url.

use std::borrow::Cow;

/// What stands in a path for the variables of its url, decoded.
///
/// A value is never empty, `.` or `..`, and has no control characters. It has a `/` only where the client encoded it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathVariables<'a>(Vec<(&'a str, Cow<'a, str>)>);

impl PathVariables<'_> {
    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value)
    }

    /// Names and values, in the order of the path.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (*name, &**value))
    }

    /// Names and values, in the order of the path.
    pub fn as_slice(&self) -> &[(&str, Cow<'_, str>)] {
        &self.0
    }

    /// Whether the path has no variables.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl<'a> FromIterator<(&'a str, Cow<'a, str>)> for PathVariables<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a str, Cow<'a, str>)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}
