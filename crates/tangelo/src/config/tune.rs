//! What the configuration says of how a server works, said to its blueprint after the code.

use std::time::Duration;

use tangelo_server::{Blueprint, SingleSession};

use super::keys::{Entry, OneSession, Tuning};

impl Tuning {
    /// Overrules what the code says.
    pub(crate) fn apply(&self, mut blueprint: Blueprint) -> Blueprint {
        if let Some(seconds) = self.heartbeat_seconds {
            let interval = Duration::from_secs(seconds.into());
            blueprint = blueprint.heartbeat(Some(interval).filter(|interval| !interval.is_zero()));
        }
        if let Some(most) = self.max_connections {
            // As in Pomelo, 0 is no limit.
            let most = usize::try_from(most).ok();
            blueprint = blueprint.max_connections(most.filter(|most| *most > 0));
        }
        if let Some(one) = self.single_session {
            blueprint = blueprint.change_single_session(match one {
                OneSession::RefuseNew => SingleSession::refuse_new(),
                OneSession::KickOld => SingleSession::kick_old(),
            });
        }
        if let Some(whether) = self.use_dict {
            blueprint = blueprint.use_dict(whether);
        }
        if let Some(whether) = self.use_protobuf {
            blueprint = blueprint.use_protobuf(whether);
        }
        if let Some(serializer) = self.pitaya_serializer {
            blueprint = blueprint.pitaya_serializer(serializer);
        }
        if let Some(whether) = self.pitaya_compression {
            blueprint = blueprint.pitaya_compression(whether);
        }
        if let Some(whether) = self.use_crypto {
            blueprint = blueprint.use_crypto(whether);
        }
        blueprint = self.resume(blueprint);
        blueprint = blueprint.change_limits(|limits| {
            limits.deadline = self.deadline.or(limits.deadline);
            limits.in_flight = self.max_in_flight.unwrap_or(limits.in_flight);
            limits.blocking = self.max_blocking.unwrap_or(limits.blocking);
            limits.queue = self.max_queue.unwrap_or(limits.queue);
        });
        blueprint = self.entry.apply(blueprint);
        if self.max_package.is_none() && self.max_outgoing.is_none() {
            return blueprint;
        }
        blueprint.change_connector_limits(|limits| {
            limits.package = self.max_package.unwrap_or(limits.package);
            limits.outgoing = self.max_outgoing.unwrap_or(limits.outgoing);
        })
    }

    fn resume(&self, blueprint: Blueprint) -> Blueprint {
        let (window, max_away) = (self.resume_window, self.resume_max_away);
        let seconds = match self.resume_seconds {
            Some(0) => return blueprint.resume(None),
            None if window.is_none() && max_away.is_none() => return blueprint,
            seconds => seconds,
        };
        blueprint.change_resume(|mut resume| {
            if let Some(seconds) = seconds {
                resume = resume.time(seconds.into());
            }
            if let Some(window) = window {
                resume = resume.window(window);
            }
            match max_away {
                Some(most) => resume.max_away(most),
                None => resume,
            }
        })
    }
}

impl Entry {
    fn apply(&self, blueprint: Blueprint) -> Blueprint {
        if *self == Self::default() {
            return blueprint;
        }
        blueprint.change_entrance(|entrance| {
            #[cfg(feature = "tls")]
            {
                if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
                    let files = tangelo_connector::Certificate::files(certificate, key);
                    entrance.certificate = (!certificate.is_empty()).then_some(files);
                }
                entrance.only_tls = self.tls_only.unwrap_or(entrance.only_tls);
            }
            if let Some(networks) = &self.proxy_protocol_from {
                entrance.proxy_protocol_from = networks.clone();
            }
            if let Some(networks) = &self.forwarded_from {
                entrance.forwarded_from = networks.clone();
            }
            if let Some(header) = self.forward_header {
                entrance.forward_header = header;
            }
            if let Some(origins) = &self.origins {
                entrance.origins = origins.clone();
            }
        })
    }
}
