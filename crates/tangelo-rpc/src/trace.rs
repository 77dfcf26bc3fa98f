//! Where a request comes from, and as part of what.

use std::{borrow::Cow, fmt::Write, net::SocketAddr};

use data_encoding::HEXLOWER;
use tangelo_wire::krpc::{
    layout::Layout,
    trace::{MAX_PEERS, Trace as Read, Unread},
};

use crate::ServerContext;

/// Name of the tag that W3C's trace context travels under.
const TRACEPARENT: &str = "traceparent";

/// The trace a request belongs to, its place in it, and what travels along.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The nodes the request came through, `ip:port` separated by commas, the first caller first.
    pub peers: String,
    /// What all requests that one caused have in common: 32 hexadecimal digits unless the caller had it
    /// otherwise.
    pub trace_id: String,
    /// The caller's place; krpc's own leave it empty.
    pub parent_span_id: String,
    /// Its place: `0.1`, and `0.1.2` for the second call made to answer that.
    pub span_id: String,
    /// `k=v&k=v`, the values URL-encoded; handed on to all calls made to answer the request.
    pub tags: String,
    /// 0: may be sampled; 2: not.
    pub sample_flag: i32,
    /// A label for routing rules, handed on as well.
    pub dyeing: String,
}

impl Trace {
    /// What came with a request, and the peer it came from; a request that brought none is the first of
    /// its trace.
    pub(crate) fn received(unread: &Unread, peer: Option<SocketAddr>) -> Self {
        let read = unread.read().unwrap_or_default();
        let mut trace = Self {
            peers: read.peers.to_owned(),
            trace_id: read.trace_id.to_owned(),
            parent_span_id: read.parent_span_id.to_owned(),
            span_id: read.span_id.to_owned(),
            tags: read.tags.to_owned(),
            sample_flag: read.sample_flag,
            dyeing: read.dyeing.to_owned(),
        };
        if trace.trace_id.is_empty() {
            trace.trace_id = fresh_id();
            trace.span_id = "0.1".to_owned();
        }
        if let Some(peer) = peer {
            trace.add_peer(peer);
        }
        trace
    }

    /// The first of a trace, for what came from outside of krpc: as part of the trace that `traceparent`
    /// names, if it is one.
    pub(crate) fn of_client(
        client: SocketAddr,
        traceparent: Option<&str>,
        may_be_sampled: bool,
    ) -> Self {
        let brought = traceparent.and_then(|text| Some((text, parts(text)?)));
        let mut trace = Self {
            peers: client.to_string(),
            span_id: "0.1".to_owned(),
            ..Self::default()
        };
        let is_sampled = match brought {
            Some((text, (trace_id, is_sampled))) => {
                trace_id.clone_into(&mut trace.trace_id);
                trace.set_traceparent(text);
                is_sampled
            }
            None => {
                trace.trace_id = fresh_id();
                may_be_sampled
            }
        };
        trace.sample_flag = if is_sampled { 0 } else { 2 };
        trace
    }

    /// What goes with a call made now: the next one of the request that is being answered, or the first
    /// of a trace.
    pub(crate) fn of_call(serving: Option<&ServerContext>, sample_rate: u32) -> Self {
        match serving {
            Some(context) => {
                let parent = context.trace();
                let (call, parent_span) = (context.next_call(), &parent.span_id);
                let mut trace = Self {
                    span_id: format!("{parent_span}.{call}"),
                    parent_span_id: String::new(),
                    ..parent.clone()
                };
                if let Some(traceparent) = context.own_traceparent() {
                    trace.set_traceparent(traceparent);
                }
                trace
            }
            None => Self {
                trace_id: fresh_id(),
                span_id: "0.1".to_owned(),
                sample_flag: if fastrand::u32(0..100) < sample_rate {
                    0
                } else {
                    2
                },
                ..Self::default()
            },
        }
    }

    /// As it travels; a trace with texts too long for that stays behind.
    pub(crate) fn encode(&self) -> Unread {
        let trace = Read {
            peers: &self.peers,
            trace_id: &self.trace_id,
            parent_span_id: &self.parent_span_id,
            span_id: &self.span_id,
            tags: &self.tags,
            sample_flag: self.sample_flag,
            dyeing: &self.dyeing,
        };
        trace.encode(Layout::V2).unwrap_or_default()
    }

