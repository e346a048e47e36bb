//! The order in which the contestants of a comparison take their turns.
//!
//! Invariant: every contestant has one turn in each round, and two rounds that belong together are
//! mirror images (A B C, C B A): over both, an even drift is the same for all of them.

/// The order of round `round`, from 0, as indices of `count` contestants.
///
/// Each pair of rounds has an order of its own, so that nobody always follows the same one. It is
/// drawn by lot, but the same in every run.
#[must_use]
pub fn turns(count: usize, round: usize) -> Vec<usize> {
    let mut turns: Vec<usize> = (0..count).collect();
    fastrand::Rng::with_seed(round as u64 / 2).shuffle(&mut turns);
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
        for count in 0..6 {
            for pair in 0..10 {
                let mut first = turns(count, 2 * pair);
                first.reverse();
                assert_eq!(first, turns(count, 2 * pair + 1), "{count} {pair}");
            }
        }
    }

    #[test]
    fn everyone_runs_once_in_a_round_and_follows_everyone_else() {
        let mut follows = [[0; 4]; 4];
        for round in 0..40 {
            let mut turns = turns(4, round);
            for pair in turns.windows(2) {
                follows[pair[0]][pair[1]] += 1;
            }
            turns.sort_unstable();
            assert_eq!(turns, [0, 1, 2, 3]);
        }
        for (first, row) in follows.iter().enumerate() {
            for (then, count) in row.iter().enumerate().filter(|(then, _)| *then != first) {
                assert!(*count > 0, "{then} never follows {first}: {follows:?}");
            }
        }
    }

    #[test]
    fn an_even_drift_is_the_same_for_all_over_two_rounds() {
        let times = |who: usize| -> usize {
            let both = turns(3, 2).into_iter().chain(turns(3, 3));
            both.enumerate().filter(|(_, turn)| *turn == who).map(|(at, _)| at).sum()
        };
        assert!(times(0) == times(1) && times(1) == times(2));
    }
}
