//! `routes.xml`.

use quick_xml::{
    XmlVersion,
    events::{BytesStart, Event},
};

use super::{
    Group, Place,
    element::{self, Element},
    file::Reader,
};

/// An element whose end has not been read.
enum Open {
    Routes,
    Group(Box<Group>),
    /// One that has no elements within it.
    Leaf(&'static str),
}

/// Adds what a text says, and what is wrong with it. What comes after a mistake in its form is not read.
pub(super) fn read(reader: &mut Reader<'_>, text: &str) {
    let mut document = Document {
        reader,
        open: Vec::new(),
        is_begun: false,
    };
    let mut events = quick_xml::Reader::from_str(text);
    loop {
        let begin = position(events.buffer_position());
        let event = match events.read_event() {
            Ok(event) => event,
            Err(error) => {
                let place = document.reader.at(position(events.error_position()));
                document.reader.wrong(&place, format!("no XML: {error}"));
                break;
            }
        };
        let place = || document.reader.at(begin);
        match event {
            Event::Start(tag) => {
                let place = place();
                if !document.start(&tag, place.clone(), false)
                    && let Err(error) = events.read_to_end(tag.name())
                {
                    document.reader.wrong(&place, format!("no XML: {error}"));
                    break;
                }
            }
            Event::Empty(tag) => {
                let place = place();
                document.start(&tag, place, true);
            }
            Event::End(_) => document.end(),
            Event::Text(text) if text.trim_ascii().is_empty() => {}
            Event::Text(text) => {
                let blank = text.len() - text.trim_ascii_start().len();
                let place = document.reader.at(begin + blank);
                document
                    .reader
                    .wrong(&place, "text that belongs to nothing");
            }
            Event::CData(_) | Event::GeneralRef(_) => {
                let place = place();
                document
                    .reader
                    .wrong(&place, "text that belongs to nothing");
            }
            // Entities of a document's own are not known, and so cannot grow.
            Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Comment(_) => {}
            Event::Eof => {
                let place = place();
                if !document.is_begun {
                    document.reader.wrong(&place, "expected <routes>");
                } else if !document.open.is_empty() {
                    let words = "no XML: the end of an element is missing";
                    document.reader.wrong(&place, words);
                }
                break;
            }
        }
    }
    // Of a group that is cut off, the urls are checked.
    while !document.open.is_empty() {
        document.end();
    }
}

struct Document<'a, 'b> {
    reader: &'a mut Reader<'b>,
    open: Vec<Open>,
    is_begun: bool,
}

impl Document<'_, '_> {
    /// An element begins; `is_whole` if it ends, too. False if what is within it is to be left out.
    fn start(&mut self, tag: &BytesStart<'_>, place: Place, is_whole: bool) -> bool {
        let name = tag.local_name();
        let name: &str = name.as_ref();
        let within = match self.open.last() {
            None => return self.root(name, &place, is_whole),
            Some(Open::Routes) => element::named(name),
            Some(Open::Group(_)) if name == "url" => Ok("url"),
            Some(Open::Group(_)) => Err("in a group there are urls only".to_owned()),
            Some(Open::Leaf(leaf)) => Err(format!("in <{leaf}> there are no elements")),
        };
        let name = match within {
            Ok(name) => name,
            Err(problem) => {
                self.reader.wrong(&place, format!("<{name}>: {problem}"));
                return false;
            }
        };
        let attributes = self.attributes(name, tag, &place);
        let element = Element {
            name,
            attributes,
            place,
        };
        if name == "group" {
            self.open.push(Open::Group(Box::new(element.into_group())));
        } else {
            match self.open.last_mut() {
                Some(Open::Group(group)) => group.urls.push(element.into_url()),
                _ => self.reader.element(element),
            }
            self.open.push(Open::Leaf(name));
        }
        if is_whole {
            self.end();
        }
        true
    }

    fn root(&mut self, name: &str, place: &Place, is_whole: bool) -> bool {
        let problem = match (name, self.is_begun) {
            ("routes", false) => None,
            ("routes", true) => Some("there is one <routes>".to_owned()),
            (name, _) => Some(format!("expected <routes>, but it is <{name}>")),
        };
        self.is_begun = true;
        if let Some(problem) = problem {
            self.reader.wrong(place, problem);
            return false;
        }
        if !is_whole {
            self.open.push(Open::Routes);
        }
        true
    }

    fn end(&mut self) {
        if let Some(Open::Group(group)) = self.open.pop() {
            self.reader.routes.add_group(*group);
        }
    }

    fn attributes(
        &mut self,
        element: &str,
        tag: &BytesStart<'_>,
        place: &Place,
    ) -> Vec<(String, String)> {
        let mut attributes = Vec::new();
        for attribute in tag.attributes().with_checks(false) {
            let attribute = match attribute {
                Ok(attribute) => attribute,
                Err(error) => {
                    self.reader.wrong(place, format!("<{element}>: {error}"));
                    continue;
                }
            };
            let name: &str = attribute.key.as_ref();
            // Those of XML itself, which editors add.
            let is_of_xml = matches!(name.split(':').next(), Some("xml" | "xmlns" | "xsi"));
            if is_of_xml {
                continue;
            }
            if attributes.iter().any(|(other, _)| other == name) {
                let words = format!("<{element}>: {name} is there twice");
                self.reader.wrong(place, words);
                continue;
            }
            match attribute.normalized_value(XmlVersion::Implicit1_0) {
                Ok(value) => attributes.push((name.to_owned(), value.into_owned())),
                Err(error) => {
                    let words = format!("<{element}>: {name}: {error}");
                    self.reader.wrong(place, words);
                }
            }
        }
        attributes
    }
}

fn position(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
