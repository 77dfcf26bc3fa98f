//! What members of a channel are told.

use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use bytes::BytesMut;
use serde::Serialize;
use tangelo_connector::Push;
use tangelo_rpc::{Connection, Reply, Status};
use tracing::debug;

use super::{
    Channel, ChannelOptions, Channels, Delivery, Member, PUSH, Road, Terms,
    catch_up::CatchUp,
    confirm::Confirm,
    frame::Frame,
    members::{Chosen, Members, Place},
};
use crate::{
    Error, OutboundKind,
    generated::channel::PushRes,
    session::{self, SessionId},
};

/// Which members of a channel are told something.
#[derive(Clone, Copy)]
pub enum Receivers<'a> {
    /// All of them.
    All,
    /// All but those of this user.
    Except(&'a str),
    /// Those of these users.
    Uids(&'a [&'a str]),
    /// Those for which it says `true`. It is called on the channel's server for each member.
    Where(&'a (dyn Fn(&Member) -> bool + Sync)),
}

/// Who has got a push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Members that were meant and did not get it: their session has closed, their client does not keep
    /// up, or their front end is lost or did not say in time.
    pub unreached: Vec<Member>,
}

impl Channel {
    /// Tells every member. It is under way when this returns; nobody waits for it.
    ///
    /// # Errors
    /// The message is no JSON or too long: 930 000 bytes are not. Members who are gone are no error, nor
    /// is a channel that is.
    pub fn push<T: Serialize + ?Sized>(&self, route: &str, message: &T) -> Result<(), Error> {
        self.push_for(Receivers::All, route, message).map(drop)
    }

    /// Tells the members under these users' ids; returns how many there are.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_to<T: Serialize + ?Sized>(
        &self,
        uids: &[&str],
        route: &str,
        message: &T,
    ) -> Result<usize, Error> {
        self.push_for(Receivers::Uids(uids), route, message)
    }

    /// Tells all members but those of one user.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_except<T: Serialize + ?Sized>(
        &self,
        uid: &str,
        route: &str,
        message: &T,
    ) -> Result<(), Error> {
        self.push_for(Receivers::Except(uid), route, message)
            .map(drop)
    }

    /// Tells those members for which `wanted` says `true`; returns how many there are.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_where<T: Serialize + ?Sized>(
        &self,
        route: &str,
        message: &T,
        wanted: impl Fn(&Member) -> bool + Sync,
    ) -> Result<usize, Error> {
        self.push_for(Receivers::Where(&wanted), route, message)
    }

    /// Tells some members, and says who did not get it. It is under way when this returns, in order with
    /// other pushes, whether or not the future is awaited; that resolves after `within` at the latest.
    ///
    /// Who has got it has it in the queue to his client; nobody knows whether he reads it.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_confirmed<T: Serialize + ?Sized>(
        &self,
        receivers: Receivers<'_>,
        route: &str,
        message: &T,
        within: Duration,
    ) -> impl Future<Output = Result<Delivered, Error>> + Send + use<T> {
        let mut sending = Sending::confirmed(within);
        let sent = self.send(receivers, route, message, &mut sending);
        async move {
            sent?;
            Ok(Delivered {
                unreached: sending.unreached().await,
            })
        }
    }

    fn push_for<T: Serialize + ?Sized>(
        &self,
        receivers: Receivers<'_>,
        route: &str,
        message: &T,
    ) -> Result<usize, Error> {
        self.send(receivers, route, message, &mut Sending::default())
    }

    /// Returns how many members are meant.
    fn send<T: Serialize + ?Sized>(
        &self,
        receivers: Receivers<'_>,
        route: &str,
        message: &T,
        sending: &mut Sending,
    ) -> Result<usize, Error> {
        let push = Arc::new(session::encode(route, message)?);
        // What the caller's own filter says is asked outside of all locks.
        let chosen = match receivers {
            Receivers::All => None,
            Receivers::Except(uid) => Some(Chosen::Except(uid)),
            Receivers::Uids(uids) => Some(Chosen::Uids(uids)),
            Receivers::Where(wanted) => {
                let members = self.members().into_iter();
                let wanted = members.filter(|member| wanted(member));
                Some(Chosen::These(wanted.collect()))
            }
        };
        let sent = self.in_room(|name, room| {
            if let Some(options) = &self.made_with {
                room.claim(options);
            }
            let options = room.options().cloned();
            let terms = terms(options.as_deref(), self.channels.own_id(), name);
            let frame = Frame::new(&push, terms)?;
            if chosen.is_none() {
                room.remember(&push);
            }
            let mut sender = Sender {
                here: &self.channels.shared.here,
                push: &push,
                frame,
                terms,
                options: &options,
                name,
                members: &room.members,
                catch_up: &mut room.catch_up,
                sending,
            };
            Ok::<_, Status>(match &chosen {
                None => sender.send(room.members.roads()),
                Some(chosen) => {
                    let roads = room.members.roads_of(chosen);
                    sender.send(roads.iter().map(|(road, places)| (*road, &**places)))
                }
            })
        });
        // Nobody in it: too long it is nevertheless.
        let count = match sent {
            Some(count) => count?,
            None => Frame::new(&push, Terms::default()).map(|_| 0)?,
        };
        sending.tell_late(&self.channels, &push);
        Ok(count)
    }
}

