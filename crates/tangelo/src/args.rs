//! What is said on the command line.

use std::path::PathBuf;

use clap::Parser;

use crate::outside::Assignment;

/// What is said on the command line.
#[derive(Clone, Debug, Default, Parser)]
#[command(about = "Starts the servers of its configuration", long_about = None)]
pub(crate) struct Args {
    /// Start the server of this id alone. May be repeated; without it, every server in this process.
    #[arg(long, short)]
    pub(crate) id: Vec<String>,
    /// Start the servers of this type alone. May be repeated.
    #[arg(long = "type", short = 't', value_name = "TYPE")]
    pub(crate) types: Vec<String>,
    /// Environment: the section of the configuration that counts. The application has a default, else
    /// `development`.
    #[arg(long, short)]
    pub(crate) env: Option<String>,
    /// Folder with servers.json, or a file such as tangelo.toml; may be repeated. The application has a
    /// default, else `config` and `tangelo.toml`.
    #[arg(long, value_name = "PATH")]
    pub(crate) config: Vec<PathBuf>,
    /// Change a setting of a server, or of all of a type: `chat-server-1.port=7000`. May be repeated.
    #[arg(long, value_name = "SERVER.KEY=VALUE")]
    pub(crate) set: Vec<Assignment>,
}

impl Args {
    /// Whether every server runs in this process.
    pub(crate) fn runs_all(&self) -> bool {
        self.id.is_empty() && self.types.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_has_pomelos_short_names_and_may_repeat_itself() {
        let said = "x -t chat --type area -i a --id b -e production --config config \
                    --config tangelo.toml --set a.port=1 --set server.default.port=2";
        let args = Args::try_parse_from(said.split_whitespace()).unwrap();
        assert_eq!(
            (args.types, args.id),
            (
                vec!["chat".into(), "area".into()],
                vec!["a".into(), "b".into()]
            )
        );
        assert_eq!(args.env.as_deref(), Some("production"));
        assert_eq!(args.config.len(), 2);
        let keys: Vec<_> = args.set.iter().map(|set| set.key.as_str()).collect();
        assert_eq!(keys, ["a.port", "server.default.port"]);
        assert!(Args::try_parse_from(["x"]).unwrap().runs_all());
        assert!(Args::try_parse_from(["x", "--set", "port=1"]).is_err());
    }
}
