//! Why something cannot be done with a channel.

use tangelo_rpc::Status;

/// Why something cannot be done with a channel.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// There is none of this name, or no longer.
    #[error("there is no channel `{0}`")]
    NotFound(String),
    /// There is one of this name already.
    #[error("there is a channel `{0}` already")]
    Exists(String),
    /// The session is not bound to a user, or not to the one it is added as.
    #[error("the session is not bound to its user")]
    NotBound,
    /// The session is in the channel already.
    #[error("the session is in the channel already")]
    AlreadyMember,
    /// The user is in the channel with another session, and may be with one only:
    /// [`ChannelOptions::single_session`](crate::ChannelOptions::single_session).
    #[error("{0} is in the channel already")]
    UserPresent(String),
    /// So many sessions are in the channel, and that is the most:
    /// [`ChannelOptions::most_members`](crate::ChannelOptions::most_members).
    #[error("the channel is full: it has {0} members")]
    Full(usize),
    /// The session is in 1024 channels of the server already: one that it has to leave when it is
    /// [unbound](crate::ChannelOptions::bound_only) could not be remembered. On another server than the
    /// session's own it is added and leaves again.
    #[error("the session is in too many channels")]
    TooManyChannels,
    /// There is no such session on that front end, or it has closed.
    #[error("there is no such session")]
    NoSession,
    /// The session's front end cannot be reached.
    #[error("the front end of the session cannot be reached")]
    Unreachable(#[from] Status),
}
