//! Numbers with their units: as people read them, to three digits, and as they type them.
//!
//! Invariant: a small number is never written as zero, nor a part as the whole.

use std::time::Duration;

/// `count` with a comma between thousands.
///
/// ```
/// assert_eq!(ringfetch::base::units::count(48_625), "48,625");
/// ```
#[must_use]
pub fn count(count: u64) -> String {
    grouped(&count.to_string())
}

/// A time of `ns` nanoseconds: `980 ns`, `1.23 us`, `12.3 ms`, `1.50 s`, `2m05s`, `1h02m`.
#[must_use]
pub fn duration_ns(ns: u64) -> String {
    let exact = ns as f64;
    if ns < 1000 {
        return format!("{ns} ns");
    }
    for (unit, ns_per_unit) in [("us", 1e3), ("ms", 1e6)] {
        if exact / ns_per_unit < 999.5 {
            return format!("{} {unit}", three_digits(exact / ns_per_unit));
        }
    }
    if exact / 1e9 < 59.95 {
        return format!("{} s", three_digits(exact / 1e9));
    }
    let seconds = ns.saturating_add(500_000_000) / 1_000_000_000;
    if seconds < 3600 {
        return format!("{}m{:02}s", seconds / 60, seconds % 60);
    }
    let minutes = (seconds + 30) / 60;
    format!("{}h{:02}m", minutes / 60, minutes % 60)
}

/// A time of `seconds`, as [`duration_ns`]; one that is negative or no number is `-`.
#[must_use]
pub fn seconds(seconds: f64) -> String {
    if seconds.is_nan() || seconds < 0.0 {
        return "-".to_owned();
    }
    let span = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    duration_ns(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
}

/// A time of `us` microseconds, as [`duration_ns`].
#[must_use]
pub fn duration_us(us: f64) -> String {
    seconds(us / 1e6)
}

/// A size in binary units: `512 B`, `1.50 KiB`, `23.4 MiB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    size(bytes as f64)
}

/// Bytes a second, in binary units; `<1 B/s` for what is not quite nothing.
#[must_use]
pub fn bytes_rate(bytes_per_s: f64) -> String {
    if bytes_per_s > 0.0 && bytes_per_s <= 0.5 {
        return "<1 B/s".to_owned();
    }
    if bytes_per_s < 1023.5 {
        return format!("{bytes_per_s:.0} B/s");
    }
    format!("{}/s", size(bytes_per_s))
}

/// Something a second: `3,953/s`, `12.3/s`; `<0.01/s` for what is not quite nothing.
#[must_use]
pub fn rate(per_s: f64) -> String {
    if per_s > 0.0 && per_s < 0.005 {
        return "<0.01/s".to_owned();
    }
    if per_s < 999.5 {
        return format!("{}/s", three_digits(per_s));
    }
    format!("{}/s", grouped(&format!("{per_s:.0}")))
}

/// `part` of `whole` in percent, to one decimal: `99.9 %`; `>99.9 %` for what is not quite all and
/// `<0.1 %` for what is not quite nothing.
#[must_use]
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let exact = part as f64 / whole as f64;
    // The numbers may be larger than what an f64 tells apart.
    share(if part < whole { exact.min(1.0 - f64::EPSILON) } else { exact })
}

/// A share of 1, as [`percent`].
#[must_use]
pub fn share(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.05 {
        "<0.1 %".to_owned()
    } else if share < 1.0 && percent >= 99.95 {
        ">99.9 %".to_owned()
    } else {
        format!("{percent:.1} %")
    }
}

/// Reads a time such as `30s`, `1.5s`, `200ms`, `10us`, `50ns`, `2m`, `1h` or `0`; none where the
/// text is no time, or one too long.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text);
    let seconds_per_unit = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "" if number == "0" => 1.0,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    Duration::try_from_secs_f64(number * seconds_per_unit).ok()
}

/// Reads a number such as `0.5`, `1000`, `20k` or `1.5M`; none where the text is no number.
#[must_use]
pub fn parse_number(text: &str) -> Option<f64> {
    let (number, unit) = split_unit(text);
    let factor = match unit {
        "" => 1.0,
        "k" | "K" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    (number * factor).is_finite().then_some(number * factor)
}

/// The digits at the front of `text`, with a point, and the unit behind them.
#[must_use]
pub fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

fn size(bytes: f64) -> String {
    let mut scaled = bytes / 1024.0;
    for unit in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        if scaled < 1023.5 {
            return format!("{} {unit}", three_digits(scaled));
        }
        scaled /= 1024.0;
    }
    format!("{} EiB", three_digits(scaled))
}

