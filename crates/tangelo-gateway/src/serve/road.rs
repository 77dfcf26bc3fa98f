//! The road of a request, in the order it goes.

use std::{net::SocketAddr, sync::Arc, time::Instant as Clock};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Version, header, request::Parts};
use hyper::body::Incoming;
use tangelo_reflect::message;
use tangelo_rpc::{
    self as rpc, Reply, ServerContext, Status,
    server::{Entry, Permit},
};
use tangelo_runtime::guard::{self, Guarded};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, error};

use super::{
    access_log::{AccessLine, shown},
    connection::Peer,
    content::{self, Held},
    files::{self, Fetch, Receiving, Refused, Site, Uploaded},
    health::health,
    host::host,
    load::{FILES, RoutePlan},
    preflight::options,
    problem::Problem,
    sessions::Ticket,
    shared::Shared,
};
use crate::{
    Body, Client, Exchange, Output,
    plugin::Step,
    route::{Found, SessionMode},
};

/// What the access log wants to know of a request that is not in its head.
#[derive(Default)]
struct Seen {
    plan: Option<Arc<RoutePlan>>,
    ret_code: i32,
    received: usize,
}

/// Why a request does not reach its service, or what is said has nothing of the service's.
enum Stop {
    Problem(Problem),
    Answer(Box<Response<Body>>),
}

impl<P: Into<Problem>> From<P> for Stop {
    fn from(problem: P) -> Self {
        Self::Problem(problem.into())
    }
}

/// Answers one request, whatever happens on its road.
pub(super) async fn answer(peer: &Peer, request: Request<Incoming>) -> Response<Body> {
    let (shared, begun) = (&peer.shared, Clock::now());
    let (head, body) = request.into_parts();
    if let Some(response) = health(shared, &head) {
        return response;
    }
    let client = shared
        .proxies
        .client(peer.address, peer.safe, &head.headers);
    let (method, uri, version) = (head.method.clone(), head.uri.clone(), head.version);
    let accept = head.headers.get(header::ACCEPT_ENCODING).cloned();
    let mut seen = Seen::default();
    let road = Guarded::new(Box::pin(road(shared, client, head, body, &mut seen)));
    let outcome = road.await.unwrap_or_else(|panicked| {
        if let Some(left_out) = shared.line() {
            let path = shown(uri.path());
            error!(gateway = shared.id, %path, %panicked, left_out, "a request failed");
        }
        Err(Problem::internal())
    });
    let mut response = outcome.unwrap_or_else(|mut problem| {
        problem.fill(|code| shared.text(code));
        seen.ret_code = problem.code;
        problem.response()
    });
    if version == Version::HTTP_2 {
        // It closes streams, not connections.
        response.headers_mut().remove(header::CONNECTION);
    }
    let response = shared.compression.apply(accept.as_ref(), response).await;
    if let Some(log) = &shared.log {
        let plan = seen.plan.as_deref();
        let line = AccessLine {
            client: client.address,
            method: &method,
            path: shared.masks.path(uri.path(), plan.map(|plan| &*plan.url)),
            query: shared.masks.query(uri.query().unwrap_or_default()),
            message: plan.map(|plan| (plan.url.service_id, plan.url.msg_id)),
            status: response.status(),
            ret_code: seen.ret_code,
            received: seen.received,
            took: begun.elapsed(),
        };
        if let Err(panicked) = guard::catch(|| log.write(&line)) {
            debug!(gateway = shared.id, %panicked, "the access log has lost a line");
        }
    }
    response
}

