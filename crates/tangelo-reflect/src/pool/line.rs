//! Where in its .proto file something stands, if its set tells.

use prost_reflect::prost_types::FileDescriptorProto;

/// The line of the first of these paths that is there, counted from 1.
///
/// A path leads from the file down by field numbers and positions, as `SourceCodeInfo` has it.
pub(crate) fn line(file: &FileDescriptorProto, paths: &[&[i32]]) -> Option<i32> {
    let locations = &file.source_code_info.as_ref()?.location;
    paths.iter().find_map(|path| {
        let location = locations.iter().find(|location| location.path == **path)?;
        location.span.first().map(|line| line + 1)
    })
}

/// A place, with the line where there is one.
pub(crate) fn at(place: String, line: Option<i32>) -> String {
    match line {
        Some(line) => format!("{place}:{line}"),
        None => place,
    }
}
