//! What a search for the highest rate found, step by step, as its JSON report holds it.
//!
//! Invariant: every rate that was tried to the end is one step.

use serde::Serialize;

use crate::bench::slo::Checked;
use crate::bench::summary::BenchSummary;
use crate::bench::verdict::Judgement;

/// The result of a search for the highest rate.
#[derive(Clone, Debug, Serialize)]
pub struct Search {
    /// What had to hold.
    pub objectives: String,
    /// The highest rate that held, in requests a second; null where none did.
    pub found_per_s: Option<f64>,
    /// What kept that rate from being higher.
    pub limited_by: LimitedBy,
    /// Every rate that was tried, in order.
    pub path: Vec<RateStep>,
    /// The trials, one for each step, and one more where it was interrupted.
    #[serde(skip)]
    pub trials: Vec<BenchSummary>,
}

/// One rate that was tried.
#[derive(Clone, Debug, Serialize)]
pub struct RateStep {
    /// Requests a second that were wanted.
    pub wanted_per_s: f64,
    /// Requests a second that were completed.
    pub rate_per_s: Option<f64>,
    /// Response time at p50 and p99, in microseconds; null where not known.
    pub p50_us: Option<f64>,
    /// See `p50_us`.
    pub p99_us: Option<f64>,
    /// The verdict on its trial.
    pub verdict: Judgement,
    /// Each objective, and whether it held.
    pub checked: Vec<Checked>,
    /// Whether the rate held.
    pub holds: bool,
}

/// What kept the highest rate of a search from being higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitedBy {
    /// The objectives did not hold at a higher rate.
    Objectives,
    /// The target did not keep up with a higher rate, or not steadily.
    Target,
    /// The generator could not send at a higher rate.
    Generator,
    /// The highest rate that a search tries held.
    Steps,
    /// The search was stopped before its end.
    Interrupt,
}

impl Search {
    /// Whether it was stopped before its end.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.limited_by == LimitedBy::Interrupt
    }
}

impl RateStep {
    /// The step at `wanted_per_s`, whose trial has this `summary` and these `checked` objectives.
    #[must_use]
    pub fn new(wanted_per_s: f64, summary: &BenchSummary, checked: Vec<Checked>) -> Self {
        let (verdict, response) = (summary.verdict.is, &summary.latency_us.response);
        let all_hold = checked.iter().all(|checked| checked.holds);
        Self {
            wanted_per_s,
            rate_per_s: summary.rate_per_s,
            p50_us: response.named("p50"),
            p99_us: response.named("p99"),
            verdict,
            checked,
            holds: verdict == Judgement::Valid && all_hold,
        }
    }

    /// What keeps a search from a higher rate where this one did not hold.
    #[must_use]
    pub const fn limit(&self) -> LimitedBy {
        match self.verdict {
            Judgement::Valid => LimitedBy::Objectives,
            Judgement::GeneratorBound => LimitedBy::Generator,
            Judgement::TargetMissed | Judgement::Unstable => LimitedBy::Target,
        }
    }
}

impl LimitedBy {
    /// The word that reports use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Objectives => "objectives",
            Self::Target => "target",
            Self::Generator => "generator",
            Self::Steps => "steps",
            Self::Interrupt => "interrupt",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::slo::Objectives;
    use crate::bench::summary::sample::open;

    #[test]
    fn a_step_holds_where_its_trial_is_valid_and_every_objective_does() {
        let summary = BenchSummary::new(open());
        let step = |objectives: &str, summary: &BenchSummary| {
            let checked = Objectives::parse(objectives).unwrap().check(summary);
            RateStep::new(43.0, summary, checked)
        };
        assert!(step("p50<2ms,max<1s", &summary).holds);
        let missed = step("p50<2ms,max<1ms", &summary);
        assert_eq!((missed.holds, missed.limit()), (false, LimitedBy::Objectives));
        for (is, limit) in [
            (Judgement::GeneratorBound, LimitedBy::Generator),
            (Judgement::TargetMissed, LimitedBy::Target),
            (Judgement::Unstable, LimitedBy::Target),
        ] {
            let mut summary = summary.clone();
            summary.verdict.is = is;
            let step = step("p50<2ms", &summary);
            assert_eq!((step.holds, step.limit()), (false, limit));
        }
    }

    #[test]
    fn words_are_those_of_the_json() {
        use LimitedBy::{Generator, Interrupt, Objectives, Steps, Target};
        for limit in [Objectives, Target, Generator, Steps, Interrupt] {
            assert_eq!(serde_json::to_value(limit).unwrap(), limit.word());
        }
    }
}
