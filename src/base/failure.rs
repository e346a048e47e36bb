//! Why one fetch failed: a stage, a kind and a cause, small enough to copy and to count.
//!
//! Invariant: a failure belongs to exactly one cell of [`FailureCounts`].

use std::fmt;

/// Declares an enum whose variants have one word each, as users' scripts see it.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every variant, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word that rows and summaries use.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

words! {
    /// How far a fetch had come when it failed.
    Stage {
        /// The line was no URL that can be fetched.
        Url = "url",
        /// A rule of the run forbade it.
        Policy = "policy",
        /// The host's name was being looked up.
        Dns = "dns",
        /// The connection was being opened.
        Connect = "connect",
        /// The TLS handshake was under way.
        Tls = "tls",
        /// The request was being sent.
        Send = "send",
        /// The response head was awaited or being read, up to its end.
        Head = "head",
        /// The response body was being read.
        Body = "body",
        /// A redirect was being followed.
        Redirect = "redirect",
        /// The page was being extracted.
        Extract = "extract",
    }
}

words! {
    /// What went wrong.
    Kind {
        /// The deadline passed.
        Timeout = "timeout",
        /// The peer refused the connection.
        Refused = "refused",
        /// The peer reset the connection.
        Reset = "reset",
        /// The peer closed the connection before the message was complete.
        Closed = "closed",
        /// What was read breaks the syntax of its standard.
        Invalid = "invalid",
        /// A bound on size was exceeded.
        TooLarge = "too_large",
        /// A bound on depth was exceeded.
        TooDeep = "too_deep",
        /// A bound on number was exceeded.
        TooMany = "too_many",
        /// A redirect led back to where it came from.
        Loop = "loop",
        /// The name does not exist or has no address.
        NotFound = "not_found",
        /// No route leads there.
        Unreachable = "unreachable",
        /// It asks for what this program does not do.
        Unsupported = "unsupported",
        /// The status was 400 or above and the run counts that as failed.
        Status = "status",
        /// The kernel was out of descriptors, buffers or ports until the deadline.
        Exhausted = "exhausted",
        /// The run was stopped first.
        Interrupted = "interrupted",
        /// The program itself failed; a bug worth reporting.
        Panic = "panic",
        /// Another error of the operating system.
        Other = "other",
    }
}

/// The cause of a failure: a fixed phrase or an error number of the operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A phrase for a person.
    Phrase(&'static str),
    /// An `errno` value.
    Os(i32),
}

/// Why one fetch failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How far it had come.
    pub stage: Stage,
    /// What went wrong.
    pub kind: Kind,
    /// Its cause.
    pub cause: Cause,
}

impl Failure {
    /// A failure that a phrase explains.
    #[must_use]
    pub const fn new(stage: Stage, kind: Kind, phrase: &'static str) -> Self {
        Self { stage, kind, cause: Cause::Phrase(phrase) }
    }

    /// The failure that the I/O error `error` means in `stage`.
    #[must_use]
    pub fn from_io(stage: Stage, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let kind = match error.kind() {
            ErrorKind::TimedOut => Kind::Timeout,
            ErrorKind::ConnectionRefused => Kind::Refused,
            ErrorKind::ConnectionReset => Kind::Reset,
            ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof
            | ErrorKind::NotConnected => Kind::Closed,
            ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::AddrNotAvailable => Kind::Unreachable,
            _ => Kind::Other,
        };
        let cause = match error.raw_os_error() {
            Some(number) => Cause::Os(number),
            None => Cause::Phrase("the operating system gave no error number"),
        };
        Self { stage, kind, cause }
    }

    /// The cell of [`FailureCounts`] that this failure is counted in.
    fn cell(self) -> usize {
        self.stage as usize * Kind::ALL.len() + self.kind as usize
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            Cause::Phrase(phrase) => f.write_str(phrase),
            Cause::Os(number) => std::io::Error::from_raw_os_error(number).fmt(f),
        }
    }
}

/// How many failures there were of each stage and kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureCounts(Box<[u64]>);

impl FailureCounts {
    /// Counts `failure` once.
    pub fn count(&mut self, failure: Failure) {
        self.0[failure.cell()] += 1;
    }

    /// Adds the counts of `other`.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine += theirs;
        }
    }

    /// All failures together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The cells that are not zero, by stage and then kind.
    pub fn iter(&self) -> impl Iterator<Item = (Stage, Kind, u64)> + '_ {
        let cells = Stage::ALL.iter().flat_map(|s| Kind::ALL.iter().map(move |k| (*s, *k)));
        cells.zip(&self.0).filter(|(_, n)| **n > 0).map(|((s, k), n)| (s, k, *n))
    }
}

impl Default for FailureCounts {
    fn default() -> Self {
        Self(vec![0; Stage::ALL.len() * Kind::ALL.len()].into_boxed_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_is_counted_in_one_cell() {
        let mut counts = FailureCounts::default();
        for stage in Stage::ALL {
            for kind in Kind::ALL {
                counts.count(Failure::new(*stage, *kind, ""));
            }
        }
        assert!(counts.iter().all(|(_, _, n)| n == 1));
        assert_eq!(counts.iter().count(), Stage::ALL.len() * Kind::ALL.len());
        let once = counts.clone();
        counts.add(&once);
        assert_eq!(counts.total(), 2 * once.total());
    }

    #[test]
    fn an_errno_is_told_in_words() {
        let error = std::io::Error::from_raw_os_error(libc::ECONNREFUSED);
        let failure = Failure::from_io(Stage::Connect, &error);
        assert_eq!((failure.stage, failure.kind), (Stage::Connect, Kind::Refused));
        assert!(failure.to_string().contains("refused"));
    }
}
