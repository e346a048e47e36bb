//! Values as people type them: sizes, durations, header fields, fixed addresses.
//!
//! Invariant: whoever types something else is told what would be taken.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::base::units;
use crate::bench::arrivals::RateStage;
use crate::extract::parse_named_selector;
use crate::net::dns::Override;
use crate::testserver::STAMPS_MAX;

/// Stages of an open loop.
#[derive(Clone, Debug)]
pub(super) struct Stages(pub(super) Vec<RateStage>);

/// What a request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Body(pub(super) Vec<u8>);

/// Reads a time such as `30s`, `1.5s`, `200ms`, `10us`, `50ns`, `2m`, `1h` or `0`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    units::parse_duration(text)
        .ok_or_else(|| format!("no time: {text}, hint: 30s, 1.5s, 200ms, 10us, 2m or 1h"))
}

/// Reads a size in bytes, such as `4096`, `10k`, `1.5M` (decimal) or `16Mi` (binary).
pub(super) fn size(text: &str) -> Result<u64, String> {
    let refused = || format!("no size: {text}, hint: 4096, 10k, 2M, 64Ki, 16Mi or 1Gi");
    let (number, unit) = units::split_unit(text);
    let factor: u64 = match unit {
        "" => 1,
        "k" | "K" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return Err(refused()),
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).ok_or_else(refused);
    }
    let number: f64 = number.parse().map_err(|_| refused())?;
    #[expect(clippy::cast_precision_loss, reason = "factors are small powers")]
    let bytes = number * factor as f64;
    // 2^53: from there on not every whole number is a float.
    if !(0.0..9e15).contains(&bytes) {
        return Err(refused());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "just checked to be in range"
    )]
    Ok(bytes as u64)
}

/// Reads a number of things, such as `1000`, `100k` or `1M`.
pub(super) fn count(text: &str) -> Result<u64, String> {
    let refused = || format!("no number: {text}, hint: 1000, 100k or 1M");
    if text.ends_with('i') { Err(refused()) } else { size(text).map_err(|_| refused()) }
}

/// Reads how many arrival times each worker of the test server keeps.
pub(super) fn stamps(text: &str) -> Result<usize, String> {
    let stamps = usize::try_from(count(text)?).unwrap_or(usize::MAX);
    match stamps > STAMPS_MAX {
        true => Err(format!("more than 10M arrival times: {text}, hint: --stamps 1M")),
        false => Ok(stamps),
    }
}

/// Reads a rate a second, such as `0.5`, `1000` or `20k`.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    units::parse_number(text)
        .ok_or_else(|| format!("no rate: {text}, hint: 0.5, 1000 or 20k, a second"))
}

/// Reads stages of an open loop, such as `10s:0-50k,30s:50k`: a time, and a rate that holds or two
/// between which it changes evenly.
pub(super) fn stages(text: &str) -> Result<Stages, String> {
    let stage = |part: &str| {
        let refused = || format!("no stage: {part}, hint: --stages 10s:0-50k,30s:50k");
        let (span, rates) = part.split_once(':').ok_or_else(refused)?;
        let (from, to) = rates.split_once('-').unwrap_or((rates, rates));
        let (span, from, to) = (duration(span), rate(from), rate(to));
        match (span, from, to) {
            (Ok(span), Ok(from_per_s), Ok(to_per_s)) => {
                Ok(RateStage { span, from_per_s, to_per_s })
            }
            _ => Err(refused()),
        }
    };
    text.split(',').map(|part| stage(part.trim())).collect::<Result<_, _>>().map(Stages)
}

/// Reads what a request carries: a text, or `@FILE`.
pub(super) fn body(text: &str) -> Result<Body, String> {
    let Some(path) = text.strip_prefix('@') else { return Ok(Body(text.as_bytes().to_vec())) };
    let bytes = std::fs::read(path).map_err(|error| {
        format!("cannot read the body: {path}: {error}, hint: -b @FILE names a file")
    })?;
    Ok(Body(bytes))
}

/// Reads a header field `Name: value`.
pub(super) fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!("no header field: {text}, hint: -H 'Name: value'")),
    }
}

/// Reads a named selector `NAME=CSS`.
pub(super) fn selector(text: &str) -> Result<(String, String), String> {
    parse_named_selector(text).map_err(|error| error.to_string())
}

