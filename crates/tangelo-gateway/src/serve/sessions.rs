//! The web session of a request: looked for before the call, changed after it.

use std::collections::BTreeMap;

use http::{HeaderMap, StatusCode, header};
use tangelo_rpc::Code as RpcCode;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::{
    lines::cut,
    problem::{Code, Problem},
    shared::Shared,
};
use crate::{
    Client, Exchange,
    mapping::SessionChange,
    route::SessionMode,
    session::{LOGIN_FLAG, Looked, Session, StoreError, Stored, new_id, new_secret},
};

/// What a request's cookie is worth.
#[derive(Debug, Default)]
pub(super) struct Ticket {
    /// The secret of a session that is there.
    secret: Option<String>,
    /// It came with a secret that was exchanged a moment ago, or sessions cannot be reached: its cookie is left alone.
    keeps_cookie: bool,
    /// The client is told its secret.
    is_new: bool,
    /// The client is to forget its secret.
    is_over: bool,
}

impl Ticket {
    /// Finds the session, as far as the url needs one.
    pub(super) async fn load(
        &mut self,
        shared: &Shared,
        exchange: &mut Exchange,
        deadline: Instant,
    ) -> Result<(), Problem> {
        let mode = exchange.plan.url.session_mode;
        // Who sends files is asked for his login before they come.
        if mode == SessionMode::None || exchange.session.is_some() {
            return Ok(());
        }
        let looked = match shared.cookie.secret(exchange.headers()) {
            Some(secret) => {
                let looked = within(deadline, shared.sessions.find(secret)).await;
                looked.map(|looked| (looked, secret.to_owned()))
            }
            None => Ok((Looked::Nothing, String::new())),
        };
        let session = match looked {
            Ok((Looked::Found(session), secret)) => {
                self.secret = Some(secret);
                session
            }
            Ok((Looked::Nothing, _)) if mode == SessionMode::Required => return Err(no_login()),
            Ok((Looked::Nothing, _)) => self.begin(shared, BTreeMap::new(), deadline).await?,
            Ok((Looked::Exchanged, _)) => self.stranger()?,
            Err(error) => {
                tell(shared, &error);
                if mode == SessionMode::Required {
                    return Err(Problem::unavailable(Code::NO_SESSIONS, ""));
                }
                // Who need not have logged in is served as if he had not.
                self.stranger()?
            }
        };
        if mode == SessionMode::Required && !session.is_logged_in() {
            return Err(no_login());
        }
        exchange.session = Some(session);
        Ok(())
    }

    fn stranger(&mut self) -> Result<Session, Problem> {
        self.keeps_cookie = true;
        Ok(Session::new(new_id().map_err(|_| Problem::internal())?))
    }

    /// A new session with a new secret. If it cannot be remembered the client is a stranger.
    async fn begin(
        &mut self,
        shared: &Shared,
        values: BTreeMap<String, String>,
        deadline: Instant,
    ) -> Result<Session, Problem> {
        let secret = new_secret().map_err(|_| Problem::internal())?;
        let id = new_id().map_err(|_| Problem::internal())?;
        let has_values = !values.is_empty();
        let session = Session { id, values };
        let created = shared.sessions.create(&secret, session.clone());
        match within(deadline, created).await {
            Ok(()) => {
                self.secret = Some(secret);
                self.is_new = true;
            }
            Err(error) if has_values => return Err(not_kept(shared, &error)),
            Err(error) => {
                tell(shared, &error);
                self.keeps_cookie = true;
            }
        }
        Ok(session)
    }