    /// The value of a tag, decoded.
    pub fn tag(&self, name: &str) -> Option<Cow<'_, str>> {
        let (_, value) = self.each_tag().find(|(known, _)| *known == name)?;
        percent_encoding::percent_decode_str(value)
            .decode_utf8()
            .ok()
    }

    /// Sets a tag, which travels on with all calls.
    pub fn set_tag(&mut self, name: &str, value: &str) {
        let mut tags = String::new();
        for (known, value) in self.each_tag().filter(|(known, _)| *known != name) {
            let _ = write!(tags, "{known}={value}&");
        }
        let value =
            percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
        let _ = write!(tags, "{name}={value}");
        self.tags = tags;
    }

    fn each_tag(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.split('&').filter_map(|tag| tag.split_once('='))
    }

    /// W3C's `traceparent`: the one that travels along, or one made of the ids.
    pub fn traceparent(&self) -> String {
        if let Some(known) = self.tag(TRACEPARENT) {
            return known.into_owned();
        }
        let is_id =
            self.trace_id.len() == 32 && self.trace_id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let hash = |text: &str| {
            // FNV-1a: the same ids must give the same text in every process.
            text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            })
        };
        let trace_id = if is_id {
            self.trace_id.to_ascii_lowercase()
        } else {
            format!(
                "{:016x}{:016x}",
                hash(&self.trace_id),
                hash(&format!("{}!", self.trace_id))
            )
        };
        let flags = if self.sample_flag == 2 { "00" } else { "01" };
        format!("00-{trace_id}-{:016x}-{flags}", hash(&self.span_id).max(1))
    }

    /// Sets W3C's `traceparent`, which travels on with all calls.
    pub fn set_traceparent(&mut self, traceparent: &str) {
        self.set_tag(TRACEPARENT, traceparent);
    }

    /// Adds the node a request came from; past the limit of what may travel, the list stays as it is.
    fn add_peer(&mut self, peer: SocketAddr) {
        let peer = peer.to_string();
        if self.peers.is_empty() {
            self.peers = peer;
        } else if self.peers.len() + peer.len() < MAX_PEERS {
            let _ = write!(self.peers, ",{peer}");
        }
    }
}

/// The id of the trace that a `traceparent` names, and whether it is sampled.
fn parts(traceparent: &str) -> Option<(&str, bool)> {
    let is_hex = |text: &str, length: usize| {
        let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        text.len() == length && text.bytes().all(is_digit)
    };
    let is_id = |text: &str, length| is_hex(text, length) && text.bytes().any(|byte| byte != b'0');
    let mut parts = traceparent.split('-');
    let (version, trace_id) = (parts.next()?, parts.next()?);
    let (parent, flags) = (parts.next()?, parts.next()?);
    let is_one = version == "00"
        && is_id(trace_id, 32)
        && is_id(parent, 16)
        && is_hex(flags, 2)
        && parts.next().is_none();
    let flags = u8::from_str_radix(flags, 16).ok()?;
    is_one.then_some((trace_id, flags & 1 == 1))
}

/// 32 hexadecimal digits.
pub(crate) fn fresh_id() -> String {
    HEXLOWER.encode(&fastrand::u128(1..).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_a_trace_is_the_first_of_one() {
        let peer = "10.0.0.1:4000".parse().unwrap();
        let trace = Trace::received(&Unread::default(), Some(peer));
        assert_eq!(
            (trace.peers.as_str(), trace.span_id.as_str()),
            ("10.0.0.1:4000", "0.1")
        );
        assert_eq!(trace.trace_id.len(), 32);
    }

    #[test]
    fn peers_are_added_by_those_who_receive() {
        let sent = Trace {
            peers: "10.0.0.1:1".into(),
            trace_id: "t".into(),
            ..Trace::default()
        };
        let trace = Trace::received(&sent.encode(), Some("[::1]:2".parse().unwrap()));
        assert_eq!(trace.peers, "10.0.0.1:1,[::1]:2");
        let long = Trace {
            peers: "1".repeat(MAX_PEERS),
            trace_id: "t".into(),
            ..Trace::default()
        };
        let trace = Trace::received(&long.encode(), Some("[::1]:2".parse().unwrap()));
        assert_eq!(trace.peers.len(), MAX_PEERS, "and stop at the limit");
    }

    #[test]
    fn tags_are_set_found_and_replaced() {
        let mut trace = Trace {
            tags: "k1=v1&broken&k2=a%26b".into(),
            ..Trace::default()
        };
        assert_eq!(trace.tag("k2").unwrap(), "a&b");
        assert_eq!(trace.tag("broken"), None);
        trace.set_tag("k1", "x=y");
        assert_eq!(
            trace.tags, "k2=a%26b&k1=x%3Dy",
            "what is no tag would make krpc's own close"
        );
        assert_eq!(trace.tag("k1").unwrap(), "x=y");
    }

    #[test]
    fn what_comes_from_outside_belongs_to_the_trace_it_names() {
        let client = "10.0.0.1:4000".parse().unwrap();
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (flags, sample_flag) in [("01", 0), ("00", 2), ("03", 0)] {
            let text = format!("00-{id}-00f067aa0ba902b7-{flags}");
            let trace = Trace::of_client(client, Some(&text), true);
            assert_eq!((&*trace.trace_id, trace.sample_flag), (id, sample_flag));
            assert_eq!(trace.traceparent(), text);
            assert_eq!((&*trace.peers, &*trace.span_id), ("10.0.0.1:4000", "0.1"));
        }
        let zeros = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        let long = format!("00-{id}-00f067aa0ba902b7-01-x");
        for none in ["", "x", "00-1-2-01", &zeros, &long, &id.to_uppercase()] {
            let trace = Trace::of_client(client, Some(none), false);
            assert_eq!((trace.trace_id.len(), trace.sample_flag), (32, 2), "{none}");
            assert_ne!(trace.trace_id, id);
            assert_eq!(trace.tags, "");
        }
        assert_eq!(Trace::of_client(client, None, true).sample_flag, 0);
    }

    #[test]
    fn what_is_not_to_be_sampled_says_so() {
        assert_eq!(Trace::of_call(None, 0).sample_flag, 2);
        assert_eq!(Trace::of_call(None, 100).sample_flag, 0);
        assert!(Trace::of_call(None, 0).traceparent().ends_with("-00"));
    }
}
