//! A picture of a curve: a line for each side, over the sizes. The scale is logarithmic, as costs of a byte are far apart.

use std::fmt::Write;

use super::curve::{Curve, Points};
use super::labels::apart;
use super::outcome::{Measured, Spread};
use super::scale::short;
use super::svg::{LEGEND, WIDTH, escaped, head, legend};

const LEFT: f64 = 60.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 76.0;
const BOTTOM: f64 = 250.0;
/// Room for three labels below the lowest point, and for the sizes below those.
const SIZES: f64 = 312.0;
const HEIGHT: f64 = 324.0 + LEGEND;
/// Costs that lie nearer to each other than this are drawn as near as they are.
const LEAST_RANGE: f64 = 4.0;
/// From the middle of a label to that of the next, and to the end of its bar.
const LABEL: f64 = 15.0;
const BESIDE: f64 = 11.0;
/// From a point to the name behind it.
const BEHIND: f64 = 28.0;
/// From a label's middle down to where its letters stand.
const STAND: f64 = 4.5;

/// Each side has a colour, on a bright page and on a dark one, and a dash for those to whom colours say little.
/// The light bar at a point goes from the lowest round to the highest.
const STYLE: &str = "\
    .side0 { color: #6e7781 }\n\
    .side1 { color: #d4570a }\n\
    .side2 { color: #0969da }\n\
    .side3 { color: #8250df }\n\
    .side0.line { stroke-dasharray: 2 4 }\n\
    .side2.line { stroke-dasharray: 9 4 }\n\
    .side3.line { stroke-dasharray: 9 3 2 3 }\n\
    .line { stroke: currentColor; stroke-width: 2; fill: none }\n\
    .range { stroke: currentColor; stroke-width: 9; opacity: 0.28 }\n\
    .point { fill: currentColor }\n\
    .label { fill: currentColor; stroke: #ffffff; stroke-width: 3; stroke-linejoin: round; paint-order: stroke }\n\
    @media (prefers-color-scheme: dark) {\n\
    .side0 { color: #9198a1 }\n\
    .side1 { color: #f0883e }\n\
    .side2 { color: #58a6ff }\n\
    .side3 { color: #bc8cff }\n\
    .label { stroke: #0d1117 }\n\
    }\n";
const COLOURS: usize = 4;

/// What each unit costs at each size; a figure stands at each point.
pub(crate) fn picture(curve: &Curve, points: &Points) -> String {
    let names = points.sides();
    let lines: Vec<Vec<Option<Spread>>> = (0..names.len())
        .map(|side| {
            let sizes = points.sizes.iter().zip(&points.outcomes);
            let costs = sizes.map(|(size, outcome)| {
                let cost = curve.cost(*size, outcome.sides.get(side)?)?;
                (cost.lowest > 0.0).then_some(cost)
            });
            costs.collect()
        })
        .collect();
    let frame = Frame::around(lines.iter().flatten().flatten(), points.sizes.len());

    let title = format!("{}: {}, logarithmic", curve.title, curve.cost_unit());
    let mut svg = head(&title, HEIGHT) + "<style>\n" + STYLE + "</style>\n";
    for (at, size) in points.sizes.iter().enumerate() {
        let x = frame.x(at);
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{SIZES}\" text-anchor=\"middle\">{size}</text>"
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{SIZES}\">{}</text>",
        frame.x(points.sizes.len().saturating_sub(1)) + BEHIND,
        escaped(curve.size)
    );
    for (side, line) in lines.iter().enumerate() {
        svg += &drawn(&frame, side, line);
    }
    for at in 0..points.sizes.len() {
        svg += &figures(&frame, at, &lines);
    }
    let meant = "figure: the median of the rounds; light bar: from the lowest to the highest; sizes are not to scale";
    svg + &sides(&frame, names, &lines) + &legend(meant, HEIGHT) + "</svg>\n"
}

/// Where in the picture a cost is.
struct Frame {
    lowest: f64,
    range: f64,
    step: f64,
}

impl Frame {
    fn around<'a>(costs: impl Iterator<Item = &'a Spread>, sizes: usize) -> Self {
        let (lowest, highest) = costs.fold((f64::MAX, f64::MIN_POSITIVE), |(low, high), cost| {
            (low.min(cost.lowest), high.max(cost.highest))
        });
        Self {
            lowest,
            range: (highest / lowest).max(LEAST_RANGE),
            step: (WIDTH - LEFT - RIGHT) / sizes.saturating_sub(1).max(1) as f64,
        }
    }

    fn x(&self, at: usize) -> f64 {
        LEFT + self.step * at as f64
    }

    fn y(&self, cost: f64) -> f64 {
        BOTTOM - (cost / self.lowest).ln() / self.range.ln() * (BOTTOM - TOP)
    }
}

