//! The chapter `webserver`.

use tangelo_rpc::config::WebServerConfig;

use super::{Check, Place, connecting::NO_LIMIT};

impl Check<'_> {
    pub(super) fn web_server(&mut self, place: Place, web_server: &WebServerConfig) {
        if cfg!(not(feature = "gateway")) {
            let problem = "web servers need the feature `gateway` of the crate tangelo";
            return self.wrong(place, "port", problem);
        }
        self.at_least_one(place, "backlog", web_server.backlog);
        self.at_least_one(place, "idle_seconds", web_server.idle_seconds);
        self.at_least_one(place, "max_conns", web_server.max_conns as u64);
        self.at_least_one(place, "max_streams", web_server.max_streams);
        self.at_least_one(place, "max_headers", web_server.max_headers as u64);
        self.at_least_one(place, "session_seconds", web_server.session_seconds);
        self.at_least_one(place, "max_sessions", web_server.max_sessions as u64);
        self.threads(place, "threads", web_server.threads, NO_LIMIT);
        // Less holds no request that a browser sends; more than that is kept for each connection.
        let header = web_server.max_header_size;
        self.within(place, "max_header_size", header, 1024..=16 << 20);
        for (key, time) in [
            ("content_timeout", web_server.content_timeout),
            ("header_timeout", web_server.header_timeout),
            ("max_timeout", web_server.max_timeout),
        ] {
            self.time(place, key, time);
        }
        for (key, path) in [
            ("live_path", &web_server.live_path),
            ("ready_path", &web_server.ready_path),
        ] {
            if !path.is_empty() && !path.starts_with('/') {
                self.wrong(
                    place,
                    key,
                    format_args!("expected a path that begins with /, found `{path}`"),
                );
            }
        }
    }
}
