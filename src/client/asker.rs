//! Who asks a question, as a connection sees it.

use crate::client::answer::{Answer, Arrival};
use crate::client::question::Question;

/// Who asks a question and wants its answers.
pub(crate) trait Asker: Copy {
    /// What is noted of each answer.
    type Answer: Answer;

    /// What is asked; the same each time. It is asked for anew where it is needed, so that a lane
    /// which waits holds no copy of it.
    fn question(&self) -> Question<'_>;

    /// Notes of an answer of which nothing was read.
    fn answer(&self) -> Self::Answer;

    /// Takes note of the whole answer to request `idx`.
    fn handle_answer(&self, idx: usize, answer: &Self::Answer, arrival: Arrival);
}
