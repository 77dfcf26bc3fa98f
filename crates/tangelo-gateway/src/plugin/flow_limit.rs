//! How many requests a client may send.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use http::StatusCode;
use parking_lot::Mutex;
use tangelo_rpc::{
    Code,
    server::{FlowCounter, FlowLimits},
};
use tokio::time::Instant;

use super::{Plugin, Refusal, Step};
use crate::Exchange;

/// Refuses requests of a client that sends too many: `1=5;60=100` are 5 in a second, and 100 in a minute.
///
/// A client is an address, of IPv6 a network of 64 bits, at all urls together that name this plugin.
#[derive(Debug)]
pub(super) struct FlowLimit {
    limits: FlowLimits,
    clients: Mutex<Clients>,
}

/// Counters of those who have been here of late, in two halves: of a half that is over, those move on who come again.
/// So nobody is forgotten whose requests still count, unless there are too many clients, and no time is spent on
/// looking for those who are.
#[derive(Debug)]
struct Clients {
    now: Half,
    before: Half,
    /// When the half began.
    begun: Instant,
    /// How long it takes.
    time: Duration,
    /// Clients of a half.
    most: usize,
}

type Half = HashMap<IpAddr, FlowCounter, foldhash::fast::RandomState>;

/// Clients that are remembered.
const CLIENTS: u32 = 100_000;

impl FlowLimit {
    pub(super) fn new(params: &str) -> Result<Self, String> {
        let (mut limits, mut clients) = (Vec::new(), CLIENTS);
        for part in params.split(';').filter(|part| !part.trim().is_empty()) {
            match part.trim().strip_prefix("clients=") {
                None => limits.push(part),
                Some(text) => {
                    let number = text.trim().parse().ok().filter(|number| *number >= 2);
                    clients = number.ok_or_else(|| {
                        format!("clients: expected a number from 2, but it is `{text}`")
                    })?;
                }
            }
        }
        let limits: FlowLimits = limits
            .join(";")
            .parse()
            .map_err(|error| format!("{error}"))?;
        let clients = Clients {
            now: Half::default(),
            before: Half::default(),
            begun: Instant::now(),
            time: limits.longest(),
            most: clients as usize / 2,
        };
        Ok(Self {
            limits,
            clients: Mutex::new(clients),
        })
    }
}

impl Plugin for FlowLimit {
    fn before_parse<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let client = client(exchange.client().address);
        let admitted = self
            .clients
            .lock()
            .admit(client, &self.limits, Instant::now());
        match admitted {
            Ok(()) => Step::Next,
            Err(wait) => {
                let refusal = Refusal::new(Code::FLOW_LIMIT.0, "");
                let refusal = refusal.status(StatusCode::TOO_MANY_REQUESTS);
                Step::Refuse(refusal.retry_after(wait))
            }
        }
    }
}

impl Clients {
    fn admit(&mut self, client: IpAddr, limits: &FlowLimits, now: Instant) -> Result<(), Duration> {
        let is_over = now.saturating_duration_since(self.begun) >= self.time;
        if is_over || (self.now.len() >= self.most && !self.now.contains_key(&client)) {
            self.before = std::mem::take(&mut self.now);
            self.begun = now;
        }
        let before = &mut self.before;
        let counter = self.now.entry(client).or_insert_with(|| {
            let known = before.remove(&client);
            known.unwrap_or_else(|| FlowCounter::new(limits))
        });
        counter.admit(now)
    }
}

/// Who has an address of IPv6 has the whole network.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            Ipv6Addr::from(network).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[test]
    fn each_client_has_limits_of_its_own() {
        let limit = FlowLimit::new("1=2;10=3").unwrap();
        let mut clients = limit.clients.lock();
        let start = Instant::now();
        let mut admit = |last, seconds| {
            let now = start + Duration::from_secs(seconds);
            clients.admit(address(last), &limit.limits, now).is_ok()
        };
        assert_eq!([admit(1, 0), admit(1, 0), admit(1, 0)], [true, true, false]);
        assert!(admit(2, 0));
        assert_eq!([admit(1, 1), admit(1, 2)], [true, false]);
        // As long as its requests count it is not forgotten, however long it is here.
        assert_eq!([admit(1, 9), admit(1, 11)], [false, true]);
        assert_eq!([admit(1, 12), admit(1, 12)], [true, true]);
        assert_eq!(
            [admit(1, 13), admit(1, 20), admit(1, 21)],
            [false, false, true]
        );
    }

    #[test]
    fn no_more_clients_are_remembered_than_are_to_be() {
        let limit = FlowLimit::new("60=1;clients=10").unwrap();
        let mut clients = limit.clients.lock();
        let now = Instant::now();
        for last in 0..=255 {
            assert!(clients.admit(address(last), &limit.limits, now).is_ok());
            assert!(clients.admit(address(last), &limit.limits, now).is_err());
            assert!(clients.now.len() + clients.before.len() <= 10);
        }
        // Those who came last are remembered.
        assert!(clients.admit(address(251), &limit.limits, now).is_err());
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let client = |text: &str| super::client(text.parse().unwrap());
        assert_eq!(client("2001:db8:1:2::1"), client("2001:db8:1:2:ffff::9"));
        assert_ne!(client("2001:db8:1:2::1"), client("2001:db8:1:3::1"));
        assert_eq!(client("::ffff:10.0.0.1"), client("10.0.0.1"));
        assert_ne!(client("10.0.0.1"), client("10.0.0.2"));
    }

    #[test]
    fn what_is_no_limit_is_a_mistake() {
        assert!(
            FlowLimit::new("")
                .unwrap_err()
                .contains("expected seconds=calls")
        );
        assert!(
            FlowLimit::new("5")
                .unwrap_err()
                .contains("expected seconds=calls")
        );
        let mistake = FlowLimit::new("1=5;clients=1").unwrap_err();
        assert_eq!(mistake, "clients: expected a number from 2, but it is `1`");
    }
}