async fn road(
    shared: &Shared,
    client: Client,
    head: Parts,
    body: Incoming,
    seen: &mut Seen,
) -> Result<Response<Body>, Problem> {
    let host = host(&head)?;
    let state = shared.state.load_full();
    if let Some(published) = &state.published
        && let Some(response) = published.find(
            host.as_deref(),
            head.uri.path(),
            &head.method,
            &head.headers,
        )
    {
        return Ok(response);
    }
    let found = state
        .router
        .find(host.as_deref(), head.uri.path(), &head.method);
    let (plan, variables) = match found {
        Found::Url(url, variables) => {
            let plan = state.plan(url)?;
            let variables = plan.variables(&variables).ok_or_else(Problem::not_found)?;
            (plan, variables)
        }
        Found::WrongMethod(allow) if head.method == Method::OPTIONS => {
            return Ok(options(state.clone(), client, head, host, allow));
        }
        Found::WrongMethod(allow) => return Err(Problem::wrong_method(allow)),
        Found::Dir { dir, file, allow } => {
            let fetch = Fetch {
                method: &head.method,
                uri: &head.uri,
                headers: &head.headers,
            };
            let found = send_file(shared, state.sites.get(dir), &file, &fetch).await?;
            return found.ok_or_else(|| match allow.is_empty() {
                true => Problem::not_found(),
                false => Problem::wrong_method(allow),
            });
        }
        Found::Nothing => return Err(Problem::not_found()),
        Found::BadPath(bad) => return Err(Problem::bad_request(bad.to_string())),
    };
    seen.plan = Some(Arc::clone(&plan));
    let mut exchange = Exchange {
        state,
        plan,
        client,
        head,
        host,
        content: Bytes::new(),
        parts: None,
        variables,
        parameters: None,
        own: None,
        session: None,
    };
    let mut ticket = Ticket::default();
    let mut luggage = Luggage::new(shared);
    let taken = take_in(shared, body, &mut exchange, &mut ticket, &mut luggage).await;
    seen.received = luggage.received;
    let deadline = Instant::now() + shared.limits.request_time;
    let _turn = turn(shared, deadline).await?;
    let asked = match taken {
        Ok(()) => ask(shared, &mut exchange, &mut ticket, deadline).await,
        Err(problem) => Err(problem.into()),
    };
    let is_kept = exchange.plan.keeps_files && asked.as_ref().is_ok_and(|it| it.ret_code >= 0);
    let mut response = match asked {
        Ok(output) => {
            seen.ret_code = output.ret_code;
            say(shared, &exchange, output, &mut ticket, deadline).await
        }
        Err(Stop::Answer(response)) => *response,
        Err(Stop::Problem(mut problem)) => {
            problem.fill(|code| shared.text(code));
            seen.ret_code = problem.code;
            let output = shared.output_of_problem(&exchange, &problem);
            let mut response = say(shared, &exchange, output, &mut ticket, deadline).await;
            problem.finish(&mut response);
            response
        }
    };
    ticket.tell(shared, client, response.headers_mut());
    let plan = Arc::clone(&exchange.plan);
    for plugin in &plan.plugins {
        match pass(plugin.after_render(&exchange, &mut response), deadline).await {
            Ok(()) => {}
            Err(stop) => response = stop.response(shared),
        }
    }
    match is_kept {
        true => luggage.files.keep(),
        false => luggage.files.remove().await,
    }
    Ok(response)
}

/// What a request takes with it on its road.
struct Luggage {
    held: Held,
    on_disk: Held,
    files: Uploaded,
    /// Bytes of its body.
    received: usize,
}

impl Luggage {
    fn new(shared: &Shared) -> Self {
        Self {
            held: Held::none(&shared.room),
            on_disk: Held::none(&shared.disk),
            files: Uploaded::default(),
            received: 0,
        }
    }
}

/// Takes the body.
async fn take_in(
    shared: &Shared,
    body: Incoming,
    exchange: &mut Exchange,
    ticket: &mut Ticket,
    luggage: &mut Luggage,
) -> Result<(), Problem> {
    let limits = &shared.limits;
    let Some(boundary) = files::boundary(exchange.headers()) else {
        let held = &mut luggage.held;
        let content = content::read(body, limits, held).await?;
        luggage.received = content.len();
        exchange.content = content::inflate(content, &mut exchange.head.headers, limits, held)?;
        return Ok(());
    };
    if exchange.headers().contains_key(header::CONTENT_ENCODING) {
        let words = "a body of several parts must not be compressed";
        let code = rpc::Code::DECODE_REQ_ERROR;
        let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, words);
        return Err(problem.closing());
    }
    let plan = Arc::clone(&exchange.plan);
    if plan.url.session_mode == SessionMode::Required {
        // Nobody fills a disk who has not logged in.
        let deadline = Instant::now() + limits.request_time;
        let loaded = ticket.load(shared, exchange, deadline).await;
        loaded.map_err(Problem::closing)?;
    }
    let router = &exchange.state.router;
    let receiving = Receiving {
        limits: plan.uploads,
        text_bytes: limits.content_bytes,
        folder: router.upload_dir(exchange.host(), exchange.path()),
        is_kept: plan.keeps_files,
        held: &mut luggage.held,
        held_bytes: limits.contents_bytes,
        on_disk: &mut luggage.on_disk,
        uploaded: &mut luggage.files,
    };
    let form = files::receive(body, boundary?, receiving).await;
    let form = form.map_err(|refused| match refused {
        Refused::Problem(problem) => problem,
        Refused::Disk(error) => {
            if let Some(left_out) = shared.line() {
                error!(gateway = shared.id, %error, left_out, "a file cannot be stored");
            }
            Problem::internal().closing()
        }
    })?;
    luggage.received = form.received;
    exchange.parts = Some(form.texts);
    if plan.tells_files {
        exchange.set_parameter(FILES, form.files);
    }
    Ok(())
}

