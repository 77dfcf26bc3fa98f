//! One krpc connection, as whoever talks over it sees it.
//!
//! Callers append their frames to one buffer under a short lock; the connection's own task
//! ([`driver`]) writes what has gathered, reads what has come, and hands answers back by index.

mod asked;
mod asking;
mod dialect;
mod driver;
mod late;
mod quota;
mod waiting;

use std::{
    any::Any,
    fmt,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use atomic_waker::AtomicWaker;
use bytes::BytesMut;
use parking_lot::Mutex;
use tangelo_wire::krpc::{
    frame,
    meta::{Direction, Meta},
};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

pub(crate) use asked::Asked;
pub(crate) use dialect::{Dialect, Zip, layout};
pub(crate) use driver::{Driver, Role};
pub(crate) use quota::Quota;
pub use tangelo_wire::krpc::encrypt::Key;
pub use waiting::Sequence;
use waiting::Waiting;

use crate::{Answer, Code, Reply, Status, link::Hello, server::Sender};

/// What one connection may hold. Constants where no operator would turn them.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a frame, header included. Default 1 000 000, as krpc's.
    pub frame: usize,
    /// Bytes that may wait to be written; past it requests are refused, and past twice as much a push,
    /// which can neither be refused nor dropped, ends the connection. Default 64 MiB.
    pub outgoing: usize,
    /// Bytes that wait to be written beyond which nothing is read from whoever has connected here, so
    /// that he reads first. Default 1 MiB.
    pub unread: usize,
    /// Requests that may run at once for the other side. Default 16 384.
    pub running: usize,
    /// Bytes that those may take together: a body counts four times, a compressed one sixteen times
    /// what it was before. Default 256 MiB.
    pub held: usize,
    /// How long a request may take, whatever its caller says. Default 5 min.
    pub longest: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame: frame::DEFAULT_MAX_FRAME,
            outgoing: 64 << 20,
            unread: 1 << 20,
            running: 16_384,
            held: 256 << 20,
            longest: Duration::from_secs(300),
        }
    }
}

/// Who waits for the answer to a request.
pub trait Waiter: Send + Sync {
    /// Takes the answer to the request made under `token`. Called once, from the connection's task:
    /// it must be quick and must not block.
    fn answer(&self, token: u64, outcome: Result<Reply, Status>);

    /// As [`answer`](Self::answer), where others may have been answered as well: whether
    /// [`wake`](Self::wake) has to be called when all have. Who waits for much is woken once for it.
    fn answer_among(&self, token: u64, outcome: Result<Reply, Status>) -> bool {
        self.answer(token, outcome);
        false
    }

    /// Wakes whoever goes on with what was answered.
    fn wake(&self) {}
}

/// One krpc connection. Clones speak of the same one.
///
/// It lives as long as its task does; after that every use of it ends with a [`Status`].
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
}

struct Shared {
    id: u64,
    name: Arc<str>,
    peer: SocketAddr,
    limits: Limits,
    quota: Arc<Quota>,
    sender: Sender,
    dialect: Dialect,
    state: Mutex<State>,
    /// Whether there is anything in the state's `afterwards`: looked at in every turn.
    has_afterwards: AtomicBool,
    driver: AtomicWaker,
    /// Somebody waits less long than anybody before.
    due_sooner: Notify,
    hello: OnceLock<Hello>,
    extension: OnceLock<Box<dyn Any + Send + Sync>>,
    peer_leaves: AtomicBool,
    /// The same as `ended`, for whoever only looks.
    is_over: AtomicBool,
    /// The child of `ended`: nothing new.
    left: CancellationToken,
    ended: CancellationToken,
}

struct State {
    /// Frames that the task has not taken yet.
    out: BytesMut,
    /// Bytes that the task has taken and not written yet.
    unsent: usize,
    /// Whether the task will look at `out` before it sleeps, so that nobody need wake it.
    awake: bool,
    /// How often callers, and what runs here, have said something since the task took `out`.
    said: usize,
    waiting: Waiting,
    /// When somebody will look for those who have waited long enough; none: not before he is told to.
    watched: Option<Instant>,
    /// What the task takes to run once it has handed on what is answered.
    afterwards: Vec<Afterwards>,
    /// Why nothing can be sent any more.
    closed: Option<Code>,
}

/// Work that is left when a request has been answered.
struct Afterwards {
    of: (i32, i32),
    deadline: Instant,
    work: Answer,
}

