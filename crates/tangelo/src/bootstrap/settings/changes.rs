//! Changes of single settings: by the environment, by the code, by the command line.

use std::{ffi::OsString, str::FromStr};

use serde_json::Value;
use tangelo_rpc::config::SettingError;

use super::Origins;
use crate::bootstrap::{
    Bootstrap,
    elements::{Chapter, Place, listed},
    mistakes::At,
};

/// What all variables of settings begin with.
const PREFIX: &str = "TANGELO__";
/// What stands between chapter, id and key.
const BETWEEN: &str = "__";

/// Settings of the environment, `TANGELO__SERVER__DEFAULT__PORT=5700`.
#[derive(Clone, Debug, Default)]
pub(in crate::bootstrap) struct Variables(Vec<(String, String)>);

/// `chapter.id.key=value`, as the command line has it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::bootstrap) struct Assignment {
    key: String,
    value: String,
}

impl FromStr for Assignment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, value) = text
            .split_once('=')
            .ok_or("expected CHAPTER.ID.KEY=VALUE")?;
        Ok(Self {
            key: key.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl Variables {
    pub(in crate::bootstrap) fn of_this_process() -> Self {
        // What is no UTF-8 fits nothing as it is, and is told as it is shown.
        let lossy = |text: OsString| text.to_string_lossy().into_owned();
        let all = std::env::vars_os();
        Self::among(all.map(|(name, value)| (lossy(name), lossy(value))))
    }

    pub(in crate::bootstrap) fn among(all: impl Iterator<Item = (String, String)>) -> Self {
        let mut own: Vec<_> = all.filter(|(name, _)| name.starts_with(PREFIX)).collect();
        own.sort();
        Self(own)
    }
}

impl Bootstrap {
    /// Makes all changes, the later ones of which overrule the earlier.
    pub(in crate::bootstrap) fn change_all(&mut self, origins: &mut Origins) {
        for (name, value) in std::mem::take(&mut self.variables).0 {
            match self.place_of_variable(&name) {
                Ok(target) => self.change(target, &texts(&value), &At::Outside(name), origins),
                Err(problem) => self.mistakes.add(format!("{name}: {problem}")),
            }
        }
        let of_code = std::mem::take(&mut self.changes).into_iter();
        let of_code = of_code.map(|(path, value)| ("set", path, vec![value]));
        let said = self.arguments.take().unwrap_or_default().set.into_iter();
        let said = said.map(|Assignment { key, value }| ("--set", key, texts(&value)));
        for (origin, path, values) in of_code.chain(said) {
            match self.place_of_path(&path) {
                Ok(target) => {
                    self.change(target, &values, &At::Outside(origin.to_owned()), origins);
                }
                Err(problem) => self.mistakes.add(format!("{origin}: {path}: {problem}")),
            }
        }
    }

    /// Sets a key to the first of these that it takes.
    fn change(
        &mut self,
        (place, key): (Place, String),
        values: &[Value],
        at: &At,
        origins: &mut Origins,
    ) {
        let key = key.as_str();
        origins.key(place, key, at);
        let outcome = match key {
            "id" => Err(SettingError::Value(
                "is given where it is declared".to_owned(),
            )),
            _ => {
                let mut tried = values.iter().map(|value| self.set_key(place, key, value));
                let first = tried.next().unwrap_or(Ok(()));
                match first {
                    Err(SettingError::Value(_)) if tried.any(|outcome| outcome.is_ok()) => Ok(()),
                    outcome => outcome,
                }
            }
        };
        if let Err(error) = outcome {
            let label = self.label(place);
            self.mistakes
                .add_at(Some(at), format!("{label}.{key}: {error}"));
            origins.tell(place, key);
        }
    }

    /// `chapter.id.key`, or `application.key` and `monitor.key`.
    fn place_of_path(&self, path: &str) -> Result<(Place, String), String> {
        const FORM: &str =
            "expected chapter.id.key, such as server.default.port, or application.name";
        let (chapter, rest) = path.split_once('.').ok_or(FORM)?;
        let chapter = Chapter::named(chapter).ok_or(FORM)?;
        if chapter.is_one() {
            return Ok((chapter.at(0), rest.to_owned()));
        }
        let (id, key) = rest.rsplit_once('.').ok_or(FORM)?;
        let position = self
            .position(chapter, id)
            .ok_or_else(|| self.no_such(chapter, id))?;
        Ok((chapter.at(position), key.to_owned()))
    }

    /// `TANGELO__CHAPTER__ID__KEY`; what a name cannot hold is `_` in the id.
    fn place_of_variable(&self, name: &str) -> Result<(Place, String), String> {
        const FORM: &str = "expected TANGELO__CHAPTER__ID__KEY, such as \
                            TANGELO__SERVER__DEFAULT__PORT, or TANGELO__APPLICATION__NAME";
        let rest = name.strip_prefix(PREFIX).unwrap_or(name);
        let (chapter, rest) = rest.split_once(BETWEEN).ok_or(FORM)?;
        let chapter = Chapter::named(&chapter.to_ascii_lowercase()).ok_or(FORM)?;
        if chapter.is_one() {
            return Ok((chapter.at(0), rest.to_ascii_lowercase()));
        }
        let (wanted, key) = rest.rsplit_once(BETWEEN).ok_or(FORM)?;
        let ids = self.ids(chapter);
        let meant: Vec<_> = (0..)
            .zip(&ids)
            .filter(|(_, id)| is_in_variable(id, wanted))
            .collect();
        match meant[..] {
            [(position, _)] => Ok((chapter.at(position), key.to_ascii_lowercase())),
            [] => Err(self.no_such(chapter, wanted)),
            _ => {
                let meant: Vec<_> = meant.iter().map(|(_, id)| **id).collect();
                Err(format!("may mean each of {}", listed(&meant)))
            }
        }
    }

    fn no_such(&self, chapter: Chapter, id: &str) -> String {
        format!(
            "there is no {chapter} `{id}`; there are: {}",
            listed(&self.ids(chapter))
        )
    }
}

/// Whether this is how a variable writes the id.
fn is_in_variable(id: &str, written: &str) -> bool {
    let fits = |(own, written): (char, char)| {
        own.eq_ignore_ascii_case(&written) || (!own.is_ascii_alphanumeric() && written == '_')
    };
    id.chars().count() == written.chars().count() && id.chars().zip(written.chars()).all(fits)
}

/// What a text may stand for: JSON, or itself, so that nobody has to quote a name twice.
fn texts(text: &str) -> Vec<Value> {
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
        assert!("server.default.port".parse::<Assignment>().is_err());
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
