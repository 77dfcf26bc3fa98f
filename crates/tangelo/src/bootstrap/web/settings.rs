//! Settings of a web server as a gateway takes them.

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::StatusCode;
use tangelo_gateway::{
    Compression, Gateway, IpNet, Limits, OpenApi, UploadLimits,
    mapping::JsonForm,
    route::{Group, SessionMode},
    session::{MemoryLimits, MemorySessions, SameSite},
};
use tangelo_rpc::{config::WebServerConfig, server::ExecutorConfig};
use tangelo_tls::Certificate;

use super::{Bootstrap, GatewayBuilder, SessionCookie, Telling};

/// A gateway of these settings; those that make no sense are told, and left out.
pub(super) fn builder(
    config: &WebServerConfig,
    all: &Bootstrap,
    telling: &mut Telling<'_>,
) -> GatewayBuilder {
    let mut builder = Gateway::builder(&config.id)
        .listen(&config.host, config.port)
        .backlog(config.backlog)
        .limits(limits(config))
        .json(json(config, telling))
        .session_cookie(cookie(config, telling))
        .compression(Compression {
            enabled: config.compress,
            at_least: config.min_size_to_compress,
            ..Compression::default()
        })
        .health(path(&config.live_path), path(&config.ready_path))
        .believe_proxies(proxies(config, telling))
        .mask_fields(&all.monitor.mask_fields)
        .sample_rate(all.application.sample_rate);
    if let Some(status) = negative_status(config, telling) {
        builder = builder.status_for_negative(status);
    }
    if let Some(certificate) = certificate(config, telling) {
        builder = builder.certificate(certificate);
    }
    if let Some(api) = openapi(config, telling) {
        builder = builder.openapi(api);
    }
    if let Some(group) = auto_route(config, telling) {
        builder = builder.auto_routes(group);
    }
    if config.http_annotations {
        builder = builder.annotated_routes(Group::new(""));
    }
    builder = sessions(builder, config, all, telling);
    if !all.monitor.access_log {
        builder = builder.access_log(None);
    } else if let Some(log) = &all.brought.web.log {
        builder = builder.access_log(Some(Arc::clone(log)));
    }
    for (name, load) in &all.brought.web.plugins {
        let load = Arc::clone(load);
        builder = builder.plugin(name, move |params| load(params));
    }
    builder
}

fn limits(config: &WebServerConfig) -> Limits {
    Limits {
        connections: config.max_conns,
        streams: config.max_streams,
        header_bytes: config.max_header_size,
        headers: config.max_headers,
        header_time: config.header_timeout,
        content_bytes: config.max_content_length,
        content_time: config.content_timeout,
        contents_bytes: config.max_contents_length,
        idle: Duration::from_secs(config.idle_seconds.into()),
        request_time: config.max_timeout,
        requests: ExecutorConfig {
            // What is wrong with it is told already.
            threads: config.threads.max(-1),
            max_threads: config.max_threads,
            queue_size: config.queue_size,
        },
        uploads: UploadLimits {
            request_bytes: config.max_upload_length,
            file_bytes: config.max_file_length,
            files: config.max_files,
            time: config.upload_timeout,
            at_once_bytes: config.max_uploads_length,
            ..UploadLimits::default()
        },
    }
}

/// A path that is none is told already.
fn path(path: &str) -> &str {
    if path.starts_with('/') { path } else { "" }
}

fn json(config: &WebServerConfig, telling: &mut Telling<'_>) -> JsonForm {
    let mut form = match config.json.as_str() {
        "krpc" => JsonForm::KRPC,
        "standard" => JsonForm::STANDARD,
        other => {
            let problem = format!("expected krpc or standard, found `{other}`");
            telling.wrong("json", problem);
            JsonForm::KRPC
        }
    };
    form.int64_strings |= config.int64_strings;
    form
}

fn cookie(config: &WebServerConfig, telling: &mut Telling<'_>) -> SessionCookie {
    let mut cookie = SessionCookie {
        name: config.session_id_cookie_name.clone(),
        ..SessionCookie::default()
    };
    if let Err(problem) = cookie.check() {
        telling.wrong("session_id_cookie_name", problem);
        cookie = SessionCookie::default();
    }
    let without_path = cookie.clone();
    cookie.path.clone_from(&config.session_id_cookie_path);
    if let Err(problem) = cookie.check() {
        telling.wrong("session_id_cookie_path", problem);
        cookie = without_path;
    }
    cookie.same_site = match config.session_id_cookie_same_site.as_str() {
        "lax" => SameSite::Lax,
        "strict" => SameSite::Strict,
        "none" => SameSite::None,
        other => {
            let problem = format!("expected lax, strict or none, found `{other}`");
            telling.wrong("session_id_cookie_same_site", problem);
            SameSite::Lax
        }
    };
    cookie
}

