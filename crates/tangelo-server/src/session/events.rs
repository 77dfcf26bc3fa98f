//! What an application is told of its sessions: bound, unbound, away, back, closed.

use std::{collections::VecDeque, fmt, sync::Arc};

use tangelo_runtime::guard;
use tracing::error;

use super::{FrontSession, FrontendSession};
use crate::Blueprint;

/// Why a session closed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client closed its connection.
    Left,
    /// It was kicked, for this reason.
    Kicked(Arc<str>),
    /// Nothing was heard of the client for too long.
    Silent,
    /// The connection broke, or what came over it was refused, or the client did not read: what
    /// the log says as well.
    Failed(String),
    /// This server leaves.
    Leaving,
    /// The client lost its connection, and did not come back in time: see [`Blueprint::resume`].
    Away,
    /// The client has come back to another server of this type, which has the session now.
    Moved,
}

/// Whom to tell of the sessions of a front end. Parts of the server add theirs before it starts, as
/// the application does through [`Blueprint`].
#[derive(Default)]
pub(crate) struct Events {
    bind: Vec<OnBind>,
    unbind: Vec<OnBind>,
    close: Vec<OnClose>,
    away: Vec<OnSession>,
    resume: Vec<OnSession>,
    gap: Vec<OnGap>,
}

type OnBind = Box<dyn Fn(&FrontendSession, &str) + Send + Sync>;
type OnSession = Box<dyn Fn(&FrontendSession) + Send + Sync>;
type OnGap = Box<dyn Fn(&FrontendSession, u64) + Send + Sync>;
type OnClose = Box<dyn Fn(&FrontendSession, &CloseReason) + Send + Sync>;

/// Something that happened to a session.
#[derive(Debug)]
pub(super) enum Event {
    Bound(Arc<str>),
    Unbound(Arc<str>),
    Closed(CloseReason),
    Away,
    Resumed,
    /// So many messages are lost to its client.
    Gap(u64),
}

/// What happened to one session and was not told yet. It is told in the order it happened, one after
/// the other, by whoever finds nobody telling.
#[derive(Debug, Default)]
pub(super) struct Untold {
    events: VecDeque<Event>,
    telling: bool,
}

impl Untold {
    /// Events of one session that may wait while one is told; then no user is bound to it.
    pub(super) const MOST: usize = 64;

    pub(super) fn is_full(&self) -> bool {
        self.events.len() >= Self::MOST
    }

    pub(super) fn extend(&mut self, events: impl IntoIterator<Item = Event>) {
        self.events.extend(events);
    }

    fn next(&mut self) -> Option<Event> {
        if self.telling {
            return None;
        }
        let event = self.events.pop_front();
        self.telling = event.is_some();
        event
    }
}

impl Events {
    pub(crate) fn on_bind(
        &mut self,
        on_bind: impl Fn(&FrontendSession, &str) + Send + Sync + 'static,
    ) {
        self.bind.push(Box::new(on_bind));
    }

    pub(crate) fn on_unbind(
        &mut self,
        on_unbind: impl Fn(&FrontendSession, &str) + Send + Sync + 'static,
    ) {
        self.unbind.push(Box::new(on_unbind));
    }

    pub(crate) fn on_close(
        &mut self,
        on_close: impl Fn(&FrontendSession, &CloseReason) + Send + Sync + 'static,
    ) {
        self.close.push(Box::new(on_close));
    }

    /// Whether nobody wants to know anything.
    pub(super) fn is_empty(&self) -> bool {
        let of_users = self.bind.is_empty() && self.unbind.is_empty();
        let of_connections = self.away.is_empty() && self.resume.is_empty() && self.gap.is_empty();
        of_users && of_connections && self.close.is_empty()
    }