/// The terms of what is pushed to a channel's members.
pub(super) fn terms<'a>(
    options: Option<&'a ChannelOptions>,
    server_id: &'a str,
    name: &'a str,
) -> Terms<'a> {
    let bound_only = options.is_some_and(|options| options.bound_only);
    Terms {
        bound_only: false,
        filter: options.and_then(|options| options.filter.as_deref()),
        member_of: bound_only.then_some((server_id, name)),
    }
}

/// What becomes of a push while it is sent and after.
#[derive(Default)]
struct Sending {
    /// For clients of this server, whose filters are asked when no lock is held.
    late: Option<Late>,
    confirming: Option<Confirming>,
}

/// A push for clients of this server.
struct Late {
    name: Arc<str>,
    options: Option<Arc<ChannelOptions>>,
    members: Vec<Member>,
}

struct Confirming {
    confirm: Confirm,
    /// Whom each question was about.
    asked: Vec<Vec<Member>>,
    unreached: Vec<Member>,
}

/// A push on its way to the members of a channel, which stands still meanwhile.
struct Sender<'a> {
    here: &'a Delivery,
    push: &'a Arc<Push>,
    frame: Frame<'a>,
    terms: Terms<'a>,
    options: &'a Option<Arc<ChannelOptions>>,
    name: &'a Arc<str>,
    members: &'a Members,
    catch_up: &'a mut CatchUp,
    sending: &'a mut Sending,
}

