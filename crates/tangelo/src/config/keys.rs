//! What can be said of a server: one list gives a key its names, its default, its meaning and its form.

use std::{ops::RangeInclusive, time::Duration};

use serde_json::Value;
use tangelo_connector::{ForwardHeader, Networks, Origins, Serializer};
use tangelo_rpc::config::FromSetting;
use tangelo_server::Limits;

/// The most servers one entry may stand for.
pub(super) const MOST_IN_CLUSTER: u32 = 1000;
/// The most bytes of a package's body: its length has three bytes.
const MOST_IN_PACKAGE: usize = (1 << 24) - 1;

/// What a configuration says of a server, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Said {
    pub(super) id: Option<String>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) client_host: Option<String>,
    pub(super) client_port: Option<u16>,
    pub(super) frontend: Option<bool>,
    pub(super) cluster_count: Option<u32>,
    pub(super) tuning: Tuning,
}

/// What a configuration says of how a server works. It overrules the code.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tuning {
    /// 0: no limit.
    pub(crate) max_connections: Option<u32>,
    pub(crate) single_session: Option<OneSession>,
    /// 0: none.
    pub(crate) heartbeat_seconds: Option<u32>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) max_in_flight: Option<u32>,
    pub(crate) max_blocking: Option<usize>,
    pub(crate) max_queue: Option<usize>,
    pub(crate) max_package: Option<usize>,
    pub(crate) max_outgoing: Option<usize>,
    /// 0: no session is resumed.
    pub(crate) resume_seconds: Option<u32>,
    pub(crate) resume_window: Option<usize>,
    pub(crate) resume_max_away: Option<usize>,
    pub(crate) use_dict: Option<bool>,
    pub(crate) use_protobuf: Option<bool>,
    pub(crate) pitaya_serializer: Option<Serializer>,
    pub(crate) pitaya_compression: Option<bool>,
    pub(crate) use_crypto: Option<bool>,
    pub(crate) entry: Entry,
}

/// What it says of how clients come in.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Entry {
    pub(crate) tls_cert: Option<String>,
    pub(crate) tls_key: Option<String>,
    pub(crate) tls_only: Option<bool>,
    pub(crate) proxy_protocol_from: Option<Networks>,
    pub(crate) forwarded_from: Option<Networks>,
    pub(crate) forward_header: Option<ForwardHeader>,
    pub(crate) origins: Option<Origins>,
}

/// What becomes of a user's second session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OneSession {
    RefuseNew,
    KickOld,
}

/// What can be said of a server.
#[derive(Debug)]
pub struct Key {
    name: &'static str,
    pomelo: &'static str,
    default: &'static str,
    meaning: &'static str,
    take: fn(&mut Said, &Value) -> Result<(), String>,
}

/// Keys that mean something on front ends only.
pub(super) const OF_FRONT_ENDS: [&str; 18] = [
    "max_connections",
    "single_session",
    "heartbeat_seconds",
    "max_in_flight",
    "max_queue",
    "max_package",
    "max_outgoing",
    "use_crypto",
    "tls_cert",
    "tls_key",
    "tls_only",
    "proxy_protocol_from",
    "forwarded_from",
    "forward_header",
    "origins",
    "resume_seconds",
    "resume_window",
    "resume_max_away",
];

/// Keys that one entry says of itself alone.
pub(super) const OWN: [&str; 2] = ["id", "cluster_count"];