    /// Does to the session what the service wants.
    pub(super) async fn change(
        &mut self,
        shared: &Shared,
        headers: &HeaderMap,
        change: SessionChange,
        deadline: Instant,
    ) -> Result<(), Problem> {
        // A url without a session may begin or end one: a login, mostly.
        let shown = shared.cookie.secret(headers).filter(|_| !self.keeps_cookie);
        let old = self.secret.clone().or_else(|| shown.map(str::to_owned));
        match (change, old) {
            (SessionChange::Remove, old) => {
                if let Some(old) = old {
                    let removed = within(deadline, shared.sessions.remove(&old)).await;
                    removed.map_err(|error| not_kept(shared, &error))?;
                }
                self.secret = None;
                self.is_new = false;
                self.is_over = !self.keeps_cookie;
                Ok(())
            }
            (SessionChange::Merge(values), old) => {
                let is_login = values.get(LOGIN_FLAG).is_some_and(|flag| flag == "1");
                match old {
                    Some(old) if is_login => self.log_in(shared, &old, values, deadline).await,
                    Some(old) => self.merge(shared, &old, values, deadline).await,
                    // What is remembered of a request that was overtaken by its client's login is nobody's.
                    None if self.keeps_cookie && !is_login => Ok(()),
                    None => self.begin(shared, values, deadline).await.map(drop),
                }
            }
        }
    }

    async fn merge(
        &mut self,
        shared: &Shared,
        old: &str,
        values: BTreeMap<String, String>,
        deadline: Instant,
    ) -> Result<(), Problem> {
        let merged = within(deadline, shared.sessions.merge(old, values.clone())).await;
        let is_there = merged.map_err(|error| not_kept(shared, &error))?;
        if !is_there
            && !matches!(
                within(deadline, shared.sessions.find(old)).await,
                Ok(Looked::Exchanged)
            )
        {
            self.begin(shared, values, deadline).await?;
        }
        Ok(())
    }

    /// Another secret for the same session: who has known the old one has nothing from it.
    async fn log_in(
        &mut self,
        shared: &Shared,
        old: &str,
        values: BTreeMap<String, String>,
        deadline: Instant,
    ) -> Result<(), Problem> {
        let looked = within(deadline, shared.sessions.find(old)).await;
        let Looked::Found(mut session) = looked.map_err(|error| not_kept(shared, &error))? else {
            return self.begin(shared, values, deadline).await.map(drop);
        };
        session.values.extend(values);
        let new = new_secret().map_err(|_| Problem::internal())?;
        let exchanged = shared.sessions.exchange(old, &new, session);
        let exchanged = within(deadline, exchanged).await;
        exchanged.map_err(|error| not_kept(shared, &error))?;
        self.secret = Some(new);
        self.is_new = true;
        Ok(())
    }

    /// Tells the client what has become of its secret.
    pub(super) fn tell(&self, shared: &Shared, client: Client, headers: &mut HeaderMap) {
        let cookie = match &self.secret {
            Some(secret) if self.is_new => shared.cookie.keep(secret, client.secure),
            None if self.is_over => shared.cookie.forget(client.secure),
            _ => None,
        };
        if let Some(cookie) = cookie {
            headers.append(header::SET_COOKIE, cookie);
            // What has a secret in it is nobody else's.
            headers
                .entry(header::CACHE_CONTROL)
                .or_insert(http::HeaderValue::from_static("no-store"));
        }
    }
}

async fn within<T>(deadline: Instant, stored: Stored<'_, T>) -> Result<T, StoreError> {
    let late = |_| Err(StoreError::Unreachable("no answer in time".to_owned()));
    timeout_at(deadline, stored).await.unwrap_or_else(late)
}

fn no_login() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, Code::NO_LOGIN, "")
}

/// A service has said something about a session that cannot be remembered: its client must not believe that it was.
fn not_kept(shared: &Shared, error: &StoreError) -> Problem {
    tell(shared, error);
    match error {
        StoreError::TooLarge { .. } => Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            RpcCode::EXEC_EXCEPTION,
            "the session is too large",
        ),
        StoreError::Unreachable(_) => Problem::unavailable(Code::NO_SESSIONS, ""),
    }
}

fn tell(shared: &Shared, error: &StoreError) {
    if let Some(left_out) = shared.line() {
        let error = cut(error);
        warn!(
            gateway = shared.id,
            error, left_out, "a session is not kept"
        );
    }
}
