//! Settings, by krpc's names: in code as methods, in `tangelo.toml` as keys.
//!
//! One list per chapter gives the field, its default, its method and its key, so that none of them
//! can be forgotten.

mod application;
mod client;
mod method;
mod monitor;
mod referer;
mod registry;
mod server;
mod service;
mod value;
mod web_server;

pub use application::ApplicationConfig;
pub use client::ClientConfig;
pub use method::{MethodConfig, Pattern, PatternError};
pub use monitor::MonitorConfig;
pub use referer::{Described, RefererConfig};
pub use registry::RegistryConfig;
pub use server::ServerConfig;
pub use service::{Served, ServiceConfig};
pub use value::FromSetting;
pub use web_server::WebServerConfig;

pub use crate::policy::{
    balance::{
        Balance, ConsistentHash, LeastActive, LoadBalance, Random, ResponseTime, RoundRobin,
    },
    flow::FlowLimits,
    retry::RetryLevel,
};

/// Why a key of a settings file is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingError {
    /// There is no such key; the keys there are.
    Unknown(Vec<&'static str>),
    /// The key is krpc's, in camelCase; how it is written here.
    Written(&'static str),
    /// The value is not what the key takes: what is wrong with it.
    Value(String),
    /// krpc has the key, Tangelo does not: why, and what to do instead.
    Refused(&'static str),
}

impl std::fmt::Display for SettingError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(keys) => write!(formatter, "unknown key; there are: {}", keys.join(", ")),
            Self::Written(key) => write!(formatter, "is written {key} here"),
            Self::Value(problem) => formatter.write_str(problem),
            Self::Refused(reason) => formatter.write_str(reason),
        }
    }
}

impl std::error::Error for SettingError {}

impl SettingError {
    /// A key that the chapter does not take: krpc's spelling of one that it does, one that it refuses,
    /// in either spelling, or a mistake.
    fn no_key(key: &str, keys: &'static [Key], refused: &[Refused]) -> Self {
        let snake = snake_case(key);
        if let Some(known) = keys.iter().find(|known| known.name == snake) {
            return Self::Written(known.name);
        }
        match refused.iter().find(|refused| refused.name == snake) {
            Some(refused) => Self::Refused(refused.reason),
            None => Self::Unknown(keys.iter().map(|key| key.name).collect()),
        }
    }
}

fn snake_case(key: &str) -> String {
    let mut snake = String::new();
    for character in key.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

/// One key of a chapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    name: &'static str,
    /// As the list has it.
    default: &'static str,
    meaning: &'static str,
}

impl Key {
    /// Its name in `tangelo.toml`; krpc's in snake_case.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its default as `tangelo.toml` would say it; empty where it has none.
    pub fn default(&self) -> &'static str {
        match self.default {
            "String::new()" => "\"\"",
            "Vec::new()" => "[]",
            "None" => "",
            other => other.strip_suffix(".to_owned()").unwrap_or(other),
        }
    }

    /// Its meaning.
    pub fn meaning(&self) -> &'static str {
        self.meaning.trim()
    }
}

/// A key that krpc has and Tangelo has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    name: &'static str,
    reason: &'static str,
}

impl Refused {
    /// krpc's name of it, in snake_case.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Why it is not there, and what to do instead.
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}

/// Defines a chapter of settings: `field as "key": type = default => "default as a file says it"`. The
/// key is left out where it is the field's name, and what a file says where [`Key::default`] knows it.
macro_rules! settings {
    (
        $(#[$doc:meta])*
        $name:ident {
            $(
                $(#[doc = $meaning:literal])*
                $key:ident $(as $name_in_file:literal)? : $type:ty = $default:expr $(=> $written:literal)?;
            )*
        }
        // Keys that only a file has; whoever reads the file takes them.
        file { $($(#[doc = $file_meaning:literal])* $file_key:literal;)* }
        refused { $($refused:literal => $reason:expr;)* }
        unset { $($(#[$hidden_doc:meta])* $hidden:ident : $hidden_type:ty;)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[doc = $meaning])* pub $key: $type,)*
            $($(#[$hidden_doc])* pub $hidden: $hidden_type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($key: $default,)*
                    $($hidden: Default::default(),)*
                }
            }
        }

        impl $name {
            /// The keys it has in `tangelo.toml`.
            pub const KEYS: &'static [$crate::config::Key] = &[
                $($crate::config::Key {
                    name: $crate::config::or!($($name_in_file)? stringify!($key)),
                    default: $crate::config::or!($($written)? stringify!($default)),
                    meaning: concat!($($meaning),*),
                },)*
                $($crate::config::Key {
                    name: $file_key,
                    default: "",
                    meaning: concat!($($file_meaning),*),
                },)*
            ];

            /// The keys that krpc has and it has not.
            pub const REFUSED: &'static [$crate::config::Refused] = &[
                $($crate::config::Refused { name: $refused, reason: $reason },)*
            ];

            $(
                $(#[doc = $meaning])*
                #[must_use]
                pub fn $key(mut self, $key: impl Into<$type>) -> Self {
                    self.$key = $key.into();
                    self
                }
            )*

            /// Takes the value of a key of a settings file.
            ///
            /// # Errors
            /// An unknown or refused key, or a value the key does not take.
            pub fn set(
                &mut self,
                key: &str,
                value: &serde_json::Value,
            ) -> Result<(), $crate::config::SettingError> {
                use $crate::config::{FromSetting, SettingError};
                match key {
                    $($crate::config::or!($($name_in_file)? stringify!($key)) => {
                        self.$key = <$type>::from_setting(value).map_err(SettingError::Value)?;
                        Ok(())
                    })*
                    $($file_key => {
                        let problem = "stands in a file: it cannot be set alone";
                        Err(SettingError::Value(problem.to_owned()))
                    })*
                    _ => Err(SettingError::no_key(key, Self::KEYS, Self::REFUSED)),
                }
            }
        }
    };
}
pub(crate) use settings;

/// The first of one or two.
macro_rules! or {
    ($first:literal stringify!($($second:tt)*)) => {
        $first
    };
    (stringify!($($second:tt)*)) => {
        stringify!($($second)*)
    };
}
pub(crate) use or;

/// Why the pools of Netty have no counterpart.
const NO_NOTIFY: &str = "has no meaning here: an answer wakes the future that waits for it, and there is no pool of callbacks; leave it out";
const NO_IO_THREADS: &str = "has no meaning here: all connections share the threads of the runtime (TOKIO_WORKER_THREADS, or a runtime of your own); leave it out";

#[cfg(test)]
mod tests;
