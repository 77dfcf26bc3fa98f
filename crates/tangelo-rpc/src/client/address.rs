//! One address that a client keeps connections to.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use parking_lot::RwLock;
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, debug_span, info, warn};

use super::Client;
use crate::{Code, Connection, Status};

/// Pauses between attempts to connect grow up to so many times the first.
const LONGEST_PAUSE: u32 = 30;

/// How long a lazy client leaves an address alone that it could not connect to, whatever it has to call.
/// Twice as long each time, up to the pause that others make.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// How long calls wait for an address that is new, and a start for all of its addresses: as long as
/// krpc's clients do.
const CONNECTING: Duration = Duration::from_millis(500);

/// An address, and the connections to it. It is given up when the last one who holds it lets go: then
/// what is under way is still answered.
pub(crate) struct Address {
    shared: Arc<Shared>,
}

struct Shared {
    /// `host:port`.
    name: Arc<str>,
    places: Box<[RwLock<Option<Connection>>]>,
    /// Which place is next.
    turn: AtomicU32,
    /// How often somebody wanted a connection now, rather than after the pause.
    wanted: watch::Sender<u32>,
    /// How often connecting has come to an end, good or bad.
    attempts: watch::Sender<u32>,
    /// Why, if the last one was bad, or why the connection went.
    problem: RwLock<Option<Box<str>>>,
    /// How many places nobody can be connected at for the moment, whoever wants it.
    resting: AtomicU32,
    opened: Instant,
    gone: CancellationToken,
}

impl Address {
    /// Begins to keep connections to an address; a lazy client waits until somebody wants one.
    pub(super) fn open(name: Arc<str>, client: &Client) -> Self {
        let count = client.config().connections.max(1);
        let shared = Arc::new(Shared {
            name,
            places: (0..count).map(|_| RwLock::new(None)).collect(),
            turn: AtomicU32::new(0),
            wanted: watch::Sender::new(0),
            attempts: watch::Sender::new(0),
            problem: RwLock::new(None),
            resting: AtomicU32::new(0),
            opened: Instant::now(),
            gone: CancellationToken::new(),
        });
        for place in 0..count {
            let (client, shared) = (client.clone(), Arc::clone(&shared));
            // From here on nobody's wish is missed, though the task begins later.
            let wanted = shared.wanted.subscribe();
            let span = debug_span!("connection", to = %shared.name, place);
            client.home().spawn(span, {
                let client = client.clone();
                async move {
                    let (gone, stop) = (shared.gone.clone(), client.stop().clone());
                    tokio::select! {
                        biased;
                        () = gone.cancelled() => {}
                        () = stop.draining() => {}
                        () = keep(&shared, place, wanted, &client) => {}
                    }
                    // One that came to stand while the address was given up goes as well.
                    if let Some(slot) = shared.places.get(place as usize)
                        && let Some(connection) = slot.write().take()
                    {
                        connection.leave();
                    }
                }
            });
        }
        Self { shared }
    }

    /// A connection that can be used now, each in its turn.
    pub(crate) fn connection(&self) -> Option<Connection> {
        let shared = &self.shared;
        let count = shared.places.len();
        let first = shared.turn.fetch_add(1, Ordering::Relaxed) as usize;
        (0..count).find_map(|step| {
            let place = shared.places.get((first.wrapping_add(step)) % count)?;
            place.read().clone().filter(is_usable)
        })
    }

    /// A connection, waited for if there is none yet; not where connecting has failed a moment ago.
    pub(crate) async fn connected(&self, deadline: Instant) -> Result<Connection, Status> {
        let mut attempts = self.shared.attempts.subscribe();
        if let Some(connection) = self.connection() {
            return Ok(connection);
        }
        let resting = self.shared.resting.load(Ordering::Relaxed) as usize;
        if resting < self.shared.places.len() {
            self.shared.wanted.send_modify(one_more);
            // A change cannot be missed: the watch was there before the first look.
            let _ = timeout_at(deadline, attempts.changed()).await;
        }
        self.connection().ok_or_else(|| {
            let status = Status::from(Code::NO_CONNECTION);
            match &*self.shared.problem.read() {
                Some(problem) => status.with_cause(format!("{}: {problem}", self.shared.name)),
                None => status,
            }
        })
    }

    /// Whether a call would find a connection now.
    pub(crate) fn is_up(&self) -> bool {
        let mut places = self.shared.places.iter();
        places.any(|place| place.read().as_ref().is_some_and(is_usable))
    }

