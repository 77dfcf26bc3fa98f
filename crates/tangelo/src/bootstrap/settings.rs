//! `tangelo.toml`, and single changes.

use std::{collections::HashMap, fs, path::Path};

use serde::Deserialize;
use serde_json::{Map, Value};
use tangelo_rpc::config::{MethodConfig, RefererConfig, ServiceConfig, SettingError};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::Bootstrap;

/// Where settings were read: by what they belong to and key, `file:line`.
pub(super) type Origins = HashMap<(String, String), String>;

/// A file while it is read.
struct File<'a> {
    name: String,
    text: &'a str,
}

type Entry<'a> = (
    &'a Spanned<std::borrow::Cow<'a, str>>,
    &'a Spanned<DeValue<'a>>,
);

impl Bootstrap {
    /// Reads all files and changes; what is wrong with them is among the mistakes then.
    pub(super) fn read_settings(&mut self) -> Origins {
        let mut origins = Origins::new();
        for path in std::mem::take(&mut self.files) {
            self.read_file(&path, &mut origins);
        }
        for (key, value) in std::mem::take(&mut self.changes) {
            if let Err(problem) = self.change(&key, &value) {
                self.mistakes.add(format!("set {key}: {problem}"));
            }
        }
        origins
    }

    fn read_file(&mut self, path: &Path, origins: &mut Origins) {
        let name = path.display().to_string();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return self.mistakes.add(format!("{name}: {error}")),
        };
        let file = File { name, text: &text };
        let (table, errors) = DeTable::parse_recoverable(&text);
        for error in &errors {
            let at = file.at(error.span().map_or(0, |span| span.start));
            self.mistakes.add(format!("{at}: {}", error.message()));
        }
        if !errors.is_empty() {
            return;
        }
        let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
        for entry in table.get_ref() {
            self.chapter(&file, entry, &folder, origins);
        }
    }

    fn chapter(
        &mut self,
        file: &File<'_>,
        (key, value): Entry<'_>,
        folder: &Path,
        origins: &mut Origins,
    ) {
        let at = file.at(key.span().start);
        let name = key.get_ref().as_ref();
        let elements: Vec<&DeTable<'_>> = match value.get_ref() {
            DeValue::Table(table) => vec![table],
            DeValue::Array(list) => list
                .iter()
                .filter_map(|element| match element.get_ref() {
                    DeValue::Table(table) => Some(table),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        };
        match name {
            "descriptors" => match Vec::<String>::deserialize(json(value)) {
                Ok(paths) => paths.iter().for_each(|path| self.load_descriptors(&folder.join(path))),
                Err(_) => self.mistakes.add(format!("{at}: descriptors: expected a list of paths")),
            },
            "application" | "monitor" | "registry" | "client" | "server" | "web_server" | "service" | "referer" => {
                if elements.is_empty() {
                    return self.mistakes.add(format!("{at}: {name}: expected [{name}] or [[{name}]]"));
                }
                for table in elements {
                    self.element(file, name, table, &at, origins);
                }
            }
            "webserver" => self.mistakes.add(format!("{at}: webserver: is written web_server here")),
            _ => self.mistakes.add(format!(
                "{at}: {name}: unknown chapter; there are: application, monitor, registry, client, server, web_server, service, referer, descriptors"
            )),
        }
    }

    /// One element of a chapter: that of the same id, or a new one.
    fn element(
        &mut self,
        file: &File<'_>,
        chapter: &str,
        table: &DeTable<'_>,
        at: &str,
        origins: &mut Origins,
    ) {
        let text = |wanted: &str| {
            let found = table.iter().find(|(key, _)| key.get_ref() == wanted);
            found
                .and_then(|(_, value)| value.get_ref().as_str())
                .map(str::to_owned)
        };
        let id = text("id").or_else(|| match chapter {
            "service" => text("interface"),
            _ => None,
        });
        let interface = text("interface");
        let position = match self.find_or_add(chapter, id.as_deref(), interface.as_deref()) {
            Ok(position) => position,
            Err(problem) => return self.mistakes.add(format!("{at}: {chapter}: {problem}")),
        };
        let place = place(chapter, position);
        for (key, value) in table {
            let (name, at) = (key.get_ref().as_ref(), file.at(key.span().start));
            origins.insert((place.clone(), name.to_owned()), at.clone());
            if name == "method" && matches!(chapter, "service" | "referer") {
                self.methods(file, chapter, position, value, &at);
                continue;
            }
            if name == "interface" && matches!(chapter, "service" | "referer") {
                continue;
            }
            if let Err(error) = self.set_key(chapter, position, name, &json(value)) {
                let error = hint(name, &error);
                self.mistakes
                    .add(format!("{at}: {chapter}.{name}: {error}"));
            }
        }
        origins.insert((place, String::new()), at.to_owned());
    }

    fn methods(
        &mut self,
        file: &File<'_>,
        chapter: &str,
        position: usize,
        value: &Spanned<DeValue<'_>>,
        at: &str,
    ) {
        let DeValue::Array(list) = value.get_ref() else {
            return self.mistakes.add(format!(
                "{at}: {chapter}.method: expected [[{chapter}.method]]"
            ));
        };
        let mut methods = Vec::new();
        for element in list {
            let Some(table) = element.get_ref().as_table() else {
                self.mistakes.add(format!(
                    "{at}: {chapter}.method: expected [[{chapter}.method]]"
                ));
                continue;
            };
            let mut method = MethodConfig::default();
            for (key, value) in table {
                let name = key.get_ref().as_ref();
                if let Err(error) = method.set(name, &json(value)) {
                    let (at, error) = (file.at(key.span().start), hint(name, &error));
                    self.mistakes
                        .add(format!("{at}: {chapter}.method.{name}: {error}"));
                }
            }
            if !table.iter().any(|(key, _)| key.get_ref() == "pattern") {
                let at = file.at(element.span().start);
                self.mistakes
                    .add(format!("{at}: {chapter}.method: pattern is missing"));
            }
            methods.push(method);
        }
        let own = match chapter {
            "service" => self
                .services
                .get_mut(position)
                .map(|service| &mut service.methods),
            _ => self
                .referers
                .get_mut(position)
                .map(|referer| &mut referer.methods),
        };
        if let Some(own) = own {
            // Those of the file come first, so that they count.
            methods.append(own);
            *own = methods;
        }
    }

    /// Where in its chapter the element of this id stands.
    fn find_or_add(
        &mut self,
        chapter: &str,
        id: Option<&str>,
        interface: Option<&str>,
    ) -> Result<usize, String> {
        fn find<T: Default>(all: &mut Vec<T>, id: Option<&str>, of: fn(&T) -> &str) -> usize {
            let fallback = T::default();
            let wanted = id.unwrap_or_else(|| of(&fallback));
            let found = all.iter().position(|one| of(one) == wanted);
            found.unwrap_or_else(|| {
                all.push(T::default());
                all.len() - 1
            })
        }
        match chapter {
            "application" | "monitor" => Ok(0),
            "registry" => Ok(find(&mut self.registries, id, |registry| &registry.id)),
            "client" => Ok(find(&mut self.clients, id, |client| &client.id)),
            "server" => Ok(find(&mut self.servers, id, |server| &server.id)),
            "web_server" => Ok(find(&mut self.web_servers, id, |server| &server.id)),
            "service" => self.find_service(id, interface),
            _ => self.find_referer(id, interface),
        }
    }

    /// A service is brought in code, and the file says how it is offered.
    fn find_service(&self, id: Option<&str>, interface: Option<&str>) -> Result<usize, String> {
        let names = |service: &ServiceConfig| {
            id == Some(&service.id)
                || interface.is_some_and(|name| {
                    service
                        .served
                        .as_ref()
                        .is_some_and(|served| served.name() == name)
                })
        };
        self.services.iter().position(names).ok_or_else(|| {
            let known: Vec<_> = self.services.iter().map(|service| service.id.as_str()).collect();
            let wanted = id.or(interface).unwrap_or("without id or interface");
            format!("`{wanted}`: no such service is brought in code (Bootstrap::service); there are: {}", known.join(", "))
        })
    }

    /// A referer is declared in code with its client, or in the file by its service's number.
    fn find_referer(&mut self, id: Option<&str>, interface: Option<&str>) -> Result<usize, String> {
        let Some(id) = id.or(interface) else {
            return Err("needs an id".to_owned());
        };
        let found = self.referers.iter().position(|referer| referer.id == id);
        Ok(found.unwrap_or_else(|| {
            let known = interface.and_then(|name| self.pool.service_by_name(name));
            self.referers.push(RefererConfig::dynamic(
                id,
                known.map_or(0, |service| service.id),
            ));
            self.referers.len() - 1
        }))
    }

    fn set_key(
        &mut self,
        chapter: &str,
        position: usize,
        key: &str,
        value: &Value,
    ) -> Result<(), SettingError> {
        macro_rules! at {
            ($list:expr) => {
                $list
                    .get_mut(position)
                    .map_or(Ok(()), |element| element.set(key, value))
            };
        }
        match chapter {
            "application" => self.application.set(key, value),
            "monitor" => self.monitor.set(key, value),
            "registry" => at!(self.registries),
            "client" => at!(self.clients),
            "server" => at!(self.servers),
            "web_server" => at!(self.web_servers),
            "service" => at!(self.services),
            _ => at!(self.referers),
        }
    }

    /// `chapter.id.key`, or `application.key` and `monitor.key`.
    fn change(&mut self, path: &str, value: &Value) -> Result<(), String> {
        const FORM: &str = "expected chapter.id.key, such as server.default.port";
        let (chapter, rest) = path.split_once('.').ok_or(FORM)?;
        let (position, key) = match chapter {
            "application" | "monitor" => (0, rest),
            "registry" | "client" | "server" | "web_server" | "service" | "referer" => {
                let (id, key) = rest.rsplit_once('.').ok_or(FORM)?;
                let position = match chapter {
                    "referer" => self.referers.iter().position(|referer| referer.id == id),
                    _ => Some(self.find_or_add(chapter, Some(id), None)?),
                };
                (
                    position.ok_or_else(|| format!("there is no referer `{id}`"))?,
                    key,
                )
            }
            _ => return Err(FORM.to_owned()),
        };
        self.set_key(chapter, position, key, value)
            .map_err(|error| hint(key, &error))
    }
}

