//! Binding a user to a session that may be the only one.

use std::sync::Arc;

use tangelo_rpc::Code;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::Single;
use crate::session::{BindError, FrontSession, Sessions, Uid, remote};

impl Sessions {
    /// Binds a user to a session, if it is the user's only one.
    pub(in crate::session) async fn bind_single(
        &self,
        single: &Single,
        session: &Arc<FrontSession>,
        uid: Uid,
    ) -> Result<(), BindError> {
        let deadline = Instant::now() + remote::PATIENCE;
        let binding = loop {
            match begin(single, session, &uid)? {
                Begun::Bound => return Ok(()),
                Begun::First(binding) => break binding,
                // What comes of that, this one sees next.
                Begun::Another(mut over) => {
                    let waited = timeout_at(deadline, over.changed()).await;
                    waited
                        .map_err(|_| BindError::Failed(Code::RPC_TIMEOUT.into()))?
                        .ok();
                }
            }
        };
        let claimed = (&*uid, session.id());
        let claim = single.claim(session.context(), claimed, None, deadline);
        claim.await?;
        // Here the session may have been kicked, or its client gone: then it is not bound.
        self.bind_at_once(session, uid.clone())?;
        binding.done();
        Ok(())
    }
}

fn begin<'a>(
    single: &'a Single,
    session: &'a Arc<FrontSession>,
    uid: &'a Uid,
) -> Result<Begun<'a>, BindError> {
    let begun = session.look(|state| {
        if state.is_bound_to(uid)? {
            return Ok(Begun::Bound);
        }
        if let Some(another) = &state.changing {
            return Ok(Begun::Another(another.clone()));
        }
        let (over, changing) = watch::channel(());
        state.changing = Some(changing);
        Ok(Begun::First(Binding {
            single,
            session,
            uid,
            _over: over,
            done: false,
        }))
    });
    if let Ok(Begun::First(_)) = &begun {
        single.want(uid, session);
    }
    begun
}

/// What a bind finds.
enum Begun<'a> {
    /// The session is bound to this user.
    Bound,
    /// Another bind, or an unbind, is under way: says when that is over.
    Another(watch::Receiver<()>),
    /// This one is.
    First(Binding<'a>),
}

/// A bind under way. Unless it is [done](Self::done) it leaves nothing behind, however it ends.
struct Binding<'a> {
    single: &'a Single,
    session: &'a Arc<FrontSession>,
    uid: &'a Uid,
    /// Those who wait see it go.
    _over: watch::Sender<()>,
    done: bool,
}

impl Binding<'_> {
    fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Binding<'_> {
    fn drop(&mut self) {
        if !self.done {
            // What the next bind claims comes after this.
            self.single.let_go(self.uid, self.session);
            self.session.look(|state| state.changing = None);
        }
    }
}
