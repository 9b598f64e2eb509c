//! Numbers as people read them.

/// `3100` as `3,100`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits that matter: `0.0123`, `1.23`, `123`, `12,345`.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return "-".to_owned();
    }
    if size == 0.0 || size >= 99.95 {
        let whole = grouped(size.round() as u64);
        return if value < 0.0 { format!("-{whole}") } else { whole };
    }
    let decimals = (2 - size.log10().floor() as i32).clamp(0, 4) as usize;
    let text = format!("{value:.decimals$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() || text == "-" || text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

/// A change in percent, and one beyond three times as much in times.
pub(crate) fn change(percent: f64) -> String {
    if percent.abs() < 0.5 {
        "same".to_owned()
    } else if percent > 200.0 {
        format!("×{}", short(1.0 + percent / 100.0))
    } else {
        format!("{percent:+.0} %")
    }
}

/// `1 connection`, `3,100 connections`.
pub(crate) fn several(count: u64, what: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {what}{ending}", grouped(count))
}

/// With its unit.
pub(crate) fn with_unit(value: f64, unit: &str) -> String {
    if unit.is_empty() {
        short(value)
    } else {
        format!("{} {unit}", short(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_grouped() {
        for (value, text) in [
            (0.0, "0"),
            (0.000_01, "0"),
            (0.012_345, "0.0123"),
            (1.0, "1"),
            (1.239, "1.24"),
            (12.34, "12.3"),
            (99.97, "100"),
            (1_234.4, "1,234"),
            (-2_500.0, "-2,500"),
            (3_100_000.0, "3,100,000"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(short(value), text);
        }
        assert_eq!(with_unit(12.0, "ms"), "12 ms");
        assert_eq!(
            several(1, "packet") + &several(2_000, "packet"),
            "1 packet2,000 packets"
        );
        for (percent, text) in [
            (-50.4, "-50 %"),
            (0.0, "same"),
            (-0.4, "same"),
            (200.0, "+200 %"),
            (9_618.0, "×97.2"),
        ] {
            assert_eq!(change(percent), text);
        }
    }
}
