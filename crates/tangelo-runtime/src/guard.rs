//! A panic in someone else's code ends that piece of work alone.

use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

/// What a panic said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panicked(String);

impl fmt::Display for Panicked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "panicked: {}", self.0)
    }
}

impl std::error::Error for Panicked {}

/// Calls `work` and turns a panic into an error.
///
/// Whatever `work` shares with others must be sound after a panic; locks here do not poison.
///
/// # Errors
/// The panic, with what it said.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| Panicked(message(&*panic)))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}

/// A future whose panics, in a poll or when it is dropped, become errors.
///
/// Once it has panicked or finished it is dropped and never polled again.
pub struct Guarded<F: Future + ?Sized>(Option<Pin<Box<F>>>);

impl<F: Future + ?Sized> Guarded<F> {
    /// Guards a boxed future.
    pub fn new(future: Pin<Box<F>>) -> Self {
        Self(Some(future))
    }

    /// Drops the future, and a panic in that with it.
    fn discard(&mut self) -> Result<(), Panicked> {
        let future = self.0.take();
        catch(move || drop(future))
    }
}

impl<F: Future + ?Sized> Future for Guarded<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = self.0.as_mut() else {
            return Poll::Ready(Err(Panicked("polled after its end".to_owned())));
        };
        let output = match catch(|| future.as_mut().poll(context)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(panicked) => Err(panicked),
        };
        let discarded = self.discard();
        Poll::Ready(output.and_then(|output| discarded.map(|()| output)))
    }
}

impl<F: Future + ?Sized> Drop for Guarded<F> {
    fn drop(&mut self) {
        // Nobody waits for it any more, so nobody needs to hear of a panic on its way out; the
        // panic hook has printed it.
        let _ = self.discard();
    }
}

impl<F: Future + ?Sized> fmt::Debug for Guarded<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Guarded")
            .field("ended", &self.0.is_none())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thrower;

    impl Drop for Thrower {
        fn drop(&mut self) {
            panic!("while dropped");
        }
    }

    #[tokio::test]
    async fn a_panic_while_polled_is_an_error() {
        let future = Guarded::new(Box::pin(async { panic!("while polled") }));
        let outcome: Result<(), _> = future.await;
        assert_eq!(outcome.unwrap_err().to_string(), "panicked: while polled");
    }

    #[tokio::test]
    async fn a_panic_while_dropped_is_an_error_too() {
        struct Ready(Thrower);
        impl Future for Ready {
            type Output = u8;
            fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u8> {
                Poll::Ready(1)
            }
        }
        assert!(Guarded::new(Box::pin(Ready(Thrower))).await.is_err());
    }

    #[test]
    fn dropping_an_unfinished_one_does_not_panic() {
        let held = Thrower;
        drop(Guarded::new(Box::pin(async move {
            std::future::pending::<()>().await;
            drop(held);
        })));
    }
}
