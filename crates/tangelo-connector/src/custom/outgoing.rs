//! What a client is told: what has gathered goes as one batch.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use serde_json::Value;
use tangelo_runtime::guard::Guarded;

use super::FrameSender;
use crate::Error;

/// The half that talks to a client, what it sends now, and what waits.
pub(super) struct Outgoing<F, S> {
    work: Work<S>,
    /// The answer to the handshake goes before all frames.
    welcome: Option<Value>,
    frames: Vec<F>,
    /// Bytes that wait, and that are being sent.
    waiting: usize,
    sending: usize,
    /// Why the client is kicked.
    reason: Option<String>,
}

enum Work<S> {
    Idle(S),
    Sends(Guarded<dyn Future<Output = (S, io::Result<()>)> + Send>),
    Closes(Guarded<dyn Future<Output = ()> + Send>),
    Over,
}

impl<F: Send + 'static, S: FrameSender<F>> Outgoing<F, S> {
    pub(super) fn new(sender: S) -> Self {
        Self {
            work: Work::Idle(sender),
            welcome: None,
            frames: Vec::new(),
            waiting: 0,
            sending: 0,
            reason: None,
        }
    }

    /// Bytes that were queued and not sent yet.
    pub(super) fn bytes(&self) -> usize {
        self.waiting + self.sending
    }

    pub(super) fn welcome(&mut self, answer: Value) {
        self.welcome = Some(answer);
    }

    pub(super) fn push(&mut self, frame: F, size: usize) {
        self.frames.push(frame);
        self.waiting += size;
    }

    pub(super) fn kick(&mut self, reason: String) {
        self.reason = Some(reason);
    }

    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            match &mut self.work {
                Work::Sends(sends) => match ready!(Pin::new(sends).poll(context)) {
                    Ok((sender, sent)) => {
                        self.work = Work::Idle(sender);
                        self.sending = 0;
                        sent?;
                    }
                    Err(panicked) => {
                        self.work = Work::Over;
                        return Poll::Ready(Err(Error::Custom(panicked.to_string())));
                    }
                },
                Work::Idle(_) if self.frames.is_empty() && self.welcome.is_none() => {
                    return Poll::Ready(Ok(()));
                }
                Work::Idle(_) => self.send(),
                Work::Closes(_) | Work::Over => return Poll::Ready(Err(Error::Closed)),
            }
        }
    }

    /// Sends what has gathered.
    fn send(&mut self) {
        let Some(mut sender) = self.take() else {
            return;
        };
        let (welcome, mut frames) = (self.welcome.take(), std::mem::take(&mut self.frames));
        self.sending = std::mem::take(&mut self.waiting);
        self.work = Work::Sends(Guarded::new(Box::pin(async move {
            let sent = async {
                if let Some(answer) = welcome {
                    sender.welcome(answer).await?;
                }
                match frames.len() {
                    0 => Ok(()),
                    1 => match frames.pop() {
                        Some(frame) => sender.send(frame).await,
                        None => Ok(()),
                    },
                    _ => sender.send_batch(frames).await,
                }
            };
            let sent = sent.await;
            (sender, sent)
        })));
    }

    /// Sends what waits, says why, and disconnects.
    pub(super) fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.work {
                Work::Closes(closes) => {
                    // Either way it is over.
                    let _ = ready!(Pin::new(closes).poll(context));
                    self.work = Work::Over;
                }
                Work::Over => return Poll::Ready(()),
                Work::Idle(_) | Work::Sends(_) => {
                    if ready!(self.poll_flush(context)).is_err() {
                        self.work = Work::Over;
                    } else if let Some(mut sender) = self.take() {
                        let reason = self.reason.take();
                        self.work = Work::Closes(Guarded::new(Box::pin(async move {
                            if let Some(reason) = reason
                                && sender.closing(&reason).await.is_err()
                            {
                                return;
                            }
                            sender.disconnect().await;
                        })));
                    }
                }
            }
        }
    }

    fn take(&mut self) -> Option<S> {
        match std::mem::replace(&mut self.work, Work::Over) {
            Work::Idle(sender) => Some(sender),
            _ => None,
        }
    }
}
