//! What is wrong with settings that can be read, each for itself and together.

mod application;
mod connecting;
mod method;
mod referer;
mod service;
mod web_server;

use std::{collections::BTreeSet, fmt::Display, ops::RangeInclusive};

use tangelo_rpc::Services;

use super::{
    Bootstrap, Mistakes,
    elements::{Chapter, Place, listed},
    settings::Origins,
};

/// Tells everything that is wrong.
pub(super) fn all(all: &Bootstrap, origins: &Origins, mistakes: &mut Mistakes) {
    let mut check = Check {
        all,
        origins,
        mistakes,
    };
    check.application();
    check.monitor();
    check.ids();
    for (position, registry) in (0..).zip(&all.registries) {
        check.registry(Chapter::Registry.at(position), registry);
    }
    for (position, server) in (0..).zip(&all.servers) {
        check.server(Chapter::Server.at(position), server);
    }
    for (position, web_server) in (0..).zip(&all.web_servers) {
        check.web_server(Chapter::WebServer.at(position), web_server);
    }
    for (position, client) in (0..).zip(&all.clients) {
        check.client(Chapter::Client.at(position), client);
    }
    for (position, service) in (0..).zip(&all.services) {
        check.service(Chapter::Service.at(position), service);
    }
    for (position, referer) in (0..).zip(&all.referers) {
        check.referer(Chapter::Referer.at(position), referer);
    }
    check.brought();
}

/// Collects what is wrong.
struct Check<'a> {
    all: &'a Bootstrap,
    origins: &'a Origins,
    mistakes: &'a mut Mistakes,
}

impl Check<'_> {
    /// A mistake in a key of an element, with its file and line if it has them. One in a value that
    /// could not be read is told already.
    fn wrong(&mut self, place: Place, key: &str, problem: impl Display) {
        if self.origins.is_told(place, key) {
            return;
        }
        let at = self.origins.of(place, key);
        let label = self.all.label(place);
        self.mistakes
            .add_at(at, format!("{label}.{key}: {problem}"));
    }

    /// Ids are there, and each is one element's.
    fn ids(&mut self) {
        let doors = [Chapter::Server, Chapter::WebServer];
        for chapters in [
            &doors[..],
            &[Chapter::Client],
            &[Chapter::Registry],
            &[Chapter::Service],
            &[Chapter::Referer],
        ] {
            let mut seen = BTreeSet::new();
            for chapter in chapters {
                for (position, id) in (0..).zip(self.all.ids(*chapter)) {
                    // Of a service that nobody brought there is nothing else to say.
                    if *chapter == Chapter::Service && !self.is_served(position) {
                        continue;
                    }
                    if id.is_empty() {
                        self.wrong(chapter.at(position), "id", "is missing");
                    } else if !seen.insert(id) {
                        let problem = "there are two of this id: give each its own";
                        self.wrong(chapter.at(position), "id", problem);
                    }
                }
            }
        }
    }

    fn is_served(&self, position: usize) -> bool {
        let service = self.all.services.get(position);
        service.is_some_and(|service| service.served.is_some())
    }

    /// A name must be among those there are.
    fn named(&mut self, place: Place, key: &str, name: &str, chapters: &[Chapter]) {
        let known: Vec<_> = chapters
            .iter()
            .flat_map(|chapter| self.all.ids(*chapter))
            .collect();
        if known.contains(&name) {
            return;
        }
        let kind = chapters.first().map_or("element", |chapter| chapter.name());
        let known = listed(&known);
        match name {
            "" => self.wrong(
                place,
                key,
                format_args!("name the {kind}; there are: {known}"),
            ),
            _ => self.wrong(
                place,
                key,
                format_args!("there is no {kind} `{name}`; there are: {known}"),
            ),
        }
    }

    fn within<T: Copy + PartialOrd + Display>(
        &mut self,
        place: Place,
        key: &str,
        value: T,
        range: RangeInclusive<T>,
    ) {
        if !range.contains(&value) {
            let (least, most) = range.into_inner();
            let problem = format!("expected {least} to {most}, found {value}");
            self.wrong(place, key, problem);
        }
    }

    fn at_least_one(&mut self, place: Place, key: &str, value: impl Into<u64>) {
        if value.into() == 0 {
            self.wrong(place, key, "expected 1 or more, found 0");
        }
    }

    /// `threads`, of which -1 means what `minus_one` says.
    fn threads(&mut self, place: Place, key: &str, threads: i32, minus_one: &str) {
        if threads < -1 {
            let problem = format!("expected -1 ({minus_one}), 0 (1,024) or more, found {threads}");
            self.wrong(place, key, problem);
        }
    }

    fn number(&mut self, place: Place, service_id: i32) {
        let first = Services::FIRST_APPLICATION_ID;
        if service_id < first {
            self.wrong(
                place,
                "service_id",
                format_args!("{service_id} is not an application's: those begin at {first}"),
            );
        }
    }
}
