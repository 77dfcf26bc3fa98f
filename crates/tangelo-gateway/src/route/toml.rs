//! Routes in TOML: `import`, `[[plugin]]`, `[[dir]]`, `[[url]]`, `[[group]]` with `[[group.url]]`.

use std::borrow::Cow;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Place,
    attribute::Attribute,
    element::{Element, Said, named},
    file::Reader,
};

type Value<'a> = Spanned<DeValue<'a>>;

/// Adds what a text says, and what is wrong with it. A text that is no TOML says nothing.
pub(super) fn read(reader: &mut Reader<'_>, text: &str) {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let place = reader.at(error.span().map_or(0, |span| span.start));
        reader.wrong(&place, format!("no TOML: {}", error.message()));
    }
    if !errors.is_empty() {
        return;
    }
    for (key, value) in in_order(table.get_ref()) {
        let place = reader.at(key.span().start);
        match named(key.get_ref()) {
            Ok("import") => imports(reader, value, &place),
            Ok(name) => {
                for (table, place) in tables(reader, name, value, &place) {
                    read_element(reader, name, table, place);
                }
            }
            Err(problem) => reader.wrong(&place, format!("{}: {problem}", key.get_ref())),
        }
    }
}

/// The entries of a table as the file has them.
fn in_order<'a, 'b>(table: &'b DeTable<'a>) -> Vec<(&'b Spanned<Cow<'a, str>>, &'b Value<'a>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// `import = "other.toml"`, or a list of them.
fn imports(reader: &mut Reader<'_>, value: &Value<'_>, place: &Place) {
    let files: Vec<_> = match value.get_ref() {
        DeValue::Array(files) => files.iter().collect(),
        _ => vec![value],
    };
    for file in files {
        match file.get_ref() {
            DeValue::String(file) if !file.trim().is_empty() => reader.import(file.trim(), place),
            _ => reader.wrong(
                place,
                "import: expected the path of a file, or a list of them",
            ),
        }
    }
}

/// All of `[[name]]`, each with its place.
fn tables<'a, 'b>(
    reader: &mut Reader<'_>,
    name: &str,
    value: &'b Value<'a>,
    place: &Place,
) -> Vec<(&'b DeTable<'a>, Place)> {
    let mut tables = Vec::new();
    let DeValue::Array(list) = value.get_ref() else {
        reader.wrong(place, format!("{name}: expected [[{name}]]"));
        return tables;
    };
    for one in list {
        let place = reader.at(one.span().start);
        match one.get_ref() {
            DeValue::Table(table) => tables.push((table, place)),
            _ => reader.wrong(&place, format!("{name}: expected [[{name}]]")),
        }
    }
    tables
}

fn read_element(reader: &mut Reader<'_>, name: &'static str, table: &DeTable<'_>, place: Place) {
    let said = element(reader, name, table, place);
    if name != "group" {
        return reader.element(said);
    }
    let mut group = said.into_group();
    let urls = in_order(table).into_iter();
    for (key, value) in urls.filter(|(key, _)| key.get_ref() == "url") {
        let place = reader.at(key.span().start);
        for (table, place) in tables(reader, "group.url", value, &place) {
            let url = element(reader, "url", table, place).into_url();
            group.urls.push(url);
        }
    }
    reader.routes.add_group(group);
}

fn element(
    reader: &mut Reader<'_>,
    name: &'static str,
    table: &DeTable<'_>,
    place: Place,
) -> Element {
    let mut attributes: Vec<Said> = Vec::new();
    for (key, value) in in_order(table) {
        let key_place = reader.at(key.span().start);
        let key = key.get_ref();
        if name == "group" && key == "url" {
            continue;
        }
        match text(value.get_ref()) {
            Some(text) => {
                let in_xml = Attribute::in_xml(key);
                if attributes.iter().any(|known| known.name == in_xml) {
                    let words = format!("{name}: {key}: {in_xml} is there twice, in two spellings");
                    reader.wrong(&key_place, words);
                    continue;
                }
                attributes.push(Said {
                    name: in_xml.to_owned(),
                    value: text,
                    place: key_place,
                });
            }
            None => {
                let words = format!("{name}: {key}: expected a text, a number or a list of them");
                reader.wrong(&key_place, words);
            }
        }
    }
    Element {
        name,
        attributes,
        place,
    }
}

/// A value as `routes.xml` writes it.
fn text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            let number = i64::from_str_radix(number.as_str(), number.radix());
            number.ok().map(|number| number.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(is) => Some(is.to_string()),
        DeValue::Array(list) => {
            let texts: Option<Vec<_>> = list
                .iter()
                .map(|one| match one.get_ref() {
                    DeValue::Array(_) => None,
                    plain => text(plain),
                })
                .collect();
            texts.map(|texts| texts.join(","))
        }
        DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}
