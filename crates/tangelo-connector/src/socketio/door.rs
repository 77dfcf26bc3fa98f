//! The way of an HTTP request to engine.io: whether its page may ask, whom it comes from, and how much it may bring.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use engineioxide::service::{EngineIoService, NotFoundService};
use http_body_util::{BodyExt, Collected, Full, combinators::UnsyncBoxBody};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
    service::Service,
};
use tokio::time::timeout;

use super::{
    engine::{Engine, From},
    payload,
    session::Session,
};
use crate::Entrance;

/// How long a request that brings something may take, until it is there and there is room for it.
const POSTS: Duration = Duration::from_secs(20);

pub(super) type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

pub(super) struct Door {
    service: EngineIoService<Engine, NotFoundService>,
    engine: Arc<Engine>,
    entrance: Entrance,
}

impl Door {
    pub(super) fn new(
        service: EngineIoService<Engine, NotFoundService>,
        engine: Arc<Engine>,
        entrance: Entrance,
    ) -> Self {
        Self {
            service,
            engine,
            entrance,
        }
    }

    pub(super) fn entrance(&self) -> &Entrance {
        &self.entrance
    }

    pub(super) async fn answer(
        &self,
        mut request: Request<Incoming>,
        from: From,
    ) -> Result<Answer, Infallible> {
        let origins: Vec<HeaderValue> = request
            .headers()
            .get_all(header::ORIGIN)
            .iter()
            .cloned()
            .collect();
        let allows = |origin: &HeaderValue| {
            let origin = origin.to_str().unwrap_or_default();
            self.entrance.origins.allow(origin.trim())
        };
        if !origins.iter().all(allows) {
            return Ok(refuse(StatusCode::FORBIDDEN, "not for pages from there"));
        }
        let mut answer = if request.method() == Method::OPTIONS {
            preflight(request.headers())
        } else {
            match self.client(request.headers(), from.peer) {
                Some(peer) => {
                    let tie = from.tie.clone();
                    request.extensions_mut().insert(From { peer, tie });
                    self.pass(request, &from).await
                }
                None => refuse(StatusCode::BAD_REQUEST, "a forward header makes no sense"),
            }
        };
        // The page may read it. It is nothing that cookies would open.
        if let Some(origin) = origins.into_iter().next() {
            let headers = answer.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            let yes = HeaderValue::from_static("true");
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
            headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        }
        Ok(answer)
    }

    /// Who the client is, if proxies that are trusted speak for it.
    fn client(&self, headers: &HeaderMap, peer: SocketAddr) -> Option<SocketAddr> {
        let forward = self.entrance.forward_header;
        let said = headers.get_all(forward.name()).iter().collect::<Vec<_>>();
        let said = said.into_iter().map(HeaderValue::as_bytes);
        forward
            .client(said, peer, &self.entrance.forwarded_from)
            .ok()
    }

    async fn pass(&self, request: Request<Incoming>, from: &From) -> Answer {
        let Some(sid) = sid(request.uri().query().unwrap_or_default()) else {
            if !self.engine.takes_sessions() {
                return refuse(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "no session can begin here now",
                );
            }
            return self.engine_io(request).await;
        };
        // Who has none is answered by engine.io.
        let Some(session) = self.engine.session(sid) else {
            return self.engine_io(request).await;
        };
        if request.method() == Method::POST {
            return self.post(request, &session).await;
        }
        if request.headers().contains_key(header::UPGRADE) {
            from.tie.to(&session);
            return self.engine_io(request).await;
        }
        let (head, body) = self.engine_io(request).await.into_parts();
        // All of it is there already.
        let Ok(body) = body.collect().await.map(Collected::to_bytes);
        if head.status == StatusCode::OK {
            session.wrote(payload::said(&body));
        }
        Response::from_parts(head, Full::from(body).boxed_unsync())
    }

    /// What a client says by polling, as soon as there is room for it.
    async fn post(&self, request: Request<Incoming>, session: &Session) -> Answer {
        let Some(posting) = session.post() else {
            session.end(crate::Error::SocketIo(
                "two requests post at once".to_owned(),
            ));
            return refuse(StatusCode::BAD_REQUEST, "another request posts");
        };
        let posted = timeout(POSTS, async {
            posting.room().await;
            self.engine_io(request).await
        });
        let late = |_| refuse(StatusCode::REQUEST_TIMEOUT, "too slow");
        posted.await.unwrap_or_else(late)
    }

    async fn engine_io(&self, request: Request<Incoming>) -> Answer {
        match self.service.call(request).await {
            Ok(answer) => answer.map(BodyExt::boxed_unsync),
            Err(impossible) => match impossible {},
        }
    }
}

fn sid(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| pair.strip_prefix("sid="))
}

fn preflight(asked: &HeaderMap) -> Answer {
    let mut answer = refuse(StatusCode::NO_CONTENT, "");
    let headers = answer.headers_mut();
    let methods = HeaderValue::from_static("GET,POST");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    answer
}

fn refuse(status: StatusCode, reason: &'static str) -> Answer {
    let mut answer = Response::new(Full::from(reason).boxed_unsync());
    *answer.status_mut() = status;
    answer
}
