//! The handshake: what opens a connection, and what may follow when.

use std::{fmt, time::Duration};

use serde_json::{Value, json};

use super::{dictionary::Dictionary, json, pitaya, protobuf::Dialect, resume, signing, version};

/// Where a connection stands. A package that does not fit the state is ignored without an error,
/// as Pomelo does: a client may rely on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nothing has been agreed.
    #[default]
    Inited,
    /// The answer is out, the client has not acknowledged it.
    WaitAck,
    /// Messages flow.
    Working,
}

/// What the client said when it opened the connection.
#[derive(Clone, Default, PartialEq)]
pub struct Hello {
    /// Kind of client, such as `js-websocket`.
    pub client_type: Option<String>,
    /// The client's own version.
    pub client_version: Option<String>,
    /// The version of the route dictionary that it has kept.
    pub dict_version: Option<String>,
    /// The version of the definitions of bodies that it has kept.
    pub proto_version: Option<String>,
    /// How it reads and writes bodies that have a definition.
    pub dialect: Dialect,
    /// Whether it wants a session that outlives its connection, or has one.
    pub resume: Option<resume::Ask>,
    /// Who it is, if it speaks Pitaya's dialect.
    pub pitaya: Option<pitaya::Client>,
    /// What it signs its messages with, if it does.
    pub rsa: Option<signing::RsaKey>,
    /// What the application's client added.
    pub user: Value,
}

/// As it names itself: of all that arrives in one piece it takes the first package and drops the rest.
const NODE_TCP: &str = "pomelo-node-tcp-client";
/// Ours, which asks for neither.
const TANGELO_JS: &str = "tangelo-js";

impl Hello {
    /// Whether the client drops what it reads beside a package.
    pub fn reads_one_package(&self) -> bool {
        self.client_type.as_deref() == Some(NODE_TCP)
    }

    /// Whether the client knows what to do with a dictionary and with definitions. All of Pomelo's do,
    /// but for one.
    pub fn takes_definitions(&self) -> bool {
        !matches!(self.client_type.as_deref(), Some(NODE_TCP | TANGELO_JS))
    }
}

/// Without what the application's client added, which nobody shall find in a log: it may be a password.
impl fmt::Debug for Hello {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Hello")
            .field("client_type", &self.client_type)
            .field("client_version", &self.client_version)
            .field("dict_version", &self.dict_version)
            .field("proto_version", &self.proto_version)
            .field("dialect", &self.dialect)
            .field("resume", &self.resume)
            .finish_non_exhaustive()
    }
}

/// What clients are told of a dictionary or of definitions, put together once for all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Members of `sys`, without braces; left out where the client has this version.
    members: String,
    version: String,
    /// What it is told in any case.
    used: &'static str,
}

impl Told {
    /// Of a dictionary.
    pub fn dictionary(dictionary: &Dictionary) -> Self {
        Self {
            members: dictionary.members(),
            version: dictionary.version().to_owned(),
            used: r#""useDict":true"#,
        }
    }

    /// Of definitions, each as the client reads it, a JSON object: those of what clients say and those of
    /// what servers say.
    pub fn protos(client: &str, server: &str, dialect: Dialect) -> Self {
        // As Pomelo makes it.
        let version = version::of(&[client, server]);
        Self {
            members: format!(
                r#""protos":{{"server":{server},"client":{client},"version":"{version}"}}"#
            ),
            version,
            used: match dialect {
                Dialect::Pomelo => r#""useProto":true"#,
                Dialect::Extended => r#""useProto":true,"protoExtended":true"#,
            },
        }
    }

    /// What tells it from others.
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// What a client that is let in is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offer<'a> {
    /// Between its heartbeats; none: it sends none.
    pub heartbeat: Option<Duration>,
    /// The codes of routes.
    pub dictionary: Option<&'a Told>,
    /// The definitions of bodies.
    pub protos: Option<&'a Told>,
    /// What a client is told that asked for a session it can come back to.
    pub resume: Option<&'a resume::Answer>,
    /// What a client is told that speaks Pitaya's dialect.
    pub pitaya: Option<&'a pitaya::Told>,
    /// What the application adds; none and null: nothing.
    pub user: Option<&'a Value>,
}

/// Why a handshake is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Not JSON, or without the `sys` object that says who is calling.
    #[error("handshake without a `sys` object")]
    NoSys,
    /// The client signs nothing, and has to.
    #[error("no key to look at its signatures with")]
    NoKey,
    /// The application does not serve clients of this kind or this version.
    #[error("a client that is not served")]
    Client,
    /// The application says why not.
    #[error("{message} ({code})")]
    Application {
        /// Its code; 200, which would let the client in, is told as 500.
        code: i32,
        /// Its words.
        message: String,
        /// What goes along; null: nothing.
        user: Value,
    },
}

impl Refusal {
    /// The code the client is told before the connection closes.
    pub fn code(&self) -> i32 {
        match self {
            Self::NoSys | Self::NoKey | Self::Application { code: 200, .. } => 500,
            Self::Client => 501,
            Self::Application { code, .. } => *code,
        }
    }
}