fn sessions(
    builder: GatewayBuilder,
    config: &WebServerConfig,
    all: &Bootstrap,
    telling: &mut Telling<'_>,
) -> GatewayBuilder {
    let name = config.session_service.as_str();
    if let Some(brought) = all.brought.web.sessions.get(name) {
        return builder.sessions(Arc::clone(brought));
    }
    match name {
        "memory" => {}
        "redis" => telling.wrong(
            "session_service",
            "redis is not there yet; use memory, or bring one: Bootstrap::session_store",
        ),
        other => {
            let problem =
                format!("expected memory or a name of Bootstrap::session_store, found `{other}`");
            telling.wrong("session_service", problem);
        }
    }
    builder.sessions(Arc::new(MemorySessions::new(MemoryLimits {
        sessions: config.max_sessions,
        session_bytes: config.max_session_size,
        idle: Duration::from_secs(config.session_seconds.into()),
    })))
}

fn negative_status(config: &WebServerConfig, telling: &mut Telling<'_>) -> Option<StatusCode> {
    let number = config.negative_status;
    let status = StatusCode::from_u16(number).ok();
    let status = status.filter(|_| number >= 200);
    if status.is_none() && number != 0 {
        let problem = format!("expected a status from 200 to 999, or 0, found {number}");
        telling.wrong("negative_status", problem);
    }
    status
}

/// Where methods are reachable without being in the routes.
fn auto_route(config: &WebServerConfig, telling: &mut Telling<'_>) -> Option<Group> {
    let prefix = &config.auto_route_prefix;
    let is_path = prefix.is_empty() || prefix.starts_with('/');
    if !is_path || prefix.contains(['{', '}', '*']) {
        let problem =
            format!("expected a path that begins with / and has no variables, found `{prefix}`");
        telling.wrong("auto_route_prefix", problem);
    }
    let mode = &config.auto_route_session_mode;
    let mode = mode.parse().unwrap_or_else(|problem: String| {
        telling.wrong("auto_route_session_mode", problem);
        SessionMode::Required
    });
    let group = Group::new(prefix)
        .session_mode(mode)
        .plugins(config.auto_route_plugins.join(","));
    config.auto_route.then_some(group)
}

fn openapi(config: &WebServerConfig, telling: &mut Telling<'_>) -> Option<OpenApi> {
    let (path, page) = (&config.openapi_path, &config.openapi_page);
    if path.is_empty() {
        if !page.is_empty() {
            telling.wrong("openapi_page", "needs openapi_path as well");
        }
        return None;
    }
    let mut api = OpenApi::at(path).version(&config.openapi_version);
    if !config.openapi_title.is_empty() {
        api = api.title(&config.openapi_title);
    }
    if let Err(problem) = api.check() {
        telling.wrong("openapi_path", problem);
        return None;
    }
    if page.is_empty() {
        return Some(api);
    }
    let with_page = api.clone().page(page);
    match with_page.check() {
        Ok(()) => Some(with_page),
        Err(problem) => {
            telling.wrong("openapi_page", problem);
            Some(api)
        }
    }
}

fn proxies(config: &WebServerConfig, telling: &mut Telling<'_>) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for text in &config.trusted_proxies {
        let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
        match text.parse().ok().or_else(alone) {
            Some(network) => networks.push(network),
            None => {
                let problem = format!("expected a network or an address, found `{text}`");
                telling.wrong("trusted_proxies", problem);
            }
        }
    }
    networks
}

fn certificate(config: &WebServerConfig, telling: &mut Telling<'_>) -> Option<Certificate> {
    let (certificate, key) = (&config.tls_cert, &config.tls_key);
    match (certificate.is_empty(), key.is_empty()) {
        (false, false) => return Some(Certificate::files(certificate, key)),
        (true, true) => {}
        (false, true) => telling.wrong("tls_cert", "needs tls_key as well"),
        (true, false) => telling.wrong("tls_key", "needs tls_cert as well"),
    }
    None
}
