//! What concerns the application as a whole.

use super::{Chapter, Check};

impl Check<'_> {
    pub(super) fn application(&mut self) {
        let (place, application) = (Chapter::Application.at(0), &self.all.application);
        match application.flow_control.as_str() {
            "" | "memory" => {}
            "redis" => self.wrong(
                place,
                "flow_control",
                "redis is not there yet; use memory, or bring one: Bootstrap::flow_control",
            ),
            other => self.wrong(
                place,
                "flow_control",
                format_args!("expected memory or nothing, found `{other}`"),
            ),
        }
        self.within(place, "sample_rate", application.sample_rate, 0..=100);
    }

    pub(super) fn monitor(&mut self) {
        /// More would only wait for each other.
        const MOST_THREADS: usize = 64;
        let (place, monitor) = (Chapter::Monitor.at(0), &self.all.monitor);
        let form = monitor.log_formatter.as_str();
        if tangelo_reflect::log_text::formatter(form).is_none() {
            let problem = format!("expected simple or json, found `{form}`");
            self.wrong(place, "log_formatter", problem);
        }
        self.within(place, "log_threads", monitor.log_threads, 1..=MOST_THREADS);
    }

    /// What the code brings is for elements that are there.
    pub(super) fn brought(&mut self) {
        let all = self.all;
        let (servers, clients) = (all.ids(Chapter::Server), all.ids(Chapter::Client));
        for (id, _) in &all.listeners {
            if !servers.iter().chain(&clients).any(|known| known == id) {
                let problem = "there is no server or client of this id";
                self.mistakes
                    .add(format!("on_connection `{id}`: {problem}"));
            }
        }
        for id in all.brought.executors.keys() {
            if all.position(Chapter::Service, id).is_none() {
                let problem = "there is no service of this id";
                self.mistakes.add(format!("executor `{id}`: {problem}"));
            }
        }
    }
}
