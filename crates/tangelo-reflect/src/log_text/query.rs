//! The query of a request over HTTP.

/// A query with the values of masked names replaced by `***`, however the names are encoded.
pub(super) fn masked(query: &str, masks: impl Fn(&str) -> bool) -> String {
    let pairs = query
        .split(['&', ';'])
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if masks(&decoded(name)) => format!("{name}=***"),
            _ => pair.to_owned(),
        });
    pairs.collect::<Vec<_>>().join("&")
}

/// A name as it is meant. A `%` without two digits is one.
fn decoded(name: &str) -> String {
    let mut rest = name.as_bytes();
    let mut plain = Vec::with_capacity(name.len());
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        let digits = || {
            let (digits, behind) = behind.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, behind))
        };
        match (byte, digits()) {
            (b'+', _) => plain.push(b' '),
            (b'%', Some((decoded, behind))) => {
                plain.push(decoded);
                rest = behind;
            }
            (other, _) => plain.push(*other),
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn values_of_masked_names_are_hidden_however_the_names_are_encoded() {
        let masks = |name: &str| ["password", "pass word"].contains(&name);
        for (query, shown) in [
            ("userName=a&password=b", "userName=a&password=***"),
            ("pass%77ord=b&password=", "pass%77ord=***&password=***"),
            ("pass+word=b;x=%", "pass+word=***&x=%"),
            ("pass%2=b", "pass%2=b"),
            ("password", "password"),
            ("", ""),
        ] {
            assert_eq!(masked(query, masks), shown);
        }
    }
}