/// Reads `HOST:PORT:ADDR`. HOST and PORT may be `*`; ADDR is an address, an IPv6 one in brackets,
/// and may name a port of its own.
pub(super) fn resolve(text: &str) -> Result<Override, String> {
    let refused = || {
        format!("no fixed address: {text}, hint: --resolve example.org:80:127.0.0.1 (or *:*:ADDR)")
    };
    let end_of_host = match text.starts_with('[') {
        true => text.find(']').ok_or_else(refused)? + 1,
        false => text.find(':').ok_or_else(refused)?,
    };
    let (host, rest) = text.split_at(end_of_host);
    let rest = rest.strip_prefix(':').ok_or_else(refused)?;
    let (port, addr) = rest.split_once(':').ok_or_else(refused)?;
    let port = match port {
        "*" => None,
        number => Some(number.parse().map_err(|_| refused())?),
    };
    let (ip, to_port) = match addr.parse::<SocketAddr>() {
        Ok(addr) => (addr.ip(), Some(addr.port())),
        Err(_) => {
            let bare = addr.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(addr);
            (bare.parse::<IpAddr>().map_err(|_| refused())?, None)
        }
    };
    let host = (host != "*").then(|| host.to_ascii_lowercase());
    if host.as_deref() == Some("") {
        return Err(refused());
    }
    Ok(Override { host, port, ip, to_port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units() {
        for (text, ns) in [
            ("0", 0),
            ("30s", 30_000_000_000),
            ("1.5s", 1_500_000_000),
            ("200ms", 200_000_000),
            ("10us", 10_000),
            ("50ns", 50),
            ("2m", 120_000_000_000),
            ("1h", 3_600_000_000_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_nanos(ns)), "{text}");
        }
        for text in ["", "5", "s", "-1s", "1d", "1e9h", "..s"] {
            assert!(duration(text).unwrap_err().contains("hint"), "{text}");
        }
    }

    #[test]
    fn sizes_are_decimal_or_binary() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("10k", 10_000),
            ("1.5M", 1_500_000),
            ("2G", 2_000_000_000),
            ("16Mi", 16 << 20),
            ("64Ki", 64 << 10),
            ("1Gi", 1 << 30),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "Mi", "-1", "1T", "1 k", "99999999999999999999"] {
            assert!(size(text).unwrap_err().contains("hint"), "{text}");
        }
    }

    #[test]
    fn rates_and_numbers_are_decimal() {
        for (text, wanted) in [("0.5", 0.5), ("1000", 1000.0), ("20k", 20_000.0), ("1.5M", 1.5e6)] {
            assert_eq!(rate(text), Ok(wanted), "{text}");
        }
        for (text, wanted) in [("1000", 1000), ("100k", 100_000), ("1M", 1_000_000)] {
            assert_eq!(count(text), Ok(wanted), "{text}");
        }
        for text in ["", "k", "-1", "1Ki", "1ms"] {
            assert!(rate(text).unwrap_err().contains("hint"), "{text}");
            assert!(count(text).unwrap_err().contains("hint"), "{text}");
        }
    }

    #[test]
    fn arrival_times_are_bounded() {
        for (text, wanted) in [("0", 0), ("1M", 1_000_000), ("10M", 10_000_000)] {
            assert_eq!(stamps(text), Ok(wanted), "{text}");
        }
        for text in ["", "10000001", "x"] {
            assert!(stamps(text).unwrap_err().contains("hint"), "{text}");
        }
    }

    #[test]
    fn stages_hold_a_rate_or_change_it() {
        let read = stages("10s:0-50k, 500ms:50k").unwrap().0;
        let seen: Vec<_> = read.iter().map(|s| (s.span, s.from_per_s, s.to_per_s)).collect();
        let wanted = [
            (Duration::from_secs(10), 0.0, 50_000.0),
            (Duration::from_millis(500), 50_000.0, 50_000.0),
        ];
        assert_eq!(seen, wanted);
        for text in ["", "10s", "10:5", "10s:a", "10s:1-", "10s:1,"] {
            assert!(stages(text).unwrap_err().contains("hint"), "{text}");
        }
    }

    #[test]
    fn a_body_is_a_text_or_a_file() {
        assert_eq!(body("a=b"), Ok(Body(b"a=b".to_vec())));
        assert!(body("@/no/such/file").unwrap_err().contains("hint"));
        assert!(!body("@Cargo.toml").unwrap().0.is_empty());
    }

    #[test]
    fn fixed_addresses_name_host_port_and_address() {
        let fixed = resolve("Example.org:80:127.0.0.1").unwrap();
        assert_eq!(fixed.host.as_deref(), Some("example.org"));
        assert_eq!((fixed.port, fixed.to_port), (Some(80), None));
        let every = resolve("*:*:[::1]:8080").unwrap();
        assert_eq!((every.host, every.port, every.to_port), (None, None, Some(8080)));
        assert!(resolve("[::1]:80:::1").unwrap().ip.is_ipv6());
        for text in ["", "a", "a:80", "a:x:127.0.0.1", "a:80:b", ":80:127.0.0.1", "[::1:80:1.2.3.4"]
        {
            assert!(resolve(text).unwrap_err().contains("hint"), "{text}");
        }
    }

    #[test]
    fn header_fields_have_a_name() {
        assert_eq!(header("A: b: c"), Ok(("A".to_owned(), "b: c".to_owned())));
        assert_eq!(header("A:"), Ok(("A".to_owned(), String::new())));
        assert!(header(": b").is_err() && header("A").is_err());
    }
}
