//! Topics, which routes are behind, and filters, which pushes are chosen by.

use std::borrow::Cow;

/// What a topic begins with that is a request in itself: `$request/7/chat/main/send`.
const REQUEST: &str = "$request/";
/// What the topic of its answer begins with: `$response/7`.
const RESPONSE: &str = "$response/";
/// What a filter begins with that several clients share.
const SHARED: &str = "$share/";

/// The route that a topic stands for.
pub(super) fn route(topic: &str) -> Cow<'_, str> {
    match topic.contains('/') {
        true => Cow::Owned(topic.replace('/', ".")),
        false => Cow::Borrowed(topic),
    }
}

/// The topic that a route is published to.
pub(super) fn topic(route: &str) -> Cow<'_, str> {
    match route.contains('.') {
        true => Cow::Owned(route.replace('.', "/")),
        false => Cow::Borrowed(route),
    }
}

/// Of a topic that is a request in itself, the topic of its answer and the rest.
pub(super) fn asked(topic: &str) -> Result<Option<(String, &str)>, ()> {
    let Some(rest) = topic.strip_prefix(REQUEST) else {
        return Ok(None);
    };
    match rest.split_once('/') {
        Some((id, rest)) if !id.is_empty() && !rest.is_empty() => {
            Ok(Some((format!("{RESPONSE}{id}"), rest)))
        }
        _ => Err(()),
    }
}

/// Whether something can be published to it.
pub(super) fn is_topic(topic: &str) -> bool {
    !topic.is_empty() && topic.len() <= usize::from(u16::MAX) && !topic.contains(['+', '#', '\0'])
}

/// Whether it can be subscribed to.
pub(super) fn is_filter(filter: &str) -> bool {
    let mut levels = filter.split('/').peekable();
    let mut are_good = !filter.is_empty() && !filter.contains('\0');
    while let Some(level) = levels.next() {
        are_good &= match level {
            "#" => levels.peek().is_none(),
            "+" => true,
            level => !level.contains(['+', '#']),
        };
    }
    are_good
}

/// Whether several clients share what comes under it.
pub(super) fn is_shared(filter: &str) -> bool {
    filter.starts_with(SHARED)
}

/// Whether a topic is among those that a filter names. Wildcards do not name topics that begin with `$`.
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for named in filter.split('/') {
        match (named, levels.next()) {
            // Also the level above.
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (named, Some(level)) if named == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_and_its_route_differ_by_the_letter_between_their_parts() {
        assert_eq!(route("chat/main/send"), "chat.main.send");
        assert_eq!(route("chat.main.send"), "chat.main.send");
        assert_eq!(topic("game.onMove"), "game/onMove");
        assert_eq!(topic("onChat"), "onChat");
    }

    #[test]
    fn filters_name_what_the_standard_says() {
        for (filter, topic, is_named) in [
            ("sport/tennis/+", "sport/tennis/player1", true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false),
            ("sport/tennis/#", "sport/tennis", true),
            ("sport/tennis/#", "sport/tennis/player1/ranking", true),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("#", "a/b/c", true),
            ("#", "$response/1", false),
            ("+/1", "$response/1", false),
            ("$response/+", "$response/1", true),
            ("onChat", "onChat", true),
            ("onChat", "onchat", false),
            ("onChat", "onChat/x", false),
        ] {
            assert_eq!(matches(filter, topic), is_named, "{filter} {topic}");
        }
    }

    #[test]
    fn wildcards_stand_alone_in_their_level() {
        for good in ["#", "+", "a/#", "+/a/+/#", "/", "a//b"] {
            assert!(is_filter(good), "{good}");
        }
        for bad in ["", "a#", "a/#/b", "a+", "+a/b", "a\0"] {
            assert!(!is_filter(bad), "{bad}");
        }
    }

    #[test]
    fn a_request_in_the_topic_has_an_id_and_a_rest() {
        let asked = |topic| super::asked(topic);
        assert_eq!(asked("chat/main/send"), Ok(None));
        let found = asked("$request/7/chat/main/send");
        assert_eq!(
            found,
            Ok(Some(("$response/7".to_owned(), "chat/main/send")))
        );
        for bad in ["$request/", "$request/7", "$request/7/", "$request//a"] {
            assert_eq!(asked(bad), Err(()), "{bad}");
        }
    }
}
