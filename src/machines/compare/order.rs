//! In which order the contestants of a comparison take their turns.
//!
//! Does not know who they are: they are numbers from 0.
//!
//! Invariant: every contestant runs once in each round, and two rounds that belong together are
//! mirror images (A B C, C B A): what drifts evenly over both falls out of every ratio.

/// The turns of round `round`, from 0, of `count` contestants.
///
/// Pairs of rounds begin with another contestant each, so that over `count` pairs none is always
/// next to the same neighbours at the same distance from the edge.
#[must_use]
pub fn turns(count: usize, round: usize) -> Vec<usize> {
    let first = if count == 0 { 0 } else { (round / 2) % count };
    let mut turns: Vec<usize> = (0..count).map(|idx| (first + idx) % count).collect();
    if round % 2 == 1 {
        turns.reverse();
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_rounds_are_mirror_images() {
        for count in 1..6 {
            for pair in 0..10 {
                let mut first = turns(count, 2 * pair);
                first.reverse();
                assert_eq!(first, turns(count, 2 * pair + 1), "{count} {pair}");
            }
        }
    }

    #[test]
    fn everyone_runs_once_in_a_round_and_begins_as_often_as_the_others() {
        let count = 4;
        let mut begun = vec![0; count];
        for round in 0..2 * count {
            let mut turns = turns(count, round);
            begun[turns[0]] += 1;
            turns.sort_unstable();
            assert_eq!(turns, [0, 1, 2, 3]);
        }
        assert_eq!(begun, [2, 2, 2, 2]);
        assert!(turns(0, 3).is_empty());
    }

    #[test]
    fn an_even_drift_falls_out_of_two_rounds() {
        // Each turn takes place later than the one before; the sums of a contestant's times are
        // equal over the two rounds.
        let times = |who: usize| -> usize {
            let both = turns(3, 2).into_iter().chain(turns(3, 3));
            both.enumerate().filter(|(_, turn)| *turn == who).map(|(at, _)| at).sum()
        };
        assert!(times(0) == times(1) && times(1) == times(2));
    }
}