/// A side's line, its points, and how far the rounds lie apart at each.
fn drawn(frame: &Frame, side: usize, line: &[Option<Spread>]) -> String {
    let class = class(side);
    let mut svg = String::new();
    let mut path = Vec::new();
    for (at, cost) in line.iter().enumerate() {
        let Some(cost) = cost else { continue };
        let (x, y) = (frame.x(at), frame.y(cost.median));
        let (low, high) = (frame.y(cost.lowest), frame.y(cost.highest));
        let _ = writeln!(
            svg,
            "<path class=\"{class} range\" d=\"M{x:.1} {low:.1}V{high:.1}\"/>\n\
             <circle class=\"{class} point\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>"
        );
        path.push(format!("{x:.1} {y:.1}"));
    }
    if path.len() > 1 {
        let _ = writeln!(
            svg,
            "<path class=\"{class} line\" d=\"M{}\"/>",
            path.join("L")
        );
    }
    svg
}

/// The figures at a size, each above its bar or below it: where the next bar is farther away.
fn figures(frame: &Frame, at: usize, lines: &[Vec<Option<Spread>>]) -> String {
    let costs = lines.iter().map(|line| line.get(at).copied().flatten());
    let mut costs: Vec<_> = costs
        .enumerate()
        .filter_map(|(side, cost)| Some((side, cost?)))
        .collect();
    costs.sort_by(|(_, one), (_, other)| other.median.total_cmp(&one.median));
    let bars: Vec<_> = costs
        .iter()
        .map(|(_, cost)| (frame.y(cost.highest), frame.y(cost.lowest)))
        .collect();
    let wanted = bars.iter().enumerate().map(|(nth, (top, bottom))| {
        let above = nth.checked_sub(1).and_then(|nth| bars.get(nth));
        let above = above.map_or(f64::MAX, |(_, other)| top - other);
        let below = bars.get(nth + 1);
        let below = below.map_or(f64::MAX, |(other, _)| other - bottom);
        if above >= below {
            top - BESIDE
        } else {
            bottom + BESIDE
        }
    });
    let places = apart(&wanted.collect::<Vec<_>>(), LABEL);
    let x = frame.x(at);
    let labels = costs.iter().zip(places).map(|((side, cost), place)| {
        format!(
            "<text class=\"{} label\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
            class(*side),
            place + STAND,
            short(cost.median)
        )
    });
    labels.collect()
}

/// The names, each behind the last point of its line.
fn sides(frame: &Frame, names: &[Measured], lines: &[Vec<Option<Spread>>]) -> String {
    let ends = names.iter().zip(lines).enumerate();
    let ends: Vec<_> = ends
        .filter_map(|(side, (name, line))| {
            let last = line.iter().rposition(Option::is_some)?;
            Some((side, name.name, last, line[last]?.median))
        })
        .collect();
    let wanted: Vec<_> = ends.iter().map(|(.., cost)| frame.y(*cost)).collect();
    let places = apart(&wanted, LABEL);
    let labels = ends
        .iter()
        .zip(places)
        .map(|((side, name, last, _), place)| {
            format!(
                "<text class=\"{} label\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
                class(*side),
                frame.x(*last) + BEHIND,
                place + STAND,
                escaped(name)
            )
        });
    labels.collect()
}

fn class(side: usize) -> String {
    format!("side{}", side % COLOURS)
}

#[cfg(test)]
mod tests {
    use super::super::measure::Sample;
    use super::super::outcome::Outcome;
    use super::*;

    #[test]
    fn sides_differ_and_their_rounds_are_seen() {
        let side = |name, costs: [f64; 3]| Measured {
            name,
            samples: costs
                .map(|cost| Sample {
                    cpu_us: vec![cost],
                    ..Sample::default()
                })
                .into(),
            ..Measured::default()
        };
        let sides = || {
            vec![
                side("bare", [1.0, 1.0, 4.0]),
                side("Tangelo", [2.0; 3]),
                side("Tangelo, other", [2.0; 3]),
            ]
        };
        let points = Points {
            sizes: vec![1, 4],
            outcomes: vec![Outcome { sides: sides() }, Outcome { sides: sides() }],
        };
        let svg = picture(&Curve::unnamed(), &points);
        // From the lowest cost of all to the highest.
        assert!(svg.contains(&format!(
            "side0 range\" d=\"M{LEFT:.1} {BOTTOM:.1}V{TOP:.1}\""
        )));
        for class in ["side1", "side2"] {
            assert!(svg.contains(&format!("<path class=\"{class} line\"")));
        }
        // Two names at one height are written at two.
        let heights = |text: &str| {
            let line = svg.lines().find(|line| line.ends_with(text)).unwrap();
            let height = line.split("y=\"").nth(1).unwrap();
            height.split('"').next().unwrap().parse::<f64>().unwrap()
        };
        let gap = heights(">Tangelo, other</text>") - heights(">Tangelo</text>");
        assert!((gap - LABEL).abs() < 0.2, "{gap}");
    }
}
