//! The application server: what stands between a client's connection and a handler's answer.
//!
//! In the order a request meets them: the front loop reads it and finds its [`Session`];
//! the pipeline finds its handler, here or on another server ([`Routes`]); a [`Handler`] takes what it
//! needs from the [`Request`] and answers; the reply goes back through the front loop. What the server
//! says unasked, through [`Channels`] or [`Session::push`], joins there, in order.
//!
//! A [`Server`] is all of this for one server of a [`Blueprint`].

mod accept;
mod answer;
mod blueprint;
mod channel;
mod component;
mod connections;
mod context;
mod encodings;
mod error;
mod fields;
mod filter;
pub mod filters;
mod forward;
mod front;
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
#[rustfmt::skip]
mod generated {
    #[path = "tangelo.channel.rs"]
    pub mod channel;
    #[path = "tangelo.forward.rs"]
    pub mod forward;
    #[path = "tangelo.lifecycle.rs"]
    pub mod lifecycle;
    #[path = "tangelo.remote.rs"]
    pub mod remote;
    #[path = "tangelo.resume.rs"]
    pub mod resume;
    #[path = "tangelo.session.rs"]
    pub mod session;
}
mod global_channels;
mod greeting;
mod handler;
mod life_cycle;
mod limits;
mod membership;
mod peers;
mod pipeline;
mod presence;
mod push;
mod remote;
mod request;
mod resume;
mod roster;
mod route;
mod rpc;
mod schedule;
mod server;
mod session;
mod state;
mod store;

pub use blueprint::Blueprint;
pub use channel::{
    BroadcastOptions, Broadcasted, Channel, ChannelError, ChannelOptions, Channels, Delivered,
    Member, Receivers,
};
pub use component::Component;
pub use connections::{ConnectionStatistics, Connections, HostFilter, Login};
pub use context::Context;
pub use encodings::{BadDefinitions, ClientDefinitions};
pub use error::{Error, Result};
pub use filter::{Answered, Filter, FromAnswered, IntoAfter, IntoBefore, IntoDone, IntoPassed};
pub use global_channels::{
    GlobalChannelError, GlobalChannelStore, GlobalChannels, MemoryGlobalChannels,
};
pub use greeting::Hello;
pub use handler::{
    Body, Extension, FromRequest, Handler, HandlerExt, Handlers, InManner, Incoming, IntoReply,
    Json, Options, State, WithOptions,
};
pub use limits::Limits;
pub use presence::{MemoryPresence, Presence, PresenceStore};
pub use push::{
    Buffered, Direct, Outbound, OutboundKind, PushScheduler, PushSchedulers, PushSender,
};
pub use remote::{RemoteRequest, Remotes};
pub use request::Request;
pub use resume::Resume;
pub use route::{Candidates, RouteParam, RouteRule, RouteTo, Routes, Servers, crc32};
pub use rpc::{FailMode, Invocation, Rpc, RpcCall, RpcFilter, RpcLog, UnknownFailMode};
pub use schedule::{
    Clock, Cron, Ended, Every, Job, JobEntryError, JobError, JobRun, JobStatus, Jobs, LastRun,
    ManualClock, Once, Overlap, PomeloCron, Schedule, ScheduleError,
};
pub use server::{Bound, Server, StartError};
pub use session::{
    BackendSessions, BindError, CloseReason, FrontendSession, Session, SessionId, SessionState,
    Sessions, SingleSession, Uid,
};
pub use state::States;
pub use store::{StoreError, Stored};
pub use tangelo_connector::{BadNetwork, Serializer};
pub use tangelo_wire::pomelo::protobuf::{ProtoField, ProtoMessage, ProtoRule};
