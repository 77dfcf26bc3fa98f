//! The comments of .proto files as rustdoc takes them: as words, and not as code or links.

use prost_build::Comments;
use prost_types::FileDescriptorSet;

/// Spaces before a line from which on Markdown takes it for code.
const CODE: usize = 4;

/// Has the comments of all files such that prost-build, which puts brackets and addresses right, makes docs of them.
pub(crate) fn tame(set: &mut FileDescriptorSet) {
    let sources = set.file.iter_mut();
    let sources = sources.filter_map(|file| file.source_code_info.as_mut());
    for location in sources.flat_map(|source| &mut source.location) {
        // They belong to nothing.
        location.leading_detached_comments.clear();
        let comments = [
            &mut location.leading_comments,
            &mut location.trailing_comments,
        ];
        for comment in comments.into_iter().flatten() {
            *comment = tamed(comment);
        }
    }
}

/// The docs of a thing: its comments, and below them a line of ours.
pub(crate) fn docs(comments: &Comments, ours: &str) -> String {
    let mut docs = String::new();
    comments.append_with_indent(0, &mut docs);
    if !docs.is_empty() {
        docs.push_str("///\n");
    }
    docs.push_str("/// ");
    docs.push_str(ours);
    docs
}

/// A comment in which code is marked as text, so that nobody runs it as a test, and nothing is a link or a tag.
fn tamed(comment: &str) -> String {
    let lines: Vec<String> = comment.lines().map(printable).collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let written = lines.iter().filter(|line| !line.is_empty());
    let margin = written.map(|line| indent(line)).min().unwrap_or(0);

    let mut tamed = Vec::new();
    let mut inside = Inside::Words;
    let mut after_blank = true;
    for line in &lines {
        let line = line.get(margin..).unwrap_or_default();
        let is_blank = line.is_empty();
        if inside == Inside::Indented && !is_blank && indent(line) < CODE {
            tamed.push("```".to_owned());
            inside = Inside::Words;
        }
        let fence = line.trim_start();
        let fence = ["```", "~~~"]
            .into_iter()
            .find(|mark| fence.starts_with(mark));
        match (&inside, fence) {
            (Inside::Fence(mark), Some(found)) if *mark == found => {
                tamed.push(found.to_owned());
                inside = Inside::Words;
            }
            (Inside::Words, Some(mark)) => {
                tamed.push(format!("{mark}text"));
                inside = Inside::Fence(mark);
            }
            (Inside::Words, None) if after_blank && indent(line) >= CODE => {
                tamed.push("```text".to_owned());
                tamed.push(line.get(CODE..).unwrap_or_default().to_owned());
                inside = Inside::Indented;
            }
            (Inside::Words, None) => tamed.push(words(line)),
            (Inside::Indented, _) => tamed.push(line.get(CODE..).unwrap_or_default().to_owned()),
            (Inside::Fence(_), _) => tamed.push(line.to_owned()),
        }
        after_blank = is_blank;
    }
    match inside {
        Inside::Words => {}
        Inside::Indented => tamed.push("```".to_owned()),
        Inside::Fence(mark) => tamed.push(mark.to_owned()),
    }
    let spaced = tamed.iter().map(|line| format!(" {line}"));
    let spaced: Vec<_> = spaced.map(|line| line.trim_end().to_owned()).collect();
    spaced.join("\n")
}

#[derive(PartialEq, Eq)]
enum Inside {
    Words,
    /// Code that is indented.
    Indented,
    /// Code between lines that begin with this.
    Fence(&'static str),
}

/// The line without what cannot stand in a doc comment, and without spaces at its end.
fn printable(line: &str) -> String {
    let line = line.replace('\t', "    ");
    let line = line.replace(|character: char| character.is_control(), "");
    line.trim_end().to_owned()
}

/// A line of words: brackets are brackets and `<` is less than, but for what stands between backticks.
fn words(line: &str) -> String {
    let parts: Vec<_> = line.split('`').collect();
    let last = parts.len() - 1;
    let parts = parts.into_iter().enumerate();
    let parts = parts.map(|(at, part)| {
        let is_code = at % 2 == 1 && at < last;
        if is_code {
            part.to_owned()
        } else {
            escaped(part)
        }
    });
    let mut parts: Vec<_> = parts.collect();
    let alone = if last % 2 == 1 { parts.pop() } else { None };
    let words = parts.join("`");
    match alone {
        // One that nothing closes is itself.
        Some(rest) => format!("{words}\\`{rest}"),
        None => words,
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        let is_address = || text.get(at..).is_some_and(|rest| rest.starts_with("<http"));
        if matches!(character, '[' | ']' | '<') && !out.ends_with('\\') && !is_address() {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::tamed;

    #[test]
    fn what_is_no_prose_is_text() {
        for (comment, expected) in [
            (" Plain.\n And on.\n", " Plain.\n And on."),
            ("No space.", " No space."),
            ("", ""),
            // Fences, of either kind, whatever they say they are, closed or not.
            (" ```rust\n x;\n ```\n", " ```text\n x;\n ```"),
            (" ~~~\n ```\n x [0]\n", " ~~~text\n ```\n x [0]\n ~~~"),
            (" ```\n     deep\n ```", " ```text\n     deep\n ```"),
            // Indented after a blank line, or at the beginning.
            (
                " a\n\n     code\n\n       more\n b",
                " a\n\n ```text\n code\n\n   more\n ```\n b",
            ),
            (" a\n     no code", " a\n     no code"),
            ("     all\n     the same", " all\n the same"),
            // Words.
            (" [a] b[0] \\[c\\]", " \\[a\\] b\\[0\\] \\[c\\]"),
            (" `[a]` [b] ` [c]", " `[a]` \\[b\\] \\` \\[c\\]"),
            (
                " a < b, <i>, <https://x.org>",
                " a \\< b, \\<i>, <https://x.org>",
            ),
            (" a\rb\u{7}\tc  \r\n d", " ab    c\n d"),
        ] {
            assert_eq!(tamed(comment), expected, "{comment:?}");
        }
    }
}
