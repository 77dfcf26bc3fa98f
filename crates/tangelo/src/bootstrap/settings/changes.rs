//! Changes of single settings: by the environment, by the code, by the command line.

use serde_json::Value;
use tangelo_rpc::config::SettingError;

use super::Origins;
use crate::{
    bootstrap::{
        Bootstrap,
        elements::{Chapter, Place, listed},
    },
    config::is_of_servers,
    mistakes::At,
    outside::{Assignment, BETWEEN, PREFIX, is_in_variable, texts},
};

impl Bootstrap {
    /// Makes all changes, the later ones of which overrule the earlier.
    pub(in crate::bootstrap) fn change_all(&mut self, origins: &mut Origins) {
        let within = self.within.take().map(|krpc| krpc.rest);
        let mut variables = std::mem::take(&mut self.variables).0;
        if let Some(rest) = &within {
            variables.retain(|(name, _)| !is_of_servers(name));
            variables.extend(rest.variables.iter().cloned());
            variables.sort();
            variables.dedup();
        }
        let within = within.unwrap_or_default();
        for (name, value) in variables {
            match self.place_of_variable(&name) {
                Ok(target) => self.change(target, &texts(&value), &At::Outside(name), origins),
                Err(problem) => self.mistakes.add(format!("{name}: {problem}")),
            }
        }
        let of_code = std::mem::take(&mut self.changes).into_iter();
        let of_code = of_code.chain(within.changes);
        let of_code = of_code.map(|(path, value)| ("set", path, vec![value]));
        let said = self.arguments.take().unwrap_or_default().set.into_iter();
        let said = said.chain(within.assignments);
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
