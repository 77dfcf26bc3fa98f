//! One element of a file, in whatever format, and what it means.

use std::path::Path;

use super::{
    Dir, Group, Place, Url,
    attribute::{self, Attribute, Name},
    file::Reader,
};

/// An element without those within it.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: &'static str,
    /// Names as in `routes.xml`, and values.
    pub(super) attributes: Vec<(String, String)>,
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
        for (name, _) in &self.attributes {
            if !names.contains(&name.as_str()) {
                let known = names.join(", ");
                let element = self.name;
                let words = format!("{element}: {name}: unknown; there are: {known}");
                reader.wrong(&self.place, words);
            }
        }
        names.map(|name| {
            let found = self.attributes.iter().find(|(known, _)| known == name);
            let value = found.map(|(_, value)| value.trim());
            value.filter(|value| !value.is_empty()).map(str::to_owned)
        })
    }

    pub(super) fn into_url(self) -> Url {
        let mut url = Url::unsaid();
        for (name, value) in self.attributes {
            match Attribute::read(&name, attribute::OF_URLS, attribute::READ_OF_URLS) {
                Name::Known(attribute) => url.set(attribute, &value),
                Name::Own => {
                    url.attributes.insert(name, value);
                }
                Name::Mistake(meant) => url.mistakes.push(misspelt(&name, meant)),
            }
        }
        url.place = Some(self.place);
        url
    }

    pub(super) fn into_group(self) -> Group {
        let mut group = Group::default();
        for (name, value) in self.attributes {
            match Attribute::read(&name, attribute::OF_URLS, attribute::READ_OF_URLS) {
                Name::Known(attribute) => group.set(attribute, &value),
                Name::Own => {
                    group.common.attributes.insert(name, value);
                }
                Name::Mistake(meant) => group.common.mistakes.push(misspelt(&name, meant)),
            }
        }
        group.common.place = Some(self.place);
        group
    }

    pub(super) fn into_dir(self, folder: &Path) -> Dir {
        let mut dir = Dir::default();
        for (name, value) in self.attributes {
            match Attribute::read(&name, attribute::OF_DIR, attribute::READ_OF_DIR) {
                Name::Known(attribute) => dir.set(attribute, &value, folder),
                Name::Own => {
                    dir.attributes.insert(name, value);
                }
                Name::Mistake(meant) => dir.mistakes.push(misspelt(&name, meant)),
            }
        }
        dir.place = Some(self.place);
        dir
    }
}

fn misspelt(name: &str, meant: &str) -> String {
    format!("{name}: is {meant} meant? An attribute of your own needs a name less like it")
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