impl Connection {
    pub(crate) fn new(
        name: Arc<str>,
        peer: SocketAddr,
        (limits, quota): (Limits, &Arc<Quota>),
        dialect: Dialect,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let ended = CancellationToken::new();
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            shared: Arc::new(Shared {
                id,
                name,
                peer,
                limits,
                quota: Arc::clone(quota),
                sender: quota.sender(id),
                dialect,
                state: Mutex::new(State {
                    out: BytesMut::new(),
                    unsent: 0,
                    awake: false,
                    said: 0,
                    waiting: Waiting::default(),
                    watched: None,
                    afterwards: Vec::new(),
                    closed: None,
                }),
                has_afterwards: AtomicBool::new(false),
                driver: AtomicWaker::new(),
                due_sooner: Notify::new(),
                hello: OnceLock::new(),
                extension: OnceLock::new(),
                peer_leaves: AtomicBool::new(false),
                is_over: AtomicBool::new(false),
                left: ended.child_token(),
                ended,
            }),
        }
    }

    /// A number no other connection of this process has.
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// Its name, in krpc's form: on a server `<ip>:<port>:<8 hex digits>`, which nobody can guess; on
    /// a client `<ip>:<port>:<n>`.
    pub fn name(&self) -> &Arc<str> {
        &self.shared.name
    }

    /// The other side's address.
    pub fn peer(&self) -> SocketAddr {
        self.shared.peer
    }

    /// What the other side said of itself; none before it did, or if it is no server of ours.
    pub fn hello(&self) -> Option<&Hello> {
        self.shared.hello.get()
    }

    pub(crate) fn set_hello(&self, hello: Hello) -> bool {
        self.shared.hello.set(hello).is_ok()
    }

    /// What was laid beside the connection, if it is of this type.
    pub fn extension<T: Any>(&self) -> Option<&T> {
        self.shared.extension.get()?.downcast_ref()
    }

    /// Lays something beside the connection, for those who are asked over it. The first one stays.
    pub fn set_extension<T: Any + Send + Sync>(&self, extension: T) {
        let _ = self.shared.extension.set(Box::new(extension));
    }

    /// Whether the other side has said that it leaves and takes nothing new.
    pub fn peer_leaves(&self) -> bool {
        self.shared.peer_leaves.load(Ordering::Relaxed)
    }

    pub(crate) fn set_peer_leaves(&self) {
        self.shared.peer_leaves.store(true, Ordering::Relaxed);
        self.shared.left.cancel();
    }

    /// Nothing new goes over it from now on; it ends when what is under way has been answered.
    pub(crate) fn leave(&self) {
        self.set_peer_leaves();
        self.shared.driver.wake();
    }

    /// Resolves when nothing new can go over it: the other side leaves, or it has ended. Cancel safe.
    pub(crate) async fn left(&self) {
        self.shared.left.cancelled().await;
    }

    /// Whether it has ended.
    pub fn is_closed(&self) -> bool {
        self.shared.is_over.load(Ordering::Acquire)
    }

    /// Resolves when it has ended. Cancel safe.
    pub async fn closed(&self) {
        self.shared.ended.cancelled().await;
    }

    pub(crate) fn closed_owned(&self) -> WaitForCancellationFutureOwned {
        self.shared.ended.clone().cancelled_owned()
    }

    /// It, as one who sends calls.
    pub(crate) fn sender(&self) -> &Sender {
        &self.shared.sender
    }

    /// How many bytes wait to be written.
    pub fn backlog(&self) -> usize {
        let state = self.shared.state.lock();
        state.out.len() + state.unsent
    }

    /// Ends it: what waits for an answer is told so, what was not written is lost.
    pub fn close(&self) {
        self.shared
            .state
            .lock()
            .closed
            .get_or_insert(Code::CONNECTION_BROKEN);
        self.shared.driver.wake();
    }

    /// Bodies of requests over this connection are encrypted with this key from now on, and those that
    /// come so are read with it: krpc 0.2.51's encryption. Both sides agree on the key by themselves.
    ///
    /// # Errors
    /// Its server or client was not told to `enable_encrypt`, or the other side speaks the layout of
    /// krpc's first version, which cannot say that a body is encrypted. Where that is heard only after
    /// this, calls over the connection end with [`Code::ENCODE_REQ_ERROR`].
    pub fn set_key(&self, key: Key) -> Result<(), Status> {
        self.shared.dialect.set_key(key)
    }

    /// Runs what a service has left to do for a request that it answers: in the connection's own task, once
    /// the answer has been handed on, among the requests that run. Nobody waits for what `work` returns;
    /// at `deadline` it is polled once more and then dropped. It runs on when the connection has ended.
    ///
    /// For what runs in this task itself: a service, or the future it returned, while it is polled.
    pub fn afterwards(&self, of: (i32, i32), deadline: Instant, work: Answer) {
        let mut state = self.shared.state.lock();
        state.afterwards.push(Afterwards { of, deadline, work });
        self.shared.has_afterwards.store(true, Ordering::Release);
        self.shared.wake(state);
    }

    /// Says something that has no answer; `write` appends the body. It is written after all that was
    /// said before over this connection.
    ///
    /// Between Tangelo's servers a request of sequence 0 is answered by nobody.
    ///
    /// # Errors
    /// It was surely not sent. When there is no room for it the connection is closed, as what follows
    /// would be out of order.
    pub fn tell(
        &self,
        (service_id, msg_id): (i32, i32),
        write: impl FnOnce(&mut BytesMut),
    ) -> Result<(), Status> {
        let meta = Meta {
            service_id,
            msg_id,
            ..Meta::default()
        };
        let mut state = self.shared.state.lock();
        // What may not be left out finds room also when requests have taken all of theirs.
        if let Err(status) = self
            .shared
            .check_room(&state, self.shared.limits.outgoing * 2)
        {
            drop(state);
            self.close();
            return Err(status);
        }
        self.shared
            .encode(&meta, &mut state.out, write)
            .map_err(|error| Status::from(Code::ENCODE_REQ_ERROR).with_cause(error))?;
        self.shared.spoke(state);
        Ok(())
    }
}

