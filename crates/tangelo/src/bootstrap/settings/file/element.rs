//! One element of a file, key by key.

use std::fmt::Display;

use serde_json::Value;
use tangelo_rpc::config::{FromSetting, MethodConfig};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Reader, in_order, json};
use crate::{
    bootstrap::elements::{Chapter, Named, Place, listed},
    mistakes::At,
};

/// Keys whose value is the path of a file or folder. In a file it begins where the file lies.
const PATHS: [&str; 9] = [
    "mock_file",
    "fallback_file",
    "error_msg_converter",
    "tls_ca",
    "tls_cert",
    "tls_key",
    "tls_client_ca",
    "routes_file",
    "proto_dir",
];

impl Reader<'_> {
    pub(super) fn element(&mut self, chapter: Chapter, table: &DeTable<'_>, at: &At) {
        let entries = in_order(table);
        let said = |wanted: &str| {
            let found = entries.iter().find(|(key, _)| key.get_ref() == wanted);
            found.map(|(_, value)| json(value))
        };
        let (id, interface, service_id) = (said("id"), said("interface"), said("service_id"));
        let place = self.bootstrap.declare(
            chapter,
            Named {
                id: id.as_ref().and_then(Value::as_str),
                interface: interface.as_ref().and_then(Value::as_str),
                service_id: service_id
                    .as_ref()
                    .and_then(|number| i32::try_from(number.as_i64()?).ok()),
            },
        );
        self.origins.element(place, at);
        if !self.seen.insert(place) {
            let label = self.bootstrap.label(place);
            self.wrong(
                at,
                &label,
                "stands here a second time: give each its own id",
            );
        }
        let has_both = interface.is_some() && service_id.is_some();
        for (key, value) in entries {
            let (key, at) = (key.get_ref().as_ref(), self.at(key));
            self.origins.key(place, key, &at);
            match (chapter, key) {
                (Chapter::Referer, "interface") if has_both => {
                    let problem = "give this or service_id, not both";
                    self.wrong_key(place, key, &at, problem);
                }
                (Chapter::Service | Chapter::Referer, "interface") => {
                    self.interface(place, &json(value), &at);
                }
                (Chapter::Service | Chapter::Referer, "method") => self.methods(place, value, &at),
                _ => self.key(place, key, json(value), &at),
            }
        }
    }

    fn key(&mut self, place: Place, key: &str, mut value: Value, at: &At) {
        if PATHS.contains(&key)
            && let Some(path) = value.as_str().filter(|path| !path.is_empty())
        {
            value = self.folder.join(path).display().to_string().into();
        }
        if let Err(error) = self.bootstrap.set_key(place, key, &value) {
            self.wrong_key(place, key, at, error);
        }
    }

    /// Says which service is meant; of a referer that code does not know, it finds the number.
    fn interface(&mut self, place: Place, value: &Value, at: &At) {
        let name = match String::from_setting(value) {
            Ok(name) => name,
            Err(problem) => return self.wrong_key(place, "interface", at, problem),
        };
        let all = &mut *self.bootstrap;
        match all.of_code(place) {
            Some(known) if all.is_called(known, &name) => return,
            Some((_, known)) => {
                let problem = format!("is {known} in the code that brings it");
                return self.wrong_key(place, "interface", at, problem);
            }
            // A service that nobody brings is told when all is checked.
            None if place.chapter == Chapter::Service => return,
            None => {}
        }
        let found = all.pool.service_by_name(&name).map(|service| service.id);
        let referer = all.referers.get_mut(place.position);
        match (found, referer) {
            (Some(number), Some(referer)) => referer.service_id = number,
            _ => {
                let known: Vec<_> = all
                    .pool
                    .services()
                    .map(|one| one.full_name.as_str())
                    .collect();
                let problem = format!(
                    "the descriptors have no service `{name}`; there are: {}",
                    listed(&known)
                );
                self.wrong_key(place, "interface", at, problem);
                // And so there is nothing to say of the number it would have given.
                self.origins.tell(place, "service_id");
            }
        }
    }

    fn methods(&mut self, place: Place, value: &Spanned<DeValue<'_>>, at: &At) {
        let chapter = place.chapter;
        let expected = format!("expected [[{chapter}.method]]");
        let DeValue::Array(list) = value.get_ref() else {
            return self.wrong_key(place, "method", at, expected);
        };
        let mut methods = Vec::new();
        for element in list {
            let at = self.lines.at(element.span().start);
            match element.get_ref() {
                DeValue::Table(table) => methods.extend(self.method(place, table, &at)),
                _ => self.wrong_key(place, "method", &at, &expected),
            }
        }
        let all = &mut *self.bootstrap;
        let own = match chapter {
            Chapter::Service => all
                .services
                .get_mut(place.position)
                .map(|one| &mut one.methods),
            _ => all
                .referers
                .get_mut(place.position)
                .map(|one| &mut one.methods),
        };
        if let Some(own) = own {
            // Those of the file come first, so that they count.
            methods.append(own);
            *own = methods;
        }
    }

    fn method(&mut self, place: Place, table: &DeTable<'_>, at: &At) -> Option<MethodConfig> {
        let mut method = MethodConfig::default();
        let entries = in_order(table);
        let pattern = entries.iter().find(|(key, _)| key.get_ref() == "pattern");
        let Some((key, pattern)) = pattern else {
            self.wrong_key(place, "method", at, "pattern is missing");
            return None;
        };
        let pattern_is_wrong = method.set("pattern", &json(pattern)).err();
        let called = match (&pattern_is_wrong, &method.pattern) {
            (None, Some(pattern)) => format!("method.{pattern}"),
            _ => "method".to_owned(),
        };
        if let Some(error) = pattern_is_wrong {
            let at = self.at(key);
            self.wrong_key(place, "method.pattern", &at, error);
        }
        self.origins.key(place, &called, at);
        for (key, value) in entries {
            let (name, at) = (key.get_ref().as_ref(), self.at(key));
            let key = format!("{called}.{name}");
            self.origins.key(place, &key, &at);
            if name == "pattern" {
                continue;
            }
            if let Err(error) = method.set(name, &json(value)) {
                self.wrong_key(place, &key, &at, error);
            }
        }
        method.pattern.is_some().then_some(method)
    }

    fn wrong_key(&mut self, place: Place, key: &str, at: &At, problem: impl Display) {
        let label = self.bootstrap.label(place);
        self.wrong(at, &format!("{label}.{key}"), problem);
        self.origins.tell(place, key);
    }
}
