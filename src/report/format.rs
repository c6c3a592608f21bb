//! Numbers as people read them: three significant digits, thin separators, signs, units.
//! Knows no metric by name.

/// A minus sign, not a hyphen.
const MINUS: &str = "−";
/// Groups thousands, and ties a unit to its number: narrow, unbreakable.
const THIN: char = '\u{202f}';
/// Stands for what is not known.
pub const UNKNOWN: &str = "–";

/// A number with three significant digits.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return UNKNOWN.to_owned();
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && magnitude < 1e-4 {
        let text = format!("{magnitude:.1e}");
        return signed_minus(value, &text.replace('-', MINUS));
    }
    fixed(value, decimals(magnitude))
}

/// A number with so many decimals, thousands grouped.
pub fn fixed(value: f64, n_decimals: usize) -> String {
    if !value.is_finite() {
        return UNKNOWN.to_owned();
    }
    let text = format!("{:.n_decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = group(whole);
    if !fraction.is_empty() {
        grouped.push('.');
        grouped.push_str(fraction);
    }
    let is_zero = text.bytes().all(|b| b == b'0' || b == b'.');
    if is_zero { grouped } else { signed_minus(value, &grouped) }
}

/// A count, thousands grouped.
pub fn count(value: u64) -> String {
    group(&value.to_string())
}

/// A value of a metric: shares as percentages, others as they are.
pub fn value(value: f64, unit: &str) -> String {
    if unit == "share" && value.is_finite() { percent(value) } else { number(value) }
}

/// A value of a metric beside its interval: with the digits of [`value`], and more where the interval has more.
pub fn value_beside(mean: f64, interval: Option<(f64, f64)>, unit: &str) -> String {
    let is_share = unit == "share";
    let scale = if is_share { 100.0 } else { 1.0 };
    let n_decimals = interval.and_then(|(low, high)| decimals_within((high - low).abs() / 2.0 * scale));
    match n_decimals {
        Some(n) if mean.is_finite() && n > decimals((mean * scale).abs()) => {
            let suffix = if is_share { format!("{THIN}%") } else { String::new() };
            fixed(mean * scale, n) + &suffix
        }
        _ => value(mean, unit),
    }
}

/// A share as a percentage.
pub fn percent(share: f64) -> String {
    if !share.is_finite() {
        return UNKNOWN.to_owned();
    }
    let percent = share * 100.0;
    format!("{}{THIN}%", fixed(percent, decimals(percent.abs()).min(2)))
}

/// A difference with its sign; of shares in percentage points.
pub fn difference(value: f64, unit: &str) -> String {
    if !value.is_finite() {
        return UNKNOWN.to_owned();
    }
    let (value, suffix) =
        if unit == "share" { (value * 100.0, format!("{THIN}pp")) } else { (value, String::new()) };
    let text = if unit == "share" { fixed(value, decimals(value.abs()).min(2)) } else { number(value) };
    let plus = if value > 0.0 && text.bytes().any(|b| b.is_ascii_digit() && b != b'0') { "+" } else { "" };
    format!("{plus}{text}{suffix}")
}

/// An interval, for tables: as many digits as its width gives sense to.
pub fn interval(low: f64, high: f64, unit: &str) -> String {
    if !low.is_finite() || !high.is_finite() {
        return UNKNOWN.to_owned();
    }
    let (low, high) = if unit == "share" { (low * 100.0, high * 100.0) } else { (low, high) };
    let n_decimals = decimals_within((high - low).abs() / 2.0).unwrap_or_else(|| decimals(low.abs()));
    format!("{} … {}", fixed(low, n_decimals), fixed(high, n_decimals))
}

/// Decimals worth showing of a value known to within `half`; `None` where it is known exactly.
pub fn decimals_within(half: f64) -> Option<usize> {
    (half > 0.0 && half.is_finite()).then(|| (-(half / 3.0).log10().floor()).clamp(0.0, 6.0) as usize)
}

/// A level, power or coverage: short, without trailing zeros.
pub fn plain(value: f64) -> String {
    let text = fixed(value, 4);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A p-value: never zero.
pub fn p_value(p: f64) -> String {
    if !p.is_finite() {
        UNKNOWN.to_owned()
    } else if p < 0.001 {
        "<\u{a0}0.001".to_owned()
    } else {
        fixed(p, 3)
    }
}

/// A p-value with its relation: `p < 0.001`, `p = 0.034`.
pub fn p_statement(p: f64) -> String {
    let text = p_value(p);
    if text.starts_with('<') { format!("p\u{a0}{text}") } else { format!("p\u{a0}=\u{a0}{text}") }
}

/// A duration in seconds, minutes or hours.
pub fn seconds(duration: f64) -> String {
    if !duration.is_finite() || duration < 0.0 {
        UNKNOWN.to_owned()
    } else if duration < 120.0 {
        format!("{}{THIN}s", number(duration))
    } else if duration < 7200.0 {
        format!("{}{THIN}min", number(duration / 60.0))
    } else {
        format!("{}{THIN}h", number(duration / 3600.0))
    }
}

/// The label of a tick, with as many decimals as the step between ticks needs.
pub fn tick(value: f64, step: f64, share: bool) -> String {
    let (value, step) = if share { (value * 100.0, step * 100.0) } else { (value, step) };
    let n = if step.is_finite() && step > 0.0 {
        (-(step * 1.0001).log10().floor()).clamp(0.0, 6.0) as usize
    } else {
        2
    };
    // A step of 2.5 needs the decimal that its magnitude does not show.
    let scaled = step * 10f64.powi(n as i32);
    let n = if step.is_finite() && (scaled - scaled.round()).abs() > 1e-6 { n + 1 } else { n };
    let text = fixed(value, n.min(7));
    if text.bytes().all(|b| b == b'0' || b == b'.') { "0".to_owned() } else { text }
}

/// Decimals that show three significant digits.
fn decimals(magnitude: f64) -> usize {
    if magnitude == 0.0 || !magnitude.is_finite() {
        return 0;
    }
    // The rounding to three digits may itself reach the next power of ten.
    let exponent = (magnitude * (1.0 + 0.5e-3)).log10().floor();
    (2.0 - exponent).clamp(0.0, 6.0) as usize
}

fn signed_minus(value: f64, text: &str) -> String {
    if value < 0.0 { format!("{MINUS}{text}") } else { text.to_owned() }
}

fn group(digits: &str) -> String {
    if digits.len() <= 4 {
        return digits.to_owned();
    }
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(THIN);
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (0.99999, "1.00"),
            (1.23456, "1.23"),
            (-12.345, "−12.3"),
            (99.96, "100"),
            (1234.5, "1234"),
            (12345.6, "12\u{202f}346"),
            (0.00123, "0.00123"),
            (0.0000123, "1.2e−5"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(number(value), expected, "{value}");
        }
    }

    #[test]
    fn shares_are_percentages_and_differences_signed() {
        assert_eq!(value(0.3241, "share"), "32.4\u{202f}%");
        assert_eq!(value(0.3241, "score"), "0.324");
        assert_eq!(difference(0.0321, "share"), "+3.21\u{202f}pp");
        assert_eq!(difference(-0.5, "score"), "−0.500");
        assert_eq!(difference(0.0, "score"), "0");
        assert_eq!(interval(-0.0123, 0.0456, "share"), "−1.2 … 4.6");
        assert_eq!(interval(6.71234, 6.91234, "score"), "6.71 … 6.91");
        assert_eq!(interval(570.9, 578.9, "interactions"), "571 … 579");
        assert_eq!(interval(3.0, 3.0, "pages"), "3.00 … 3.00");
        assert_eq!(value_beside(7.8751, Some((7.856, 7.894)), "score"), "7.875");
        assert_eq!(value_beside(7.8751, Some((7.7, 8.0)), "score"), "7.88");
        assert_eq!(value_beside(0.68231, Some((0.6805, 0.6844)), "share"), "68.23\u{202f}%");
        assert_eq!(value_beside(0.68231, None, "share"), "68.2\u{202f}%");
        assert_eq!(value_beside(f64::NAN, Some((1.0, 1.001)), "score"), "–");
        assert_eq!(p_value(0.0), "<\u{a0}0.001");
        assert_eq!(p_statement(0.0341), "p\u{a0}=\u{a0}0.034");
        assert_eq!(
            (plain(0.05).as_str(), plain(95.0).as_str(), plain(1.0 - 0.95).as_str()),
            ("0.05", "95", "0.05")
        );
    }

    #[test]
    fn ticks_show_what_the_step_needs() {
        assert_eq!(tick(0.25, 0.25, true), "25");
        assert_eq!(tick(0.025, 0.025, true), "2.5");
        assert_eq!(tick(-0.05, 0.05, false), "−0.05");
        assert_eq!(tick(2.0, 1.0, false), "2");
    }
}
