//! What is said on the command line.

use std::path::PathBuf;

use clap::Parser;
use serde_json::Value;

/// What is said on the command line.
#[derive(Clone, Debug, Default, Parser)]
#[command(about = "Starts the servers of config/servers.json", long_about = None)]
pub(crate) struct Args {
    /// Start this one server; without it, every server in this process.
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// Section of the configuration files.
    #[arg(long, default_value = "development")]
    pub(crate) env: String,
    /// Folder with servers.json; the application has a default, else `config`.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    /// Change a setting of a server, or of all of a type: `chat-server-1.port=7000`. May be repeated.
    #[arg(long, value_name = "SERVER.KEY=VALUE")]
    pub(crate) set: Vec<Change>,
}

/// One `--set`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    /// A server's id, or a server type.
    pub(crate) server: String,
    pub(crate) key: String,
    pub(crate) value: Value,
}

impl std::str::FromStr for Change {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "expected SERVER.KEY=VALUE";
        let (target, value) = text.split_once('=').ok_or(FORM)?;
        let (server, key) = target.rsplit_once('.').ok_or(FORM)?;
        // What is no JSON is text, so that nobody has to quote a host name twice.
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        Ok(Self {
            server: server.to_owned(),
            key: key.to_owned(),
            value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_server_key_and_value() {
        let change: Change = "chat-server-1.port=7000".parse().unwrap();
        assert_eq!(
            (change.server.as_str(), change.key.as_str()),
            ("chat-server-1", "port")
        );
        assert_eq!(change.value, 7000);
        assert_eq!(
            "web.host=0.0.0.0".parse::<Change>().unwrap().value,
            "0.0.0.0"
        );
        assert!("port=7000".parse::<Change>().is_err());
        assert!("chat.port".parse::<Change>().is_err());
    }
}
