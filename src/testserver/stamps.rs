//! When the last requests arrived at one worker, for checks of a generator's schedule.
//!
//! Invariant: the memory is that of the stamps asked for, whatever arrives. Stamps are told in
//! ascending order; those that new ones replace meanwhile are left out.

use std::io::Write;

use crate::base::instant::Instant;
use crate::http::http1::{write_chunk, write_last_chunk};
use crate::testserver::stream::{BodyProgress, OpenFraming, PIECE_BYTES};

/// LIMIT: most arrival times that one worker of a test server keeps; 80 MB.
pub const STAMPS_MAX: usize = 10_000_000;

/// The most bytes of one line: the digits of a number of 64 bits, and the end of the line.
const LINE_BYTES_MAX: usize = 21;

/// The arrival times of the last requests.
pub(super) struct Stamps {
    /// In nanoseconds. Stamp number n is at n modulo the length, which is not zero.
    ring: Box<[u64]>,
    /// How many were kept so far, replaced ones included.
    count: u64,
}

/// Stamps that are still to be told, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Untold {
    from: u64,
    end: u64,
}

impl Stamps {
    /// Room for the last `max` stamps; `None` where that is zero.
    pub(super) fn with_room(max: usize) -> Option<Self> {
        (max > 0).then(|| Self { ring: vec![0; max].into_boxed_slice(), count: 0 })
    }

    /// Keeps the time of a request that arrived.
    pub(super) fn keep(&mut self, arrived_at: Instant) {
        let at = self.place(self.count);
        self.ring[at] = arrived_at.as_ns();
        self.count += 1;
    }

    /// All that are kept now.
    pub(super) fn untold(&self) -> Untold {
        Untold { from: self.oldest(), end: self.count }
    }

    /// Appends a piece of the stamps that are `untold` to `out`. It is composed in `scratch`.
    pub(super) fn tell(
        &self,
        untold: &mut Untold,
        framing: OpenFraming,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> BodyProgress {
        scratch.clear();
        untold.from = untold.from.max(self.oldest());
        while untold.from < untold.end && scratch.len() + LINE_BYTES_MAX <= PIECE_BYTES {
            // A vector takes every byte.
            let _ = writeln!(scratch, "{}", self.ring[self.place(untold.from)]);
            untold.from += 1;
        }
        match framing {
            OpenFraming::Chunks if !scratch.is_empty() => write_chunk(out, scratch),
            OpenFraming::Chunks => {}
            OpenFraming::Close => out.extend_from_slice(scratch),
        }
        if untold.from < untold.end {
            return BodyProgress::More;
        }
        if framing == OpenFraming::Chunks {
            write_last_chunk(out);
        }
        BodyProgress::Complete
    }

    /// The number of the oldest that is still there.
    fn oldest(&self) -> u64 {
        self.count.saturating_sub(self.ring.len() as u64)
    }

    fn place(&self, number: u64) -> usize {
        let place = number % self.ring.len() as u64;
        usize::try_from(place).expect("a place is below the length")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(stamps: &Stamps, mut untold: Untold) -> String {
        let (mut scratch, mut out) = (Vec::new(), Vec::new());
        while stamps.tell(&mut untold, OpenFraming::Close, &mut scratch, &mut out)
            == BodyProgress::More
        {
            assert!(scratch.len() <= PIECE_BYTES);
        }
        String::from_utf8(out).unwrap()
    }

    fn kept(max: usize, arrivals: impl Iterator<Item = u64>) -> Stamps {
        let mut stamps = Stamps::with_room(max).unwrap();
        arrivals.for_each(|ns| stamps.keep(Instant::from_ns(ns)));
        stamps
    }

    #[test]
    fn the_last_ones_are_told_in_ascending_order() {
        let check = |max, count, expected: &str| {
            let stamps = kept(max, 1..=count);
            assert_eq!(told(&stamps, stamps.untold()), expected, "{count} with room for {max}");
        };
        check(3, 0, "");
        check(3, 2, "1\n2\n");
        check(3, 3, "1\n2\n3\n");
        check(3, 7, "5\n6\n7\n");
        check(1, 7, "7\n");
        assert!(Stamps::with_room(0).is_none());
    }

    #[test]
    fn many_come_in_bounded_pieces() {
        let stamps = kept(10_000, (0..20_000).map(|number| u64::MAX - 20_000 + number));
        let lines = told(&stamps, stamps.untold());
        assert_eq!(lines.lines().count(), 10_000);
        assert_eq!(lines.lines().next().unwrap().parse(), Ok(u64::MAX - 10_000));
        assert_eq!(lines.lines().last().unwrap().parse(), Ok(u64::MAX - 1));
    }

    #[test]
    fn those_that_are_overwritten_meanwhile_are_left_out() {
        let mut stamps = kept(4, 1..=4);
        let untold = stamps.untold();
        stamps.keep(Instant::from_ns(5));
        assert_eq!(told(&stamps, untold), "2\n3\n4\n");
        (6..20).for_each(|ns| stamps.keep(Instant::from_ns(ns)));
        assert_eq!(told(&stamps, untold), "");
    }
}
