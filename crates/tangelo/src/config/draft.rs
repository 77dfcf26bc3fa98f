//! What was said of a server, and where, before it is read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    alike::alike,
    keys::{Key, OF_FRONT_ENDS, OWN, Said, Spelling, written},
};
use crate::{Mistakes, mistakes::At};

/// What stands under `settings` in `tangelo.toml`: the application's own.
pub(super) const SETTINGS: &str = "settings";
/// What a value of a cluster ends with, if each of its servers has one more.
const MORE: &str = "++";

/// Who said something. Whoever is later here overrules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Voice {
    #[default]
    File,
    Environment,
    Code,
    Flag,
}

/// What was said of a server, or of several at once.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) server_type: String,
    /// How it is called before its id is known: `chat[2]`.
    pub(super) place: String,
    pub(super) at: At,
    pub(super) spelling: Spelling,
    keys: BTreeMap<&'static str, Word>,
    /// Keys of which it is told already that they are wrong.
    wrong: BTreeSet<&'static str>,
    free: BTreeMap<String, (Value, Voice)>,
}

/// One value, and where it was said.
#[derive(Clone, Debug)]
struct Word {
    value: Value,
    at: At,
    voice: Voice,
}

/// A server that was read.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) said: Said,
    pub(super) free: Map<String, Value>,
}

impl Draft {
    pub(super) fn new(server_type: &str, place: String, at: At, spelling: Spelling) -> Self {
        Self {
            server_type: server_type.to_owned(),
            place,
            at,
            spelling,
            keys: BTreeMap::new(),
            wrong: BTreeSet::new(),
            free: BTreeMap::new(),
        }
    }

    /// Takes the value of a key, if nobody has said it whose word counts for more.
    pub(super) fn say(
        &mut self,
        key: &str,
        value: Value,
        at: At,
        voice: Voice,
    ) -> Result<(), String> {
        let known = match voice {
            Voice::File => Key::in_file(key, self.spelling),
            _ => Key::named(key),
        };
        let Some(known) = known else {
            return self.say_free(key, value, voice);
        };
        if let Err(problem) = self.check(known, &value) {
            self.wrong.insert(known.name());
            return Err(problem);
        }
        let counts = |word: &Word| voice >= word.voice;
        if self.keys.get(known.name()).is_none_or(counts) {
            self.keys.insert(known.name(), Word { value, at, voice });
        }
        Ok(())
    }

    fn say_free(&mut self, key: &str, value: Value, voice: Voice) -> Result<(), String> {
        if let Some(meant) = Key::like(key, self.spelling) {
            let written = meant.written(self.spelling);
            return Err(format!("is written `{written}` here"));
        }
        match (self.spelling, value) {
            // A variable cannot write most names, so it has none of the application's.
            (_, _) if voice == Voice::Environment => return Err(unknown(key)),
            // Nobody has a name for what is the application's that is so like another.
            (Spelling::Pomelo, _) if voice != Voice::File && is_slip(key) => {
                return Err(unknown(key));
            }
            (Spelling::Pomelo, value) => self.keep(key, value, voice),
            (Spelling::Ours, Value::Object(settings)) if key == SETTINGS => {
                for (key, value) in settings {
                    self.keep(&key, value, voice);
                }
            }
            (Spelling::Ours, _) if key == SETTINGS => {
                return Err("expected a table".to_owned());
            }
            (Spelling::Ours, _) => return Err(unknown(key)),
        }
        Ok(())
    }

    /// Takes a value for the application.
    pub(super) fn keep(&mut self, key: &str, value: Value, voice: Voice) {
        if self.free.get(key).is_none_or(|(_, known)| voice >= *known) {
            self.free.insert(key.to_owned(), (value, voice));
        }
    }

    /// Whether a key takes this value.
    fn check(&self, key: &Key, value: &Value) -> Result<(), String> {
        let mut scratch = Said::default();
        match counted(value) {
            // Whether there is a cluster to count in shows when everything was said.
            Some(first) if !OWN.contains(&key.name()) => {
                let taken = key.take(&mut scratch, &first, self.spelling);
                taken.or_else(|problem| {
                    key.take(&mut scratch, value, self.spelling)
                        .map_err(|_| problem)
                })
            }
            _ => key.take(&mut scratch, value, self.spelling),
        }
    }

    /// Adds what `base` says and this one does not. What it says of itself alone stays there.
    pub(super) fn over(mut self, base: Option<&Self>) -> Self {
        let Some(base) = base else { return self };
        for (key, word) in &base.keys {
            if !OWN.contains(key) {
                self.keys.entry(key).or_insert_with(|| word.clone());
            }
        }
        self.wrong.extend(&base.wrong);
        for (key, word) in &base.free {
            self.free.entry(key.clone()).or_insert_with(|| word.clone());
        }
        self
    }

    /// Whether it is told already that this key is wrong.
    pub(super) fn is_wrong(&self, key: &str) -> bool {
        self.wrong.contains(key)
    }

    /// Its id, if it is said.
    pub(super) fn id(&self) -> Option<&str> {
        self.keys.get("id")?.value.as_str()
    }

    /// What it is called.
    pub(super) fn label(&self) -> String {
        match self.id() {
            Some(id) => format!("{}.{id}", self.server_type),
            None => self.place.clone(),
        }
    }

