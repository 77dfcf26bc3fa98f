//! What Tangelo promises, each promise a test over real sockets.
//!
//! Every test has servers of its own, on ports the system chooses. Nothing sleeps: a test waits for what
//! must happen, with a deadline that only failures reach, or runs on a clock of its own.

#![allow(clippy::unwrap_used, reason = "every function here belongs to a test")]

mod answers;
mod app;
mod authentication;
mod broadcast;
mod built_in_filters;
mod channel_life;
mod channel_options;
mod channel_pushes;
mod channels;
mod client;
mod configuration;
mod connections;
mod custom_connector;
mod deadlines;
mod definitions;
mod door_tls;
mod draining;
mod encodings;
mod error_handlers;
mod fairness;
mod filters;
mod from_pomelo;
mod gateway_api;
mod gateway_app;
mod gateway_bad_input;
mod gateway_downloads;
mod gateway_files;
mod gateway_plugins;
mod gateway_protocols;
mod gateway_serving;
mod gateway_sessions;
mod gateway_shipped_plugins;
mod gateway_uploads;
mod gateway_world;
mod global_channels;
mod handshake;
mod heartbeats;
#[cfg(target_os = "linux")]
mod host_filter;
mod hostile_clients;
mod jobs;
mod kcp;
mod krpc;
mod krpc_blocking;
mod krpc_client;
mod krpc_dynamic;
mod krpc_server;
mod krpc_tracing;
mod lanes;
mod letting_in;
mod life_cycle;
mod limits;
mod log;
mod lost_back_ends;
mod mqtt;
mod order;
mod origins;
mod pitaya;
mod presence;
mod process_log;
#[cfg(target_os = "linux")]
mod proxies;
mod proxy;
mod push_schedulers;
mod remotes;
mod request_reuse;
mod resume;
mod resume_elsewhere;
mod returning;
mod rooms;
mod routes;
mod rpc;
mod rpc_filters;
mod session_events;
mod session_remote;
mod session_service;
mod sessions;
mod shutdown;
mod signing;
mod single_sessions;
mod slow_clients;
mod socketio;
mod stores;
mod thousands;
mod udp;
mod upgrade;
mod world;
