//! Numbers in few columns, for a table of a terminal.

use std::time::Duration;

/// Three digits and a decimal prefix: `0`, `7.5`, `999`, `1.23k`, `45.6M`. At most five columns below 10^18.
pub(crate) fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let mut scaled = value;
    for prefix in ["", "k", "M", "G", "T"] {
        if scaled < 999.5 {
            return format!("{}{prefix}", three_digits(scaled, prefix.is_empty()));
        }
        scaled /= 1000.0;
    }
    format!("{scaled:.0}P")
}

/// A plain number of events has at most one decimal: 0.05 in a second is one in twenty.
fn three_digits(value: f64, plain: bool) -> String {
    let decimals = match value {
        _ if value < 9.995 && !plain => 2,
        _ if value < 0.095 => 2,
        _ if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

/// A count with its thousands set apart: `20,000`.
pub(crate) fn count(count: usize) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The two largest units: `59s`, `12m05s`, `3h04m`, `5d03h`.
pub(crate) fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m{:02}s", seconds % 60),
        3600..86_400 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_keeps_three_digits_and_fits_five_columns() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (0.05, "0.05"),
            (0.2, "0.2"),
            (7.0, "7.0"),
            (99.94, "99.9"),
            (99.96, "100"),
            (999.4, "999"),
            (999.6, "1.00k"),
            (1_234.0, "1.23k"),
            (45_600_000.0, "45.6M"),
            (999_600_000.0, "1.00G"),
            (123e9, "123G"),
        ];
        for (value, expected) in cases {
            assert_eq!(short(value), expected, "{value}");
        }
        assert!((-3..18).all(|power| short(9.999 * 10f64.powi(power - 1)).len() <= 5));
    }

    #[test]
    fn a_count_has_its_thousands_apart() {
        assert_eq!(
            [0, 999, 1_000, 20_000, 1_234_567].map(count),
            ["0", "999", "1,000", "20,000", "1,234,567"]
        );
    }

    #[test]
    fn an_age_has_its_two_largest_units() {
        let text = |seconds| age(Duration::from_secs(seconds));
        assert_eq!([0, 59, 60, 725, 3_599].map(text), ["0s", "59s", "1m00s", "12m05s", "59m59s"]);
        assert_eq!(
            [3_600, 11_040, 86_399, 86_400, 442_800].map(text),
            ["1h00m", "3h04m", "23h59m", "1d00h", "5d03h"]
        );
    }
}
