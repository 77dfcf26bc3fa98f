//! Labels beside each other, none upon another.

/// Where labels go that want to be at these heights and have to be `least` apart: their order stays, and each group
/// that would touch moves as a whole, to where its members are nearest to what they wanted.
pub(super) fn apart(wanted: &[f64], least: f64) -> Vec<f64> {
    let mut order: Vec<_> = (0..wanted.len()).collect();
    order.sort_by(|one, other| wanted[*one].total_cmp(&wanted[*other]));
    let mut groups: Vec<Group> = Vec::new();
    for label in &order {
        let mut group = Group {
            middle: wanted[*label],
            count: 1,
        };
        while let Some(above) = groups.pop_if(|above| above.end(least) > group.begin(least)) {
            group = above.and(&group);
        }
        groups.push(group);
    }
    let places = groups.iter().flat_map(|group| {
        (0..group.count).map(|at| group.begin(least) + least * (at as f64 + 0.5))
    });
    let mut placed = vec![0.0; wanted.len()];
    for (label, place) in order.into_iter().zip(places) {
        placed[label] = place;
    }
    placed
}

/// Labels that follow each other without a gap.
struct Group {
    middle: f64,
    count: usize,
}

impl Group {
    fn begin(&self, least: f64) -> f64 {
        self.middle - least * self.count as f64 / 2.0
    }

    fn end(&self, least: f64) -> f64 {
        self.middle + least * self.count as f64 / 2.0
    }

    fn and(&self, other: &Self) -> Self {
        let count = self.count + other.count;
        let weight = other.count as f64 / count as f64;
        Self {
            middle: self.middle + (other.middle - self.middle) * weight,
            count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_would_touch_share_the_room_around_them() {
        assert_eq!(apart(&[50.0, 10.0], 15.0), [50.0, 10.0]);
        assert_eq!(apart(&[20.0, 20.0], 15.0), [12.5, 27.5]);
        // The first is pushed by the others, which it did not touch before.
        assert_eq!(apart(&[5.0, 20.0, 20.0], 15.0), [0.0, 15.0, 30.0]);
        assert!(apart(&[], 15.0).is_empty());
    }
}
