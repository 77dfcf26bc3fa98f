//! A change of a global channel, asked of the front end whose users it concerns.

use prost::Message as _;
use tangelo_rpc::{Code, Status};
use tokio::time::Instant;

use super::{GlobalChannelError, Refusal};
use crate::{
    Channels, StoreError,
    channel::ENROLL,
    generated::channel::{EnrollReq, EnrollRes, enroll_req::Action, enroll_res::Outcome},
    roster::{CHANGE_WITHIN, Roster},
};

/// How a global channel changes on one front end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Join,
    Leave,
    /// Everybody leaves.
    Destroy,
}

impl Change {
    /// Makes it here; whether anything changed.
    pub(super) async fn make(
        self,
        roster: &Roster,
        channel: &str,
        uid: &str,
    ) -> Result<bool, Refusal> {
        match self {
            Self::Join => roster.join(uid, channel).await,
            Self::Leave => roster.leave(uid, channel).await,
            Self::Destroy => roster.leave_all(channel).await,
        }
    }

    /// Has it made there; whether anything changed.
    pub(super) async fn ask(
        self,
        channels: &Channels,
        channel: &str,
        uid: &str,
        frontend_id: &str,
    ) -> Result<bool, GlobalChannelError> {
        let message = EnrollReq {
            channel: channel.to_owned(),
            uid: uid.to_owned(),
            action: match self {
                Self::Join => Action::Join,
                Self::Leave => Action::Leave,
                Self::Destroy => Action::Destroy,
            }
            .into(),
        };
        // It has its own time, and answers when that is over.
        let deadline = Instant::now() + CHANGE_WITHIN * 2;
        let connection = channels.frontends().first(frontend_id)?;
        let question = message.encode_to_vec().into();
        let answer = connection.call(ENROLL, deadline, question).await?;
        let answer = EnrollRes::decode(answer.body)
            .map_err(|error| Status::from(Code::DECODE_RES_ERROR).with_cause(error))?;
        let outcome = answer.outcome();
        Err(match outcome {
            Outcome::Done => return Ok(true),
            Outcome::Unchanged => return Ok(false),
            Outcome::NoSession => Refusal::NoSession,
            Outcome::TooMany => Refusal::TooMany,
            Outcome::NoStore => Refusal::Store(StoreError::None),
            Outcome::StoreLate => Refusal::Store(StoreError::Late),
            Outcome::StoreFailed => Refusal::Store(StoreError::Failed(answer.reason)),
        }
        .into())
    }

    /// Makes here what another server asks.
    pub(crate) async fn asked(roster: Option<&Roster>, message: &EnrollReq) -> EnrollRes {
        let change = match message.action() {
            Action::Join => Self::Join,
            Action::Leave => Self::Leave,
            Action::Destroy => Self::Destroy,
        };
        let made = match roster {
            Some(roster) => change.make(roster, &message.channel, &message.uid).await,
            None => Err(Refusal::Store(StoreError::None)),
        };
        let mut answer = EnrollRes::default();
        if let Err(Refusal::Store(StoreError::Failed(reason))) = &made {
            answer.reason.clone_from(reason);
        }
        answer.set_outcome(match made {
            Ok(true) => Outcome::Done,
            Ok(false) => Outcome::Unchanged,
            Err(Refusal::NoSession) => Outcome::NoSession,
            Err(Refusal::TooMany) => Outcome::TooMany,
            Err(Refusal::Store(StoreError::None)) => Outcome::NoStore,
            Err(Refusal::Store(StoreError::Late)) => Outcome::StoreLate,
            Err(Refusal::Store(StoreError::Failed(_))) => Outcome::StoreFailed,
        });
        answer
    }
}
