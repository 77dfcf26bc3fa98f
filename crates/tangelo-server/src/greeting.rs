//! Who is let in: what the application says of handshakes, and asks before it answers one.

use std::{fmt, pin::Pin, sync::Arc};

use serde::Serialize;
use serde_json::Value;
use tangelo_auth::{Refused, Verified, Verifier};
use tangelo_rpc::{Code, Status};
use tangelo_runtime::guard;
use tangelo_wire::pomelo::{
    handshake::{self, Refusal},
    signing::RsaKey,
};
use tokio::{sync::Semaphore, time::timeout};
use tracing::error;

use crate::{Blueprint, Error, Limits, Result, Session, Uid};

/// Tokens that are verified at once; others wait, in their handshake's time.
const MOST_VERIFIED: usize = 256;

/// What a client said when it opened the conversation.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Hello {
    /// Kind of client, such as `js-websocket`; empty if it does not say.
    pub client_type: String,
    /// The client's own version; empty if it does not say.
    pub client_version: String,
    /// What the application's client added: `user`. The token that was
    /// [verified](Blueprint::authenticate) is taken out of it.
    pub user: Value,
    /// Who it is, where the blueprint [authenticates](Blueprint::authenticate); none of a guest.
    pub verified: Option<Verified>,
}

type CheckClient = Box<dyn Fn(&str, &str) -> bool + Send + Sync>;
type OnHandshake = Box<dyn Fn(Hello, Session) -> Greeted + Send + Sync>;
type Greeted = Pin<Box<dyn Future<Output = Result<Value>> + Send>>;

/// What a blueprint says of handshakes.
#[derive(Default)]
pub(crate) struct Plan {
    check_client: Option<CheckClient>,
    verifier: Option<Arc<dyn Verifier>>,
    guests: bool,
    on_handshake: Option<OnHandshake>,
    use_crypto: bool,
}

impl Blueprint {
    /// Asked of each client first, by its kind and its version, which are empty where it does not say them:
    /// whether it is served. Who is not is answered 501, by which clients of Pomelo's know that they are too
    /// old. Pomelo's `checkClient`. A panic is answered 500.
    #[must_use]
    pub fn check_client(
        mut self,
        check: impl Fn(&str, &str) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.greeting.check_client = Some(Box::new(check));
        self
    }

    /// Asked when a client opens the conversation, before it is answered: Pomelo's `handshake`. What it
    /// returns is the answer's `user`; nothing and null add none. With an error the client is refused: it
    /// is told `code` and `msg`, and the error's [body](Error::body), if it has one, as `user`; then the
    /// connection closes.
    ///
    /// It has [`Limits::GREETING`], together with [`authenticate`](Self::authenticate), after which the
    /// client is refused with 504; a panic is answered 500. When the client goes meanwhile, it is dropped. A client
    /// that comes back to [its session](Self::resume) is let in by that, and not asked about again. Said again, the later one
    /// counts.
    #[must_use]
    pub fn on_handshake<F, T, E>(
        mut self,
        hook: impl Fn(Hello, Session) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize,
        E: Into<Error>,
    {
        self.greeting.on_handshake = Some(Box::new(move |hello, session| {
            let greeting = hook(hello, session);
            Box::pin(async move {
                let user = greeting.await.map_err(Into::into)?;
                Ok(serde_json::to_value(user)?)
            })
        }));
        self
    }

    /// Clients have to show a token, and are bound to the user it is of. It is the `token` of the handshake's
    /// `user`; over a WebSocket it may as well be in the header `Authorization: Bearer` or in the query, as
    /// `token`; over MQTT it may be the password. The verifier is a `Jwt` (feature `jwt`), a [`bearer`](tangelo_auth::bearer) function, or a
    /// [`Verifier`] of your own.
    ///
    /// Who shows none, or one that does not count, is refused with 401 and the reason. Then
    /// [`on_handshake`](Self::on_handshake) is asked, which may still refuse; the user is bound last, by the rules of a
    /// [single session](Self::single_session): 409 where another one has it. Said again, the later one counts.
    #[must_use]
    pub fn authenticate(mut self, verifier: impl Verifier) -> Self {
        self.greeting.verifier = Some(Arc::new(verifier));
        self
    }

    /// Clients have to sign their messages: Pomelo's `useCrypto`, for clients that cannot be changed. They make
    /// a key for themselves and name it in the handshake; who does not is refused with 500. A request whose
    /// signature is not good is answered 400, a notify is dropped. Bodies with
    /// [definitions](Self::client_protos) cannot be signed.
    ///
    /// It guards against nobody who sees the handshake or can change it; TLS does. It costs a check of RSA for each
    /// message. It needs the feature `signing`, without which the server does not start. Default: no.
    #[must_use]
    pub fn use_crypto(mut self, whether: bool) -> Self {
        self.greeting.use_crypto = whether;
        self
    }

    /// Who shows no token at all is let in without a user. A token that does not count is refused all the same.
    #[must_use]
    pub fn allow_guests(mut self) -> Self {
        self.greeting.guests = true;
        self
    }
}

/// What a server asks before it answers a handshake.
pub(crate) struct Greeting {
    plan: Plan,
    verifying: Semaphore,
}

impl Plan {
    pub(crate) fn mistakes(&self) -> Option<String> {
        let is_missing = self.use_crypto && !cfg!(feature = "signing");
        is_missing.then(|| "use_crypto: this was built without the feature `signing`".to_owned())
    }

