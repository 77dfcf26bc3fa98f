//! Comments of definitions, where their sets have them: `protoc --include_source_info`.

use prost_reflect::{
    EnumDescriptor, EnumValueDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor,
    MethodDescriptor, ServiceDescriptor,
};

/// A definition that may have a comment.
pub trait Commented {
    /// What stands above it in the .proto file, or else behind it, without the marks of comments. `None` if nothing
    /// does, or its set does not tell.
    fn comment(&self) -> Option<String>;
}

macro_rules! commented {
    ($($descriptor:ty),*) => {$(
        impl Commented for $descriptor {
            fn comment(&self) -> Option<String> {
                comment(&self.parent_file(), self.path())
            }
        }
    )*};
}

commented!(
    EnumDescriptor,
    EnumValueDescriptor,
    FieldDescriptor,
    MessageDescriptor,
    MethodDescriptor,
    ServiceDescriptor
);

fn comment(file: &FileDescriptor, path: &[i32]) -> Option<String> {
    let info = file.file_descriptor_proto().source_code_info.as_ref()?;
    let location = info.location.iter().find(|known| known.path == path)?;
    let said = [location.leading_comments(), location.trailing_comments()];
    said.into_iter().map(plain).find(|text| !text.is_empty())
}

/// The lines without the blank that follows `//`.
fn plain(comment: &str) -> String {
    let line = |line: &str| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned();
    let lines: Vec<_> = comment.lines().map(line).collect();
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_comment_has_its_lines_and_not_its_marks() {
        for (comment, text) in [
            (" One line.\n", "One line."),
            (" Two\n   lines. \n", "Two\n  lines."),
            ("\n", ""),
        ] {
            assert_eq!(plain(comment), text);
        }
    }
}