    /// Why nobody can be connected here, as far as is known.
    pub(crate) fn problem(&self) -> Option<Box<str>> {
        self.shared.problem.read().clone()
    }

    /// Whether it is worth while to ask for a connection, as far as is known.
    pub(crate) fn is_failing(&self) -> bool {
        self.shared.problem.read().is_some()
    }

    /// Whether it is so new that it may only need a moment.
    pub(crate) fn is_new(&self) -> bool {
        *self.shared.attempts.borrow() == 0 && self.shared.opened.elapsed() < CONNECTING
    }

    /// Resolves when it is new no more: connecting has been tried once, however it ended, or takes
    /// longer than one should wait. Cancel safe.
    pub(crate) async fn tried(&self) {
        let mut attempts = self.shared.attempts.subscribe();
        let tried = attempts.wait_for(|attempts| *attempts > 0);
        let _ = timeout_at(self.shared.opened + CONNECTING, tried).await;
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        self.shared.gone.cancel();
        for place in &self.shared.places {
            if let Some(connection) = place.write().take() {
                connection.leave();
            }
        }
    }
}

fn one_more(count: &mut u32) {
    *count = count.wrapping_add(1);
}

fn is_usable(connection: &Connection) -> bool {
    !connection.peer_leaves() && !connection.is_closed()
}

/// Keeps one connection standing.
async fn keep(shared: &Arc<Shared>, place: u32, mut wanted: watch::Receiver<u32>, client: &Client) {
    let first = Duration::from_secs(client.config().reconnect_seconds.max(1).into());
    let (mut pause, mut rest) = (first, SHORTEST_PAUSE);
    if client.config().lazy {
        let _ = wanted.changed().await;
    }
    loop {
        let outcome = connect(shared, place, client).await;
        if let Ok(connection) = &outcome
            && let Some(slot) = shared.places.get(place as usize)
        {
            *slot.write() = Some(connection.clone());
        }
        let problem = outcome.as_ref().err().map(|error| error.to_string().into());
        *shared.problem.write() = problem;
        // Who has wanted one so far is told by the attempt; who comes later wants another.
        wanted.mark_unchanged();
        shared.attempts.send_modify(one_more);
        match outcome {
            Ok(connection) => {
                let since = Instant::now();
                info!(to = %shared.name, connection = %connection.name(), "connected");
                connection.left().await;
                if let Some(slot) = shared.places.get(place as usize) {
                    slot.write().take_if(|known| known.id() == connection.id());
                }
                *shared.problem.write() = Some("the connection was lost".into());
                if connection.peer_leaves() {
                    info!(to = %shared.name, "the server leaves");
                } else {
                    warn!(to = %shared.name, connection = %connection.name(), "connection lost");
                }
                if since.elapsed() >= first {
                    // It was no server that lets in only to throw out: it is asked again at once.
                    (pause, rest) = (first, SHORTEST_PAUSE);
                    continue;
                }
            }
            Err(error) if pause == first && place == 0 => {
                warn!(to = %shared.name, %error, "cannot connect");
            }
            Err(error) => debug!(to = %shared.name, %error, "cannot connect"),
        }
        let next = Instant::now() + shorter(pause);
        if client.config().lazy {
            shared.resting.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(shorter(rest)).await;
            shared.resting.fetch_sub(1, Ordering::Relaxed);
            let _ = timeout_at(next, wanted.changed()).await;
            rest = (rest * 2).min(first);
        } else {
            tokio::time::sleep_until(next).await;
        }
        pause = (pause * 2).min(first * LONGEST_PAUSE);
    }
}

/// Up to a half less, so that those who lost a server together do not come back together.
fn shorter(pause: Duration) -> Duration {
    pause.mul_f64(1.0 - fastrand::f64() / 2.0)
}

async fn connect(shared: &Arc<Shared>, place: u32, client: &Client) -> std::io::Result<Connection> {
    let dial = async {
        let stream = TcpStream::connect(&*shared.name).await?;
        let _ = stream.set_nodelay(true);
        let peer = stream.peer_addr()?;
        let name = format!("{}:{}", shared.name, place + 1).into();
        let connection = client.new_connection(name, peer);
        match client.tls() {
            None => client.run(stream, &connection),
            Some(tls) => client.run(tls.connect(&shared.name, stream).await?, &connection),
        }
        Ok::<_, std::io::Error>(connection)
    };
    tokio::time::timeout(client.config().connect_timeout, dial)
        .await
        .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Address")
            .field("name", &self.shared.name)
            .field("up", &self.is_up())
            .finish()
    }
}