    pub(crate) fn start(self) -> Greeting {
        Greeting {
            plan: self,
            verifying: Semaphore::new(MOST_VERIFIED),
        }
    }
}

impl Greeting {
    /// Whether clients of this kind and version are served.
    pub(crate) fn check_client(&self, hello: &handshake::Hello) -> Result<(), Refusal> {
        let Some(check) = &self.plan.check_client else {
            return Ok(());
        };
        let client_type = hello.client_type.as_deref().unwrap_or_default();
        let version = hello.client_version.as_deref().unwrap_or_default();
        match guard::catch(|| check(client_type, version)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::Client),
            Err(panicked) => {
                error!(%panicked, "check_client");
                Err(refusal(&failed(panicked)))
            }
        }
    }

    /// What this client signs its messages with, if clients have to.
    pub(crate) fn signed_by(&self, hello: &handshake::Hello) -> Result<Option<RsaKey>, Refusal> {
        match (self.plan.use_crypto, &hello.rsa) {
            (false, _) => Ok(None),
            (true, Some(key)) => Ok(Some(key.clone())),
            (true, None) => Err(Refusal::NoKey),
        }
    }

    /// Whether there is somebody to be asked who may have to wait.
    pub(crate) fn asks(&self) -> bool {
        self.plan.verifier.is_some() || self.plan.on_handshake.is_some()
    }

    /// Whether tokens are verified here.
    pub(crate) fn wants_token(&self) -> bool {
        self.plan.verifier.is_some()
    }

    /// Asks whether this client is let in; what goes into the answer's `user`. A `token` is what came with
    /// the connection.
    pub(crate) async fn judge(
        &self,
        mut hello: Hello,
        token: Option<String>,
        session: Session,
    ) -> Result<Value> {
        let judging = async {
            if let Some(verifier) = &self.plan.verifier {
                hello.verified = self.verify(&**verifier, &mut hello.user, token).await?;
            }
            let uid = hello.verified.as_ref().map(|it| Uid::from(&it.uid));
            let user = match &self.plan.on_handshake {
                Some(hook) => hook(hello, session.clone()).await?,
                None => Value::Null,
            };
            if let Some(uid) = uid {
                // Last: who is refused takes nobody's place.
                session.bind(uid).await?;
            }
            Ok(user)
        };
        let judged = timeout(Limits::GREETING, judging).await;
        judged.unwrap_or_else(|_| {
            let late = Status::new(504, "the handshake took too long");
            let why = format!("not judged within {:?}", Limits::GREETING);
            Err(Error::of(late.with_cause(why)))
        })
    }

    async fn verify(
        &self,
        verifier: &dyn Verifier,
        user: &mut Value,
        token: Option<String>,
    ) -> Result<Option<Verified>> {
        let said = user.as_object_mut().and_then(|user| user.remove("token"));
        let token = match said {
            Some(Value::String(token)) => Some(token),
            Some(Value::Null) | None => token,
            Some(_) => return Err(error(&Refused::unauthorized("a token is text"))),
        };
        let Some(token) = token else {
            return match self.plan.guests {
                true => Ok(None),
                false => Err(error(&Refused::unauthorized("no token"))),
            };
        };
        // It is never closed.
        let _place = self.verifying.acquire().await;
        let verified = verifier.verify(&token).await;
        let verified = verified.map_err(|refused| error(&refused))?;
        Ok(Some(verified))
    }
}

impl From<handshake::Hello> for Hello {
    fn from(hello: handshake::Hello) -> Self {
        Self {
            client_type: hello.client_type.unwrap_or_default(),
            client_version: hello.client_version.unwrap_or_default(),
            user: hello.user,
            verified: None,
        }
    }
}

impl From<Uid> for Verified {
    fn from(uid: Uid) -> Self {
        Self::new(&*uid)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::new(error.code(), error.message()).because(error.why())
    }
}

fn error(refused: &Refused) -> Error {
    let status = Status::new(refused.code(), refused.message().to_owned());
    Error::of(match refused.reason() {
        Some(reason) => status.with_cause(reason.to_owned()),
        None => status,
    })
}

/// The application's code has panicked.
pub(crate) fn failed(panicked: guard::Panicked) -> Error {
    Error::of(Status::from(Code::BUSINESS_ERROR).with_cause(panicked))
}

/// As the client is told.
pub(crate) fn refusal(error: &Error) -> Refusal {
    Refusal::Application {
        code: error.code(),
        message: error.message().to_owned(),
        user: error.body().cloned().unwrap_or_default(),
    }
}

/// Without what the application's client added, which may be a password.
impl fmt::Debug for Hello {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Hello")
            .field("client_type", &self.client_type)
            .field("client_version", &self.client_version)
            .field("verified", &self.verified)
            .finish_non_exhaustive()
    }
}
