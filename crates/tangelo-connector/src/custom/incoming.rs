//! What a client says: one frame after the other.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use serde_json::Value;
use tangelo_runtime::guard::Guarded;

use super::FrameReceiver;
use crate::Error;

/// The half that hears a client, and what it does now.
pub(super) enum Incoming<F, R> {
    /// Nothing.
    Idle(R),
    Hello(Guarded<dyn Future<Output = (R, io::Result<Value>)> + Send>),
    Receives(Guarded<dyn Future<Output = (R, io::Result<Option<F>>)> + Send>),
    /// It has ended.
    Over,
}

impl<F: Send + 'static, R: FrameReceiver<F>> Incoming<F, R> {
    /// What the client says of itself.
    pub(super) fn poll_hello(&mut self, context: &mut Context<'_>) -> Poll<Result<Value, Error>> {
        loop {
            match self {
                Self::Hello(hello) => {
                    let outcome = ready!(Pin::new(hello).poll(context));
                    return Poll::Ready(self.ended(outcome));
                }
                Self::Idle(_) => {
                    let Some(mut receiver) = self.take() else {
                        return Poll::Ready(Err(Error::Closed));
                    };
                    *self = Self::Hello(Guarded::new(Box::pin(async move {
                        let hello = receiver.hello().await;
                        (receiver, hello)
                    })));
                }
                Self::Receives(_) | Self::Over => return Poll::Ready(Err(Error::Closed)),
            }
        }
    }

    /// The next frame.
    pub(super) fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Result<F, Error>> {
        loop {
            match self {
                Self::Receives(receives) => {
                    let outcome = ready!(Pin::new(receives).poll(context));
                    let frame = self.ended(outcome);
                    return Poll::Ready(frame.and_then(|frame| frame.ok_or(Error::Closed)));
                }
                Self::Idle(_) => {
                    let Some(mut receiver) = self.take() else {
                        return Poll::Ready(Err(Error::Closed));
                    };
                    *self = Self::Receives(Guarded::new(Box::pin(async move {
                        let frame = receiver.receive().await;
                        (receiver, frame)
                    })));
                }
                Self::Hello(_) | Self::Over => return Poll::Ready(Err(Error::Closed)),
            }
        }
    }

    fn take(&mut self) -> Option<R> {
        match std::mem::replace(self, Self::Over) {
            Self::Idle(receiver) => Some(receiver),
            _ => None,
        }
    }

    /// The receiver is free for the next, unless it is lost.
    fn ended<T>(
        &mut self,
        outcome: Result<(R, io::Result<T>), tangelo_runtime::guard::Panicked>,
    ) -> Result<T, Error> {
        match outcome {
            Ok((receiver, received)) => {
                *self = Self::Idle(receiver);
                Ok(received?)
            }
            Err(panicked) => {
                *self = Self::Over;
                Err(Error::Custom(panicked.to_string()))
            }
        }
    }
}
