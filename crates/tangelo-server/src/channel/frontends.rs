//! The front ends that are connected to a back end.

use std::collections::HashMap;

use parking_lot::RwLock;
use tangelo_rpc::{Code, Connection, Status};

use crate::session::SessionId;

/// The front ends that are connected, by name.
#[derive(Debug, Default)]
pub(crate) struct FrontEnds {
    lanes: RwLock<HashMap<String, Vec<Option<Connection>>>>,
}

impl FrontEnds {
    /// A connection of a front end stands. Whether it is its first.
    pub(crate) fn arrived(&self, connection: &Connection) -> bool {
        let Some(hello) = connection.hello().filter(|hello| hello.identity.frontend) else {
            return false;
        };
        let mut frontends = self.lanes.write();
        let lanes = frontends
            .entry(hello.identity.server_id.clone())
            .or_default();
        let first = lanes.iter().all(Option::is_none);
        lanes.resize(hello.lanes as usize, None);
        if let Some(lane) = lanes.get_mut(hello.lane as usize) {
            *lane = Some(connection.clone());
        }
        first
    }

    /// It has ended. Whether it was the front end's last.
    pub(crate) fn left(&self, connection: &Connection) -> bool {
        let Some(hello) = connection.hello() else {
            return false;
        };
        let mut frontends = self.lanes.write();
        let Some(lanes) = frontends.get_mut(&hello.identity.server_id) else {
            return false;
        };
        for lane in lanes.iter_mut() {
            // Another may have taken its place already.
            if lane
                .as_ref()
                .is_some_and(|known| known.id() == connection.id())
            {
                *lane = None;
            }
        }
        let last = lanes.iter().all(Option::is_none);
        if last {
            frontends.remove(&hello.identity.server_id);
        }
        last
    }

    /// The connection that belongs to a session of this front end.
    pub(crate) fn connection(
        &self,
        frontend_id: &str,
        session: SessionId,
    ) -> Result<Connection, Status> {
        let frontends = self.lanes.read();
        let lanes = frontends.get(frontend_id).ok_or(Code::NO_CONNECTION)?;
        let lane = session
            .0
            .checked_rem(lanes.len() as u64)
            .unwrap_or_default();
        lanes
            .get(lane as usize)
            .cloned()
            .flatten()
            .ok_or_else(|| Code::NO_CONNECTION.into())
    }
}
