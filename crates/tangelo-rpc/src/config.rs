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

/// Why a key of a settings file is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingError {
    /// There is no such key; the keys there are.
    Unknown(Vec<&'static str>),
    /// The value is not what the key takes: what it takes.
    Value(String),
    /// krpc has the key, Tangelo does not: why, and what to do instead.
    Refused(&'static str),
}

impl std::fmt::Display for SettingError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(keys) => write!(formatter, "unknown key; there are: {}", keys.join(", ")),
            Self::Value(expected) => write!(formatter, "expected {expected}"),
            Self::Refused(reason) => formatter.write_str(reason),
        }
    }
}

impl std::error::Error for SettingError {}

/// One key of a chapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name in `tangelo.toml`; krpc's in snake_case.
    pub name: &'static str,
    /// Its default as it would be written; empty where it has none.
    pub default: &'static str,
    /// Its meaning.
    pub meaning: &'static str,
}

/// Defines a chapter of settings.
macro_rules! settings {
    (
        $(#[$doc:meta])*
        $name:ident {
            $(
                $(#[doc = $meaning:literal])*
                $key:ident : $type:ty = $default:expr;
            )*
        }
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
                    name: stringify!($key),
                    default: stringify!($default),
                    meaning: concat!($($meaning),*),
                },)*
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
                    $(stringify!($key) => {
                        self.$key = <$type>::from_setting(value).map_err(SettingError::Value)?;
                        Ok(())
                    })*
                    $($refused => Err(SettingError::Refused($reason)),)*
                    _ => Err(SettingError::Unknown(Self::KEYS.iter().map(|key| key.name).collect())),
                }
            }
        }
    };
}
pub(crate) use settings;

/// Why the pools of Netty have no counterpart.
const NO_NOTIFY: &str = "has no meaning here: an answer wakes the future that waits for it, and there is no pool of callbacks; leave it out";
const NO_IO_THREADS: &str = "has no meaning here: all connections share the threads of the runtime (TOKIO_WORKER_THREADS, or a runtime of your own); leave it out";