const KEYS: [Key; 31] = [
    Key {
        name: "id",
        pomelo: "id",
        default: "",
        meaning: "Its name, which no other server has. Required, where there is no `cluster_count`.",
        take: |said, value| {
            let id = String::from_setting(value)?;
            if id.is_empty() {
                return Err("expected a name, found \"\"".to_owned());
            }
            said.id = Some(id);
            Ok(())
        },
    },
    Key {
        name: "cluster_count",
        pomelo: "clusterCount",
        default: "",
        meaning: "So many servers, 1 to 1000, `cluster-server-<type>-0` and so on. A value that ends in `++` is one more for each of them: `port = \"3150++\"`.",
        take: |said, value| set_within(&mut said.cluster_count, value, 1..=MOST_IN_CLUSTER),
    },
    Key {
        name: "host",
        pomelo: "host",
        default: "\"127.0.0.1\"",
        meaning: "Where it listens, and where other servers reach it.",
        take: |said, value| set(&mut said.host, value),
    },
    Key {
        name: "port",
        pomelo: "port",
        default: "",
        meaning: "Port for other servers; none: they cannot call it.",
        take: |said, value| set(&mut said.port, value),
    },
    Key {
        name: "client_host",
        pomelo: "clientHost",
        default: "",
        meaning: "Where it listens for clients, if that is not `host`: `0.0.0.0` is everywhere.",
        take: |said, value| set(&mut said.client_host, value),
    },
    Key {
        name: "client_port",
        pomelo: "clientPort",
        default: "",
        meaning: "Port for clients. Required of a front end; of another server it is the application's.",
        take: |said, value| set(&mut said.client_port, value),
    },
    Key {
        name: "frontend",
        pomelo: "frontend",
        default: "false",
        meaning: "Whether clients connect to it.",
        take: |said, value| set(&mut said.frontend, value),
    },
    Key {
        name: "max_connections",
        pomelo: "max-connections",
        default: "0",
        meaning: "Clients at once; those beyond are closed when they connect. 0: no limit.",
        take: |said, value| set(&mut said.tuning.max_connections, value),
    },
    Key {
        name: "single_session",
        pomelo: "",
        default: "",
        meaning: "`refuse_new` or `kick_old`: what becomes of a user's second session; it needs a `port`. Without it a user may have several.",
        take: |said, value| {
            said.tuning.single_session = Some(match String::from_setting(value)?.as_str() {
                "refuse_new" => OneSession::RefuseNew,
                "kick_old" => OneSession::KickOld,
                other => return Err(format!("expected refuse_new or kick_old, found `{other}`")),
            });
            Ok(())
        },
    },
    Key {
        name: "heartbeat_seconds",
        pomelo: "",
        default: "3",
        meaning: "Seconds between the heartbeats of clients; who is silent for twice as long is gone. 0: no heartbeats.",
        take: |said, value| set(&mut said.tuning.heartbeat_seconds, value),
    },
    Key {
        name: "deadline",
        pomelo: "",
        default: "30000",
        meaning: "Milliseconds a request may take before it is answered 504; on a back end, unless it is said, what the front end leaves. The shorter of both counts.",
        take: |said, value| set(&mut said.tuning.deadline, value),
    },
    Key {
        name: "max_in_flight",
        pomelo: "",
        default: "64",
        meaning: "Requests of one session that run at once, 1 to 64; what comes on top is answered 429.",
        take: |said, value| {
            let range = 1..=Limits::MOST_IN_FLIGHT;
            set_within(&mut said.tuning.max_in_flight, value, range)
        },
    },
    Key {
        name: "max_blocking",
        pomelo: "",
        default: "256",
        meaning: "Blocking handlers of the server that run at once; what comes on top is answered 503.",
        take: |said, value| set_some(&mut said.tuning.max_blocking, value),
    },
    Key {
        name: "max_queue",
        pomelo: "",
        default: "1048576",
        meaning: "Bytes that may wait for one session's turn; past it the session ends.",
        take: |said, value| set_some(&mut said.tuning.max_queue, value),
    },
    Key {
        name: "max_package",
        pomelo: "",
        default: "65536",
        meaning: "Bytes of a package from a client, 1 to 16777215.",
        take: |said, value| set_within(&mut said.tuning.max_package, value, 1..=MOST_IN_PACKAGE),
    },
    Key {
        name: "max_outgoing",
        pomelo: "",
        default: "1048576",
        meaning: "Bytes that may wait to be written to a client that does not read; past it the connection is cut.",
        take: |said, value| set_some(&mut said.tuning.max_outgoing, value),
    },
    Key {
        name: "use_dict",
        pomelo: "",
        default: "",
        meaning: "Whether clients are told codes for routes. Without it: if there is a dictionary, in the code or in dictionary.json.",
        take: |said, value| set(&mut said.tuning.use_dict, value),
    },
    Key {
        name: "use_protobuf",
        pomelo: "",
        default: "",
        meaning: "Whether clients are told definitions of bodies. Without it: if there are some, in the code or in clientProtos.json and serverProtos.json.",
        take: |said, value| set(&mut said.tuning.use_protobuf, value),
    },
    Key {
        name: "pitaya_serializer",
        pomelo: "",
        default: "\"json\"",
        meaning: "`json` or `protobuf`: how clients of Pitaya's write and read bodies.",
        take: |said, value| {
            let name = String::from_setting(value)?;
            let known = [Serializer::Json, Serializer::Protobuf];
            let serializer = known.into_iter().find(|known| known.name() == name);
            let wrong = || format!("expected json or protobuf, found `{name}`");
            said.tuning.pitaya_serializer = Some(serializer.ok_or_else(wrong)?);
            Ok(())
        },
    },
    Key {
        name: "pitaya_compression",
        pomelo: "",
        default: "true",
        meaning: "Whether clients of Pitaya's are told long bodies compressed. What they say may be compressed in any case.",
        take: |said, value| set(&mut said.tuning.pitaya_compression, value),
    },
    Key {
        name: "use_crypto",
        pomelo: "",
        default: "false",
        meaning: "Whether clients have to sign their messages, as old ones can. It needs the feature `signing`, and protects nothing that TLS does not.",
        take: |said, value| set(&mut said.tuning.use_crypto, value),
    },
    Key {
        name: "tls_cert",
        pomelo: "",
        default: "\"\"",
        meaning: "TLS for clients, on the same port: file of the certificate chain (PEM). When the files change, clients that come 10 seconds later have the new one. Empty: no TLS.",
        take: |said, value| set_file(&mut said.tuning.entry.tls_cert, value),
    },
    Key {
        name: "tls_key",
        pomelo: "",
        default: "\"\"",
        meaning: "File of the key (PEM) to `tls_cert`.",
        take: |said, value| set_file(&mut said.tuning.entry.tls_key, value),
    },
    Key {
        name: "tls_only",
        pomelo: "",
        default: "false",
        meaning: "Whether clients that do not speak TLS are closed.",
        take: |said, value| {
            set(&mut said.tuning.entry.tls_only, value)?;
            has_tls(said.tuning.entry.tls_only == Some(true))
        },
    },
    Key {
        name: "proxy_protocol_from",
        pomelo: "",
        default: "[]",
        meaning: "Networks of proxies, `[\"10.0.0.0/8\"]`: their connections begin with a header of PROXY protocol, version 1 or 2, that says who the client is, and are closed if they do not.",
        take: |said, value| {
            let networks = Networks::new(Vec::<String>::from_setting(value)?);
            let networks = networks.map_err(|bad| bad.to_string())?;
            said.tuning.entry.proxy_protocol_from = Some(networks);
            Ok(())
        },
    },
    Key {
        name: "forwarded_from",
        pomelo: "",
        default: "[]",
        meaning: "Networks of proxies whose `forward_header` says who opens a WebSocket. From others it means nothing.",
        take: |said, value| {
            let networks = Networks::new(Vec::<String>::from_setting(value)?);
            let networks = networks.map_err(|bad| bad.to_string())?;
            said.tuning.entry.forwarded_from = Some(networks);
            Ok(())
        },
    },
    Key {
        name: "forward_header",
        pomelo: "",
        default: "\"X-Forwarded-For\"",
        meaning: "`X-Forwarded-For` or `Forwarded`: the one header those proxies write; the other is not read.",
        take: |said, value| {
            let name = String::from_setting(value)?;
            let known = [ForwardHeader::XForwardedFor, ForwardHeader::Forwarded];
            let header = known
                .into_iter()
                .find(|header| header.name().eq_ignore_ascii_case(&name));
            let wrong = || format!("expected X-Forwarded-For or Forwarded, found `{name}`");
            said.tuning.entry.forward_header = Some(header.ok_or_else(wrong)?);
            Ok(())
        },
    },
    Key {
        name: "origins",
        pomelo: "",
        default: "[]",
        meaning: "Origins of pages that may open a WebSocket, `[\"https://game.example\"]`; others are answered 403. Empty: any.",
        take: |said, value| {
            let origins = Origins::new(Vec::<String>::from_setting(value)?);
            said.tuning.entry.origins = Some(origins.map_err(|bad| bad.to_string())?);
            Ok(())
        },
    },
    Key {
        name: "resume_seconds",
        pomelo: "",
        default: "0",
        meaning: "Seconds that a session outlives its connection, if its client asks for that and is told no dictionary and no definitions; 60 where only the next two are said. 0: no session does.",
        take: |said, value| set(&mut said.tuning.resume_seconds, value),
    },
    Key {
        name: "resume_window",
        pomelo: "",
        default: "65536",
        meaning: "Bytes kept for a client that may come back, 300 or so for each message among them; it is told of a gap if it lacks more.",
        take: |said, value| set_some(&mut said.tuning.resume_window, value),
    },
    Key {
        name: "resume_max_away",
        pomelo: "",
        default: "4096",
        meaning: "Sessions without a connection at once; one too many closes when its connection does.",
        take: |said, value| set_some(&mut said.tuning.resume_max_away, value),
    },
];

