//! Files that lie there compressed already.

use http::{HeaderMap, HeaderValue, header};

/// A way to compress, with the name of the file beside the plain one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Coding {
    Zstd,
    Brotli,
    Gzip,
}

impl Coding {
    /// The best first.
    const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// Its name in headers.
    pub(in crate::serve) fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// What stands behind the name of the plain file.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Zstd => ".zst",
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
        }
    }
}

/// Those that a client takes, what it likes best first.
pub(super) fn accepted(headers: &HeaderMap) -> Vec<Coding> {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let text: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
    liked_best(&text.join(","))
}

/// What a client likes best that says this of it.
pub(in crate::serve) fn best_coding(accept: &HeaderValue) -> Option<Coding> {
    liked_best(accept.to_str().ok()?).first().copied()
}

fn liked_best(text: &str) -> Vec<Coding> {
    let liked = |name: &str| text.split(',').find_map(|part| likes(part, name));
    let mut accepted: Vec<_> = Coding::ALL
        .into_iter()
        .filter_map(|coding| {
            let weight = liked(coding.name()).or_else(|| liked("*"))?;
            (weight > 0).then_some((coding, weight))
        })
        .collect();
    accepted.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    accepted.into_iter().map(|(coding, _)| coding).collect()
}

/// How much this part of the header likes the coding of a name, in thousandths; none if it is about another.
fn likes(part: &str, name: &str) -> Option<u16> {
    let mut parts = part.split(';').map(str::trim);
    let coding = parts.next()?;
    let is_meant = coding.eq_ignore_ascii_case(name)
        || (name == "gzip" && coding.eq_ignore_ascii_case("x-gzip"));
    if !is_meant {
        return None;
    }
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let weight = weight.map_or(Some(1.0), |text| text.parse::<f32>().ok());
    // What is no number is no wish for it.
    let weight = weight.filter(|weight| (0.0..=1.0).contains(weight));
    Some((weight.unwrap_or_default() * 1000.0) as u16)
}

#[cfg(test)]
mod tests {
    use super::{Coding::*, *};

    #[test]
    fn a_client_says_what_it_takes_and_what_it_likes() {
        for (header, codings) in [
            ("gzip", &[Gzip][..]),
            ("gzip, deflate, br, zstd", &[Zstd, Brotli, Gzip]),
            ("gzip;q=1, br;q=0.5", &[Gzip, Brotli]),
            ("gzip;q=0.1, zstd; q=0.2", &[Zstd, Gzip]),
            ("br;q=0, gzip", &[Gzip]),
            ("*", &[Zstd, Brotli, Gzip]),
            ("*;q=0.5, zstd;q=0, gzip", &[Gzip, Brotli]),
            ("X-GZip", &[Gzip]),
            ("identity", &[]),
            ("br;q=x", &[]),
            ("br;q=2", &[]),
            ("br;q=NaN", &[]),
            ("", &[]),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, header.parse().unwrap());
            assert_eq!(accepted(&headers), codings, "{header}");
        }
        assert_eq!(accepted(&HeaderMap::new()), []);
    }
}
