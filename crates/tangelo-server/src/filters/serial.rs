//! One request of a session after the other.

use std::{sync::Arc, time::Duration};

use tangelo_rpc::{Code, Status};

use crate::{
    Answered, Filter, Limits, Request, Result,
    limits::FOREVER,
    pipeline::{Lines, Place},
    request::Owner,
};

/// One request of a session after the other: the next one goes on when the one before it has been answered
/// and its after filters have come to this one, or when its time has expired. One whose time has expired
/// runs on beside the next.
///
/// It knows the requests of the server it is added to. They wait within their own deadlines; as many of a
/// session as may be in flight, and more are refused with 429. Nothing is kept of a session without requests.
#[derive(Debug)]
pub struct Serial {
    lines: Arc<Lines>,
    owner: Owner,
}

impl Serial {
    /// With this long for each request, counted from when it is its turn. Default 3 s.
    pub fn new(timeout: Duration) -> Self {
        Self {
            lines: Lines::new(Some(timeout.min(FOREVER)), Limits::MOST_IN_FLIGHT as usize),
            owner: Owner::new(),
        }
    }
}

impl Default for Serial {
    fn default() -> Self {
        Self::new(Duration::from_secs(3))
    }
}

impl Filter for Serial {
    async fn before(&self, request: &mut Request) -> Result<()> {
        let full = || Status::new(Code::FLOW_LIMIT, "too many requests of this session wait");
        let place = self.lines.join(request.session().id()).ok_or_else(full)?;
        place.turn().await;
        // It goes with the request, whatever becomes of that.
        request.insert_for(self.owner, place);
        Ok(())
    }

    async fn after(&self, answered: &Answered) -> Result<()> {
        if let Some(place) = answered.request().get_for::<Place>(self.owner) {
            place.leave();
        }
        Ok(())
    }
}