/// Which spelling a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// That of servers.json, where what is no key is the application's, and a number may be a text.
    Pomelo,
    /// That of `tangelo.toml`.
    Ours,
}

impl Entry {
    /// The key that is missing beside another.
    pub(super) fn is_missing(&self) -> Option<(&'static str, &'static str)> {
        let is_there = |file: &Option<String>| file.as_ref().is_some_and(|file| !file.is_empty());
        match (is_there(&self.tls_cert), is_there(&self.tls_key)) {
            (true, false) => Some(("tls_key", "tls_cert")),
            (false, true) => Some(("tls_cert", "tls_key")),
            _ => None,
        }
    }
}

impl Key {
    /// All of them.
    pub const ALL: &'static [Self] = &KEYS;

    /// Its name in `tangelo.toml`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its name in servers.json; empty where Pomelo does not have it.
    pub fn pomelo(&self) -> &'static str {
        self.pomelo
    }

    /// What holds where nobody says it, as `tangelo.toml` would say it; empty if nothing does.
    pub fn default(&self) -> &'static str {
        self.default
    }

    /// Its meaning.
    pub fn meaning(&self) -> &'static str {
        self.meaning
    }

    /// The key of this name, in whatever spelling.
    pub(super) fn named(key: &str) -> Option<&'static Self> {
        let is_it = |known: &&Self| known.name == key || (known.pomelo == key && !key.is_empty());
        KEYS.iter().find(is_it)
    }

    /// The key of this name in a file: what Pomelo does not know is the application's there.
    pub(super) fn in_file(key: &str, spelling: Spelling) -> Option<&'static Self> {
        Self::named(key).filter(|known| match spelling {
            Spelling::Pomelo => known.pomelo == key,
            Spelling::Ours => known.name == key,
        })
    }

    /// The key that is meant by this, but for its case and the dashes in it.
    pub(super) fn like(key: &str, spelling: Spelling) -> Option<&'static Self> {
        let meant = plain(key);
        let has_it = |known: &&Self| spelling == Spelling::Ours || !known.pomelo.is_empty();
        let mut known = KEYS.iter().filter(has_it);
        known.find(|known| plain(known.name) == meant)
    }

    /// How it is written in this spelling; ours, if Pomelo does not have it.
    pub(super) fn written(&self, spelling: Spelling) -> &'static str {
        match spelling {
            Spelling::Pomelo if !self.pomelo.is_empty() => self.pomelo,
            _ => self.name,
        }
    }

    /// Takes its value.
    pub(super) fn take(
        &self,
        said: &mut Said,
        value: &Value,
        spelling: Spelling,
    ) -> Result<(), String> {
        let taken = (self.take)(said, value);
        match (taken, spelling) {
            (Err(problem), Spelling::Pomelo) => match untexted(value) {
                Some(value) => (self.take)(said, &value).map_err(|_| problem),
                None => Err(problem),
            },
            (taken, _) => taken,
        }
    }
}

