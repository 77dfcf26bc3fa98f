//! `routes.xml`.

use quick_xml::{
    XmlVersion,
    escape::EscapeError,
    events::{
        BytesStart, Event,
        attributes::{AttrError, Attribute},
    },
};

use super::{
    Group, Place,
    element::{self, Element, Said},
    file::Reader,
};

/// An element whose end has not been read.
enum Open {
    Routes,
    Group(Box<Group>),
    /// A group that cannot be read: its urls would lack what it says.
    Broken,
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
        match event {
            Event::Start(tag) => {
                if !document.start(&tag, begin, false)
                    && let Err(error) = events.read_to_end(tag.name())
                {
                    let place = document.reader.at(begin);
                    document.reader.wrong(&place, format!("no XML: {error}"));
                    break;
                }
            }
            Event::Empty(tag) => {
                document.start(&tag, begin, true);
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
                let place = document.reader.at(begin);
                document
                    .reader
                    .wrong(&place, "text that belongs to nothing");
            }
            // Entities of a document's own are not known, and so cannot grow.
            Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Comment(_) => {}
            Event::Eof => {
                let place = document.reader.at(begin);
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
    fn start(&mut self, tag: &BytesStart<'_>, begin: usize, is_whole: bool) -> bool {
        let place = self.reader.at(begin);
        let name = tag.local_name();
        let name: &str = name.as_ref();
        let within = match self.open.last() {
            None => return self.root(name, &place, is_whole),
            Some(Open::Routes) => element::named(name),
            Some(Open::Group(_) | Open::Broken) if name == "url" => Ok("url"),
            Some(Open::Group(_) | Open::Broken) => Err("in a group there are urls only".to_owned()),
            Some(Open::Leaf(leaf)) => Err(format!("in <{leaf}> there are no elements")),
        };
        let name = match within {
            Ok(name) => name,
            Err(problem) => {
                self.reader.wrong(&place, format!("<{name}>: {problem}"));
                return false;
            }
        };
        // The `<` is none of the tag's text.
        let attributes = self.attributes(name, tag, begin + 1);
        let element = attributes.map(|attributes| Element {
            name,
            attributes,
            place,
        });
        if name == "group" {
            let group = element.map(|element| Box::new(element.into_group()));
            self.open.push(group.map_or(Open::Broken, Open::Group));
        } else {
            match (self.open.last_mut(), element) {
                // What cannot be read lacks nothing.
                (Some(Open::Broken), _) | (_, None) => {}
                (Some(Open::Group(group)), Some(element)) => group.urls.push(element.into_url()),
                (_, Some(element)) => self.reader.element(element),
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

    /// Names and values; none if any cannot be read.
    fn attributes(
        &mut self,
        element: &str,
        tag: &BytesStart<'_>,
        begin: usize,
    ) -> Option<Vec<Said>> {
        let mut attributes: Vec<Said> = Vec::new();
        let mut is_sound = true;
        let reader = &mut *self.reader;
        let mut wrong = |reader: &mut Reader<'_>, at: usize, words: String| {
            let place = reader.at(begin + at);
            reader.wrong(&place, format!("<{element}>: {words}"));
            is_sound = false;
        };
        for attribute in tag.attributes().with_checks(false) {
            let attribute = match attribute {
                Ok(attribute) => attribute,
                Err(error) => {
                    let (at, words) = misshaped(&error);
                    wrong(reader, at, words.to_owned());
                    continue;
                }
            };
            let name: &str = attribute.key.as_ref();
            // Those of XML itself, which editors add.
            let is_of_xml = matches!(name.split(':').next(), Some("xml" | "xmlns" | "xsi"));
            if is_of_xml {
                continue;
            }
            // The name is a part of the tag's text.
            let at = (name.as_ptr() as usize).saturating_sub(tag.as_ptr() as usize);
            if attributes.iter().any(|other| other.name == name) {
                wrong(reader, at, format!("{name} is there twice"));
                continue;
            }
            match value(&attribute) {
                Ok(value) => attributes.push(Said {
                    name: name.to_owned(),
                    value,
                    place: reader.at(begin + at),
                }),
                Err(problem) => wrong(reader, at, format!("{name}: {problem}")),
            }
        }
        is_sound.then_some(attributes)
    }
}

/// The value of an attribute, without its entities.
fn value(attribute: &Attribute<'_>) -> Result<String, String> {
    let value = attribute.normalized_value(XmlVersion::Implicit1_0);
    value.map(Into::into).map_err(|error| match error {
        quick_xml::Error::Escape(EscapeError::UnterminatedEntity(_)) => {
            "a `&` is written as `&amp;`".to_owned()
        }
        quick_xml::Error::Escape(EscapeError::UnrecognizedEntity(_, name)) => {
            format!("there is no entity `&{name};`; a `&` is written as `&amp;`")
        }
        other => other.to_string(),
    })
}

/// Where an attribute is none, and why.
fn misshaped(error: &AttrError) -> (usize, &'static str) {
    match *error {
        AttrError::ExpectedEq(at) => (at, "an attribute is written name=\"value\""),
        AttrError::ExpectedValue(at) => (at, "an attribute has no value behind its `=`"),
        AttrError::UnquotedValue(at) => (at, "a value has no quotes around it"),
        AttrError::ExpectedQuote(at, _) => (at, "a value has no quote at its end"),
        AttrError::Duplicated(at, _) => (at, "an attribute is there twice"),
    }
}

fn position(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
