//! This machine's address, as others know it.

use std::net::{IpAddr, Ipv4Addr};

/// Docker's own bridge, which nobody elsewhere can reach.
const BRIDGE: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 1);

/// What the variable `KRPC_HOST` says; else a private address of the machine, else any that is not
/// its own loop.
pub(super) fn own_host() -> Option<IpAddr> {
    if let Some(said) = std::env::var("KRPC_HOST")
        .ok()
        .and_then(|host| host.parse().ok())
    {
        return Some(said);
    }
    let all = if_addrs::get_if_addrs().unwrap_or_default();
    let addresses = all.iter().map(if_addrs::Interface::ip);
    let usable: Vec<_> = addresses
        .filter(|address| !address.is_loopback() && *address != IpAddr::V4(BRIDGE))
        .collect();
    let is_private = |address: &&IpAddr| matches!(address, IpAddr::V4(v4) if v4.is_private());
    let mut v4 = usable.iter().filter(|address| address.is_ipv4());
    usable
        .iter()
        .find(is_private)
        .or_else(|| v4.next())
        .copied()
}
