//! Routes to tables, and all that is wrong with them.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    fmt::Display,
    sync::Arc,
};

use http::Method;

use super::{Router, table::Table};
use crate::route::{
    Dir, Known, Matching, Methods, Place, RouteError, RouteErrors, Routes, Url,
    attribute::Attribute,
    derived,
    methods::{self, slot},
    pattern,
    url::Origin,
};

pub(super) fn compile(routes: &Routes, known: &Known) -> Result<Router, RouteErrors> {
    let mut compiler = Compiler {
        known,
        errors: routes.mistakes.clone(),
        any: Table::default(),
        hosts: HashMap::new(),
        taken: HashMap::new(),
        groups: HashSet::new(),
    };
    compiler.urls(&routes.urls);
    let dirs = compiler.dirs(&routes.dirs);
    compiler.plugins(routes);
    RouteErrors::check(compiler.errors)?;
    Ok(Router {
        urls: routes.urls.iter().cloned().map(Arc::new).collect(),
        dirs,
        plugins: routes.plugins.clone(),
        any: compiler.any,
        hosts: compiler.hosts,
    })
}

struct Compiler<'a> {
    known: &'a Known,
    errors: Vec<RouteError>,
    any: Table,
    hosts: HashMap<String, Table>,
    /// By host, method and shape of the path.
    taken: HashMap<(Option<&'a str>, usize, String), &'a Url>,
    /// What has been told of groups.
    groups: HashSet<(*const Origin, String)>,
}

impl<'a> Compiler<'a> {
    fn urls(&mut self, urls: &'a [Url]) {
        let mut shapes = Vec::with_capacity(urls.len());
        for url in urls {
            let shape = self.check_url(url);
            shapes.push(shape);
        }
        let sound = || {
            let urls = urls.iter().enumerate().zip(&shapes);
            urls.filter_map(|((number, url), shapes)| Some((number, url, shapes.as_deref()?)))
        };
        for (number, url, shapes) in sound() {
            self.add_url(number, url, shapes);
        }
        // What answers GET answers HEAD, where nothing else does.
        let (get, head) = (slot(&Method::GET), slot(&Method::HEAD));
        let (Some(get), Some(head)) = (get, head) else {
            return;
        };
        for (number, url, shapes) in sound().filter(|(_, url, _)| url.methods.has(get)) {
            let Some(shape) = shapes.first() else {
                continue;
            };
            for host in hosts(&url.hosts) {
                let key = (host, head, shape.clone());
                match self.taken.entry(key) {
                    Entry::Vacant(free) => {
                        free.insert(url);
                        self.insert(host, head, number, url);
                    }
                    Entry::Occupied(other) if other.get().matching == Matching::Exact => {
                        // The other is for exactly this path; what is below it is free.
                        self.insert_below(host, head, number, url);
                    }
                    Entry::Occupied(_) => {}
                }
            }
        }
    }

    /// Tells what is wrong with a url by itself. The shapes of its path, if that is sound: one, as a rule.
    fn check_url(&mut self, url: &Url) -> Option<Vec<String>> {
        self.tell_all("url", &url.path, url.place.as_ref(), &url.mistakes);
        let mut problems = Vec::new();
        let needed = [Attribute::Path, Attribute::ServiceId, Attribute::MsgId];
        for needed in needed.into_iter().filter(|needed| !url.given.has(*needed)) {
            problems.push(format!("{} is missing", needed.name()));
        }
        if url.service_id > 0 {
            let problem = self.known.check_service(url.service_id).err();
            problems.extend(self.unless_of_group(url, Attribute::ServiceId, problem));
        }
        if url.msg_id > 0 {
            let problem = self.known.check_message(url.service_id, url.msg_id);
            problems.extend(problem.err());
        }
        for name in &url.plugins {
            let problem = self.known.check_plugin(name).err();
            let problem = problem.map(|problem| format!("plugins: {problem}"));
            problems.extend(self.unless_of_group(url, Attribute::Plugins, problem));
        }
        let mut shape = None;
        if url.given.has(Attribute::Path) {
            match derived::shapes(url) {
                Ok(sound) => shape = Some(sound),
                Err(problem) => problems.push(format!("path: {problem}")),
            }
        }
        self.tell("url", &url.path, url.place.as_ref(), problems);
        shape
    }

    /// What is wrong with an attribute; none if it is its group's, where it is told once.
    fn unless_of_group(
        &mut self,
        url: &Url,
        attribute: Attribute,
        problem: Option<String>,
    ) -> Option<String> {
        let problem = problem?;
        let Some(group) = url.group.as_ref().filter(|_| url.inherited.has(attribute)) else {
            return Some(problem);
        };
        if self.groups.insert((Arc::as_ptr(group), problem.clone())) {
            self.tell("group", &group.prefix, group.place.as_ref(), [problem]);
        }
        None
    }

