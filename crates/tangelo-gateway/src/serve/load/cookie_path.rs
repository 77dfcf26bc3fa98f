//! Urls that need a session and never see its cookie.

use std::sync::Arc;

use tracing::warn;

use super::RoutePlan;
use crate::{
    route::{SessionMode, Url},
    session::SessionCookie,
};

/// Tells the log of urls that no browser sends the session's cookie to.
pub(super) fn tell(gateway: &str, cookie: &SessionCookie, plans: &[Arc<RoutePlan>]) {
    let begins = |plan: &&Arc<RoutePlan>| plan.method.output.get_field_by_name("session").is_some();
    let beginning = plans.iter().filter(begins).map(|plan| &*plan.url);
    let beginning: Vec<_> = beginning.collect();
    let urls = plans.iter().map(|plan| &*plan.url);
    for url in urls.filter(|url| url.session_mode >= SessionMode::Optional) {
        if let Err(why) = is_sent(&cookie.path, &beginning, url) {
            warn!(
                gateway,
                url = url.path,
                session_id_cookie_path = cookie.path,
                "a browser sends no session's cookie to this url: {why}"
            );
        }
    }
}

/// Whether the cookie comes to this url, if it is set at those urls.
fn is_sent(path: &str, beginning: &[&Url], url: &Url) -> Result<(), &'static str> {
    if !path.is_empty() {
        return match is_below(&url.path, path) {
            true => Ok(()),
            false => Err("it is outside the cookie's path"),
        };
    }
    let mut folders = beginning.iter().map(|url| folder(&url.path));
    match beginning.is_empty() || folders.any(|folder| is_below(&url.path, folder)) {
        true => Ok(()),
        false => Err(
            "where no path is said for the cookie, it is for the folder of the url that begins the session",
        ),
    }
}

/// The default path of a cookie that is set at this one (RFC 6265, 5.1.4).
fn folder(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(end) => path.get(..end).unwrap_or("/"),
    }
}

/// Whether a cookie of this path comes with requests for the other one. A variable may be any segment.
fn is_below(path: &str, cookie: &str) -> bool {
    let mut segments = path.split('/');
    let cookie = cookie.strip_suffix('/').unwrap_or(cookie);
    cookie.split('/').all(|wanted| {
        let is_variable = |segment: &str| segment.starts_with('{') || segment.contains('*');
        let found = segments.next();
        found.is_some_and(|found| found == wanted || is_variable(found) || is_variable(wanted))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_comes_to_what_is_below_its_path() {
        for (path, cookie, is) in [
            ("/user/a", "/", true),
            ("/user/a", "/user", true),
            ("/user/a", "/user/", true),
            ("/user", "/user", true),
            ("/users", "/user", false),
            ("/{any}/a", "/user", true),
            ("/", "/user", false),
            ("/order/a", "/user", false),
        ] {
            assert_eq!(is_below(path, cookie), is, "{path} {cookie}");
        }
    }

    #[test]
    fn without_a_path_it_comes_to_the_folder_of_where_a_session_begins() {
        let (login, list) = (Url::new("/user/login"), Url::new("/order/list"));
        let inside = Url::new("/user/me");
        assert!(is_sent("", &[&login], &inside).is_ok());
        assert!(is_sent("", &[&login], &list).is_err());
        assert!(is_sent("/", &[&login], &list).is_ok());
        assert!(is_sent("/user", &[&login], &list).is_err());
        let root = Url::new("/login");
        assert!(is_sent("", &[&login, &root], &list).is_ok());
        // Nobody knows who begins it.
        assert!(is_sent("", &[], &list).is_ok());
    }
}
