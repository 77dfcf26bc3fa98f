//! Flow control of one process.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{FlowControl, FlowLimits, Verdict, window::Window};
use crate::Code;

/// Counts the calls of this process, by service and by message.
///
/// A call to a message that has limits of its own counts for its service too; either may refuse
/// it, and a refused call counts for neither. What has no limits costs one look into a table.
///
/// The seconds slide: no second, and no other time that a limit is given for, ever has more calls
/// than are allowed. Where calls come close together, room comes back up to a 64th of that time
/// late.
///
/// ```
/// use tangelo_rpc::server::MemoryFlowControl;
///
/// let control = MemoryFlowControl::new()
///     .with_service(100, &"1=5;3=20".parse()?)
///     .with_method(100, 1, &"60=100".parse()?);
/// # Ok::<(), tangelo_rpc::server::FlowLimitsError>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryFlowControl {
    services: HashMap<i32, Service, foldhash::fast::RandomState>,
}

#[derive(Debug, Default)]
struct Service {
    own: Option<Windows>,
    methods: HashMap<i32, Windows, foldhash::fast::RandomState>,
}

/// A few windows that all have to have room.
#[derive(Debug)]
struct Windows(Mutex<Vec<Window>>);

impl MemoryFlowControl {
    /// One that limits nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits all calls to a service together, in place of what was said of it before.
    #[must_use]
    pub fn with_service(mut self, service_id: i32, limits: &FlowLimits) -> Self {
        let service = self.services.entry(service_id).or_default();
        service.own = Some(Windows::new(limits));
        self
    }

    /// Limits the calls to one message of a service, in place of what was said of it before.
    #[must_use]
    pub fn with_method(mut self, service_id: i32, msg_id: i32, limits: &FlowLimits) -> Self {
        let service = self.services.entry(service_id).or_default();
        service.methods.insert(msg_id, Windows::new(limits));
        self
    }
}

impl FlowControl for MemoryFlowControl {
    fn check(&self, service_id: i32, msg_id: i32, now: Instant) -> Verdict {
        let Some(service) = self.services.get(&service_id) else {
            return Verdict::Admitted;
        };
        // Always the service first, so that two calls never wait for each other.
        let mut windows = [service.own.as_ref(), service.methods.get(&msg_id)]
            .map(|windows| windows.map(|windows| windows.0.lock()));
        let all_have_room = windows
            .iter_mut()
            .flatten()
            .flat_map(|windows| windows.iter_mut())
            .all(|window| window.has_room(now));
        if !all_have_room {
            return Verdict::Refused(Code::FLOW_LIMIT);
        }
        for window in windows
            .iter_mut()
            .flatten()
            .flat_map(|windows| windows.iter_mut())
        {
            window.count(now);
        }
        Verdict::Admitted
    }
}

impl Windows {
    fn new(limits: &FlowLimits) -> Self {
        Self(Mutex::new(limits.iter().map(Window::new).collect()))
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread, time::Duration};

    use super::*;

    fn limits(text: &str) -> FlowLimits {
        text.parse().unwrap()
    }

    /// How many of these calls are admitted.
    fn admitted(control: &MemoryFlowControl, target: (i32, i32), calls: u32, now: Instant) -> u32 {
        let admits = |_: &u32| match control.check(target.0, target.1, now) {
            Verdict::Admitted => true,
            Verdict::Refused(code) => {
                assert_eq!(code, Code::FLOW_LIMIT);
                false
            }
            Verdict::Pending(_) => unreachable!("it answers at once"),
        };
        (0..calls).filter(admits).count() as u32
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn all_limits_of_a_service_hold() {
        let control = MemoryFlowControl::new().with_service(100, &limits("1=5;3=12"));
        let start = Instant::now();
        let by_second: Vec<_> = (0..5)
            .map(|second| admitted(&control, (100, 1), 9, start + second * SECOND))
            .collect();
        // 5 in each second, but 12 in three: the third has room for 2, and the 5 of the first
        // come back after it.
        assert_eq!(by_second, [5, 5, 2, 5, 5]);
    }

    #[test]
    fn messages_share_their_services_limit() {
        let control = MemoryFlowControl::new().with_service(100, &limits("1=5"));
        let now = Instant::now();
        assert_eq!(admitted(&control, (100, 1), 3, now), 3);
        assert_eq!(admitted(&control, (100, 2), 3, now), 2);
        assert_eq!(admitted(&control, (101, 1), 9, now), 9, "no limits");
    }

    #[test]
    fn a_message_has_its_own_limit_beside_its_services() {
        let control = MemoryFlowControl::new()
            .with_service(100, &limits("1=5"))
            .with_method(100, 1, &limits("1=3"));
        let now = Instant::now();
        assert_eq!(admitted(&control, (100, 1), 9, now), 3);
        assert_eq!(admitted(&control, (100, 2), 9, now), 2);
    }

    #[test]
    fn what_a_message_refuses_does_not_count_for_its_service_nor_the_other_way() {
        let control = MemoryFlowControl::new()
            .with_service(100, &limits("1=4;9=6"))
            .with_method(100, 1, &limits("1=2;9=3"));
        let start = Instant::now();
        assert_eq!(admitted(&control, (100, 1), 99, start), 2);
        assert_eq!(admitted(&control, (100, 2), 99, start), 2);
        assert_eq!(admitted(&control, (100, 1), 99, start), 0, "by both");
        // Had the service's refusals counted for the message, it would be at its 3 already.
        assert_eq!(admitted(&control, (100, 1), 99, start + SECOND), 1);
        assert_eq!(admitted(&control, (100, 2), 99, start + SECOND), 1);
    }

    #[test]
    fn a_message_may_be_limited_where_its_service_is_not() {
        let control = MemoryFlowControl::new().with_method(100, 1, &limits("1=3"));
        let now = Instant::now();
        assert_eq!(admitted(&control, (100, 1), 9, now), 3);
        assert_eq!(admitted(&control, (100, 2), 9, now), 9);
    }

    #[test]
    fn threads_that_call_together_get_no_more_than_is_allowed() {
        let control = MemoryFlowControl::new()
            .with_service(100, &limits("1=1000"))
            .with_method(100, 1, &limits("1=400"));
        let (control, now) = (Arc::new(control), Instant::now());
        let threads: Vec<_> = [1, 2, 1, 2]
            .into_iter()
            .map(|msg_id| {
                let control = Arc::clone(&control);
                thread::spawn(move || admitted(&control, (100, msg_id), 900, now))
            })
            .collect();
        let total: u32 = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum();
        assert_eq!(total, 1000);
    }
}
