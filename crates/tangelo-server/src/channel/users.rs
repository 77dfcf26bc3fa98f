//! Pushes to users, wherever their sessions are, without a channel.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde::Serialize;
use tangelo_connector::Push;
use tracing::debug;

use super::{Channels, PUSH, Terms, confirm::Confirm, frame::Frame, push};
use crate::{Error, OutboundKind, session};

/// Users by their front ends, each once, in the order they came.
type ByFrontend<'a> = Vec<(&'a str, Vec<&'a str>)>;

impl Channels {
    /// Tells users, each given with the front end he is on: Pomelo's `pushMessageByUids`. All sessions
    /// bound to him there hear it. It is under way when this returns; nobody waits for it.
    ///
    /// To keep the order with what else a session is told it goes over each connection to a front end,
    /// as which one is a user's is known there only.
    ///
    /// # Errors
    /// The message is no JSON or too long. Users and front ends that are not there are no error.
    pub fn push_by_uids<T: Serialize + ?Sized>(
        &self,
        route: &str,
        message: &T,
        users: &[(&str, &str)],
    ) -> Result<(), Error> {
        let push = Arc::new(session::encode(route, message)?);
        let frame = Frame::new(&push, Terms::default())?;
        for (frontend_id, uids) in by_frontend(users) {
            if frontend_id == self.own_id() {
                self.tell_users_here(&push, &uids);
                continue;
            }
            for connection in self.frontends().lanes(frontend_id) {
                for part in frame.parts(&uids) {
                    let uids = uids.get(part).unwrap_or_default();
                    let told = connection.tell(PUSH, |out| frame.to_users(out, uids));
                    if let Err(status) = told {
                        debug!(frontend_id, %status, "a front end was not reached");
                    }
                }
            }
        }
        Ok(())
    }

    /// As [`push_by_uids`](Self::push_by_uids), and says whom it did not reach: those of `users` for
    /// whom no session has got it. It is under way when this returns, whether or not the future is
    /// awaited; that resolves after `within` at the latest.
    ///
    /// # Errors
    /// As [`push_by_uids`](Self::push_by_uids).
    pub fn push_by_uids_confirmed<T: Serialize + ?Sized>(
        &self,
        route: &str,
        message: &T,
        users: &[(&str, &str)],
        within: Duration,
    ) -> impl Future<Output = Result<Vec<(String, String)>, Error>> + Send + use<T> {
        let sent = self.ask_users(route, message, users, within);
        async move {
            let (confirm, mut open) = sent?;
            let answers = confirm.answers().await;
            for (answer, asked) in answers.into_iter().zip(&open.asked) {
                match answer.and_then(push::read) {
                    Ok(answer) => {
                        for at in answer.reached_uids {
                            let user = usize::try_from(at).ok().and_then(|at| asked.get(at));
                            let place = user.and_then(|user| open.users.get_mut(*user));
                            if let Some((_, reached)) = place {
                                *reached = true;
                            }
                        }
                    }
                    Err(status) => debug!(%status, "a front end did not say whom it has told"),
                }
            }
            let missed = open.users.into_iter().filter(|(_, reached)| !reached);
            Ok(missed.map(|(user, _)| user).collect())
        }
    }

    fn ask_users<T: Serialize + ?Sized>(
        &self,
        route: &str,
        message: &T,
        users: &[(&str, &str)],
        within: Duration,
    ) -> Result<(Confirm, Open), Error> {
        let push = Arc::new(session::encode(route, message)?);
        let frame = Frame::new(&push, Terms::default())?;
        let (mut confirm, mut open) = (Confirm::new(within), Open::default());
        for (frontend_id, uids) in by_frontend(users) {
            let first = open.users.len();
            let user = |uid: &&str| (((*uid).to_owned(), frontend_id.to_owned()), false);
            open.users.extend(uids.iter().map(user));
            if frontend_id == self.own_id() {
                let reached = self.tell_users_here(&push, &uids);
                let here = open.users.iter_mut().skip(first);
                for ((_, is_reached), reached) in here.zip(reached) {
                    *is_reached = reached;
                }
                continue;
            }
            for connection in self.frontends().lanes(frontend_id) {
                for part in frame.parts(&uids) {
                    let asked = part.clone().map(|at| first + at);
                    let uids = uids.get(part).unwrap_or_default();
                    confirm.ask(&connection, PUSH, |out| frame.to_users(out, uids));
                    open.asked.push(asked.collect());
                }
            }
        }
        Ok((confirm, open))
    }

    /// Which of these users were reached.
    fn tell_users_here(&self, push: &Arc<Push>, uids: &[&str]) -> Vec<bool> {
        // Without a filter there is nothing that could be missing.
        let Ok(mut telling) = self
            .shared
            .here
            .begin(OutboundKind::Push, push, Terms::default())
        else {
            return Vec::new();
        };
        let mut user = |uid: &&str| telling.user(uid, |_| true);
        uids.iter().map(&mut user).collect()
    }
}

/// Users whose front ends have been asked.
#[derive(Debug, Default)]
struct Open {
    /// Who, where, and whether he has been reached.
    users: Vec<((String, String), bool)>,
    /// For each question, whose places the answer speaks of.
    asked: Vec<Vec<usize>>,
}

fn by_frontend<'a>(users: &[(&'a str, &'a str)]) -> ByFrontend<'a> {
    let mut index: HashMap<&str, usize> = HashMap::new();
    let mut seen = std::collections::HashSet::new();
    let mut all: ByFrontend<'a> = Vec::new();
    for (uid, frontend_id) in users.iter().filter(|user| seen.insert(**user)) {
        let at = *index.entry(frontend_id).or_insert_with(|| {
            all.push((frontend_id, Vec::new()));
            all.len() - 1
        });
        if let Some((_, uids)) = all.get_mut(at) {
            uids.push(uid);
        }
    }
    all
}
