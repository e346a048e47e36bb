//! The figures of a contestant, and its ratios to the baseline, as the JSON report has them.
//!
//! Names end in their units; times are microseconds.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::compare::bootstrap::Estimate;
use crate::compare::ratio::{Measure, Ratio, RatioVerdict};
use crate::compare::slice::Slice;

/// Figures by the label of the contestant, in order; a JSON object.
#[derive(Clone, Debug, PartialEq)]
pub struct FiguresByLabel(pub Vec<(String, Figures)>);

/// The figures of one contestant, over its rounds; null for what is not known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Requests answered a second.
    pub rate_per_s: Option<Estimate>,
    /// CPU time of a request, in the program and in the kernel.
    pub cpu_us_per_request: Option<Estimate>,
    /// 99th percentile of the response time, of each slice by itself.
    pub p99_us: Option<Estimate>,
    /// System calls for each request, in a slice that was not timed.
    pub syscalls_per_request: Option<f64>,
    /// The most memory that its process had resident.
    pub max_rss_bytes: u64,
    /// Its measures divided by the baseline's, round by round; null for the baseline itself.
    pub ratio_to_baseline: Option<Ratios>,
    /// The verdict by `verdict_by` of the comparison; null for the baseline itself, after too few
    /// rounds, and where it did not keep up with an open loop.
    pub verdict: Option<RatioVerdict>,
    /// The verdicts by measure.
    pub verdicts: BTreeMap<&'static str, RatioVerdict>,
    /// The part of the CPU time that is spent in the program.
    pub user_us_per_request: Option<Estimate>,
    /// The part that is spent in the kernel.
    pub sys_us_per_request: Option<Estimate>,
    /// Median of the response time, of each slice by itself.
    pub p50_us: Option<Estimate>,
    /// 99.9th percentile of the response time, of each slice by itself.
    #[serde(rename = "p99.9_us")]
    pub p99_9_us: Option<Estimate>,
    /// System calls for each request by name, the most frequent ones that clients make.
    pub syscalls_by_kind: BTreeMap<String, f64>,
    /// Operations that were handed to its rings, for each request; null where it has none.
    pub sqes_per_request: Option<f64>,
    /// Operations that its rings completed, for each request; null where it has none.
    pub cqes_per_request: Option<f64>,
    /// Context switches for each request that its threads made because they had to wait.
    pub voluntary_switches_per_request: Option<f64>,
    /// Context switches for each request that made room for other threads.
    pub involuntary_switches_per_request: Option<f64>,
    /// Connections that it keeps; 0 where its work opens and closes them.
    pub connections: usize,
    /// `max_rss_bytes` less what was resident before the connections were open, for each of them;
    /// null where they are so few that the engine's own memory would be most of it.
    pub rss_bytes_per_connection: Option<u64>,
    /// Share of their time that its CPUs were busy with it.
    pub busy_share: Option<f64>,
    /// Share of their time that the CPUs of the test server were busy meanwhile; null where that is
    /// not known.
    #[serde(rename = "origin_busy_share")]
    pub server_busy_share: Option<f64>,
    /// Requests that failed or were answered with a status of 400 or above, over all rounds.
    pub errors: u64,
    /// How much more CPU time a request takes on the same engine with hyper's protocol layer, round
    /// by round; null where that was not compared.
    pub hyper_adds_us: Option<Estimate>,
}

/// Ratios of every measure; null where too few rounds have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Ratios {
    /// Of the rate.
    pub rate: Option<Ratio>,
    /// Of the CPU time.
    pub cpu: Option<Ratio>,
    /// Of the median response time.
    pub p50: Option<Ratio>,
    /// Of the 99th percentile.
    pub p99: Option<Ratio>,
}

impl Ratios {
    /// The ratios of a contestant's slices to the baseline's, of the same turns in the same order.
    pub(super) fn of(contestant: &[Slice], baseline: &[Slice]) -> Self {
        let of = |measure| Ratio::of(measure, contestant, baseline);
        Self {
            rate: of(Measure::Rate),
            cpu: of(Measure::Cpu),
            p50: of(Measure::P50),
            p99: of(Measure::P99),
        }
    }

    /// What an interval must lie beyond by measure, where both sides of these ratios are the same.
    pub(super) fn noise(&self) -> BTreeMap<&'static str, f64> {
        let of = |measure: Measure| Some((measure.word(), self.measure(measure)?.noise()));
        Measure::ALL.into_iter().filter_map(of).collect()
    }

    /// The ratio of one measure.
    #[must_use]
    pub const fn measure(&self, measure: Measure) -> Option<&Ratio> {
        match measure {
            Measure::Rate => self.rate.as_ref(),
            Measure::Cpu => self.cpu.as_ref(),
            Measure::P50 => self.p50.as_ref(),
            Measure::P99 => self.p99.as_ref(),
        }
    }
}

impl Serialize for FiguresByLabel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (label, figures) in &self.0 {
            map.serialize_entry(label, figures)?;
        }
        map.end()
    }
}
