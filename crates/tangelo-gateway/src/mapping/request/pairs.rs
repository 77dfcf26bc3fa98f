//! Names and values of a query or a form.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use crate::mapping::{BadParameter, MAX_PARAMETERS};

/// Calls `each` with every name and value, decoded, in their order. `what` is said where they as a whole are wrong.
pub(in crate::mapping) fn pairs<'a>(
    text: &'a [u8],
    what: &str,
    mut each: impl FnMut(Cow<'a, str>, Cow<'a, str>) -> Result<(), BadParameter>,
) -> Result<(), BadParameter> {
    let wrong = |words: String| BadParameter {
        path: what.to_owned(),
        words,
    };
    let pairs = text.split(|&byte| byte == b'&');
    for (count, pair) in pairs.filter(|pair| !pair.is_empty()).enumerate() {
        if count == MAX_PARAMETERS {
            return Err(wrong(format!("more than {MAX_PARAMETERS} parameters")));
        }
        let middle = pair.iter().position(|&byte| byte == b'=');
        let (name, value) = match middle {
            Some(middle) => (
                pair.get(..middle).unwrap_or_default(),
                pair.get(middle + 1..).unwrap_or_default(),
            ),
            None => (pair, &b""[..]),
        };
        match (decoded(name), decoded(value)) {
            (Some(name), Some(value)) => each(name, value)?,
            _ => return Err(wrong("not UTF-8".to_owned())),
        }
    }
    Ok(())
}

/// `None` for what is not UTF-8. A `%` that nothing follows stands for itself.
fn decoded(text: &[u8]) -> Option<Cow<'_, str>> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Some(std::str::from_utf8(text).ok()?.into());
    }
    let spaced: Vec<u8> = text
        .iter()
        .map(|&byte| if byte == b'+' { b' ' } else { byte })
        .collect();
    let bytes = percent_decode(&spaced).collect();
    Some(String::from_utf8(bytes).ok()?.into())
}