/// How a key of ours is written in this spelling.
pub(super) fn written(name: &'static str, spelling: Spelling) -> &'static str {
    Key::named(name).map_or(name, |key| key.written(spelling))
}

/// Whether this is a word of Pomelo for what no engine does here yet.
pub(super) fn has_no_engine(key: &str) -> bool {
    ["args", "auto-restart", "cpu", "restart-force"].contains(&key)
}

fn plain(key: &str) -> String {
    key.replace(['_', '-'], "").to_ascii_lowercase()
}

/// Pomelo hands values to servers as texts, and so takes texts: `"3050"`, `"true"`. To JavaScript `3050.0` is
/// 3050.
fn untexted(value: &Value) -> Option<Value> {
    let value = match value {
        Value::String(text) => serde_json::from_str(text).ok()?,
        value => value.clone(),
    };
    match &value {
        Value::Bool(_) => Some(value),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => {
                Some(Value::from(float as i64))
            }
            _ => Some(value),
        },
        _ => None,
    }
}

fn set<T: FromSetting>(field: &mut Option<T>, value: &Value) -> Result<(), String> {
    *field = Some(T::from_setting(value)?);
    Ok(())
}

/// Takes the name of a file for TLS.
fn set_file(field: &mut Option<String>, value: &Value) -> Result<(), String> {
    set(field, value)?;
    has_tls(field.as_ref().is_some_and(|file| !file.is_empty()))
}

/// Fails where TLS is asked for in vain.
fn has_tls(is_asked_for: bool) -> Result<(), String> {
    if cfg!(feature = "tls") || !is_asked_for {
        Ok(())
    } else {
        Err("TLS is asked for, but this was built without the feature `tls`".to_owned())
    }
}

fn set_within<T: FromSetting + PartialOrd + std::fmt::Display>(
    field: &mut Option<T>,
    value: &Value,
    range: RangeInclusive<T>,
) -> Result<(), String> {
    let number = T::from_setting(value)?;
    if !range.contains(&number) {
        let (least, most) = range.into_inner();
        return Err(format!("expected {least} to {most}, found {number}"));
    }
    *field = Some(number);
    Ok(())
}

/// Takes a number that is not 0.
fn set_some<T: FromSetting + PartialEq + Default>(
    field: &mut Option<T>,
    value: &Value,
) -> Result<(), String> {
    let number = T::from_setting(value)?;
    if number == T::default() {
        return Err("expected 1 or more, found 0".to_owned());
    }
    *field = Some(number);
    Ok(())
}
