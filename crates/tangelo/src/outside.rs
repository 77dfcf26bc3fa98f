//! What is said outside of code and files: variables of the environment, and single changes.

use std::{ffi::OsString, str::FromStr};

use serde_json::Value;

/// What all variables of settings begin with.
pub(crate) const PREFIX: &str = "TANGELO__";
/// What stands between chapter, id and key.
pub(crate) const BETWEEN: &str = "__";

/// Settings of the environment, `TANGELO__SERVER__DEFAULT__PORT=5700`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables(pub(crate) Vec<(String, String)>);

/// `chapter.id.key=value`, as the command line has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Assignment {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl FromStr for Assignment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
        if !key.contains('.') {
            return Err("expected a key with dots, such as chat-server-1.port");
        }
        Ok(Self {
            key: key.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl Variables {
    pub(crate) fn of_this_process() -> Self {
        // What is no UTF-8 fits nothing as it is, and is told as it is shown.
        let lossy = |text: OsString| text.to_string_lossy().into_owned();
        let all = std::env::vars_os();
        Self::among(all.map(|(name, value)| (lossy(name), lossy(value))))
    }

    pub(crate) fn among(all: impl Iterator<Item = (String, String)>) -> Self {
        let mut own: Vec<_> = all.filter(|(name, _)| name.starts_with(PREFIX)).collect();
        own.sort();
        Self(own)
    }
}

/// Whether this is how a variable writes the id: what a variable's name cannot hold is `_`.
pub(crate) fn is_in_variable(id: &str, written: &str) -> bool {
    let fits = |(own, written): (char, char)| {
        own.eq_ignore_ascii_case(&written) || (!own.is_ascii_alphanumeric() && written == '_')
    };
    id.chars().count() == written.chars().count() && id.chars().zip(written.chars()).all(fits)
}

/// What a text may stand for: JSON, or itself, so that nobody has to quote a name twice.
pub(crate) fn texts(text: &str) -> Vec<Value> {
    let json = serde_json::from_str(text).ok();
    json.into_iter().chain([Value::from(text)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_a_key_and_a_value_that_may_hold_what_it_likes() {
        let change: Assignment = "service.Users.flow_control=1=5;3=20".parse().unwrap();
        assert_eq!(
            (&*change.key, &*change.value),
            ("service.Users.flow_control", "1=5;3=20")
        );
        for wrong in ["server.default.port", "port=7000"] {
            assert!(wrong.parse::<Assignment>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_text_is_json_where_that_fits_and_itself_else() {
        assert_eq!(texts("7000"), [Value::from(7000), Value::from("7000")]);
        assert_eq!(texts("10.0.0.1:5600"), [Value::from("10.0.0.1:5600")]);
    }

    #[test]
    fn an_id_is_written_in_a_variable_with_what_its_name_may_hold() {
        for (id, written) in [
            ("default", "DEFAULT"),
            ("users-1.a", "USERS_1_A"),
            ("a_b", "A_B"),
        ] {
            assert!(is_in_variable(id, written), "{id}");
            assert!(is_in_variable(id, &written.to_ascii_lowercase()), "{id}");
        }
        for (id, written) in [
            ("default", "DEFAUL"),
            ("a", "_"),
            ("a_b", "A-B"),
            ("a.b", "AXB"),
        ] {
            assert!(!is_in_variable(id, written), "{id}");
        }
    }

    #[test]
    fn variables_of_others_are_left_alone() {
        let all = ["TANGELO_SERVER_PORT", "TANGELO__B", "PATH", "TANGELO__A"];
        let all = all.map(|name| (name.to_owned(), String::new()));
        let own = Variables::among(all.into_iter());
        let names: Vec<_> = own.0.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["TANGELO__A", "TANGELO__B"]);
    }
}
