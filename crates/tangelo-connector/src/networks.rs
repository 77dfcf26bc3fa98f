//! Networks that addresses are looked up in.

use std::{fmt, net::IpAddr};

use ipnet::{IpNet, Ipv4Net};

/// A set of networks.
///
/// They are in CIDR form, `10.0.0.0/8`, or single addresses. An IPv6 address that is an IPv4 address in
/// disguise, `::ffff:10.1.2.3`, is taken for that one. Looking up takes as long as the logarithm of how many
/// there are.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Networks {
    named: Vec<IpNet>,
    /// The same in order, without one within another.
    merged: Vec<IpNet>,
}

/// What names no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address and no network, such as 10.1.2.3 and 10.0.0.0/8")]
pub struct BadNetwork(String);

impl Networks {
    /// These.
    ///
    /// # Errors
    /// One of them is no network.
    pub fn new<N: ToString>(networks: impl IntoIterator<Item = N>) -> Result<Self, BadNetwork> {
        let named: Vec<_> = networks
            .into_iter()
            .map(|network| parse(&network))
            .collect::<Result<_, _>>()?;
        let merged = IpNet::aggregate(&named);
        Ok(Self { named, merged })
    }

    /// One more.
    ///
    /// # Errors
    /// It is no network.
    pub fn add(&mut self, network: &(impl ToString + ?Sized)) -> Result<(), BadNetwork> {
        let network = parse(network)?;
        if !self.named.contains(&network) {
            self.named.push(network);
            self.merged = IpNet::aggregate(&self.named);
        }
        Ok(())
    }

    /// Takes just this one back; whether it was there.
    ///
    /// # Errors
    /// It is no network.
    pub fn remove(&mut self, network: &(impl ToString + ?Sized)) -> Result<bool, BadNetwork> {
        let network = parse(network)?;
        let before = self.named.len();
        self.named.retain(|known| *known != network);
        self.merged = IpNet::aggregate(&self.named);
        Ok(self.named.len() < before)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// Whether the address is in one of them: if so in the last that begins before it.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let after = self
            .merged
            .partition_point(|network| network.network() <= address);
        let last = after.checked_sub(1).and_then(|last| self.merged.get(last));
        last.is_some_and(|network| network.contains(&address))
    }

    /// As they are written: `10.0.0.0/8`, `192.0.2.7/32`.
    pub fn names(&self) -> Vec<String> {
        self.named.iter().map(ToString::to_string).collect()
    }
}

impl fmt::Debug for Networks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.names()).finish()
    }
}

/// A network, or an address as one of its own. What it says beyond its prefix is left out.
fn parse(network: &(impl ToString + ?Sized)) -> Result<IpNet, BadNetwork> {
    let text = network.to_string();
    let parsed = text.parse::<IpNet>().ok();
    let parsed = parsed.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let network = parsed.ok_or(BadNetwork(text))?.trunc();
    Ok(plain(network).unwrap_or(network))
}

/// The IPv4 network that this one is in disguise.
fn plain(network: IpNet) -> Option<IpNet> {
    const DISGUISE: u8 = 96;
    let IpNet::V6(network) = network else {
        return None;
    };
    let address = network.addr().to_ipv4_mapped()?;
    let length = network.prefix_len().checked_sub(DISGUISE)?;
    Some(Ipv4Net::new(address, length).ok()?.into())
}