/// A file of a dir, if it is there.
async fn send_file(
    shared: &Shared,
    site: Option<&Option<Site>>,
    file: &str,
    fetch: &Fetch<'_>,
) -> Result<Option<Response<Body>>, Problem> {
    let Some(Some(site)) = site else {
        return Ok(None);
    };
    let deadline = Instant::now() + shared.limits.request_time;
    // While it is looked for. How long it is sent is its client's affair.
    let _turn = turn(shared, deadline).await?;
    let fetched = timeout_at(deadline, site.fetch(file, fetch)).await;
    let fetched = fetched.map_err(|_| Problem::timeout())?;
    fetched.map_err(|error| {
        if let Some(left_out) = shared.line() {
            let path = shown(fetch.uri.path());
            error!(gateway = shared.id, %path, %error, left_out, "a file cannot be read");
        }
        Problem::internal()
    })
}

/// From the body to what the service says.
async fn ask(
    shared: &Shared,
    exchange: &mut Exchange,
    ticket: &mut Ticket,
    deadline: Instant,
) -> Result<Output, Stop> {
    let plan = Arc::clone(&exchange.plan);
    for plugin in &plan.plugins {
        pass(plugin.before_parse(exchange), deadline).await?;
    }
    for plugin in &plan.plugins {
        pass(plugin.after_parse(exchange), deadline).await?;
    }
    ticket.load(shared, exchange, deadline).await?;
    for plugin in &plan.plugins {
        pass(plugin.after_session(exchange), deadline).await?;
    }
    let body = {
        let variables = exchange.input_variables();
        plan.encode(&exchange.input(&variables))?
    };
    let mut request = rpc::Request::new((plan.url.service_id, plan.url.msg_id), body);
    request.deadline = Some(deadline);
    let context = context(shared, exchange, &mut request);
    let call = context.enter(|| plan.service.call(request));
    let answer = timeout_at(deadline, call).await;
    let reply = answer.map_err(|_| Problem::timeout())?;
    let reply = reply.or_else(|status| own_words(&plan, &status).ok_or(Problem::from(&status)))?;
    Ok(shared.output_of(exchange, reply))
}

/// Tells the service whom the request comes from, and as part of what.
fn context(shared: &Shared, exchange: &Exchange, request: &mut rpc::Request) -> ServerContext {
    let client = exchange.client();
    let port = if client.address == client.peer.ip() {
        client.peer.port()
    } else {
        // The proxy's is not the client's.
        0
    };
    let traceparent = exchange.headers().get("traceparent");
    let traceparent = traceparent.and_then(|value| value.to_str().ok());
    let may_be_sampled = fastrand::u32(0..100) < shared.sample_rate;
    let address = SocketAddr::new(client.address, port);
    ServerContext::of_client(request, address, traceparent, may_be_sampled)
}

/// From what is said to a response.
async fn say(
    shared: &Shared,
    exchange: &Exchange,
    mut output: Output,
    ticket: &mut Ticket,
    deadline: Instant,
) -> Response<Body> {
    let plan = Arc::clone(&exchange.plan);
    for plugin in &plan.plugins {
        if let Err(stop) = pass(plugin.before_render(exchange, &mut output), deadline).await {
            return stop.response(shared);
        }
    }
    let rendered = shared.render(exchange, output, ticket, deadline).await;
    rendered.unwrap_or_else(|problem| Stop::Problem(problem).response(shared))
}

/// One plugin at one position.
async fn pass(mut step: Step<'_>, deadline: Instant) -> Result<(), Stop> {
    loop {
        match step {
            Step::Next => return Ok(()),
            Step::Refuse(refusal) => return Err(Problem::from(refusal).into()),
            Step::Answer(response) => return Err(Stop::Answer(response)),
            Step::Wait(later) => {
                let waited = timeout_at(deadline, later).await;
                step = waited.map_err(|_| Problem::timeout())?;
            }
        }
    }
}

impl Stop {
    /// What is sent where nobody renders it any more.
    fn response(self, shared: &Shared) -> Response<Body> {
        match self {
            Self::Answer(response) => *response,
            Self::Problem(mut problem) => {
                problem.fill(|code| shared.text(code));
                problem.response()
            }
        }
    }
}

/// A request's turn among those that run.
async fn turn(shared: &Shared, deadline: Instant) -> Result<Permit, Problem> {
    match shared.executor.try_enter() {
        Entry::Entered(permit) => Ok(permit),
        Entry::Wait(waiting) => {
            let turn = timeout_at(deadline, waiting).await;
            turn.map_err(|_| Problem::unavailable(rpc::Code::QUEUE_TIMEOUT, ""))
        }
        Entry::Full => Err(Problem::unavailable(rpc::Code::QUEUE_FULL, "")),
    }
}

/// A status of the service's own, as the answer it would be if it came over a connection.
fn own_words(plan: &RoutePlan, status: &Status) -> Option<Reply> {
    let code = status.code();
    if code.is_frameworks() {
        return None;
    }
    let mut body = message::fill_int32(Bytes::new(), plan.method.ret_code, code.0);
    if let Some(field) = plan.method.ret_msg {
        body = message::fill_text(body, field, status.message());
    }
    Some(Reply::protobuf(code.0, body))
}
