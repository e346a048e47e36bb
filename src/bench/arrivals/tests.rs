//! Where even starts stand, compared with whole numbers; and that the gaps between random ones are
//! exponential, by a test of goodness of fit.
//!
//! Invariant: seeds are fixed, so that each test always has the same outcome.

use super::*;

const START: Instant = Instant::from_ns(77_000_000_000);

fn constant(per_s: f64) -> Arc<Profile> {
    Arc::new(Profile::constant(per_s).unwrap())
}

/// Stages given as seconds, first and last rate.
fn staged(stages: &[(f64, f64, f64)]) -> Arc<Profile> {
    let stage = |&(span_s, from_per_s, to_per_s): &(f64, f64, f64)| RateStage {
        span: Duration::from_secs_f64(span_s),
        from_per_s,
        to_per_s,
    };
    Arc::new(Profile::stages(&stages.iter().map(stage).collect::<Vec<_>>()).unwrap())
}

/// The first `len` starts of one core, in nanoseconds after the start.
fn first(profile: &Arc<Profile>, law: Law, (idx, count): (usize, usize), len: usize) -> Vec<u64> {
    let mut arrivals = Arrivals::new(Arc::clone(profile), law, idx, count, START);
    let mut times_ns = Vec::new();
    while times_ns.len() < len && arrivals.next_at() != Instant::NEVER {
        times_ns.push(arrivals.next_at().ns_since(START));
        arrivals.advance();
    }
    assert!(times_ns.is_sorted());
    times_ns
}

/// The starts of all of `count` cores in order, each core's first `len`, up to where the first
/// core ran out.
fn together(profile: &Arc<Profile>, law: Law, count: usize, len: usize) -> Vec<u64> {
    let cores: Vec<_> = (0..count).map(|idx| first(profile, law, (idx, count), len)).collect();
    let end_ns = cores.iter().map(|core| *core.last().unwrap()).min().unwrap();
    let mut times_ns: Vec<_> = cores.concat();
    times_ns.retain(|ns| *ns <= end_ns);
    times_ns.sort_unstable();
    times_ns
}

/// The Anderson-Darling statistic of gaps against the exponential distribution whose mean is
/// known (Stephens, EDF Statistics for Goodness of Fit and Some Comparisons, JASA 69, 1974).
fn anderson_darling(times_ns: &[u64], mean_ns: f64) -> f64 {
    let mut gaps: Vec<_> =
        times_ns.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / mean_ns).collect();
    gaps.sort_unstable_by(f64::total_cmp);
    let n = gaps.len();
    // A gap that was rounded to nothing has no logarithm; half a nanosecond is what it was.
    let ln_below = |gap: f64| (-(-gap.max(0.5 / mean_ns)).exp_m1()).ln();
    let sum: f64 = (0..n).map(|i| (2 * i + 1) as f64 * (ln_below(gaps[i]) - gaps[n - 1 - i])).sum();
    -(n as f64) - sum / n as f64
}

/// What the statistic exceeds in one of 100 samples where nothing is estimated (case 0, n >= 5;
/// D'Agostino and Stephens, Goodness-of-Fit Techniques, 1986, table 4.2).
const CRITICAL_AT_1_PERCENT: f64 = 3.857;

/// How many of 100 samples, by seed, are too far from the exponential distribution. For the
/// true one that is 1 on average, and more than 5 once in 1,800 times.
fn rejected(mean_ns: f64, sample: impl Fn(u64) -> Vec<u64>) -> usize {
    let is_far = |seed: &u64| anderson_darling(&sample(*seed), mean_ns) > CRITICAL_AT_1_PERCENT;
    (0..100).filter(is_far).count()
}

#[test]
fn even_starts_are_exact_and_do_not_drift() {
    for (rate, divisor) in [(1_u32, 4_u32), (3, 1), (999, 1), (1_000_000_000, 1)] {
        let per_s = f64::from(rate) / f64::from(divisor);
        let (rate, divisor) = (u128::from(rate), u128::from(divisor));
        let mut arrivals = Arrivals::new(constant(per_s), Law::Even, 0, 1, START);
        for n in 0..10_000_000_u128 {
            if !(1000..9_999_000).contains(&n) {
                let ns = arrivals.next_at().ns_since(START);
                // By whole numbers alone: how far it is from the truth, as a fraction of the rate.
                let off = (u128::from(ns) * rate).abs_diff(n * divisor * 1_000_000_000);
                // Rounding costs half a nanosecond. An f64 tells less than 1/64 ns apart in a day,
                // and half a nanosecond in 26 days, where 3 a second are after 10 million.
                let ulp_ns = (ns as f64).next_up() - ns as f64;
                assert!(off as f64 <= rate as f64 * (0.5 + ulp_ns / 2.0), "{per_s} {n}: {ns}");
            }
            arrivals.advance();
        }
    }
}

