//! Numbers of several rounds, and the tables that are printed.

/// The middle one; of two, the mean.
pub fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        even if even % 2 == 0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
        _ => sorted[middle],
    }
}

/// From the lowest to the highest.
pub fn spread(numbers: &[f64]) -> String {
    let lowest = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{lowest:.2} to {highest:.2}")
}

/// What must be reached, and whether it was.
pub fn verdict(value: f64, most: Option<f64>) -> String {
    match most {
        None => "-".to_owned(),
        Some(most) if value <= most => format!("≤ {most}"),
        Some(most) => format!("≤ {most} **missed**"),
    }
}

/// Prints a Markdown table.
pub struct Table(usize);

impl Table {
    pub fn new(heads: &[&str]) -> Self {
        println!("\n| {} |", heads.join(" | "));
        println!("|{}", " --- |".repeat(heads.len()));
        Self(heads.len())
    }

    pub fn row(&self, cells: &[String]) {
        assert_eq!(cells.len(), self.0, "a cell for each head");
        println!("| {} |", cells.join(" | "));
    }
}
