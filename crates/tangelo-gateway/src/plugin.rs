//! How an application looks at requests and answers on their way.

pub(crate) mod cors;
mod flow_limit;
mod jsonp;
mod params;
mod redirect;
mod signature;
pub(crate) mod template;
mod text;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use http::{Response, StatusCode};

use crate::{Body, Exchange, Output, route::Url};

/// Looks at requests and answers on their way, for the urls that name it; in the order in which they name
/// several.
///
/// There are five positions, and a plugin has something to do at some of them. A request that is refused at one
/// is not looked at any further before the answer is rendered; answers that are errors are rendered as all others.
/// A panic is answered with 500.
pub trait Plugin: Send + Sync + 'static {
    /// Is told of each url that names it, when routes are loaded.
    ///
    /// # Errors
    /// What is wrong with the url, its attributes for example: nothing is loaded then.
    fn check(&self, _url: &Url) -> Result<(), String> {
        Ok(())
    }

    /// A browser asks whether a page from elsewhere may send a request of this url; none leaves it to the next
    /// plugin. None of the five positions is for such a question.
    fn preflight(&self, _exchange: &Exchange) -> Option<Response<Body>> {
        None
    }

    /// First: the body has come, and nobody has looked into it. What is changed here is what will be parsed.
    fn before_parse<'a>(&'a self, _exchange: &'a mut Exchange) -> Step<'a> {
        Step::Next
    }

    /// Second: parameters can be looked at and changed.
    fn after_parse<'a>(&'a self, _exchange: &'a mut Exchange) -> Step<'a> {
        Step::Next
    }

    /// Third: the session is known, as far as the url needs one, and a login was there where it is required.
    fn after_session<'a>(&'a self, _exchange: &'a mut Exchange) -> Step<'a> {
        Step::Next
    }

    /// Fourth: the service has answered, or something was refused. The answer can be changed, and be rendered in
    /// another way than as JSON.
    fn before_render<'a>(&'a self, _exchange: &'a Exchange, _output: &'a mut Output) -> Step<'a> {
        Step::Next
    }

    /// Last: the response as it will be sent, but for compression and what belongs to the connection.
    fn after_render<'a>(
        &'a self,
        _exchange: &'a Exchange,
        _response: &'a mut Response<Body>,
    ) -> Step<'a> {
        Step::Next
    }
}

/// What a plugin wants done.
pub enum Step<'a> {
    /// Goes on.
    Next,
    /// Answers with this code.
    Refuse(Refusal),
    /// Answers with this response. The service is not asked, if it has not been yet.
    Answer(Box<Response<Body>>),
    /// Is known later. It is dropped when the client goes or the request's time is up.
    Wait(Pin<Box<dyn Future<Output = Step<'static>> + Send + 'a>>),
}

impl<'a> Step<'a> {
    /// Is known when this future ends.
    pub fn wait(future: impl Future<Output = Step<'static>> + Send + 'a) -> Self {
        Self::Wait(Box::pin(future))
    }

    /// Answers with this code and these words; status 403.
    pub fn refuse(code: i32, words: impl Into<String>) -> Self {
        Self::Refuse(Refusal::new(code, words))
    }

    /// Answers with this response.
    pub fn answer(response: Response<Body>) -> Self {
        Self::Answer(Box::new(response))
    }
}

impl fmt::Debug for Step<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Next => formatter.write_str("Next"),
            Self::Refuse(refusal) => formatter.debug_tuple("Refuse").field(refusal).finish(),
            Self::Answer(response) => {
                let status = response.status();
                formatter.debug_tuple("Answer").field(&status).finish()
            }
            Self::Wait(_) => formatter.write_str("Wait"),
        }
    }
}

/// Why a request is not let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Goes to `retCode`.
    pub code: i32,
    /// Goes to `retMsg`; if empty, the code's own words do.
    pub words: String,
    /// The response's status.
    pub status: StatusCode,
    /// When the client may try again: the header `Retry-After`, in whole seconds. Default: it is not told.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// With status 403.
    pub fn new(code: i32, words: impl Into<String>) -> Self {
        Self {
            code,
            words: words.into(),
            status: StatusCode::FORBIDDEN,
            retry_after: None,
        }
    }

    /// With another status.
    #[must_use]
    pub fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The client may try again after this time.
    #[must_use]
    pub fn retry_after(self, time: Duration) -> Self {
        Self {
            retry_after: Some(time),
            ..self
        }
    }
}

/// Makes a plugin of the parameters that routes give it; empty if they give none.
type Load = dyn Fn(&str) -> Result<Arc<dyn Plugin>, String> + Send + Sync;

/// The plugins that routes may name.
#[derive(Clone, Default)]
pub(crate) struct Plugins {
    all: BTreeMap<String, Arc<Load>>,
    /// Those among them that are the application's.
    own: BTreeSet<String>,
}

/// The plugins of the routes there are, by name.
pub(crate) type Loaded = BTreeMap<String, (String, Arc<dyn Plugin>)>;

impl Plugins {
    /// Those that are always there. One of an application's own with the same name takes its place.
    pub(crate) fn shipped() -> Self {
        let mut plugins = Self::default();
        plugins.add(cors::NAME.to_owned(), |params| {
            Ok(Arc::new(cors::Cors::new(params)?))
        });
        plugins.add("jsonp".to_owned(), |params| {
            Ok(Arc::new(jsonp::Jsonp::new(params)?))
        });
        for kind in text::KINDS {
            plugins.add(kind.name.to_owned(), |params| {
                Ok(Arc::new(text::Text::new(kind, params)?))
            });
        }
        for by in redirect::WAYS {
            plugins.add(by.name().to_owned(), move |params| {
                Ok(Arc::new(redirect::Redirect::new(by, params)?))
            });
        }
        plugins.add(template::NAME.to_owned(), |params| {
            Ok(Arc::new(template::Template::new(params)?))
        });
        plugins.add("signature".to_owned(), |params| {
            Ok(Arc::new(signature::Signature::new(params)?))
        });
        plugins.add("flowlimit".to_owned(), |params| {
            Ok(Arc::new(flow_limit::FlowLimit::new(params)?))
        });
        plugins.own.clear();
        plugins
    }

    /// Whether the plugin of this name is the one that comes with us.
    pub(crate) fn is_shipped(&self, name: &str) -> bool {
        self.all.contains_key(name) && !self.own.contains(name)
    }

    pub(crate) fn add(
        &mut self,
        name: String,
        load: impl Fn(&str) -> Result<Arc<dyn Plugin>, String> + Send + Sync + 'static,
    ) {
        self.own.insert(name.clone());
        self.all.insert(name, Arc::new(load));
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.all.keys().map(String::as_str)
    }

    /// The plugin with these parameters. One that was there before with the same is taken as it is: what it has
    /// counted goes on.
    pub(crate) fn load(
        &self,
        name: &str,
        params: &str,
        before: Option<&Loaded>,
    ) -> Result<Arc<dyn Plugin>, String> {
        if let Some((known, plugin)) = before.and_then(|before| before.get(name))
            && known == params
        {
            return Ok(Arc::clone(plugin));
        }
        let load = self.all.get(name).ok_or("there is no such plugin")?;
        tangelo_runtime::guard::catch(|| load(params)).map_err(|panicked| panicked.to_string())?
    }
}

impl fmt::Debug for Plugins {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.all.keys()).finish()
    }
}
