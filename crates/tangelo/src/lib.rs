//! Servers that many clients stay connected to, and the services behind them.
//!
//! ```no_run
//! use tangelo::prelude::*;
//!
//! #[derive(serde::Deserialize)]
//! struct Greet {
//!     name: String,
//! }
//!
//! async fn greet(Json(greet): Json<Greet>) -> Json<String> {
//!     Json(format!("hello {}", greet.name))
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     App::from_args()
//!         .server("connector", |server| server.handler("helloHandler", handlers! { greet }))
//!         .serve()
//! }
//! ```
//!
//! With `config/servers.json` naming a server of type `connector`, clients that speak Pomelo's
//! protocol now request `connector.helloHandler.greet`.
//!
//! * [`App`]: which servers there are, and what they are made of.
//! * [`Bootstrap`]: krpc services, those it offers and those it calls.
//! * [`prelude`]: what handlers need.
//! * [`rpc`]: services between servers; [`include_proto!`] has them generated from .proto files.

mod app;
mod args;
mod bootstrap;
pub mod config;
mod mistakes;
mod outside;
mod plugin;
mod process;
mod rpc_app;
mod running;
mod scheduled;
#[cfg(test)]
mod test_folder;

pub use app::App;
pub use bootstrap::Bootstrap;
pub use config::Config;
pub use mistakes::Mistakes;
pub use plugin::Plugin;
pub use rpc_app::{BlockingApp, CallError, DynamicReferer, RefererError, RpcApp};
pub use running::{Running, StartError};
pub use tangelo_auth as auth;
pub use tangelo_connector as connector;
#[cfg(feature = "gateway")]
pub use tangelo_gateway as gateway;
pub use tangelo_reflect as reflect;
pub use tangelo_registry as registry;
pub use tangelo_rpc as rpc;
pub use tangelo_server as server;
pub use tangelo_server::{Error, Result, handlers, remotes};

/// Everything a handler and a `main` need.
pub mod prelude {
    #[cfg(feature = "tls")]
    pub use crate::connector::Certificate;
    pub use crate::{
        App, Bootstrap, Config, Error, Plugin, Result, RpcApp,
        connector::{ForwardHeader, Hybrid},
        handlers, remotes,
        rpc::{Code, Message, ServerContext, Status, client::RetryLevel},
        server::{
            Answered, BackendSessions, BindError, Body, Buffered, Channel, ChannelOptions,
            Channels, CloseReason, Component, Connections, Context, Cron, Direct, Every, Extension,
            FailMode, Filter, FrontendSession, GlobalChannels, HandlerExt, Hello, HostFilter,
            IntoReply, Job, JobRun, Jobs, Json, Member, Once, Overlap, PomeloCron, Presence,
            PushSchedulers, Request, Resume, RouteRule, RouteTo, Rpc, RpcLog, Servers, Session,
            SessionId, SessionState, Sessions, SingleSession, State, Uid,
            filters::{RateLimit, Serial, Time, Timeout, TooBusy},
        },
    };
}

/// Includes what `tangelo_rpc_build` made of the .proto file of this package.
#[macro_export]
macro_rules! include_proto {
    ($package:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $package, ".rs"));
    };
}

/// The code of the guide compiles; that of the README and docs/krpc.md does so in `examples/userservice`,
/// which has the services they show.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide.md")]
struct Guide;

/// So does that of the page for those who come from Pomelo.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/pomelo.md")]
struct FromPomelo;

/// So does that of the page for the HTTP gateway.
#[cfg(all(doctest, feature = "gateway"))]
#[doc = include_str!("../../../docs/gateway.md")]
struct Gateways;
