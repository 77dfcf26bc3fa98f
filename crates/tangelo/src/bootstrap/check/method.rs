//! Settings of single methods.

use tangelo_rpc::{
    Method,
    config::{MethodConfig, Pattern},
};

use super::{Check, Place};

impl Check<'_> {
    /// Every pattern names methods that are there, and every number of a list does; what belongs to
    /// the other side is not said.
    pub(super) fn methods(
        &mut self,
        place: Place,
        all: &[MethodConfig],
        known: Option<&[Method]>,
        not_here: fn(&MethodConfig) -> Vec<&'static str>,
    ) {
        for settings in all {
            let Some(pattern) = &settings.pattern else {
                self.wrong(place, "method", "pattern is missing");
                continue;
            };
            let key = format!("method.{pattern}");
            for name in not_here(settings) {
                let owner = match place.chapter {
                    super::Chapter::Service => "is a referer's",
                    _ => "is a service's",
                };
                self.wrong(place, &format!("{key}.{name}"), owner);
            }
            if let Some(problem) = known.and_then(|known| missing(pattern, known)) {
                self.wrong(place, &key, problem);
            }
        }
    }
}

/// What a pattern names that is not there.
fn missing(pattern: &Pattern, known: &[Method]) -> Option<String> {
    let problem = match pattern {
        Pattern::Numbers(ranges) => {
            let is_there = |number| known.iter().any(|method| method.msg_id == number);
            let mut numbers = ranges.iter().flat_map(|(first, last)| *first..=*last);
            let number = numbers.find(|number| !is_there(*number))?;
            format!("there is no message {number}")
        }
        Pattern::Name(_) if known.iter().any(|method| pattern.fits(method)) => return None,
        Pattern::Name(_) => "fits no method".to_owned(),
    };
    let known = known
        .iter()
        .map(|method| format!("{} = {}", method.name, method.msg_id));
    let known = known.collect::<Vec<_>>().join(", ");
    Some(format!("{problem}; there are: {known}"))
}

/// What only referers have.
pub(super) fn of_referers(method: &MethodConfig) -> Vec<&'static str> {
    said([
        ("timeout", method.timeout.is_some()),
        ("retry_level", method.retry_level.is_some()),
        ("retry_count", method.retry_count.is_some()),
    ])
}

/// What only services have.
pub(super) fn of_services(method: &MethodConfig) -> Vec<&'static str> {
    said([
        ("threads", method.threads.is_some()),
        ("max_threads", method.max_threads.is_some()),
        ("queue_size", method.queue_size.is_some()),
        ("flow_control", method.flow_control.is_some()),
    ])
}

fn said<const N: usize>(keys: [(&'static str, bool); N]) -> Vec<&'static str> {
    let said = keys.into_iter().filter(|(_, is_said)| *is_said);
    said.map(|(key, _)| key).collect()
}
