//! A push on its way to members of a channel.

use std::{collections::HashSet, sync::Arc, time::Duration};

use bytes::BytesMut;
use tangelo_connector::Push;
use tangelo_rpc::{Code, Connection, Reply, Status};
use tracing::debug;

use super::{
    Channel, ChannelOptions, Channels, Delivery, Member, PUSH, Receivers, Road, Terms,
    catch_up::CatchUp,
    confirm::Confirm,
    frame::Frame,
    members::{Chosen, Members, Place},
};
use crate::{OutboundKind, generated::channel::PushRes, session::SessionId};

impl Channel {
    /// Returns how many members are meant.
    ///
    /// # Errors
    /// It is too long for a frame.
    pub(super) fn send_encoded(
        &self,
        receivers: Receivers<'_>,
        push: &Arc<Push>,
        sending: &mut Sending,
    ) -> Result<usize, Status> {
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
            let frame = Frame::new(push, terms)?;
            if chosen.is_none() {
                room.remember(push);
            }
            let mut sender = Sender {
                here: &self.channels.shared.here,
                push,
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
            None => Frame::new(push, Terms::default()).map(|_| 0)?,
        };
        sending.tell_late(&self.channels, push);
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
pub(super) struct Sending {
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
    pub(super) fn confirmed(within: Duration) -> Self {
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
    pub(super) async fn unreached(self) -> Vec<Member> {
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
        .map_err(|error| Status::from(Code::DECODE_RES_ERROR).with_cause(error))
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
