//! A client has come with a token of another front end: its session is taken over from there.
//!
//! First its channels move to this front end, so that what is said there from then on comes here; then the
//! old front end waits for what is on its way to it, and gives the session with what its client has not
//! received. So nothing is lost or overtaken. What comes here meanwhile waits in the session's queue.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use futures_util::future::join_all;
use prost::Message as _;
use serde_json::{Map, Value};
use tangelo_connector::Push;
use tangelo_rpc::Connection;
use tokio::time::{Duration, Instant};
use tracing::{debug, warn};

use super::{ELSEWHERE, FIND, Resumes, Said, Secret, Secrets, TAKE, Token, UNKNOWN};
use crate::{
    CloseReason, Context,
    channel::{RESTORE, Road},
    generated::{
        channel::{Membership, RestoreReq},
        resume::{FindReq, FindRes, OnServer, TakeReq, TakeRes},
    },
    session::{FrontSession, Uid, Wake, ask_until, road},
};

/// What the client is told where as many sessions as may be are being taken over.
const BUSY: &str = "busy";
/// How long another server may take to answer a question.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the old front end may take to give the session.
const GIVING: Duration = Duration::from_secs(5);

/// A session that is here now.
pub(crate) struct Taken {
    incoming: Incoming,
    /// What its client came with.
    pub(crate) used: Secret,
    pub(crate) received: u64,
    pub(crate) first: u64,
    pub(crate) said: Vec<Said>,
}

impl Taken {
    /// Somebody takes care of it from here.
    pub(crate) fn into_session(mut self) -> (Arc<FrontSession>, Vec<Said>) {
        self.incoming.arrived = true;
        let said = std::mem::take(&mut self.said);
        (Arc::clone(&self.incoming.session), said)
    }
}

/// A session on its way here. One that does not arrive leaves its channels.
struct Incoming {
    session: Arc<FrontSession>,
    arrived: bool,
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.arrived {
            let sessions = self.session.context().sessions();
            if self.session.uid().is_some() {
                let why = "it was not taken over".to_owned();
                sessions.close(&self.session, CloseReason::Failed(why));
            } else {
                // Nobody has been told of it.
                sessions.discard(&self.session);
            }
        }
    }
}

/// Takes a session over from the front end that the token names; or why that cannot be. Dropped, it leaves a
/// session here that closes, if the old front end has given it.
pub(crate) async fn take_over(
    context: Arc<Context>,
    token: Token,
    received: u64,
    client: (SocketAddr, Arc<Wake>),
) -> Result<Taken, &'static str> {
    let resumes = context.resumes.as_ref().ok_or(ELSEWHERE)?;
    let _place = resumes.taking.try_acquire().map_err(|_| BUSY)?;
    let old = old_front_end(&context, &token).ok_or(ELSEWHERE)?;
    let servers = find(&old, &token, resumes, client.0).await?;
    let session = context
        .sessions()
        .open_again(token.session, client, &context)
        .ok_or(BUSY)?;
    // Its client may lose this connection too, and come again meanwhile.
    session.resumed_by(Secrets::new(token.secret));
    let incoming = Incoming {
        session: Arc::clone(&session),
        arrived: false,
    };
    let moving = servers
        .into_iter()
        .map(|server| move_channels(&session, &token.server_id, server));
    let moved = join_all(moving).await.into_iter().flatten().collect();
    let request = TakeReq {
        sid: token.session.0,
        secret: token.secret.to_bytes(),
        received,
        moved,
    };
    let deadline = Instant::now() + GIVING;
    let asked = ask_until::<TakeRes>(deadline, &old, TAKE, &request).await;
    let given = asked.map_err(|_| UNKNOWN)?;
    if !given.taken {
        if given.kept {
            // The old front end has brought its channels back.
            session.with_memberships(|memberships, _| drop(std::mem::take(memberships)));
        }
        return Err(UNKNOWN);
    }
    debug!(session = %session.id(), from = token.server_id, "taken over");
    enter(&session, &given).await?;
    Ok(Taken {
        incoming,
        used: token.secret,
        received: given.received,
        first: given.first,
        said: given.said.into_iter().filter_map(to_said).collect(),
    })
}

/// The connection to it, if it is of this type and there.
fn old_front_end(context: &Arc<Context>, token: &Token) -> Option<Connection> {
    let road = road(context, &token.server_id, token.session.0).ok()?;
    let hello = road.hello()?;
    (hello.identity.server_type == context.server_type()).then_some(road)
}

/// The servers whose channels the session is in.
async fn find(
    old: &Connection,
    token: &Token,
    resumes: &Resumes,
    peer: SocketAddr,
) -> Result<Vec<OnServer>, &'static str> {
    let request = FindReq {
        sid: token.session.0,
        secret: token.secret.to_bytes(),
    };
    let deadline = Instant::now() + PATIENCE;
    let asked = ask_until::<FindRes>(deadline, old, FIND, &request).await;
    let found = asked.map_err(|_| ELSEWHERE)?;
    if found.wrong {
        resumes.failures.note(peer.ip());
    }
    found.known.then_some(found.servers).ok_or(UNKNOWN)
}

/// A server's channels have the session's client here from now on; its name, if they have.
async fn move_channels(
    session: &Arc<FrontSession>,
    from: &str,
    server: OnServer,
) -> Option<String> {
    let OnServer {
        server_id,
        memberships,
    } = server;
    let memberships = Vec::from_iter(memberships.into_iter().map(|known| Membership {
        channel: known.channel,
        uid: known.uid,
        bound: known.bound,
    }));
    let remote = session.context().cluster.by_id(&server_id)?;
    let connection = remote.connection(session.id().into()).ok()?;
    let road = Road::Over(connection.clone());
    session.with_memberships(|known, _| {
        for membership in &memberships {
            known.joined(&server_id, &road, membership.clone());
        }
    });
    let request = RestoreReq {
        sid: session.id().0,
        memberships,
        from: from.to_owned(),
    };
    let deadline = Instant::now() + PATIENCE;
    let body = request.encode_to_vec().into();
    match connection.call(RESTORE, deadline, body).await {
        Ok(_) => Some(server_id),
        Err(error) => {
            warn!(session = %session.id(), server = server_id, %error, "its channels there do not move with a session");
            None
        }
    }
}

/// Its settings and its user.
async fn enter(session: &Arc<FrontSession>, given: &TakeRes) -> Result<(), &'static str> {
    if !given.settings.is_empty() {
        let settings: Map<String, Value> =
            serde_json::from_slice(&given.settings).map_err(|_| UNKNOWN)?;
        session
            .change_settings(settings, &[])
            .map_err(|_| UNKNOWN)?;
    }
    if !given.uid.is_empty() {
        let sessions = session.context().sessions();
        let bound = sessions.bind(session, Uid::from(given.uid.clone())).await;
        // Somebody else has the user by now, where that may be one session alone.
        bound.map_err(|_| UNKNOWN)?;
    }
    Ok(())
}

fn to_said(said: crate::generated::resume::Said) -> Option<Said> {
    let body = Bytes::copy_from_slice(&said.body);
    match said.id {
        0 => Push::new(said.route, body)
            .ok()
            .map(|push| Said::Push(Arc::new(push))),
        id => Some(Said::Response { id, body }),
    }
}
