//! Which addresses may connect.

use std::{
    fmt,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::RwLock;
use tangelo_connector::{BadNetwork, Networks};
use tangelo_runtime::guard::{self, Guarded};
use tokio::time::timeout;
use tracing::warn;

/// Which addresses may connect: by lists of networks, and by functions of yours. Everything can be
/// changed while servers run; clones share it.
///
/// A client is let in when nothing denies it, and it is in a network that is allowed, if any is named.
/// So denying goes before allowing. This is decided before anything is read from the client; one that is
/// refused is closed at once. Of a client behind a proxy that speaks for it it is decided when the proxy has
/// said who it is; for the proxy itself it is not asked. Networks are in CIDR form, `10.0.0.0/8`, or single addresses. An IPv6
/// address that is an IPv4 address in disguise, `::ffff:10.1.2.3`, is taken for that one.
///
/// A function of yours that panics, or takes longer than [`HostFilter::PATIENCE`], has denied.
///
/// ```
/// use tangelo_server::{Blueprint, HostFilter};
///
/// let hosts = HostFilter::new();
/// hosts.allow("10.0.0.0/8")?;
/// hosts.deny("10.6.6.6")?;
/// let connector = Blueprint::new("connector").host_filter(hosts.clone());
/// // At any time:
/// hosts.undeny("10.6.6.6")?;
/// # Ok::<_, tangelo_server::BadNetwork>(())
/// ```
#[derive(Clone, Default)]
pub struct HostFilter(Arc<Inner>);

#[derive(Default)]
struct Inner {
    rules: RwLock<Arc<Rules>>,
    /// Counts the changes of the rules.
    version: AtomicU64,
}

#[derive(Clone, Default)]
struct Rules {
    allowed: Networks,
    denied: Networks,
    deny_if: Option<DenyIf>,
    deny_if_async: Option<DenyIfAsync>,
}

type DenyIf = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;
type DenyIfAsync = Arc<dyn Fn(IpAddr) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

impl HostFilter {
    /// How long [`deny_if_async`](Self::deny_if_async) may take.
    pub const PATIENCE: Duration = Duration::from_secs(3);

    /// Lets everybody in.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets this network in, and none that is not named so.
    ///
    /// # Errors
    /// It is no network.
    pub fn allow(&self, network: &(impl ToString + ?Sized)) -> Result<(), BadNetwork> {
        self.change(|rules| rules.allowed.add(network))
    }

    /// Takes back [`allow`](Self::allow) of just this network; whether there was one. After the last one
    /// everybody is let in again.
    ///
    /// # Errors
    /// It is no network.
    pub fn disallow(&self, network: &(impl ToString + ?Sized)) -> Result<bool, BadNetwork> {
        self.change(|rules| rules.allowed.remove(network))
    }

    /// Allows these networks and no others.
    ///
    /// # Errors
    /// One of them is no network; nothing has changed then.
    pub fn set_allowed<N: ToString>(
        &self,
        networks: impl IntoIterator<Item = N>,
    ) -> Result<(), BadNetwork> {
        let networks = Networks::new(networks)?;
        self.change(|rules| rules.allowed = networks);
        Ok(())
    }

    /// The networks that are allowed; all, if there are none.
    pub fn allowed(&self) -> Vec<String> {
        self.rules().allowed.names()
    }

    /// Lets nobody of this network in.
    ///
    /// # Errors
    /// It is no network.
    pub fn deny(&self, network: &(impl ToString + ?Sized)) -> Result<(), BadNetwork> {
        self.change(|rules| rules.denied.add(network))
    }

    /// Takes back [`deny`](Self::deny) of just this network; whether there was one.
    ///
    /// # Errors
    /// It is no network.
    pub fn undeny(&self, network: &(impl ToString + ?Sized)) -> Result<bool, BadNetwork> {
        self.change(|rules| rules.denied.remove(network))
    }

    /// Denies these networks and, of those that were named before, no others. For long lists: it takes
    /// one step.
    ///
    /// # Errors
    /// One of them is no network; nothing has changed then.
    pub fn set_denied<N: ToString>(
        &self,
        networks: impl IntoIterator<Item = N>,
    ) -> Result<(), BadNetwork> {
        let networks = Networks::new(networks)?;
        self.change(|rules| rules.denied = networks);
        Ok(())
    }

    /// The networks that are denied.
    pub fn denied(&self) -> Vec<String> {
        self.rules().denied.names()
    }

    /// Asks a function as well, for each client that the lists let in: Pomelo's `blacklistFun`. It takes
    /// the place of an earlier one. It is called where clients are accepted, so it must not block.
    pub fn deny_if(&self, deny: impl Fn(IpAddr) -> bool + Send + Sync + 'static) {
        self.change(|rules| rules.deny_if = Some(Arc::new(deny)));
    }

    /// Asks an async function last, for each client that all the others let in. It takes the place of an
    /// earlier one. The client waits meanwhile; others do not.
    pub fn deny_if_async<Fut: Future<Output = bool> + Send + 'static>(
        &self,
        deny: impl Fn(IpAddr) -> Fut + Send + Sync + 'static,
    ) {
        self.change(|rules| {
            rules.deny_if_async = Some(Arc::new(move |address| Box::pin(deny(address))));
        });
    }

    /// Changes with every change of the rules.
    pub(super) fn version(&self) -> u64 {
        self.0.version.load(Ordering::Acquire)
    }

    /// Whether lists and the plain function deny it.
    pub(super) fn denies(&self, address: IpAddr) -> bool {
        let (rules, address) = (self.rules(), address.to_canonical());
        if rules.denied.contain(address)
            || !rules.allowed.is_empty() && !rules.allowed.contain(address)
        {
            return true;
        }
        let Some(deny) = &rules.deny_if else {
            return false;
        };
        guard::catch(|| deny(address)).unwrap_or_else(|panicked| {
            warn!(%address, %panicked, "host filter");
            true
        })
    }

    /// Whether the async function denies it.
    pub(super) async fn denies_later(&self, address: IpAddr) -> bool {
        let Some(deny) = self.rules().deny_if_async.clone() else {
            return false;
        };
        let address = address.to_canonical();
        let outcome = match guard::catch(|| deny(address)) {
            Ok(asked) => timeout(Self::PATIENCE, Guarded::new(asked)).await,
            Err(panicked) => Ok(Err(panicked)),
        };
        match outcome {
            Ok(Ok(denies)) => denies,
            Ok(Err(panicked)) => {
                warn!(%address, %panicked, "host filter");
                true
            }
            Err(_) => {
                warn!(%address, patience = ?Self::PATIENCE, "the host filter takes too long");
                true
            }
        }
    }

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.0.rules.read())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Rules) -> T) -> T {
        let mut rules = self.0.rules.write();
        let outcome = change(Arc::make_mut(&mut rules));
        self.0.version.fetch_add(1, Ordering::Release);
        outcome
    }
}

