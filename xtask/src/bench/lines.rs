//! A picture of a curve: a line for each side, over the sizes. The scale is logarithmic, as costs of a byte are far apart.

use std::fmt::Write;

use super::curve::{Curve, Points};
use super::scale::short;
use super::svg::{WIDTH, escaped, head, is_own};

const LEFT: f64 = 60.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 250.0;
const HEIGHT: f64 = 300.0;
/// Costs that lie nearer to each other than this are drawn as near as they are.
const LEAST_RANGE: f64 = 4.0;

/// What each unit costs at each size; a figure stands at each point.
pub(crate) fn picture(curve: &Curve, points: &Points) -> String {
    let names = points.sides();
    let lines: Vec<Vec<(usize, f64)>> = (0..names.len())
        .map(|side| {
            let sizes = points.sizes.iter().zip(&points.outcomes).enumerate();
            let costs = sizes.filter_map(|(at, (size, outcome))| {
                let cost = curve.cost(*size, outcome.sides.get(side)?)?.median;
                (cost > 0.0).then_some((at, cost))
            });
            costs.collect()
        })
        .collect();
    let costs = || lines.iter().flatten().map(|(_, cost)| *cost);
    let lowest = costs().fold(f64::MAX, f64::min);
    let range = (costs().fold(f64::MIN_POSITIVE, f64::max) / lowest).max(LEAST_RANGE);
    let y = |cost: f64| BOTTOM - (cost / lowest).ln() / range.ln() * (BOTTOM - TOP);
    let step = (WIDTH - LEFT - RIGHT) / points.sizes.len().saturating_sub(1).max(1) as f64;
    let x = |at: usize| LEFT + step * at as f64;

    let title = format!("{}: {}, logarithmic", curve.title, curve.cost_unit());
    let mut svg = head(&title, HEIGHT);
    for (at, size) in points.sizes.iter().enumerate() {
        let (x, y) = (x(at), BOTTOM + 30.0);
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{size}</text>"
        );
    }
    for (side, line) in names.iter().zip(&lines) {
        let class = if is_own(side.name) {
            "own line"
        } else {
            "line"
        };
        let path: Vec<_> = line
            .iter()
            .map(|(at, cost)| format!("{:.1} {:.1}", x(*at), y(*cost)))
            .collect();
        let _ = writeln!(svg, "<path class=\"{class}\" d=\"M{}\"/>", path.join("L"));
        for (at, cost) in line {
            // The lower of two figures stands below its line.
            let at_this = lines.iter().flatten().filter(|(other, _)| other == at);
            let is_higher = at_this.fold(f64::MIN, |most, (_, cost)| most.max(*cost)) <= *cost;
            let (x, y) = (x(*at), y(*cost) + if is_higher { -6.0 } else { 16.0 });
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>",
                short(*cost)
            );
        }
        if let Some((at, cost)) = line.last() {
            let (x, y) = (x(*at) + 24.0, y(*cost) + 4.5);
            let name = escaped(side.name);
            let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\">{name}</text>");
        }
    }
    svg + "</svg>\n"
}
