//! Rows of the tables of `docs/performance.md` that compare times on the wall.

use super::measure::Measured;
use std::fmt::Write;

/// Who, and what it took; or why not.
pub type Row = (String, Result<Measured, String>);

/// The run in the middle by its wall time.
pub fn middle(runs: Vec<Result<Measured, String>>) -> Result<Measured, String> {
    let mut all = runs.into_iter().collect::<Result<Vec<_>, _>>()?;
    all.sort_by(|a, b| a.wall.total_cmp(&b.wall));
    Ok(all.swap_remove(all.len() / 2))
}

/// A table of rows beside the one that is 1, which is called `name`; seconds with so many digits.
pub fn table(rows: &[Row], one: Option<&Row>, name: &str, digits: usize) -> String {
    let one = one.and_then(|(_, row)| row.as_ref().ok()).map_or(f64::NAN, |row| row.wall);
    let mut text = format!("| | wall s | CPU s | peak MiB | wall, {name} = 1 |\n|---|---|---|---|---|\n");
    for (who, row) in rows {
        let cells = match row {
            Ok(row) => format!("{:.digits$} | {:.digits$} | {:.0} | {:.2}", row.wall, row.cpu, row.peak, row.wall / one),
            Err(why) => format!("not measured here ({why}) | | | "),
        };
        writeln!(text, "| {who} | {cells} |").unwrap();
    }
    text
}