impl fmt::Debug for HostFilter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.rules();
        formatter
            .debug_struct("HostFilter")
            .field("allowed", &rules.allowed.names())
            .field("denied", &rules.denied.names())
            .field("deny_if", &rules.deny_if.is_some())
            .field("deny_if_async", &rules.deny_if_async.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denies(hosts: &HostFilter, address: &str) -> bool {
        hosts.denies(address.parse().unwrap())
    }

    #[test]
    fn a_network_ends_where_it_ends() {
        let hosts = HostFilter::new();
        hosts.deny("10.1.0.0/16").unwrap();
        hosts.deny("2001:db8::/32").unwrap();
        for (address, denied) in [
            ("10.0.255.255", false),
            ("10.1.0.0", true),
            ("10.1.255.255", true),
            ("10.2.0.0", false),
            ("2001:db7:ffff::", false),
            ("2001:db8::1", true),
            ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true),
            ("2001:db9::", false),
        ] {
            assert_eq!(denies(&hosts, address), denied, "{address}");
        }
    }

    #[test]
    fn an_address_denies_itself_and_not_those_that_look_like_it() {
        let hosts = HostFilter::new();
        hosts.deny("1.2.3.4").unwrap();
        for other in ["11.2.3.4", "1.2.3.45", "112.3.4.5", "1.2.3.5", "1.2.3.3"] {
            assert!(!denies(&hosts, other), "{other}");
        }
        assert!(denies(&hosts, "1.2.3.4"));
    }

    #[test]
    fn an_address_in_disguise_is_the_one_behind_it() {
        let hosts = HostFilter::new();
        hosts.deny("10.0.0.0/8").unwrap();
        hosts.deny("::ffff:192.0.2.0/120").unwrap();
        assert!(denies(&hosts, "::ffff:10.1.2.3"));
        assert!(denies(&hosts, "192.0.2.255"));
        assert!(!denies(&hosts, "192.0.3.0"));
        assert_eq!(hosts.denied(), ["10.0.0.0/8", "192.0.2.0/24"]);
        // All of IPv6 is nothing of IPv4.
        hosts.set_denied(["::/0"]).unwrap();
        assert!(denies(&hosts, "::1"));
        assert!(!denies(&hosts, "::ffff:10.1.2.3"));
        assert!(!denies(&hosts, "10.1.2.3"));
    }

    #[test]
    fn denying_goes_before_allowing() {
        let hosts = HostFilter::new();
        hosts.set_allowed(["10.0.0.0/8", "::1"]).unwrap();
        hosts.deny("10.6.0.0/16").unwrap();
        for (address, denied) in [
            ("10.5.0.1", false),
            ("10.6.0.1", true),
            ("::1", false),
            ("9.9.9.9", true),
        ] {
            assert_eq!(denies(&hosts, address), denied, "{address}");
        }
    }

    #[test]
    fn what_is_taken_back_is_as_if_it_had_never_been() {
        let hosts = HostFilter::new();
        hosts.deny("10.0.0.0/8").unwrap();
        hosts.deny("10.1.0.0/16").unwrap();
        assert_eq!(hosts.undeny("10.0.0.0/8"), Ok(true));
        assert_eq!(hosts.undeny("10.0.0.0/8"), Ok(false));
        assert!(!denies(&hosts, "10.0.0.1"));
        assert!(denies(&hosts, "10.1.0.1"), "the smaller one was named, too");
        hosts.allow("10.0.0.1").unwrap();
        assert!(denies(&hosts, "9.9.9.9"));
        assert_eq!(hosts.disallow("10.0.0.1"), Ok(true));
        assert!(
            !denies(&hosts, "9.9.9.9"),
            "nothing is named, so all are allowed"
        );
    }

    #[test]
    fn what_is_no_network_changes_nothing() {
        let hosts = HostFilter::new();
        for text in [
            "",
            "10.0.0",
            "10.0.0.0/33",
            "::/129",
            "example.org",
            "1.2.3.4 ",
            "^10\\.",
            "010.0.0.1",
        ] {
            let bad = hosts.deny(text).unwrap_err();
            assert!(bad.to_string().starts_with(&format!("`{text}` ")), "{bad}");
            assert_eq!(hosts.set_denied(["10.0.0.0/8", text]), Err(bad), "{text}");
        }
        assert!(hosts.denied().is_empty());
    }

    #[test]
    fn a_network_may_say_more_than_its_prefix() {
        let hosts = HostFilter::new();
        hosts.deny("10.1.2.3/8").unwrap();
        hosts.deny("10.0.0.0/8").unwrap();
        assert_eq!(hosts.denied(), ["10.0.0.0/8"]);
        assert!(denies(&hosts, "10.200.0.1"));
    }

    #[test]
    fn a_function_that_panics_has_denied() {
        let hosts = HostFilter::new();
        hosts.deny_if(|address| address.is_ipv6() && panic!("on purpose"));
        assert!(!denies(&hosts, "10.0.0.1"));
        assert!(denies(&hosts, "2001:db8::1"));
        assert!(
            !denies(&hosts, "::ffff:10.0.0.1"),
            "a function sees the address behind"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_async_function_that_panics_or_takes_too_long_has_denied() {
        let hosts = HostFilter::new();
        let address = "10.0.0.1".parse().unwrap();
        assert!(!hosts.denies_later(address).await);
        hosts.deny_if_async(|address| async move { address.is_ipv6() });
        assert!(!hosts.denies_later(address).await);
        hosts.deny_if_async(|_| async { panic!("on purpose") });
        assert!(hosts.denies_later(address).await);
        hosts.deny_if_async(|_| async {
            tokio::time::sleep(HostFilter::PATIENCE - Duration::from_millis(1)).await;
            false
        });
        assert!(!hosts.denies_later(address).await);
        hosts.deny_if_async(|_| async {
            tokio::time::sleep(HostFilter::PATIENCE + Duration::from_millis(1)).await;
            false
        });
        assert!(hosts.denies_later(address).await);
    }
}
