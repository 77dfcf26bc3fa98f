//! A picture of a table: a bar for each side, as long as its figure.

use std::fmt::Write;

use super::outcome::{Outcome, Spread};
use super::scenario::Scenario;
use super::table;

pub(super) const WIDTH: f64 = 760.0;
/// Where bars begin, behind the names.
const LEFT: f64 = 210.0;
/// What is left for the figure behind the longest bar.
const RIGHT: f64 = 150.0;
const ROW: f64 = 34.0;
const BAR: f64 = 20.0;
const HEAD: f64 = 46.0;
/// What the legend below takes.
pub(super) const LEGEND: f64 = 30.0;

/// Colours for a bright page and for a dark one. Ours stands out, and the whisker is seen on both bars.
const STYLE: &str = "\
    text { font: 13px system-ui, sans-serif; fill: #1f2328 }\n\
    .title { font-size: 15px; font-weight: 600 }\n\
    .legend { font-size: 11px; opacity: 0.7 }\n\
    .bar { fill: #8c959f }\n\
    .own { fill: #e36209 }\n\
    .spread { stroke: #1f2328; stroke-width: 1.5; fill: none }\n\
    @media (prefers-color-scheme: dark) {\n\
    text { fill: #e6edf3 }\n\
    .bar { fill: #6e7681 }\n\
    .own { fill: #f0883e }\n\
    .spread { stroke: #e6edf3 }\n\
    }\n";

/// The picture; the line at the end of each bar goes from the lowest round to the highest.
pub(crate) fn picture(scenario: &Scenario, outcome: &Outcome) -> String {
    let figure = table::main_figure(scenario);
    let bars: Vec<(&str, Spread)> = outcome
        .sides
        .iter()
        .filter_map(|side| Some((side.name, side.spread(|sample| figure.of(sample))?)))
        .collect();
    let most = bars.iter().map(|(_, spread)| spread.highest);
    let most = most.fold(f64::MIN_POSITIVE, f64::max);
    let length = |value: f64| value / most * (WIDTH - LEFT - RIGHT);
    let height = HEAD + ROW * bars.len() as f64 + LEGEND;

    let unit = table::unit(scenario.counts);
    let mut svg = head(&format!("{}, {unit}", scenario.title), height);
    svg += &legend(
        "bar: the median of the rounds; line: from the lowest to the highest",
        height,
    );
    for (row, (name, spread)) in bars.iter().enumerate() {
        let top = HEAD + ROW * row as f64;
        let middle = top + BAR / 2.0;
        let text = middle + 4.5;
        let class = if is_own(name) { "bar own" } else { "bar" };
        let (low, high) = (LEFT + length(spread.lowest), LEFT + length(spread.highest));
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{text:.1}\" text-anchor=\"end\">{}</text>\n\
             <rect class=\"{class}\" x=\"{LEFT}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BAR}\"/>\n\
             <path class=\"spread\" d=\"M{low:.1} {middle:.1}H{high:.1}M{low:.1} {:.1}v8M{high:.1} {:.1}v8\"/>\n\
             <text x=\"{:.1}\" y=\"{text:.1}\">{}</text>",
            LEFT - 10.0,
            escaped(name),
            length(spread.median).max(1.0),
            middle - 4.0,
            middle - 4.0,
            high + 8.0,
            escaped(&table::amount(scenario.counts, spread.median)),
        );
    }
    svg + "</svg>\n"
}

/// The beginning of a picture of this height.
pub(super) fn head(title: &str, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n\
         <style>\n{STYLE}</style>\n\
         <text class=\"title\" x=\"12\" y=\"26\">{}</text>\n",
        escaped(title)
    )
}

/// What the marks of a picture of this height mean, at its foot.
pub(super) fn legend(words: &str, height: f64) -> String {
    let foot = height - 10.0;
    format!("<text class=\"legend\" x=\"12\" y=\"{foot:.1}\">{words}</text>\n")
}

pub(super) fn is_own(side: &str) -> bool {
    side.starts_with("Tangelo")
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