impl Shared {
    fn encode(
        &self,
        meta: &Meta,
        out: &mut BytesMut,
        write: impl FnOnce(&mut BytesMut),
    ) -> Result<(), frame::Error> {
        frame::encode_with(meta, self.dialect.layout(), self.limits.frame, out, write)
    }

    fn check_room(&self, state: &State, limit: usize) -> Result<(), Status> {
        if let Some(code) = state.closed {
            return Err(code.unsent().into());
        }
        if state.out.len() + state.unsent > limit {
            return Err(Code::QUEUE_FULL.into());
        }
        Ok(())
    }

    /// Lets the task write what somebody has appended.
    fn spoke(&self, mut state: parking_lot::MutexGuard<'_, State>) {
        state.said += 1;
        self.wake(state);
    }

    /// Lets the task look at what there is.
    fn wake(&self, mut state: parking_lot::MutexGuard<'_, State>) {
        let sleeps = !std::mem::replace(&mut state.awake, true);
        drop(state);
        if sleeps {
            self.driver.wake();
        }
    }

    /// Appends the answer to a request of the other side. Returns how much waits to be written.
    fn respond(&self, to: ReplyTo, outcome: &Result<Reply, Status>) -> Result<usize, frame::Error> {
        let (meta, body) = self.dialect.response(to, outcome);
        let mut state = self.state.lock();
        self.encode(&meta, &mut state.out, |out| out.extend_from_slice(&body))?;
        Ok(state.out.len() + state.unsent)
    }

    /// The same for a message of two parts, if that is all there is to it.
    fn say(&self, to: ReplyTo, head: &[u8], body: &[u8]) -> Result<usize, Unsaid> {
        if !to.is_awaited() || (to.encrypt, to.compress) != (0, 0) {
            return Err(Unsaid);
        }
        let meta = Meta {
            direction: Direction::Response,
            service_id: to.service_id,
            msg_id: to.msg_id,
            sequence: to.sequence,
            ..Meta::default()
        };
        let mut state = self.state.lock();
        let write = |out: &mut BytesMut| {
            out.extend_from_slice(head);
            out.extend_from_slice(body);
        };
        self.encode(&meta, &mut state.out, write)
            .map_err(|_| Unsaid)?;
        Ok(state.out.len() + state.unsent)
    }
}

/// Not as it is: the answer has to be put together first.
struct Unsaid;

impl Code {
    /// What a request that never left is told when the connection has ended with this code.
    fn unsent(self) -> Self {
        if self == Self::CONNECTION_BROKEN {
            Self::SEND_FAILED
        } else {
            self
        }
    }
}

/// What an answer repeats of its request.
#[derive(Clone, Copy, Debug)]
struct ReplyTo {
    service_id: i32,
    msg_id: i32,
    sequence: i32,
    /// How the request was compressed; the answer is, too, if it is long.
    compress: i32,
    /// How the request was encrypted; the answer is, too.
    encrypt: i32,
}

impl ReplyTo {
    /// No answer, to a request for this method.
    fn nobody((service_id, msg_id): (i32, i32)) -> Self {
        Self {
            service_id,
            msg_id,
            sequence: 0,
            compress: 0,
            encrypt: 0,
        }
    }

    /// Whether anybody reads the answer.
    fn is_awaited(self) -> bool {
        self.sequence != 0
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connection")
            .field("id", &self.id())
            .field("peer", &self.peer())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
