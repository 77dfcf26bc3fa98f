//! Which pages may open a WebSocket.

/// Which pages may open a WebSocket: their origins as browsers name them, `https://game.example` or
/// `http://localhost:8080`. None: any page.
///
/// Only browsers name an origin; a client that names none is let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

/// What is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no origin, such as https://game.example or http://localhost:8080")]
pub struct BadOrigin(String);

impl Origins {
    /// These. `null` is that of pages without one, such as files.
    ///
    /// # Errors
    /// One of them is no origin.
    pub fn new<O: ToString>(origins: impl IntoIterator<Item = O>) -> Result<Self, BadOrigin> {
        let origins = origins.into_iter().map(|origin| {
            let origin = origin.to_string();
            normal(&origin).ok_or(BadOrigin(origin))
        });
        Ok(Self(origins.collect::<Result<_, _>>()?))
    }

    /// Whether any page may.
    pub fn are_any(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this page may.
    pub fn allow(&self, origin: &str) -> bool {
        self.are_any() || normal(origin).is_some_and(|origin| self.0.contains(&origin))
    }
}

/// An origin in small letters, without the port that its scheme has anyway.
fn normal(origin: &str) -> Option<String> {
    let origin = origin.to_ascii_lowercase();
    if origin == "null" {
        return Some(origin);
    }
    let (scheme, host) = origin.split_once("://")?;
    let is_name = |text: &str, others: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|it| it.is_ascii_alphanumeric() || others.contains(it))
    };
    if !is_name(scheme, "+-.") || !is_name(host, "-._:[]") {
        return None;
    }
    let usual = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    let host = host.strip_suffix(usual).unwrap_or(host);
    Some(format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port_and_nothing_else() {
        for origin in [
            "https://game.example",
            "http://[::1]:8080",
            "null",
            "app://x",
        ] {
            assert!(Origins::new([origin]).is_ok(), "{origin}");
        }
        for origin in [
            "",
            "*",
            "game.example",
            "https://",
            "https://game.example/",
            "https://*.game.example",
            "https://game.example/path",
            "https://user@game.example",
            "https://a https://b",
        ] {
            assert_eq!(
                Origins::new(["https://good.example", origin]),
                Err(BadOrigin(origin.to_owned()))
            );
        }
    }

    #[test]
    fn case_and_the_usual_port_make_no_difference_and_everything_else_does() {
        let origins = Origins::new(["HTTPS://Game.Example:443", "http://localhost:8080"]).unwrap();
        for allowed in [
            "https://game.example",
            "https://GAME.example:443",
            "http://localhost:8080",
        ] {
            assert!(origins.allow(allowed), "{allowed}");
        }
        for refused in [
            "http://game.example",
            "https://game.example:444",
            "https://game.example.evil.example",
            "https://evil.example/https://game.example",
            "https://sub.game.example",
            "http://localhost",
            "null",
            "",
        ] {
            assert!(!origins.allow(refused), "{refused}");
        }
    }

    #[test]
    fn without_a_list_any_page_may_connect() {
        let any = Origins::new::<&str>([]).unwrap();
        assert!(any.are_any() && any.allow("https://any.example") && any.allow("garbage"));
    }
}
