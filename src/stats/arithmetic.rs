//! The little arithmetic that figures are made of.

/// `part / whole`; none where `whole` is not above zero.
#[must_use]
pub fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

/// `ns` nanoseconds in microseconds.
#[must_use]
pub const fn us(ns: u64) -> f64 {
    ns as f64 / 1000.0
}

/// The median of `values`, whose order changes; the mean of the two in the middle where their
/// number is even.
///
/// # Panics
///
/// Where there are no values.
#[must_use]
pub fn median(values: &mut [f64]) -> f64 {
    let (half, is_odd) = (values.len() / 2, values.len() % 2 == 1);
    let (below, middle, _) = values.select_nth_unstable_by(half, f64::total_cmp);
    if is_odd {
        return *middle;
    }
    let below = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    f64::midpoint(below, *middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_nothing_has_no_ratio() {
        assert_eq!(ratio(1.0, 4.0), Some(0.25));
        assert_eq!((ratio(0.0, 0.0), ratio(1.0, -1.0), ratio(1.0, f64::NAN)), (None, None, None));
    }

    #[test]
    fn the_median_stands_in_the_middle() {
        for (mut values, expected) in [
            (vec![3.0], 3.0),
            (vec![2.0, 1.0], 1.5),
            (vec![9.0, 1.0, 5.0], 5.0),
            (vec![4.0, 1.0, 3.0, 100.0], 3.5),
        ] {
            assert_eq!(median(&mut values), expected, "{values:?}");
        }
    }
}
