//! A comparison that was saved, and what has changed since.
//!
//! What lies between two runs (another version, another day) is part of every change; only a run of
//! both at once could take it out. Whether two runs can be compared, their subjects say.
//!
//! Invariant: only contestants that are in both runs are compared.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::compare::bootstrap::Estimate;
use crate::compare::measurements::{ContestantRecord, Measurements};
use crate::compare::ratio::{Measure, Ratio, RatioVerdict};
use crate::compare::slice::Slice;

/// A comparison as it is saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// The version of ringfetch that made it.
    pub version: String,
    /// What was measured.
    #[serde(rename = "evidence")]
    pub measurements: Measurements,
}

/// What has changed since a run that was saved; its JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Since {
    /// The version of ringfetch that made the earlier run.
    pub version: String,
    /// What has changed of every contestant that is in both runs.
    pub engines: ChangesByLabel,
}

/// ChangesByLabel by the label of the contestant, in order; a JSON object.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangesByLabel(pub Vec<(String, Change)>);

/// What has changed of one contestant: its measures now, divided by those of then.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The ratios by measure, where both runs have it.
    pub ratio_to_saved: BTreeMap<&'static str, Estimate>,
    /// The verdicts by measure.
    pub verdicts: BTreeMap<&'static str, RatioVerdict>,
}

impl Saved {
    /// What has changed since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Since {
        let noise = |measure: Measure| {
            let of =
                |saved: &Self| saved.measurements.twin_ratios().measure(measure).map(Ratio::noise);
            Some(of(self)?.max(of(earlier)?))
        };
        let mut changes = Vec::new();
        for now in &self.measurements.contestants {
            let mut records = earlier.measurements.contestants.iter();
            let Some(then) = records.find(|record| record.label == now.label) else { continue };
            changes.push((now.label.clone(), Change::new(now, then, noise)));
        }
        Since { version: earlier.version.clone(), engines: ChangesByLabel(changes) }
    }
}

impl Change {
    fn new(
        now: &ContestantRecord,
        then: &ContestantRecord,
        noise: impl Fn(Measure) -> Option<f64>,
    ) -> Self {
        let mut change = Self { ratio_to_saved: BTreeMap::new(), verdicts: BTreeMap::new() };
        for measure in Measure::ALL {
            let values = |slices: &[Slice]| -> Vec<f64> {
                slices.iter().filter_map(|slice| measure.of(slice)).collect()
            };
            let ratio = Estimate::of_ratio(&values(&now.slices), &values(&then.slices));
            let Some(ratio) = ratio else { continue };
            change.ratio_to_saved.insert(measure.word(), ratio);
            if let Some(noise) = noise(measure) {
                change.verdicts.insert(measure.word(), measure.verdict(&ratio, noise));
            }
        }
        change
    }
}

impl Serialize for ChangesByLabel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (label, change) in &self.0 {
            map.serialize_entry(label, change)?;
        }
        map.end()
    }
}
