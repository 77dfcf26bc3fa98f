//! One element of a file, in whatever format, and what it means.

use std::path::Path;

use super::{
    Dir, Group, Place, RouteError, Url,
    attribute::{self, Attribute, Name},
    file::Reader,
};

/// An element without those within it.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: &'static str,
    pub(super) attributes: Vec<Said>,
    pub(super) place: Place,
}

/// An attribute as it is written.
#[derive(Debug)]
pub(super) struct Said {
    /// As in `routes.xml`.
    pub(super) name: String,
    pub(super) value: String,
    pub(super) place: Place,
}

/// The elements that stand in `<routes>`.
const NAMES: [&str; 5] = ["import", "plugin", "dir", "url", "group"];

/// The element of this name; what there is, if there is none.
pub(super) fn named(name: &str) -> Result<&'static str, String> {
    let known = NAMES.into_iter().find(|known| *known == name);
    known.ok_or_else(|| format!("unknown; there are: {}", NAMES.join(", ")))
}

impl Element {
    /// The values of the attributes it may have and no others.
    pub(super) fn only<const N: usize>(
        &self,
        names: &[&str; N],
        reader: &mut Reader<'_>,
    ) -> [Option<String>; N] {
        for Said { name, place, .. } in &self.attributes {
            if !names.contains(&name.as_str()) {
                let known = names.join(", ");
                let element = self.name;
                let words = format!("{element}: {name}: unknown; there are: {known}");
                reader.wrong(place, words);
            }
        }
        names.map(|name| {
            let found = self.attributes.iter().find(|said| said.name == *name);
            let value = found.map(|said| said.value.trim());
            value.filter(|value| !value.is_empty()).map(str::to_owned)
        })
    }

    pub(super) fn into_url(self) -> Url {
        let mut url = Url::unsaid();
        for Said { name, value, place } in self.attributes {
            match Attribute::read(&name, attribute::OF_URLS, attribute::READ_OF_URLS) {
                Name::Known(attribute) => url.set(attribute, &value),
                Name::Own => {
                    url.attributes.insert(name, value);
                }
                Name::Mistake(meant) => url.mistakes.push(misspelt(&name, meant)),
            }
            at(&mut url.mistakes, &place);
        }
        url.place = Some(self.place);
        url
    }

    pub(super) fn into_group(self) -> Group {
        let mut group = Group::default();
        for Said { name, value, place } in self.attributes {
            match Attribute::read(&name, attribute::OF_URLS, attribute::READ_OF_URLS) {
                Name::Known(attribute) => group.set(attribute, &value),
                Name::Own => {
                    group.common.attributes.insert(name, value);
                }
                Name::Mistake(meant) => group.common.mistakes.push(misspelt(&name, meant)),
            }
            at(&mut group.common.mistakes, &place);
        }
        group.common.place = Some(self.place);
        group
    }

    pub(super) fn into_dir(self, folder: &Path) -> Dir {
        let mut dir = Dir::default();
        for Said { name, value, place } in self.attributes {
            match Attribute::read(&name, attribute::OF_DIR, attribute::READ_OF_DIR) {
                Name::Known(attribute) => dir.set(attribute, &value, folder),
                Name::Own => {
                    dir.attributes.insert(name, value);
                }
                Name::Mistake(meant) => dir.mistakes.push(misspelt(&name, meant)),
            }
            at(&mut dir.mistakes, &place);
        }
        dir.place = Some(self.place);
        dir
    }
}

fn misspelt(name: &str, meant: &str) -> RouteError {
    let words =
        format!("{name}: is {meant} meant? An attribute of your own needs a name less like it");
    RouteError::new(None, words)
}

/// Those that have no place yet are of the attribute here.
fn at(mistakes: &mut [RouteError], place: &Place) {
    for mistake in mistakes {
        mistake.place.get_or_insert_with(|| place.clone());
    }
}

/// Where the lines of a text begin.
#[derive(Debug)]
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let begins = std::iter::once(0).chain(ends.map(|(at, _)| at + 1));
        Self(begins.collect())
    }

    /// The line of a position, from 1.
    pub(super) fn at(&self, position: usize) -> usize {
        self.0.partition_point(|begin| *begin <= position)
    }
}
