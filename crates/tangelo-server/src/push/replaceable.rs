//! Routes whose newest push is all that matters.

use std::{collections::HashMap, fmt, sync::Arc};

use serde_json::Value;
use tangelo_connector::Push;
use tangelo_runtime::guard;
use tracing::debug;

/// Routes whose newest push is all that matters.
#[derive(Default)]
pub(super) struct Replaceable(HashMap<Box<str>, Rule>);

struct Rule {
    route: Arc<str>,
    key: Option<Key>,
}

/// What a push is about, from its message.
pub(super) type Key = Box<dyn Fn(&Value) -> Value + Send + Sync>;

impl Replaceable {
    pub(super) fn add(&mut self, route: &str, key: Option<Key>) {
        let rule = Rule {
            route: Arc::from(route),
            key,
        };
        self.0.insert(route.into(), rule);
    }

    /// Whether a function of the application tells which pushes one on this route replaces.
    pub(super) fn asks(&self, route: &str) -> bool {
        self.0.get(route).is_some_and(|rule| rule.key.is_some())
    }

    /// What tells which pushes this one replaces.
    pub(super) fn key(&self, push: &Push) -> Option<Arc<str>> {
        if self.0.is_empty() {
            return None;
        }
        let rule = self.0.get(push.route())?;
        let Some(key) = &rule.key else {
            return Some(Arc::clone(&rule.route));
        };
        let message: Value = serde_json::from_slice(push.body()).ok()?;
        match guard::catch(|| key(&message)) {
            Ok(Value::Null) => None,
            Ok(key) => Some(Arc::from(format!("{}\0{key}", rule.route))),
            Err(panicked) => {
                debug!(route = &*rule.route, %panicked, "no key of a replaceable push");
                None
            }
        }
    }
}

impl fmt::Debug for Replaceable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(rules: &Replaceable, route: &str, body: &'static str) -> Option<Arc<str>> {
        rules.key(&Push::new(route, body).unwrap())
    }

    #[test]
    fn pushes_of_one_route_and_key_are_about_the_same() {
        let mut rules = Replaceable::default();
        rules.add("onMap", None);
        rules.add("onMove", Some(Box::new(|message| message["id"].clone())));
        assert_eq!(key(&rules, "onMap", "{}"), key(&rules, "onMap", "[]"));
        let of_seven = key(&rules, "onMove", r#"{"id":7,"x":1}"#);
        assert!(of_seven.is_some());
        assert_eq!(key(&rules, "onMove", r#"{"x":2,"id":7}"#), of_seven);
        assert_ne!(key(&rules, "onMove", r#"{"id":8}"#), of_seven);
        assert_ne!(key(&rules, "onMove", r#"{"id":"7"}"#), of_seven);
        assert_ne!(key(&rules, "onMap", r#"{"id":7}"#), of_seven);
    }

    #[test]
    fn a_push_without_a_key_is_like_any_other() {
        let mut rules = Replaceable::default();
        assert_eq!(key(&rules, "onChat", "{}"), None);
        rules.add("onMove", Some(Box::new(|message| message["id"].clone())));
        rules.add("onFight", Some(Box::new(|_| panic!("on purpose"))));
        for body in ["{}", "[]", r#"{"id":null}"#, "no JSON"] {
            assert_eq!(key(&rules, "onMove", body), None, "{body}");
        }
        assert_eq!(key(&rules, "onFight", "{}"), None);
        assert_eq!(key(&rules, "onChat", "{}"), None);
    }
}
