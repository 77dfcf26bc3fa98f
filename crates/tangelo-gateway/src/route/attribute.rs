//! The attributes that mean something, by their names in XML and TOML.

/// An attribute of a url, a group or a dir.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attribute {
    Hosts,
    Path,
    Prefix,
    Methods,
    ServiceId,
    MsgId,
    Plugins,
    SessionMode,
    Match,
    BaseDir,
    StaticDir,
    UploadDir,
    TemplateDir,
    DownloadDir,
}

use Attribute::*;

/// Those of a url or a group. A url has no prefix, a group neither a path nor a message; who writes them is told.
pub(super) const OF_URLS: &[Attribute] = &[
    Hosts,
    Path,
    Prefix,
    Methods,
    ServiceId,
    MsgId,
    Plugins,
    SessionMode,
    Match,
];
/// Those of a dir.
pub(super) const OF_DIR: &[Attribute] = &[
    Hosts,
    Path,
    BaseDir,
    StaticDir,
    UploadDir,
    TemplateDir,
    DownloadDir,
];

/// What the gateway itself, or a plugin that comes with it, reads of a url or a group besides. They are kept by their names
/// among those that are for plugins to read.
pub(super) const READ_OF_URLS: &[&str] = &[
    "httpCode",
    "keepFiles",
    "maxUploadLength",
    "operationId",
    "origins",
    "template",
];
/// What is read of a dir besides.
pub(super) const READ_OF_DIR: &[&str] = &["cacheControl", "expireSeconds"];

/// Attributes of one element: which of them were given.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Given(u16);

impl Given {
    pub(super) fn has(self, attribute: Attribute) -> bool {
        self.0 & (1 << attribute as u16) != 0
    }

    pub(super) fn add(&mut self, attribute: Attribute) {
        self.0 |= 1 << attribute as u16;
    }
}

impl Attribute {
    /// Its name in `routes.xml`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Hosts => "hosts",
            Path => "path",
            Prefix => "prefix",
            Methods => "methods",
            ServiceId => "serviceId",
            MsgId => "msgId",
            Plugins => "plugins",
            SessionMode => "sessionMode",
            Match => "match",
            BaseDir => "baseDir",
            StaticDir => "staticDir",
            UploadDir => "uploadDir",
            TemplateDir => "templateDir",
            DownloadDir => "downloadDir",
        }
    }

    /// The name that `routes.xml` has for one of TOML: `service_id` is `serviceId` there.
    pub(super) fn in_xml(name: &str) -> &str {
        let names = OF_URLS.iter().chain(OF_DIR).map(|known| known.name());
        let names = names.chain(READ_OF_URLS.iter().chain(READ_OF_DIR).copied());
        let mut names = names.filter(|known| known.contains(char::is_uppercase));
        let found = names.find(|known| {
            let mut letters = name.chars();
            let is_spelt = known.chars().all(|letter| match letter.is_uppercase() {
                true => {
                    letters.next() == Some('_')
                        && letters.next() == Some(letter.to_ascii_lowercase())
                }
                false => letters.next() == Some(letter),
            });
            is_spelt && letters.next().is_none()
        });
        found.unwrap_or(name)
    }

    /// What an attribute of this name is: one of `known`, one that is `read` by its name, one of the application's own, or a
    /// mistake for one of those.
    pub(super) fn read(name: &str, known: &[Self], read: &[&'static str]) -> Name {
        if let Some(attribute) = known.iter().find(|known| known.name() == name) {
            return Name::Known(*attribute);
        }
        if read.contains(&name) {
            return Name::Own;
        }
        let all = known.iter().map(|known| known.name());
        let mut all = all.chain(read.iter().copied());
        let meant = all.find(|known| is_mistaken(name, known));
        meant.map_or(Name::Own, Name::Mistake)
    }
}

/// What the name of an attribute is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Name {
    Known(Attribute),
    /// One that is kept by its name: of the gateway's, a plugin's or the application's own.
    Own,
    /// Nearly this one. An address whose `sessionmode` is its own attribute needs no login.
    Mistake(&'static str),
}

/// Whether one name is the other but for its case, its separators or a letter.
fn is_mistaken(name: &str, known: &str) -> bool {
    let mut plain = name.replace(['_', '-'], "");
    plain.make_ascii_lowercase();
    let known = known.to_ascii_lowercase();
    // Of the short ones, `match` is a letter from `batch` and `path` from `paths`.
    plain == known
        || (known != "match" && known != "path" && strsim::osa_distance(&plain, &known) == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_or_a_mistake_or_the_applications_own() {
        let read = |name| Attribute::read(name, OF_URLS, READ_OF_URLS);
        assert_eq!(read("serviceId"), Name::Known(ServiceId));
        for (name, meant) in [
            ("sessionmode", "sessionMode"),
            ("session_mode", "sessionMode"),
            ("sesionMode", "sessionMode"),
            ("msgid", "msgId"),
            ("method", "methods"),
            ("host", "hosts"),
            ("plugin", "plugins"),
            ("Path", "path"),
            ("httpcode", "httpCode"),
            ("http_code", "httpCode"),
            ("keepfiles", "keepFiles"),
            ("maxuploadlength", "maxUploadLength"),
            ("origin", "origins"),
            ("templates", "template"),
            ("operationID", "operationId"),
        ] {
            assert_eq!(read(name), Name::Mistake(meant), "{name}");
        }
        for name in [
            "template",
            "httpCode",
            "origins",
            "batch",
            "mode",
            "staticDir",
        ] {
            assert_eq!(read(name), Name::Own, "{name}");
        }
        let read = |name| Attribute::read(name, OF_DIR, READ_OF_DIR);
        assert_eq!(read("expireSeconds"), Name::Own);
        assert_eq!(read("expireseconds"), Name::Mistake("expireSeconds"));
        assert_eq!(read("cache-control"), Name::Mistake("cacheControl"));
    }

    #[test]
    fn every_attribute_has_a_name_in_toml() {
        for (toml, xml) in [
            ("service_id", "serviceId"),
            ("http_code", "httpCode"),
            ("max_upload_length", "maxUploadLength"),
            ("keep_files", "keepFiles"),
            ("operation_id", "operationId"),
            ("expire_seconds", "expireSeconds"),
            ("cache_control", "cacheControl"),
            ("origins", "origins"),
            ("of_my_own", "of_my_own"),
        ] {
            assert_eq!(Attribute::in_xml(toml), xml);
        }
    }
}
