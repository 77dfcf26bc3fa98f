//! Functions as filters.

use std::{marker::PhantomData, sync::Arc};

use super::{Answered, Filter};
use crate::{Context, Error, FromRequest, Request, Result};

/// What can be a before filter: a [`Filter`], of which only that half is used, or an async function.
///
/// A function takes what it needs from the request, as a handler does. It returns nothing or a [`Request`],
/// which takes the place of the one it was given; or either in a `Result`, whose error ends the request.
/// You need not care about `Arguments`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no before filter",
    note = "a before filter is a `Filter`, or an `async fn` whose arguments are extractors, such as `Session` or `Request`, and which returns `()`, `Request`, `Result<()>` or `Result<Request>`"
)]
pub trait IntoBefore<Arguments> {
    /// It as a filter.
    fn into_before(self) -> impl Filter;
}

/// What can be an after filter: a [`Filter`], of which only that half is used, or an async function.
///
/// A function takes what it needs from the request as the before filters left it, as a handler does, and
/// [`Answered`], which knows how it ended too. It returns `()` or `Result<()>`. What cannot be taken is an
/// error of the filter's, and goes to the log. You need not care about `Arguments`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no after filter",
    note = "an after filter is a `Filter`, or an `async fn` whose arguments are extractors, such as `Answered` or `Session`, and which returns `()` or `Result<()>`"
)]
pub trait IntoAfter<Arguments> {
    /// It as a filter.
    fn into_after(self) -> impl Filter;
}

/// What a before filter's function may return.
pub trait IntoPassed: Send {
    /// The request goes on as this says.
    ///
    /// # Errors
    /// It does not go on.
    fn pass(self, request: &mut Request) -> Result<()>;
}

impl IntoPassed for () {
    fn pass(self, _: &mut Request) -> Result<()> {
        Ok(())
    }
}

impl IntoPassed for Request {
    fn pass(self, request: &mut Request) -> Result<()> {
        *request = self;
        Ok(())
    }
}

impl<T: IntoPassed, E: Into<Error> + Send> IntoPassed for Result<T, E> {
    fn pass(self, request: &mut Request) -> Result<()> {
        self.map_err(Into::into)?.pass(request)
    }
}

/// Says that something is a [`Filter`] already.
#[derive(Debug)]
pub struct Whole(());

/// The half of a filter that comes before handlers.
struct OnlyBefore<F>(F);

impl<F: Filter> Filter for OnlyBefore<F> {
    fn before(&self, request: &mut Request) -> impl Future<Output = Result<()>> + Send {
        self.0.before(request)
    }

    fn run(&self, server: &Arc<Context>) -> impl Future<Output = ()> + Send {
        self.0.run(server)
    }
}

impl<F: Filter> IntoBefore<Whole> for F {
    fn into_before(self) -> impl Filter {
        OnlyBefore(self)
    }
}

/// The half of a filter that comes after them.
struct OnlyAfter<F>(F);

impl<F: Filter> Filter for OnlyAfter<F> {
    fn after(&self, answered: &Answered) -> impl Future<Output = Result<()>> + Send {
        self.0.after(answered)
    }

    fn run(&self, server: &Arc<Context>) -> impl Future<Output = ()> + Send {
        self.0.run(server)
    }
}

impl<F: Filter> IntoAfter<Whole> for F {
    fn into_after(self) -> impl Filter {
        OnlyAfter(self)
    }
}

/// What an after filter's function may have as an argument: [`Answered`], and what a handler may have.
pub trait FromAnswered: Sized + Send {
    /// Takes it from the request, as the before filters left it.
    ///
    /// # Errors
    /// This request does not have it.
    fn from_answered(answered: &Answered) -> Result<Self>;
}

impl FromAnswered for Answered {
    fn from_answered(answered: &Answered) -> Result<Self> {
        Ok(answered.clone())
    }
}

impl<T: FromRequest> FromAnswered for T {
    fn from_answered(answered: &Answered) -> Result<Self> {
        // An argument may take the body, which others want as well.
        T::from_request(&mut answered.request().clone())
    }
}

/// What an after filter's function may return.
pub trait IntoDone: Send {
    /// As the outcome.
    ///
    /// # Errors
    /// What is to be logged.
    fn done(self) -> Result<()>;
}

impl IntoDone for () {
    fn done(self) -> Result<()> {
        Ok(())
    }
}

impl<E: Into<Error> + Send> IntoDone for Result<(), E> {
    fn done(self) -> Result<()> {
        self.map_err(Into::into)
    }
}

/// A before filter's function with these arguments.
struct CalledWith<F, A>(F, PhantomData<fn(A)>);

/// An after filter's.
struct CalledAfter<F, A>(F, PhantomData<fn(A)>);

macro_rules! before {
    ($($argument:ident),*) => {
        impl<F, Fut, R, $($argument),*> Filter for CalledWith<F, ($($argument,)*)>
        where
            F: Fn($($argument),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = R> + Send + 'static,
            R: IntoPassed,
            $($argument: FromRequest + 'static,)*
        {
            #[allow(non_snake_case, unused_mut, unused_variables,
                reason = "arguments are named as their types; there may be none")]
            async fn before(&self, request: &mut Request) -> Result<()> {
                let passed = {
                    // An argument may take the body, which others want as well.
                    $(let $argument = $argument::from_request(&mut request.clone())?;)*
                    (self.0)($($argument),*)
                };
                passed.await.pass(request)
            }
        }

        impl<F, Fut, R, $($argument),*> IntoBefore<($($argument,)*)> for F
        where
            F: Fn($($argument),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = R> + Send + 'static,
            R: IntoPassed,
            $($argument: FromRequest + 'static,)*
        {
            fn into_before(self) -> impl Filter {
                CalledWith(self, PhantomData::<fn(($($argument,)*))>)
            }
        }
    };
}

before!();
before!(T1);
before!(T1, T2);
before!(T1, T2, T3);
before!(T1, T2, T3, T4);
before!(T1, T2, T3, T4, T5);
before!(T1, T2, T3, T4, T5, T6);

macro_rules! after {
    ($($argument:ident),*) => {
        impl<F, Fut, R, $($argument),*> Filter for CalledAfter<F, ($($argument,)*)>
        where
            F: Fn($($argument),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = R> + Send + 'static,
            R: IntoDone,
            $($argument: FromAnswered + 'static,)*
        {
            #[allow(non_snake_case, unused_variables,
                reason = "arguments are named as their types; there may be none")]
            async fn after(&self, answered: &Answered) -> Result<()> {
                let done = {
                    $(let $argument = $argument::from_answered(answered)?;)*
                    (self.0)($($argument),*)
                };
                done.await.done()
            }
        }

        impl<F, Fut, R, $($argument),*> IntoAfter<($($argument,)*)> for F
        where
            F: Fn($($argument),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = R> + Send + 'static,
            R: IntoDone,
            $($argument: FromAnswered + 'static,)*
        {
            fn into_after(self) -> impl Filter {
                CalledAfter(self, PhantomData::<fn(($($argument,)*))>)
            }
        }
    };
}

after!();
after!(T1);
after!(T1, T2);
after!(T1, T2, T3);
after!(T1, T2, T3, T4);
after!(T1, T2, T3, T4, T5);
after!(T1, T2, T3, T4, T5, T6);
