//! What may be meant by a name that there is not.

/// How alike two names must be, of 1.
const ALIKE: f64 = 0.8;

/// The most alike of the names there are, if one is.
pub(super) fn alike<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known = known.into_iter();
    let known = known.map(|known| (strsim::jaro_winkler(known, name), known));
    let (how, best) = known.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (how >= ALIKE).then_some(best)
}