/// Reads the client's handshake.
///
/// # Errors
/// A body without a `sys` object.
pub fn decode(body: &[u8]) -> Result<Hello, Refusal> {
    let mut hello: Value = json::from_slice(body).map_err(|_| Refusal::NoSys)?;
    let sys = hello
        .get("sys")
        .filter(|sys| sys.is_object())
        .ok_or(Refusal::NoSys)?;
    let text = |key| sys.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok(Hello {
        client_type: text("type"),
        client_version: text("version"),
        dict_version: text("dictVersion"),
        // Who has none says 0.
        proto_version: text("protoVersion"),
        dialect: match sys.get("protoExtended") {
            Some(Value::Bool(true)) => Dialect::Extended,
            _ => Dialect::Pomelo,
        },
        resume: resume::asked(sys),
        pitaya: pitaya::client(sys),
        rsa: signing::key(sys),
        user: hello.get_mut("user").map(Value::take).unwrap_or_default(),
    })
}

/// The answer that lets a client in. What it has kept already it is not told again.
pub fn accept(hello: &Hello, offer: &Offer<'_>) -> Vec<u8> {
    let heartbeat = offer.heartbeat.map(|interval| {
        let seconds = match interval.subsec_nanos() {
            0 => json!(interval.as_secs()),
            _ => json!(interval.as_secs_f64()),
        };
        format!(r#""heartbeat":{seconds}"#)
    });
    let kept = [&hello.dict_version, &hello.proto_version];
    let told = [offer.dictionary, offer.protos].into_iter().zip(kept);
    let told = told.filter_map(|(told, kept)| Some((told?, kept.as_deref())));
    let told = told.flat_map(|(told, kept)| {
        let is_new = kept != Some(&*told.version);
        let members = is_new.then_some(told.members.as_str());
        members.into_iter().chain([told.used])
    });
    // The order of Pomelo's members, which a map would not keep.
    let resume = offer.resume;
    let resume = resume.map(|resume| format!(r#""resume":{}"#, resume.to_json()));
    let pitaya = offer.pitaya.map(|told| told.members.as_str());
    let sys = heartbeat.as_deref().into_iter().chain(told);
    let sys: Vec<&str> = sys.chain(resume.as_deref()).chain(pitaya).collect();
    let sys = sys.join(",");
    let mut answer = format!(r#"{{"code":200,"sys":{{{sys}}}"#).into_bytes();
    if let Some(user) = offer.user.filter(|user| !user.is_null())
        && let Ok(user) = json::to_vec(user)
    {
        answer.extend_from_slice(br#","user":"#);
        answer.extend_from_slice(&user);
    }
    answer.push(b'}');
    answer
}

/// The answer that turns a client away.
pub fn refuse(refusal: &Refusal) -> Vec<u8> {
    let code = refusal.code();
    let mut answer = json!({ "code": code });
    if let Refusal::Application { message, user, .. } = refusal {
        answer["msg"] = json!(message);
        if !user.is_null() {
            answer["user"] = user.clone();
        }
    }
    json::to_vec(&answer).unwrap_or_else(|_| format!(r#"{{"code":{code}}}"#).into_bytes())
}

/// What a KICK package carries. Stock clients parse it, so it is always JSON.
pub fn kick(reason: &str) -> Vec<u8> {
    json::to_vec(&json!({ "reason": reason })).unwrap_or_else(|_| b"{}".to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_log_shows_what_the_applications_client_added() {
        let hello = decode(br#"{"sys":{"type":"t"},"user":{"token":"secret"}}"#).unwrap();
        assert_eq!(hello.user["token"], "secret");
        let shown = format!("{hello:?}");
        assert!(
            shown.contains("\"t\"") && !shown.contains("secret"),
            "{shown}"
        );
    }

    #[test]
    fn what_the_application_adds_stands_behind_sys_and_null_does_not() {
        let told = |user: Value| {
            let offer = Offer {
                user: Some(&user),
                ..Offer::default()
            };
            String::from_utf8(accept(&Hello::default(), &offer)).unwrap()
        };
        assert_eq!(told(Value::Null), r#"{"code":200,"sys":{}}"#);
        assert_eq!(told(json!(false)), r#"{"code":200,"sys":{},"user":false}"#);
        let smile = r#"{"code":200,"sys":{},"user":["\ud83d\ude00"]}"#;
        assert_eq!(told(json!(["\u{1f600}"])), smile);
    }

    #[test]
    fn a_refusal_has_a_code_and_that_of_an_application_words() {
        let told = |refusal: &Refusal| String::from_utf8(refuse(refusal)).unwrap();
        assert_eq!(told(&Refusal::NoSys), r#"{"code":500}"#);
        assert_eq!(told(&Refusal::Client), r#"{"code":501}"#);
        let mut own = Refusal::Application {
            code: 403,
            message: "no".to_owned(),
            user: Value::Null,
        };
        assert_eq!(told(&own), r#"{"code":403,"msg":"no"}"#);
        if let Refusal::Application { code, user, .. } = &mut own {
            (*code, *user) = (200, json!({ "to": 2 }));
        }
        assert_eq!(told(&own), r#"{"code":500,"msg":"no","user":{"to":2}}"#);
    }
}