    /// Tells what happened to this session. No lock is held: who is told may use the session, and what
    /// happens to it meanwhile is told after this.
    pub(super) fn tell(&self, session: &Arc<FrontSession>) {
        if self.is_empty() {
            return;
        }
        while let Some(event) = session.look(|state| state.untold.next()) {
            let told = FrontendSession::new(Arc::clone(session));
            match &event {
                Event::Bound(uid) => each(&self.bind, "on_bind", |bound| bound(&told, uid)),
                Event::Unbound(uid) => {
                    each(&self.unbind, "on_unbind", |unbound| unbound(&told, uid))
                }
                Event::Closed(why) => each(&self.close, "on_close", |closed| closed(&told, why)),
                Event::Away => each(&self.away, "on_away", |away| away(&told)),
                Event::Resumed => each(&self.resume, "on_resume", |resumed| resumed(&told)),
                Event::Gap(lost) => each(&self.gap, "on_gap", |gap| gap(&told, *lost)),
            }
            session.look(|state| state.untold.telling = false);
        }
    }
}

/// Tells all of them; that one panics keeps nothing from the others.
fn each<T: ?Sized>(hooks: &[Box<T>], name: &str, tell: impl Fn(&T)) {
    for hook in hooks {
        if let Err(panicked) = guard::catch(|| tell(hook)) {
            error!(%panicked, "{name} failed");
        }
    }
}

/// What happens to sessions. Several functions may be added; they are called in that order, for one
/// session one after the other, and never while anything is locked. They shall be quick: what runs
/// for the session waits meanwhile. As long as 64 events of a session wait to be told, no user is bound
/// to it (429). A panic is logged.
impl Blueprint {
    /// Called on front ends when a user has been bound to a session.
    #[must_use]
    pub fn on_bind(
        mut self,
        on_bind: impl Fn(&FrontendSession, &str) + Send + Sync + 'static,
    ) -> Self {
        self.events.on_bind(on_bind);
        self
    }

    /// Called on front ends when a user has been unbound from a session. A session that closes is
    /// not unbound before.
    #[must_use]
    pub fn on_unbind(
        mut self,
        on_unbind: impl Fn(&FrontendSession, &str) + Send + Sync + 'static,
    ) -> Self {
        self.events.on_unbind(on_unbind);
        self
    }

    /// Called on front ends when a session has closed, with the reason. It still has its user and its
    /// settings.
    #[must_use]
    pub fn on_close(
        mut self,
        on_close: impl Fn(&FrontendSession, &CloseReason) + Send + Sync + 'static,
    ) -> Self {
        self.events.on_close(on_close);
        self
    }

    /// Called on front ends when the client of a session that can be [resumed](Self::resume) has lost its
    /// connection. [`on_resume`](Self::on_resume) or [`on_close`](Self::on_close) follows.
    #[must_use]
    pub fn on_away(mut self, on_away: impl Fn(&FrontendSession) + Send + Sync + 'static) -> Self {
        self.events.away.push(Box::new(on_away));
        self
    }

    /// Called on front ends when the client of a session that was [away](Self::on_away) is back.
    #[must_use]
    pub fn on_resume(
        mut self,
        on_resume: impl Fn(&FrontendSession) + Send + Sync + 'static,
    ) -> Self {
        self.events.resume.push(Box::new(on_resume));
        self
    }

    /// Called on front ends after [`on_resume`](Self::on_resume) when so many messages, answers among them,
    /// are lost to the client: more than the [window](crate::Resume::window) holds. The client knows it too.
    #[must_use]
    pub fn on_gap(
        mut self,
        on_gap: impl Fn(&FrontendSession, u64) + Send + Sync + 'static,
    ) -> Self {
        self.events.gap.push(Box::new(on_gap));
        self
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => formatter.write_str("the client left"),
            Self::Kicked(reason) => write!(formatter, "kicked: {reason}"),
            Self::Silent => formatter.write_str("nothing heard for too long"),
            Self::Failed(why) => formatter.write_str(why),
            Self::Leaving => formatter.write_str("this server leaves"),
            Self::Away => formatter.write_str("the client did not come back in time"),
            Self::Moved => formatter.write_str("the client is back on another server"),
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Events")
            .field("bind", &self.bind.len())
            .field("unbind", &self.unbind.len())
            .field("close", &self.close.len())
            .finish()
    }
}