impl Sender<'_> {
    /// Returns how many there are.
    fn send<'r>(&mut self, roads: impl Iterator<Item = (&'r Road, &'r [Place])>) -> usize {
        let mut count = 0;
        for (road, places) in roads {
            count += places.len();
            match road {
                Road::Here => self.send_here(places),
                Road::Over(connection) => self.send_there(connection, places),
            }
        }
        count
    }

    fn send_here(&mut self, places: &[Place]) {
        let catch_up = &mut *self.catch_up;
        let now = places
            .iter()
            .filter(|(session, _)| !catch_up.hold(*session, self.push));
        if self.here.asks_application(self.push, &self.terms) {
            let now: Vec<_> = now.copied().collect();
            self.sending.late = Some(Late {
                name: Arc::clone(self.name),
                options: self.options.clone(),
                members: self.members_at(&now),
            });
            return;
        }
        // Only a filter that is missing is an error.
        let kind = OutboundKind::Push;
        let Ok(mut telling) = self.here.begin(kind, self.push, self.terms) else {
            return;
        };
        for place in now {
            let reached = telling.session(place.0);
            if let (Some(confirming), false) = (&mut self.sending.confirming, reached) {
                confirming
                    .unreached
                    .extend(self.members.at(*place).cloned());
            }
        }
    }

    fn send_there(&mut self, connection: &Connection, places: &[Place]) {
        for places in places.chunks(self.frame.most_sessions()) {
            let sessions = places.iter().map(|(session, _)| *session);
            let write = |out: &mut BytesMut| self.frame.to_sessions(out, sessions);
            let about = self.sending.confirming.is_some();
            let about = about.then(|| self.members_at(places));
            match (&mut self.sending.confirming, about) {
                (Some(confirming), Some(about)) => {
                    confirming.confirm.ask(connection, PUSH, write);
                    confirming.asked.push(about);
                }
                _ => {
                    if let Err(status) = connection.tell(PUSH, write) {
                        debug!(channel = &**self.name, %status, "a front end was not reached");
                    }
                }
            }
        }
    }

    fn members_at(&self, places: &[Place]) -> Vec<Member> {
        let members = places.iter().filter_map(|place| self.members.at(*place));
        members.cloned().collect()
    }
}

impl Sending {
    fn confirmed(within: Duration) -> Self {
        Self {
            late: None,
            confirming: Some(Confirming {
                confirm: Confirm::new(within),
                asked: Vec::new(),
                unreached: Vec::new(),
            }),
        }
    }

    /// Tells clients of this server whose filter had to be asked.
    fn tell_late(&mut self, channels: &Channels, push: &Arc<Push>) {
        let Some(late) = self.late.take() else {
            return;
        };
        let terms = terms(late.options.as_deref(), channels.own_id(), &late.name);
        let mut telling = channels.shared.here.begin(OutboundKind::Push, push, terms);
        if let Err(status) = &telling {
            debug!(channel = &*late.name, %status, "nobody here hears it");
        }
        for member in late.members {
            let reached = match &mut telling {
                Ok(telling) => telling.session(member.session),
                Err(_) => false,
            };
            if let (Some(confirming), false) = (&mut self.confirming, reached) {
                confirming.unreached.push(member);
            }
        }
    }

    /// Those who did not get it, once all front ends have said so.
    async fn unreached(self) -> Vec<Member> {
        let Some(confirming) = self.confirming else {
            return Vec::new();
        };
        let mut unreached = confirming.unreached;
        let answers = confirming.confirm.answers().await;
        for (answer, asked) in answers.into_iter().zip(confirming.asked) {
            match answer.and_then(read) {
                Ok(answer) => {
                    let missed: HashSet<u64> = answer.unreached.into_iter().collect();
                    let missed = |member: &Member| missed.contains(&member.session.0);
                    unreached.extend(asked.into_iter().filter(missed));
                }
                Err(status) => {
                    debug!(%status, "a front end did not say whom it has told");
                    unreached.extend(asked);
                }
            }
        }
        unreached
    }
}

pub(super) fn read(answer: Reply) -> Result<PushRes, Status> {
    prost::Message::decode(answer.body)
        .map_err(|error| Status::from(tangelo_rpc::Code::DECODE_RES_ERROR).with_cause(error))
}

/// Tells a front end what these sessions shall hear.
pub(crate) fn tell_push(
    front_end: &Connection,
    sessions: &[SessionId],
    push: &Push,
    terms: Terms<'_>,
) -> Result<(), Status> {
    let frame = Frame::new(push, terms)?;
    front_end.tell(PUSH, |out| {
        frame.to_sessions(out, sessions.iter().copied());
    })
}

impl fmt::Debug for Receivers<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => formatter.write_str("All"),
            Self::Except(uid) => formatter.debug_tuple("Except").field(uid).finish(),
            Self::Uids(uids) => formatter.debug_tuple("Uids").field(uids).finish(),
            Self::Where(_) => formatter.write_str("Where"),
        }
    }
}
