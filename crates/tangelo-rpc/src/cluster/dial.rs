//! Dials the servers that are wanted, and keeps the connections to them standing.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tangelo_registry::{Instance, Instances};
use tangelo_runtime::Tasks;
use tokio::net::TcpStream;
use tracing::{Instrument, debug, debug_span, info, warn};

use super::{Cluster, Remote};
use crate::{
    Code, Connection, Limits, Services, Status,
    connection::{Dialect, Driver, Quota, Role},
    link,
};

/// How long a connection may take to stand.
const DIAL_TIMEOUT: Duration = Duration::from_secs(3);
/// Silence after which a heartbeat is sent.
const PING: Duration = Duration::from_secs(5);
/// Pause before the first redial; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// A server that comes back is met again within this.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Cluster {
    pub(super) fn follow(
        &self,
        instances: &Instances,
        wanted: &impl Fn(&Instance) -> bool,
        services: &Arc<Services>,
        tasks: &Tasks,
    ) {
        let types = instances.iter().map(|known| known.server_type.clone());
        self.shared.types.write().extend(types);
        let known = Arc::clone(&self.shared.remotes.read());
        let mut next = Vec::new();
        for instance in instances.iter().filter(|instance| wanted(instance)) {
            let same = known
                .iter()
                .find(|remote| *remote.instance() == **instance)
                .cloned();
            next.push(same.unwrap_or_else(|| self.dial(instance, services, tasks)));
        }
        for remote in known.iter() {
            if !next.iter().any(|kept| kept.is(remote)) {
                remote.gone().cancel();
            }
        }
        *self.shared.remotes.write() = next.into();
        self.shared.version.fetch_add(1, Ordering::Release);
        self.shared.changed.send_replace(());
    }

    fn dial(&self, instance: &Arc<Instance>, services: &Arc<Services>, tasks: &Tasks) -> Remote {
        let lanes = self.lanes_to(instance);
        let home = self.shared.home.get().cloned();
        let remote = Remote::new(Arc::clone(instance), lanes, home);
        for lane in 0..lanes {
            let (cluster, remote, tasks_of_lane) = (self.clone(), remote.clone(), tasks.clone());
            let services = Arc::clone(services);
            let span = debug_span!("lane", to = instance.id, lane);
            tasks.spawn(span, async move {
                let gone = remote.gone().clone();
                tokio::select! {
                    biased;
                    () = gone.cancelled() => {}
                    () = tasks_of_lane.stop().draining() => {}
                    () = cluster.keep(&remote, lane, &services, &tasks_of_lane) => {}
                }
            });
        }
        remote
    }

    /// Servers of one type are many, and have little to say to each other.
    fn lanes_to(&self, instance: &Instance) -> u32 {
        if instance.server_type == self.shared.identity.server_type {
            1
        } else {
            self.shared.lanes
        }
    }

    /// Keeps one connection standing.
    async fn keep(&self, remote: &Remote, lane: u32, services: &Arc<Services>, tasks: &Tasks) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.connect(remote, lane, services, tasks).await {
                Ok(connection) => {
                    pause = FIRST_PAUSE;
                    connection.closed().await;
                }
                Err(status) => {
                    if remote.set_tried(lane) {
                        self.shared.changed.send_replace(());
                    }
                    // Once, by one of the lanes: servers that start in any order wait for each other.
                    let (server, to) = (&self.shared.identity.server_id, remote.instance());
                    let reason = std::error::Error::source(&status).map(ToString::to_string);
                    let reason = reason.unwrap_or_else(|| status.to_string());
                    let (host, port) = (&to.host, to.port.unwrap_or_default());
                    if lane == 0 && pause == FIRST_PAUSE {
                        warn!(server, to = to.id, host, port, reason, "not there yet");
                    } else {
                        debug!(server, to = to.id, host, port, reason, "cannot connect");
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn connect(
        &self,
        remote: &Remote,
        lane: u32,
        services: &Arc<Services>,
        tasks: &Tasks,
    ) -> Result<Connection, Status> {
        let instance = remote.instance();
        let no_connection =
            |error: std::io::Error| Status::from(Code::NO_CONNECTION).with_cause(error);
        let port = instance.port.ok_or(Code::NO_CONNECTION)?;
        let dial = TcpStream::connect((instance.host.as_str(), port));
        let stream = tokio::time::timeout(DIAL_TIMEOUT, dial)
            .await
            .map_err(|_| Status::from(Code::NO_CONNECTION))?
            .map_err(no_connection)?;
        let _ = stream.set_nodelay(true);
        let peer = stream.peer_addr().map_err(no_connection)?;
        let (limits, services) = (Limits::default(), Arc::clone(services));
        let dialect = Dialect::ours(limits.frame);
        let name = format!("{peer}:{}", lane + 1).into();
        let connection = Connection::new(name, peer, (limits, &Quota::unlimited()), dialect);
        let role = Role::dialing(PING);
        let driver = Driver::new(stream, connection.clone(), services, role, tasks.stop());
        // Until the lane has it this future owns the connection: dropped, it closes it.
        let guard = CloseOnDrop(Some(connection.clone()));
        tasks.spawn(debug_span!("rpc", to = instance.id, lane), driver);

        let lanes = (lane, self.lanes_to(instance));
        let expected = (instance.id.as_str(), instance.server_type.as_str());
        link::say_hello(&connection, &self.shared.identity, lanes, expected)
            .await
            .inspect_err(|status| warn!(%status, "hello failed"))?;
        self.shared.peers.arrived(&connection);
        if remote.set_lane(lane, connection.clone()) {
            let server = &self.shared.identity.server_id;
            info!(server, to = instance.id, %peer, "connected");
        }
        self.shared.changed.send_replace(());

        let (shared, watched, remote) =
            (Arc::clone(&self.shared), connection.clone(), remote.clone());
        let stop = tasks.stop().clone();
        let watch = async move {
            watched.closed().await;
            if watched.peer_leaves() {
                remote.note_left();
            }
            if remote.clear_lane(lane, &watched) && !stop.is_draining() {
                let (server, to) = (&shared.identity.server_id, &remote.instance().id);
                if watched.peer_leaves() {
                    info!(server, to, "left");
                } else {
                    warn!(server, to, "connection lost");
                }
            }
            shared.peers.left(&watched);
            shared.changed.send_replace(());
        };
        tasks.spawn(debug_span!("watch", lane), watch.in_current_span());
        guard.keep().ok_or_else(|| Code::NO_CONNECTION.into())
    }
}

/// Ends a connection that nobody took.
struct CloseOnDrop(Option<Connection>);

impl CloseOnDrop {
    fn keep(mut self) -> Option<Connection> {
        self.0.take()
    }
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            connection.close();
        }
    }
}