/// `value` to three digits, more where it is 1000 or above.
fn three_digits(value: f64) -> String {
    if value < 9.995 {
        format!("{value:.2}")
    } else if value < 99.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_has_a_unit_or_none() {
        for (text, ns) in [
            ("0", Some(0)),
            ("50ns", Some(50)),
            ("10us", Some(10_000)),
            ("1.5µs", Some(1500)),
            ("1.5s", Some(1_500_000_000)),
            ("2m", Some(120_000_000_000)),
            ("1h", Some(3_600_000_000_000)),
            ("10", None),
            ("ms", None),
            ("1.2.3ms", None),
            ("-1ms", None),
            ("1 ms", None),
        ] {
            assert_eq!(parse_duration(text).map(|time| time.as_nanos()), ns, "{text}");
        }
        let endless = "9".repeat(400);
        for (text, number) in
            [("0.5", Some(0.5)), ("20k", Some(2e4)), ("1.5M", Some(1.5e6)), ("1ms", None)]
        {
            assert_eq!(parse_number(text), number, "{text}");
        }
        assert_eq!((parse_number(&endless), parse_duration(&format!("{endless}s"))), (None, None));
    }

    #[test]
    fn counts_have_separators() {
        for (value, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(count(value), expected);
        }
    }

    #[test]
    fn times_have_three_digits_and_change_unit_without_a_gap() {
        for (ns, expected) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 us"),
            (9_996, "10.0 us"),
            (99_960, "100 us"),
            (999_499, "999 us"),
            (999_500, "1.00 ms"),
            (12_340_000, "12.3 ms"),
            (999_600_000, "1.00 s"),
            (59_940_000_000, "59.9 s"),
            (59_960_000_000, "1m00s"),
            (125_400_000_000, "2m05s"),
            (3_599_499_999_999, "59m59s"),
            (3_599_500_000_000, "1h00m"),
            (3_720_000_000_000, "1h02m"),
            (u64::MAX, "5124095h35m"),
        ] {
            assert_eq!(duration_ns(ns), expected, "{ns}");
        }
        assert_eq!(seconds(1.5), "1.50 s");
        assert_eq!(seconds(f64::NAN), "-");
        assert_eq!(seconds(f64::INFINITY), "5124095h35m");
        assert_eq!(duration_us(2.5), "2.50 us");
    }

    #[test]
    fn sizes_are_binary() {
        for (value, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (1536, "1.50 KiB"),
            (1023 * 1024, "1023 KiB"),
            (1024 * 1024 - 1, "1.00 MiB"),
            (597_688_320, "570 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(value), expected, "{value}");
        }
        assert_eq!(bytes_rate(0.0), "0 B/s");
        assert_eq!(bytes_rate(0.3), "<1 B/s");
        assert_eq!(bytes_rate(0.5001), "1 B/s");
        assert_eq!(bytes_rate(1023.9), "1.00 KiB/s");
    }

    #[test]
    fn rates_are_whole_where_they_are_large() {
        for (value, expected) in [
            (0.0, "0.00/s"),
            (0.004, "<0.01/s"),
            (0.0051, "0.01/s"),
            (12.34, "12.3/s"),
            (999.6, "1,000/s"),
            (3953.4, "3,953/s"),
        ] {
            assert_eq!(rate(value), expected);
        }
    }

    #[test]
    fn a_part_is_neither_nothing_nor_all() {
        for (part, whole, expected) in [
            (0, 0, "-"),
            (0, 5, "0.0 %"),
            (5, 5, "100.0 %"),
            (1, 100_000, "<0.1 %"),
            (99_999, 100_000, ">99.9 %"),
            (u64::MAX - 1, u64::MAX, ">99.9 %"),
            (1, 3, "33.3 %"),
        ] {
            assert_eq!(percent(part, whole), expected);
        }
        for (part, expected) in [
            (0.0, "0.0 %"),
            (0.0004, "<0.1 %"),
            (0.9996, ">99.9 %"),
            (1.0, "100.0 %"),
            (1.002, "100.2 %"),
        ] {
            assert_eq!(share(part), expected);
        }
    }
}