#[test]
fn even_cores_take_turns_whatever_their_number() {
    for (per_s, count) in [(1000.0, 4), (0.5, 3), (2.0, 16)] {
        let profile = constant(per_s);
        let alone = first(&profile, Law::Even, (0, 1), count * 50);
        for idx in 0..count {
            let wanted: Vec<_> = alone.iter().copied().skip(idx).step_by(count).collect();
            assert_eq!(first(&profile, Law::Even, (idx, count), 50), wanted, "{idx} of {count}");
        }
        assert_eq!(alone[0], 0);
    }
}

#[test]
fn poisson_gaps_are_exponential() {
    for per_s in [0.2, 1000.0, 100_000.0] {
        let sample = |seed| first(&constant(per_s), Law::Poisson { seed }, (0, 1), 2000);
        let count = rejected(NS_PER_S / per_s, sample);
        assert!(count <= 5, "{count} of 100 at {per_s}/s");
    }
}

#[test]
fn poisson_cores_are_one_poisson_process_together() {
    let count = rejected(1e6, |seed| together(&constant(1000.0), Law::Poisson { seed }, 3, 1000));
    assert!(count <= 5, "{count} of 100 together");
    let count = rejected(3e6, |seed| first(&constant(1000.0), Law::Poisson { seed }, (2, 3), 1000));
    assert!(count <= 5, "{count} of 100 alone");
}

#[test]
fn the_test_for_exponential_gaps_sees_a_wrong_law_and_a_wrong_rate() {
    let jittered = |seed| {
        let mut rng = fastrand::Rng::with_seed(seed);
        let even = first(&constant(1000.0), Law::Even, (0, 1), 2000);
        even.iter().map(|ns| ns + rng.u64(0..1_000_000)).collect()
    };
    assert_eq!(rejected(1e6, jittered), 100);
    let slower = |seed| first(&constant(900.0), Law::Poisson { seed }, (0, 1), 2000);
    assert!(rejected(1e6, slower) > 80);
    let twice = |seed| {
        let law = Law::Poisson { seed };
        let once = first(&constant(500.0), law, (0, 1), 1000);
        let mut both: Vec<_> = once.iter().flat_map(|ns| [*ns, *ns]).collect();
        both.sort_unstable();
        both
    };
    assert_eq!(rejected(1e6, twice), 100);
}

#[test]
fn a_seed_gives_its_own_stream_to_each_core() {
    let profile = constant(1000.0);
    let stream = |seed, idx| first(&profile, Law::Poisson { seed }, (idx, 4), 100);
    assert_eq!(stream(1, 0), stream(1, 0));
    let mut streams: Vec<_> = (0..4).flat_map(|seed| (0..4).map(move |idx| (seed, idx))).collect();
    streams.sort_unstable();
    let mut seen: Vec<_> = streams.iter().map(|(seed, idx)| stream(*seed, *idx)).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 16);
}

#[test]
fn a_ramp_has_the_requests_and_the_halves_that_it_expects() {
    let ramps = [(staged(&[(10.0, 0.0, 1000.0)]), 0.25), (staged(&[(10.0, 1000.0, 0.0)]), 0.75)];
    for (profile, share) in &ramps {
        let even = first(profile, Law::Even, (0, 1), usize::MAX);
        let early = |times_ns: &[u64]| times_ns.partition_point(|ns| *ns < 5_000_000_000);
        assert_eq!((even.len(), early(&even) as f64), (5000, 5000.0 * share));
        for seed in 0..50 {
            let times_ns =
                (0..3).flat_map(|idx| first(profile, Law::Poisson { seed }, (idx, 3), usize::MAX));
            let mut times_ns: Vec<_> = times_ns.collect();
            times_ns.sort_unstable();
            let count = times_ns.len() as f64;
            assert!((count - 5000.0).abs() <= 4.0 * 5000_f64.sqrt(), "{count}");
            let wanted = count * share;
            let sigma = (wanted * (1.0 - share)).sqrt();
            assert!((early(&times_ns) as f64 - wanted).abs() <= 4.0 * sigma);
        }
    }
}

#[test]
fn even_starts_on_a_ramp_stand_where_the_integral_says() {
    // Up: n = 50 t^2. Down: the mirror image, which starts one request behind the end.
    let up = first(&staged(&[(10.0, 0.0, 1000.0)]), Law::Even, (0, 1), usize::MAX);
    let down = first(&staged(&[(10.0, 1000.0, 0.0)]), Law::Even, (0, 1), usize::MAX);
    assert_eq!(up.len(), 5000);
    for (n, ns) in up.iter().enumerate() {
        assert_eq!(*ns as f64, ((n as f64 / 50.0).sqrt() * NS_PER_S).round(), "{n}");
        // The request n from the end; two roundings of a half meet.
        let mirrored = 10_000_000_000 - ns;
        assert!(n == 0 || down[5000 - n].abs_diff(mirrored) <= 1, "{n}");
    }
}

