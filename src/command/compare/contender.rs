//! What can be compared: the engines of ringfetch, and other clients where they were built in.
//!
//! Knows their words alone; how each is run is `slices`' business.
//!
//! Invariant: a word names one contender, and a label one contestant of a comparison.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::io::launch::Engine;

/// One way to do the work of a comparison. In JSON it is its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Contender {
    /// ringfetch on one of its engines.
    Own(Engine),
}

impl Contender {
    /// What is compared where nothing else is asked for.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        Engine::ALL.into_iter().map(Self::Own).collect()
    }

    /// The word that the command line uses.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Own(engine) => engine.word(),
        }
    }
}

/// The labels of `contenders`: their words, and from the second time on with a number, `uring#2`.
#[must_use]
pub fn labels(contenders: &[Contender]) -> Vec<String> {
    let label = |(idx, contender): (usize, &Contender)| {
        let before = contenders[..idx].iter().filter(|other| *other == contender).count();
        match before {
            0 => contender.word().to_owned(),
            _ => format!("{}#{}", contender.word(), before + 1),
        }
    };
    contenders.iter().enumerate().map(label).collect()
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Contender {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        word.parse().map(Self::Own)
    }
}

impl From<Contender> for &'static str {
    fn from(contender: Contender) -> Self {
        contender.word()
    }
}

impl TryFrom<String> for Contender {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        word.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_a_kind_has_a_number() {
        let contenders = ["uring", "epoll", "uring", "uring"].map(|word| word.parse().unwrap());
        assert_eq!(labels(&contenders), ["uring", "epoll", "uring#2", "uring#3"]);
        assert!("kqueue".parse::<Contender>().unwrap_err().contains("hint"));
    }

    #[test]
    fn a_contender_is_its_word_in_json() {
        for engine in Engine::VARIANTS {
            let json = serde_json::to_string(&Contender::Own(engine)).unwrap();
            assert_eq!(json, format!("\"{}\"", engine.word()));
            assert_eq!(serde_json::from_str::<Contender>(&json).unwrap(), Contender::Own(engine));
        }
    }
}