/// Names an element: the key of [`Origins`].
pub(super) fn place(chapter: &str, position: usize) -> String {
    format!("{chapter}[{position}]")
}

impl File<'_> {
    /// `file:line` of a position.
    fn at(&self, position: usize) -> String {
        let before = self.text.get(..position).unwrap_or_default();
        format!("{}:{}", self.name, before.matches('\n').count() + 1)
    }
}

/// What krpc writes in one way, and we in another.
fn hint(key: &str, error: &SettingError) -> String {
    if let SettingError::Unknown(keys) = error {
        let snake = snake_case(key);
        if snake != key && keys.contains(&snake.as_str()) {
            return format!("is written {snake} here");
        }
    }
    error.to_string()
}

fn snake_case(key: &str) -> String {
    let mut snake = String::new();
    for character in key.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

fn json(value: &Spanned<DeValue<'_>>) -> Value {
    match value.get_ref() {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(value) => Value::from(*value),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Null, Value::from)
        }
        DeValue::Float(number) => number
            .as_str()
            .parse::<f64>()
            .map_or(Value::Null, Value::from),
        DeValue::Datetime(time) => Value::from(time.to_string()),
        DeValue::Array(list) => list.iter().map(json).collect(),
        DeValue::Table(table) => {
            let entries = table
                .iter()
                .map(|(key, value)| (key.get_ref().to_string(), json(value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
    }
}
