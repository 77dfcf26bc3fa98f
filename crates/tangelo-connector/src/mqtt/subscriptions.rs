//! What a client has subscribed to.

use super::topics;

/// What a client has subscribed to, few enough to be compared one by one.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Vec<(Box<str>, u8)>);

impl Subscriptions {
    /// Subscribes, or changes the QoS; false if there are too many.
    pub(super) fn add(&mut self, filter: &str, qos: u8, most: usize) -> bool {
        if let Some((_, old)) = self.0.iter_mut().find(|(known, _)| **known == *filter) {
            *old = qos;
            return true;
        }
        if self.0.len() >= most {
            return false;
        }
        self.0.push((filter.into(), qos));
        true
    }

    pub(super) fn has(&self, filter: &str) -> bool {
        self.0.iter().any(|(known, _)| **known == *filter)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there was one.
    pub(super) fn remove(&mut self, filter: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|(known, _)| **known != *filter);
        self.0.len() < before
    }

    /// The highest QoS that a topic was subscribed to with.
    pub(super) fn qos(&self, topic: &str) -> Option<u8> {
        let matching = self
            .0
            .iter()
            .filter(|(filter, _)| topics::matches(filter, topic));
        matching.map(|(_, qos)| *qos).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_as_the_limit_says_and_the_same_one_again_is_none_more() {
        let mut subscriptions = Subscriptions::default();
        assert!(subscriptions.add("a", 0, 2) && subscriptions.add("b/#", 1, 2));
        assert!(!subscriptions.add("c", 0, 2));
        assert!(subscriptions.add("a", 1, 2), "it only changes");
        assert_eq!(subscriptions.qos("a"), Some(1));
        assert_eq!(subscriptions.qos("c"), None);
        assert!(subscriptions.remove("a") && !subscriptions.remove("a"));
        assert!(subscriptions.add("c", 0, 2));
    }

    #[test]
    fn of_filters_that_overlap_the_highest_qos_counts() {
        let mut subscriptions = Subscriptions::default();
        assert!(subscriptions.add("a/+", 1, 9) && subscriptions.add("#", 0, 9));
        assert_eq!(subscriptions.qos("a/b"), Some(1));
        assert_eq!(subscriptions.qos("b"), Some(0));
    }
}
