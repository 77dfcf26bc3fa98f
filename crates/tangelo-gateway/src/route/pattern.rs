//! Paths of urls and dirs, as they may be written.

/// What is the same for two patterns that are open for the same paths: the path without the names of its variables.
///
/// # Errors
/// What is wrong with the path.
pub(super) fn shape(path: &str) -> Result<String, String> {
    let mut shape = String::with_capacity(path.len());
    let mut variables: Vec<&str> = Vec::new();
    let rest = path.strip_prefix('/').unwrap_or(path);
    if rest.is_empty() {
        return Ok("/".to_owned());
    }
    for segment in rest.split('/') {
        shape.push('/');
        match variable(segment)? {
            None => shape.push_str(segment),
            Some(name) if variables.contains(&name) => {
                return Err(format!("has the variable {{{name}}} twice"));
            }
            Some(name) => {
                variables.push(name);
                shape.push_str("{}");
            }
        }
    }
    Ok(shape)
}

/// Checks the path of a dir.
///
/// # Errors
/// What is wrong with it.
pub(super) fn plain(path: &str) -> Result<(), String> {
    match shape(path)?.contains('{') {
        true => Err("is the path of a dir, which has no variables".to_owned()),
        false => Ok(()),
    }
}

/// The name of the variable that a segment is, if it is one.
fn variable(segment: &str) -> Result<Option<&str>, String> {
    if segment.is_empty() {
        return Err("has an empty segment".to_owned());
    }
    if matches!(segment, "." | "..") {
        return Err(format!("has a segment `{segment}`, which no request has"));
    }
    if let Some(name) = segment
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    {
        let is_name = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
        if name.starts_with('*') {
            return Err(format!(
                "`{segment}`: for all that is below it, write match=\"prefix\""
            ));
        }
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(format!(
                "`{segment}`: a variable's name has letters, digits, _ and -"
            ));
        }
        return Ok(Some(name));
    }
    if segment.contains(['{', '}']) {
        return Err(format!(
            "`{segment}`: a variable is a whole segment: {{name}}"
        ));
    }
    if segment.contains(['?', '#', '%', '\\']) || segment.contains(char::is_control) {
        return Err(format!(
            "`{}`: has one of ? # % \\ or a control character; a path is written as people read it, not encoded",
            segment.escape_debug()
        ));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_of_the_same_shape_if_only_their_variables_are_called_differently() {
        assert_eq!(shape("/a/{b}/c"), shape("/a/{x}/c"));
        assert_ne!(shape("/a/{b}/c"), shape("/a/b/c"));
        assert_eq!(shape("/"), Ok("/".to_owned()));
        assert_eq!(shape("/用户/{编号}"), Ok("/用户/{}".to_owned()));
    }

    #[test]
    fn a_path_that_could_not_be_asked_for_is_a_mistake() {
        for (path, told) in [
            ("//a", "empty segment"),
            ("/a//b", "empty segment"),
            ("/a/../b", "`..`"),
            ("/a/.", "`.`"),
            ("/a/{b}/{b}", "{b} twice"),
            ("/a/x{b}", "whole segment"),
            ("/a/{b", "whole segment"),
            ("/a/{}", "letters, digits"),
            ("/a/{b c}", "letters, digits"),
            ("/a/{*b}", "match=\"prefix\""),
            ("/a?b", "not encoded"),
            ("/a%20b", "not encoded"),
            ("/a\\b", "not encoded"),
            ("/a\0b", "not encoded"),
        ] {
            let error = shape(path).unwrap_err();
            assert!(error.contains(told), "{path}: {error}");
        }
        assert!(plain("/a/{b}").unwrap_err().contains("no variables"));
    }
}
