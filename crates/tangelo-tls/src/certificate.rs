//! A server's certificate that may be exchanged while the server runs.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{self, ServerConfig},
};
use tracing::{info, warn};

use crate::{BadFile, Identity, chain, key, server};

/// A server's certificate and its key, from two PEM files. Clones speak of the same one.
///
/// When the files change, connections that come later are made safe with what they hold then; those that
/// are open stay as they are. They are looked at when a connection comes and the last look was
/// [`LOOK_EVERY`](Self::LOOK_EVERY) ago, or at once by [`reload`](Self::reload). Files that cannot be used,
/// such as a certificate whose key has not been written yet, change nothing and are told in the log.
#[derive(Clone)]
pub struct Certificate(Arc<Shared>);

struct Shared {
    certificate: PathBuf,
    key: PathBuf,
    /// What may be spoken over the connection, by the names that TLS has for it.
    protocols: Vec<Vec<u8>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    loaded: Option<Loaded>,
    looked: Option<Instant>,
    /// What was told last of files that cannot be used.
    problem: Option<BadCertificate>,
}

struct Loaded {
    identity: Identity,
    settings: Arc<ServerConfig>,
}

/// Why files make no certificate of a server.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadCertificate {
    /// The certificate cannot be read.
    #[error("certificate {0}")]
    Certificate(BadFile),
    /// The key cannot be read.
    #[error("key {0}")]
    Key(BadFile),
    /// They do not belong together, or are of no use to a server.
    #[error("certificate {}: {error}", file.display())]
    Unusable {
        /// The certificate.
        file: PathBuf,
        /// What is wrong.
        error: rustls::Error,
    },
}

impl Certificate {
    /// How long after one look at the files the next connection has them looked at again.
    pub const LOOK_EVERY: Duration = Duration::from_secs(10);

    /// Of these files: the certificate, with those that lead to its authority behind it, and its key. They
    /// are read when a server begins to listen, which fails if they cannot be used.
    pub fn files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self(Arc::new(Shared {
            certificate: certificate.into(),
            key: key.into(),
            protocols: Vec::new(),
            state: Mutex::default(),
        }))
    }

    /// Of the same files, for a server that lets a client choose what it speaks (ALPN): one of these, and rather the
    /// first. They are read anew for it.
    #[must_use]
    pub fn speaking(&self, protocols: &[&str]) -> Self {
        let protocols = protocols.iter().map(|name| name.as_bytes().to_vec());
        Self(Arc::new(Shared {
            certificate: self.0.certificate.clone(),
            key: self.0.key.clone(),
            protocols: protocols.collect(),
            state: Mutex::default(),
        }))
    }

    /// Reads the files now; whether they hold something else than before. It blocks while it reads.
    ///
    /// # Errors
    /// They cannot be used; nothing has changed then.
    pub fn reload(&self) -> Result<bool, BadCertificate> {
        let read = self.0.read();
        let mut state = self.0.state.lock();
        state.looked = Some(Instant::now());
        let identity = read?;
        if state
            .loaded
            .as_ref()
            .is_some_and(|it| it.identity == identity)
        {
            state.problem = None;
            return Ok(false);
        }
        let (chain, key) = &identity;
        let settings = server((chain.clone(), key.clone_key()), None);
        let unusable = |error| BadCertificate::Unusable {
            file: self.0.certificate.clone(),
            error,
        };
        let mut settings = settings.map_err(unusable)?;
        settings.alpn_protocols.clone_from(&self.0.protocols);
        let settings = Arc::new(settings);
        state.problem = None;
        state.loaded = Some(Loaded { identity, settings });
        Ok(true)
    }

    /// What makes the next connection safe; none if the files have never been read. Looks at them if that is
    /// due, in a thread where that may block. Cancel safe.
    pub async fn acceptor(&self) -> Option<TlsAcceptor> {
        if self.0.is_due() {
            let this = self.clone();
            // It fails only when the runtime ends.
            if let Ok(looked) = tokio::task::spawn_blocking(move || this.reload()).await {
                self.tell(looked);
            }
        }
        let state = self.0.state.lock();
        let settings = state.loaded.as_ref().map(|it| Arc::clone(&it.settings));
        settings.map(TlsAcceptor::from)
    }

    /// Tells the log what a look has brought, if that is news.
    fn tell(&self, looked: Result<bool, BadCertificate>) {
        let certificate = self.0.certificate.display();
        match looked {
            Ok(true) => info!(%certificate, "there is a new certificate for clients to come"),
            Ok(false) => {}
            Err(problem) => {
                let told = self.0.state.lock().problem.replace(problem.clone());
                if told.as_ref() != Some(&problem) {
                    warn!(%problem, "the certificate stays as it was");
                }
            }
        }
    }
}

