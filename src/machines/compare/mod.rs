//! Engines side by side: in which order they take turns, and what their slices say together.
//!
//! Knows neither processes nor clocks: slices come in as numbers, a comparison goes out.
//!
//! Invariant: a verdict is given only where an interval excludes 1 by more than the same run shows
//! between two contestants that are the same.
//!
//! ```text
//! order      who runs when in a round          slice       what one contestant did in one slice
//! bootstrap  how well a median is known        ratio       a contestant beside the baseline
//! comparison all of it, as the JSON has it     notes       what a reader must know
//! matrix     comparisons over two settings     saved       a run that is kept, and another
//! ```

pub mod bootstrap;
pub mod comparison;
pub mod matrix;
mod notes;
pub mod order;
pub mod ratio;
pub mod saved;
pub mod slice;

#[cfg(test)]
mod tests;
