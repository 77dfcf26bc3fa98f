//! The addresses a referer may call.

use std::{collections::HashMap, sync::Arc};

use tokio::time::Instant;

use super::{Balance, Client, Node, address::Address, balance::Choice, breaker::BreakerConfig};

/// Addresses that the reason of a failure speaks of.
const ADDRESSES_TOLD: usize = 3;

/// The addresses a referer may call, each with what is known of it. A change makes a new list; calls
/// under way keep the one they began with.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    nodes: Vec<Arc<Node>>,
    addresses: Vec<Arc<Address>>,
}

/// One of them.
pub(crate) type Target<'a> = (&'a Arc<Node>, &'a Arc<Address>);

impl Targets {
    /// These addresses, `host:port` and weight; what is known of those that were there before stays.
    pub(crate) fn changed(
        &self,
        to: &[(String, u32)],
        client: &Client,
        breaker: Option<&BreakerConfig>,
    ) -> Self {
        let known: HashMap<&str, usize> = (0..)
            .zip(&self.nodes)
            .map(|(at, node)| (node.address(), at))
            .collect();
        let mut next = Self::default();
        for (name, weight) in to {
            if next.nodes.iter().any(|node| node.address() == name) {
                continue;
            }
            let at = known.get(name.as_str()).copied();
            let kept = at.and_then(|at| Some((self.nodes.get(at)?, self.addresses.get(at)?)));
            let (node, address) = match kept {
                Some((node, address)) => (Arc::clone(node), Arc::clone(address)),
                None => {
                    let node = Node::new(name.as_str().into(), breaker.cloned());
                    (Arc::new(node), client.address(name))
                }
            };
            node.set_weight(*weight);
            next.nodes.push(node);
            next.addresses.push(address);
        }
        next
    }

    /// Lets the balancer pick one that can be called: not tried yet, up, and admitted. A lazy client
    /// takes what is not up for what can be, but where connecting has failed last only for want of others.
    pub(crate) fn pick(
        &self,
        balance: &dyn Balance,
        call: (Option<&[u8]>, i32, Instant),
        tried: &[Arc<Node>],
        lazy: bool,
        admits: impl Fn(&Node) -> bool,
    ) -> Option<Target<'_>> {
        let could = |address: &Address| address.is_up() || (lazy && !address.is_failing());
        let picked = self.pick_of(balance, call, tried, |node, address| {
            could(address) && admits(node)
        });
        picked.or_else(|| {
            let any = |node: &Node, _: &Address| admits(node);
            lazy.then(|| self.pick_of(balance, call, tried, any))?
        })
    }

    /// Those that may come up in a moment: new, not tried yet, and admitted.
    pub(crate) fn new_ones(
        &self,
        tried: &[Arc<Node>],
        admits: impl Fn(&Node) -> bool,
    ) -> Vec<Arc<Address>> {
        let all = self.nodes.iter().zip(&self.addresses);
        let new = all
            .filter(|(node, address)| address.is_new() && !is_among(tried, node) && admits(node));
        new.map(|(_, address)| Arc::clone(address)).collect()
    }

    /// Why none can be called, for the log: of the first few addresses.
    pub(crate) fn why_none(&self, admits: impl Fn(&Node) -> bool) -> String {
        if self.nodes.is_empty() {
            return "no address is known".to_owned();
        }
        let why = |(node, address): (&Arc<Node>, &Arc<Address>)| {
            let why = if !admits(node) {
                "not admitted by the routing rules".into()
            } else if node.is_open() {
                "left alone by the circuit breaker".into()
            } else {
                let problem = address.problem();
                problem.unwrap_or_else(|| "no connection yet".into())
            };
            format!("{}: {why}", node.address())
        };
        let told = self.nodes.iter().zip(&self.addresses).take(ADDRESSES_TOLD);
        let mut told: Vec<_> = told.map(why).collect();
        let rest = self.nodes.len().saturating_sub(ADDRESSES_TOLD);
        if rest > 0 {
            told.push(format!("and {rest} more"));
        }
        told.join("; ")
    }

    fn pick_of(
        &self,
        balance: &dyn Balance,
        (key, msg_id, now): (Option<&[u8]>, i32, Instant),
        tried: &[Arc<Node>],
        could: impl Fn(&Node, &Address) -> bool,
    ) -> Option<Target<'_>> {
        let target = |at: usize| Some((self.nodes.get(at)?, self.addresses.get(at)?));
        let could = |at: &usize| {
            let (Some(node), Some(address)) = (self.nodes.get(*at), self.addresses.get(*at)) else {
                return false;
            };
            !is_among(tried, node) && could(node, address)
        };
        let is_open = |at: &usize| self.nodes.get(*at).is_some_and(|node| node.is_open());
        let all = 0..self.nodes.len();
        // An address that is out of use comes back by a call that it is tried with.
        let mut out_of_use = all.clone().filter(|at| is_open(at) && could(at));
        if let Some(at) =
            out_of_use.find(|at| self.nodes.get(*at).is_some_and(|node| node.allows(now)))
        {
            return target(at);
        }
        let choose = |nodes: &[Arc<Node>]| {
            // A balancer of the user's may be wrong.
            let last = nodes.len().checked_sub(1)?;
            Some(
                balance
                    .pick(&Choice {
                        nodes,
                        key,
                        msg_id,
                        now,
                    })
                    .min(last),
            )
        };
        let fits = |at: &usize| !is_open(at) && could(at);
        if all.clone().all(|at| fits(&at)) {
            return target(choose(&self.nodes)?);
        }
        let fitting: Vec<usize> = all.filter(fits).collect();
        let nodes = fitting.iter().filter_map(|at| self.nodes.get(*at));
        let nodes: Vec<_> = nodes.cloned().collect();
        target(*fitting.get(choose(&nodes)?)?)
    }

    pub(crate) fn addresses(&self) -> &[Arc<Address>] {
        &self.addresses
    }
}

fn is_among(tried: &[Arc<Node>], node: &Arc<Node>) -> bool {
    tried.iter().any(|tried| Arc::ptr_eq(tried, node))
}