#[test]
fn nothing_starts_where_the_rate_is_zero() {
    let quiet = (5.0, 0.0, 0.0);
    let profile =
        staged(&[quiet, (1.0, 0.0, 10.0), (1.0, 10.0, 0.0), quiet, (2.0, 1.0, 1.0), quiet]);
    for law in [Law::Even, Law::Poisson { seed: 3 }] {
        let times_ns = first(&profile, law, (0, 1), usize::MAX);
        assert!(!times_ns.is_empty());
        for ns in times_ns {
            let is_loud = |range: std::ops::Range<u64>| range.contains(&(ns / 1_000_000_000));
            assert!(is_loud(5..7) || is_loud(12..14), "{ns}");
        }
    }
    let even = first(&profile, Law::Even, (0, 1), usize::MAX);
    assert_eq!((even.len(), even[0]), (12, 5_000_000_000));
    assert_eq!(even[10..], [12_000_000_000, 13_000_000_000]);
}

#[test]
fn a_profile_without_a_request_left_never_starts_one() {
    let half = staged(&[(1.0, 0.5, 0.5)]);
    assert_eq!(first(&half, Law::Even, (0, 2), 9), [0]);
    assert!(first(&half, Law::Even, (1, 2), 9).is_empty());
    let mut arrivals = Arrivals::new(half, Law::Even, 1, 2, START);
    arrivals.advance();
    assert_eq!(arrivals.next_at(), Instant::NEVER);
    // Slower than the clock reaches: in 584 years.
    assert_eq!(first(&constant(1e-300), Law::Even, (0, 1), 9), [0]);
    // One request in 2e-9 s is expected at most; the second would be behind the end.
    assert_eq!(first(&staged(&[(2e-9, 1e9, 1e9)]), Law::Even, (0, 1), 9), [0, 1]);
    assert_eq!(first(&staged(&[(1e-9, 1e9, 1e9)]), Law::Even, (0, 1), 9), [0]);
}

#[test]
fn what_is_expected_is_the_integral_of_the_rate() {
    let profile = staged(&[(10.0, 0.0, 1000.0), (10.0, 1000.0, 1000.0), (5.0, 1000.0, 0.0)]);
    let check = |from_s: f64, to_s: f64, wanted: f64| {
        let (from, to) = (Duration::from_secs_f64(from_s), Duration::from_secs_f64(to_s));
        let seen = profile.expected_between(from, to);
        assert!((seen - wanted).abs() < 1e-6, "{from_s} {to_s}: {seen}");
    };
    check(0.0, 10.0, 5000.0);
    check(0.0, 5.0, 1250.0);
    check(5.0, 15.0, 8750.0);
    check(20.0, 25.0, 2500.0);
    check(0.0, 1e9, 17_500.0);
    check(1e6, 1e9, 0.0);
    check(7.0, 7.0, 0.0);
    check(9.0, 7.0, 0.0);
    assert_eq!(profile.span(), Some(Duration::from_secs(25)));
    let constant = constant(0.5);
    assert_eq!(constant.expected_between(Duration::ZERO, Duration::from_secs(3)), 1.5);
    assert_eq!(constant.span(), None);
}

#[test]
fn impossible_profiles_are_refused_with_a_hint() {
    let check = |result: Result<Profile, ProfileError>, wanted: &str| {
        assert_eq!(result.unwrap_err().to_string(), wanted);
    };
    for (per_s, shown) in [(-1.0, "-1"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let wanted = format!(
            "a rate must be a number of starts a second from 0 to 1e9: {shown}, \
             hint: --rate 100"
        );
        check(Profile::constant(per_s), &wanted);
    }
    check(Profile::constant(0.0), "a rate must be above zero somewhere: 0, hint: --rate 100");
    let hint = "hint: --stages 10s:0-50k,30s:50k";
    check(Profile::stages(&[]), &format!("there must be from 1 to 1000 stages: 0, {hint}"));
    let stage = |span| RateStage { span, from_per_s: 0.0, to_per_s: 1.0 };
    let empty = Profile::stages(&[stage(PROFILE_SPAN_MAX), stage(Duration::ZERO)]);
    check(empty, &format!("a stage must be longer than zero: number 2, {hint}"));
    let long = Profile::stages(&[stage(PROFILE_SPAN_MAX), stage(Duration::from_secs(1))]);
    let wanted = format!("all stages together must not be longer than 100 days: 8640001 s, {hint}");
    check(long, &wanted);
}