    /// Where a key was said, else the whole.
    pub(super) fn at(&self, key: &str) -> &At {
        self.keys.get(key).map_or(&self.at, |word| &word.at)
    }

    /// The servers this one stands for: one of an id, or those of a cluster. `next` is the number the
    /// next one of a cluster of this type has.
    pub(super) fn servers(self, next: &mut u32, mistakes: &mut Mistakes) -> Vec<Self> {
        let count = self.read_count();
        let wrong = |mistakes: &mut Mistakes, key: &str, problem: &str| {
            let label = self.label();
            mistakes.add_at(Some(self.at(key)), format!("{label}.{key}: {problem}"));
            Vec::new()
        };
        match (self.id(), count) {
            // As in Pomelo, an id beside it has no meaning.
            (Some(_), Some(_)) if self.spelling == Spelling::Ours => {
                wrong(mistakes, "id", "give this or cluster_count, not both")
            }
            (_, Some(count)) => self.cluster(count, next),
            (None, None) if OWN.iter().any(|key| self.is_wrong(key)) => Vec::new(),
            (None, None) => wrong(mistakes, "id", "is missing"),
            (Some(_), None) => vec![self],
        }
    }

    /// What Pomelo's files say beyond need is no mistake.
    fn refuse_keys_of_front_ends(&self, mistakes: &mut Mistakes) {
        for key in OF_FRONT_ENDS {
            let said = self.keys.get(key);
            let counts =
                |word: &&Word| self.spelling == Spelling::Ours || word.voice != Voice::File;
            if let Some(word) = said.filter(counts) {
                let problem = "means something on front ends only, and these are none";
                let (server_type, at) = (&self.server_type, Some(&word.at));
                mistakes.add_once(at, format!("{server_type}.{key}: {problem}"));
            }
        }
    }

    fn read_count(&self) -> Option<u32> {
        let key = Key::named("cluster_count")?;
        let word = self.keys.get(key.name())?;
        let mut said = Said::default();
        key.take(&mut said, &word.value, self.spelling).ok()?;
        said.cluster_count
    }

    fn cluster(mut self, count: u32, next: &mut u32) -> Vec<Self> {
        let count_at = self.keys.remove("cluster_count").map(|word| word.at);
        let begin = *next;
        *next = begin.saturating_add(count);
        let one = |number: u32| {
            let mut server = self.clone();
            for word in server.keys.values_mut() {
                count_on(&mut word.value, number);
            }
            for (value, _) in server.free.values_mut() {
                count_on(value, number);
            }
            let id = format!(
                "cluster-server-{}-{}",
                self.server_type,
                begin.saturating_add(number)
            );
            let word = Word {
                value: Value::from(id),
                at: count_at.clone().unwrap_or_else(|| self.at.clone()),
                voice: Voice::File,
            };
            server.keys.insert("id", word);
            server
        };
        (0..count).map(one).collect()
    }

    /// Reads what was said; what is wrong with it is among the mistakes then.
    pub(super) fn read(&self, mistakes: &mut Mistakes) -> Read {
        let mut said = Said::default();
        for (key, word) in &self.keys {
            let Some(known) = Key::named(key) else {
                continue;
            };
            if let Err(problem) = known.take(&mut said, &word.value, self.spelling) {
                let (label, key) = (self.label(), known.written(self.spelling));
                let problem = match counted(&word.value) {
                    Some(_) => {
                        let count = written("cluster_count", self.spelling);
                        format!("`++` counts the servers of a `{count}`, which is not said")
                    }
                    None => problem,
                };
                mistakes.add_at(Some(&word.at), format!("{label}.{key}: {problem}"));
            }
        }
        if !said.frontend.unwrap_or(false) && !self.wrong.contains("frontend") {
            self.refuse_keys_of_front_ends(mistakes);
        }
        let free = self.free.iter();
        let free = free.map(|(key, (value, _))| (key.clone(), value.clone()));
        Read {
            said,
            free: free.collect(),
        }
    }
}

/// The number that a value of a cluster begins to count at: 3150 of `3150++`.
fn counted(value: &Value) -> Option<Value> {
    let first = value.as_str()?.strip_suffix(MORE)?;
    first.trim().parse::<i64>().ok().map(Value::from)
}

/// The value that one server of a cluster has.
fn count_on(value: &mut Value, number: u32) {
    if let Some(first) = counted(value).and_then(|first| first.as_i64()) {
        *value = first.saturating_add(number.into()).into();
    }
}

/// Whether another key is meant.
fn is_slip(key: &str) -> bool {
    alike(key, Key::ALL.iter().map(Key::name)).is_some()
}

/// What may be meant by a key that there is not.
fn unknown(key: &str) -> String {
    match alike(key, Key::ALL.iter().map(Key::name)) {
        Some(meant) => {
            format!("unknown key; do you mean `{meant}`? What is yours stands under `{SETTINGS}`")
        }
        None => {
            let known: Vec<_> = Key::ALL.iter().map(Key::name).collect();
            let known = known.join(", ");
            format!("unknown key; there are: {known}, and `{SETTINGS}` for what is yours")
        }
    }
}