impl Shared {
    /// Whether the files are to be looked at; only one is told so.
    fn is_due(&self) -> bool {
        let (mut state, now) = (self.state.lock(), Instant::now());
        let is_due = state
            .looked
            .is_none_or(|looked| now >= looked + Certificate::LOOK_EVERY);
        if is_due {
            state.looked = Some(now);
        }
        is_due
    }

    fn read(&self) -> Result<Identity, BadCertificate> {
        let chain = chain(&self.certificate).map_err(BadCertificate::Certificate)?;
        let key = key(&self.key).map_err(BadCertificate::Key)?;
        Ok((chain, key))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Certificate")
            .field("certificate", &self.0.certificate)
            .field("key", &self.0.key)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::CertifiedKey;

    use super::*;

    /// A folder of a test's own, with a certificate and its key.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("tangelo-tls-{name}-{}", std::process::id());
            let folder = Self(std::env::temp_dir().join(name));
            fs::create_dir_all(&folder.0).unwrap();
            folder.renew();
            folder
        }

        fn renew(&self) -> CertifiedKey<rcgen::KeyPair> {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            fs::write(self.certificate(), made.cert.pem()).unwrap();
            fs::write(self.key(), made.signing_key.serialize_pem()).unwrap();
            made
        }

        fn certificate(&self) -> PathBuf {
            self.0.join("cert.pem")
        }

        fn key(&self) -> PathBuf {
            self.0.join("key.pem")
        }

        fn files(&self) -> Certificate {
            Certificate::files(self.certificate(), self.key())
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    async fn settings(certificate: &Certificate) -> Arc<ServerConfig> {
        Arc::clone(certificate.acceptor().await.unwrap().config())
    }

    #[tokio::test]
    async fn reload_says_whether_the_files_hold_something_else() {
        let folder = Folder::new("reload");
        let certificate = folder.files();
        assert_eq!(certificate.reload(), Ok(true));
        assert_eq!(certificate.reload(), Ok(false));
        let before = settings(&certificate).await;
        assert!(Arc::ptr_eq(&before, &settings(&certificate).await));
        folder.renew();
        assert_eq!(certificate.clone().reload(), Ok(true));
        assert!(!Arc::ptr_eq(&before, &settings(&certificate).await));
    }

    #[tokio::test]
    async fn what_may_be_spoken_is_offered_whenever_the_files_are_read() {
        let folder = Folder::new("protocols");
        let certificate = folder.files().speaking(&["h2", "http/1.1"]);
        let offered = [b"h2".to_vec(), b"http/1.1".to_vec()];
        for _ in 0..2 {
            assert_eq!(certificate.reload(), Ok(true));
            assert_eq!(settings(&certificate).await.alpn_protocols, offered);
            folder.renew();
        }
    }

    #[tokio::test]
    async fn files_that_cannot_be_used_change_nothing() {
        let folder = Folder::new("bad");
        let certificate = folder.files();
        fs::remove_file(folder.certificate()).unwrap();
        let missing = certificate.reload().unwrap_err();
        assert!(
            matches!(missing, BadCertificate::Certificate(_)),
            "{missing}"
        );
        assert!(certificate.acceptor().await.is_none());
        folder.renew();
        assert_eq!(certificate.reload(), Ok(true));
        let good = settings(&certificate).await;
        // A key that is not the certificate's: half of a renewal.
        let key = fs::read(folder.key()).unwrap();
        let other = folder.renew();
        fs::write(folder.key(), key).unwrap();
        let error = certificate.reload().unwrap_err();
        assert!(matches!(error, BadCertificate::Unusable { .. }), "{error}");
        fs::write(folder.key(), "no key").unwrap();
        let error = certificate.reload().unwrap_err();
        assert!(matches!(error, BadCertificate::Key(_)), "{error}");
        assert!(Arc::ptr_eq(&good, &settings(&certificate).await));
        // The other half.
        fs::write(folder.key(), other.signing_key.serialize_pem()).unwrap();
        assert_eq!(certificate.reload(), Ok(true));
    }

    #[tokio::test(start_paused = true)]
    async fn files_are_looked_at_when_somebody_comes_but_not_all_the_time() {
        let folder = Folder::new("looks");
        let certificate = folder.files();
        certificate.reload().unwrap();
        let old = settings(&certificate).await;
        folder.renew();
        tokio::time::advance(Certificate::LOOK_EVERY - Duration::from_millis(1)).await;
        assert!(Arc::ptr_eq(&old, &settings(&certificate).await));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!Arc::ptr_eq(&old, &settings(&certificate).await));
    }
}
