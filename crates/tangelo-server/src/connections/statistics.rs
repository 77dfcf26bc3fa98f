//! What can be said about those who are connected.

use std::{
    cmp::Reverse,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Serialize, Serializer};

use super::Connections;
use crate::{SessionId, Sessions};

/// Logins in [`ConnectionStatistics`].
const LISTED: usize = 1000;

/// A user who is bound to a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Login {
    /// Who it is.
    pub uid: Arc<str>,
    /// When the user was bound; in JSON, milliseconds since 1970.
    #[serde(rename = "loginTime", serialize_with = "milliseconds")]
    pub at: SystemTime,
    /// The client's address. One that is IPv4 in disguise is shown as that.
    pub address: SocketAddr,
    /// The session.
    #[serde(rename = "sid", serialize_with = "text")]
    pub session: SessionId,
}

/// What Pomelo's `getStatisticsInfo` tells, under its names in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionStatistics {
    /// The front end.
    pub server_id: String,
    /// How many clients are connected now.
    #[serde(rename = "totalConnCount")]
    pub connections: usize,
    /// How many users are logged in.
    #[serde(rename = "loginedCount")]
    pub users: usize,
    /// The newest logins, 1,000 at the most.
    #[serde(rename = "loginedList")]
    pub logins: Vec<Login>,
    /// How many clients have been let in since the server started.
    pub total: u64,
    /// How many have been refused since.
    pub refused: u64,
}

impl ConnectionStatistics {
    pub(super) fn of(connections: &Connections) -> Self {
        Self {
            server_id: connections.shared.server_id.clone(),
            connections: connections.count(),
            users: connections.users(),
            logins: connections.logins(LISTED),
            total: connections.total(),
            refused: connections.refused(),
        }
    }
}

/// The newest logins.
pub(super) fn logins(sessions: &Sessions, most: usize) -> Vec<Login> {
    let bound = sessions.bound_sessions().into_iter();
    let mut logins: Vec<_> = bound
        .filter_map(|session| {
            let (uid, at) = session.login()?;
            Some(Login {
                uid,
                at,
                address: plain(session.peer()),
                session: session.id(),
            })
        })
        .collect();
    logins.sort_unstable_by_key(|login| Reverse((login.at, login.session)));
    logins.truncate(most);
    logins
}

fn plain(address: SocketAddr) -> SocketAddr {
    let ip: IpAddr = address.ip().to_canonical();
    SocketAddr::new(ip, address.port())
}

fn milliseconds<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    serializer.serialize_u64(since.as_millis() as u64)
}

fn text<S: Serializer>(session: &SessionId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(session)
}