    fn add_url(&mut self, number: usize, url: &'a Url, shapes: &[String]) {
        let mut doubles: Vec<(&'a Url, Methods)> = Vec::new();
        for host in hosts(&url.hosts) {
            for slot in (0..methods::COUNT).filter(|slot| url.methods.has(*slot)) {
                let key = |shape: &String| (host, slot, shape.clone());
                let mut known = shapes.iter().filter_map(|it| self.taken.get(&key(it)));
                let Some(other) = known.next().copied() else {
                    let keys = shapes.iter().map(|shape| (key(shape), url));
                    self.taken.extend(keys);
                    self.insert(host, slot, number, url);
                    continue;
                };
                let known = doubles
                    .iter_mut()
                    .find(|(known, _)| std::ptr::eq(*known, other));
                match known {
                    Some((_, methods)) => methods.add(slot),
                    None => {
                        let mut methods = Methods::NONE;
                        methods.add(slot);
                        doubles.push((other, methods));
                    }
                }
            }
        }
        let problems = doubles.into_iter().map(|(other, methods)| {
            let at = written(other.place.as_ref());
            format!("{methods} is for url {} already, {at}", other.path)
        });
        self.tell("url", &url.path, url.place.as_ref(), problems);
    }

    fn insert(&mut self, host: Option<&str>, slot: usize, number: usize, url: &Url) {
        for pattern in url.patterns() {
            let added = self.table(host).add_exact(slot, &pattern, number);
            self.tell("url", &url.path, url.place.as_ref(), added.err());
        }
        self.insert_below(host, slot, number, url);
    }

    fn insert_below(&mut self, host: Option<&str>, slot: usize, number: usize, url: &Url) {
        if url.matching == Matching::Prefix {
            for pattern in url.patterns() {
                let added = self.table(host).add_prefix(slot, &pattern, number);
                self.tell("url", &url.path, url.place.as_ref(), added.err());
            }
        }
    }

    fn dirs(&mut self, dirs: &'a [Dir]) -> Vec<Arc<Dir>> {
        let mut taken: HashMap<(Option<&str>, &str), &Dir> = HashMap::new();
        let mut resolved = Vec::with_capacity(dirs.len());
        for (number, dir) in dirs.iter().enumerate() {
            self.tell_all("dir", &dir.path, dir.place.as_ref(), &dir.mistakes);
            let mut problems = Vec::new();
            let (with_folders, missing) = dir.resolved();
            resolved.push(Arc::new(with_folders));
            if dir.path.is_empty() {
                problems.push("path is missing".to_owned());
            } else if let Err(problem) = pattern::plain(&dir.path) {
                problems.push(format!("path: {problem}"));
            } else {
                let mut doubles = HashSet::new();
                for host in hosts(&dir.hosts) {
                    match taken.get(&(host, dir.path.as_str())) {
                        None => {
                            taken.insert((host, &dir.path), dir);
                            self.table(host).add_dir(&dir.path, number);
                        }
                        Some(other) if doubles.insert(std::ptr::from_ref(*other)) => {
                            let at = written(other.place.as_ref());
                            problems.push(format!("there is one already, {at}"));
                        }
                        Some(_) => {}
                    }
                }
            }
            problems.extend(missing);
            self.tell("dir", &dir.path, dir.place.as_ref(), problems);
        }
        resolved
    }

    fn plugins(&mut self, routes: &'a Routes) {
        let mut taken: HashMap<&str, Option<&Place>> = HashMap::new();
        for plugin in &routes.plugins {
            let place = plugin.place.as_ref();
            let mut problems = Vec::new();
            problems.extend(self.known.check_plugin(&plugin.name).err());
            match taken.get(plugin.name.as_str()) {
                Some(other) => {
                    problems.push(format!("its params are given already, {}", written(*other)));
                }
                None => {
                    taken.insert(&plugin.name, place);
                }
            }
            self.tell("plugin", &plugin.name, place, problems);
        }
    }

    fn table(&mut self, host: Option<&str>) -> &mut Table {
        match host {
            Some(host) => self.hosts.entry(host.to_owned()).or_default(),
            None => &mut self.any,
        }
    }

    /// Tells what is wrong with attributes, where they are.
    fn tell_all(
        &mut self,
        element: &str,
        name: &str,
        place: Option<&Place>,
        mistakes: &[RouteError],
    ) {
        for mistake in mistakes {
            let place = mistake.place.as_ref().or(place);
            self.tell(element, name, place, [&mistake.words]);
        }
    }

    fn tell(
        &mut self,
        element: &str,
        name: &str,
        place: Option<&Place>,
        problems: impl IntoIterator<Item = impl Display>,
    ) {
        for problem in problems {
            let words = match name {
                "" => format!("{element}: {problem}"),
                name => format!("{element} {name}: {problem}"),
            };
            self.errors.push(RouteError::new(place, words));
        }
    }
}

/// The hosts of a list; none for every host.
fn hosts(list: &[String]) -> Vec<Option<&str>> {
    match list {
        [] => vec![None],
        list => list.iter().map(|host| Some(host.as_str())).collect(),
    }
}

fn written(place: Option<&Place>) -> String {
    place.map_or_else(|| "in code".to_owned(), |place| format!("at {place}"))
}
