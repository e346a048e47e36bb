//! What can be compared: the engines of ringfetch, and other clients where they were built in.
//!
//! Invariant: a word names one kind of contestant, and a label one contestant of a comparison.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

#[cfg(feature = "peers")]
use crate::compare::clients::OtherClient;
use crate::runtime::launch::Engine;

/// The words of the other clients, which only a build with the feature `peers` has.
#[cfg(any(test, not(feature = "peers")))]
const OTHER_CLIENT_WORDS: [&str; 6] =
    ["hyper", "reqwest", "monoio-http", "uring+hyper", "epoll+hyper", "tokio+hyper"];

/// One way to do the work of a comparison. In JSON it is its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Contestant {
    /// ringfetch on one of its engines.
    Own(Engine),
    /// Another client.
    #[cfg(feature = "peers")]
    Other(OtherClient),
}

impl Contestant {
    /// What is compared where nothing else is asked for: io_uring, epoll and Tokio, each other
    /// client that was built in, and hyper on io_uring, which shows what the own protocol layer is
    /// worth.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        let own = Engine::ALL.into_iter().map(Self::Own);
        #[cfg(feature = "peers")]
        let own = own.chain(
            [
                OtherClient::Hyper,
                OtherClient::Reqwest,
                OtherClient::MonoioHttp,
                OtherClient::UringHyper,
            ]
            .map(Self::Other),
        );
        own.collect()
    }

    /// The word that the command line uses.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Own(engine) => engine.word(),
            #[cfg(feature = "peers")]
            Self::Other(client) => client.word(),
        }
    }
}

/// The labels of `contestants`: their words, and from the second time on with a number, `uring#2`.
#[must_use]
pub fn labels(contestants: &[Contestant]) -> Vec<String> {
    let label = |(idx, contestant): (usize, &Contestant)| {
        let before = contestants[..idx].iter().filter(|other| *other == contestant).count();
        match before {
            0 => contestant.word().to_owned(),
            _ => format!("{}#{}", contestant.word(), before + 1),
        }
    };
    contestants.iter().enumerate().map(label).collect()
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Contestant {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        #[cfg(feature = "peers")]
        if let Some(client) = OtherClient::ALL.into_iter().find(|client| client.word() == word) {
            return Ok(Self::Other(client));
        }
        #[cfg(not(feature = "peers"))]
        if OTHER_CLIENT_WORDS.contains(&word) {
            let hint = "cargo build --release --features peers";
            return Err(format!("this build has no other clients: {word}, hint: {hint}"));
        }
        let engine = word.parse().map(Self::Own);
        #[cfg(feature = "peers")]
        let engine = engine.map_err(|error: String| {
            format!(
                "{error}; other clients: {}",
                OtherClient::ALL.map(OtherClient::word).join(", ")
            )
        });
        engine
    }
}

impl From<Contestant> for &'static str {
    fn from(contestant: Contestant) -> Self {
        contestant.word()
    }
}

impl TryFrom<String> for Contestant {
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
        let contestants = ["uring", "epoll", "uring", "uring"].map(|word| word.parse().unwrap());
        assert_eq!(labels(&contestants), ["uring", "epoll", "uring#2", "uring#3"]);
        assert!("kqueue".parse::<Contestant>().unwrap_err().contains("hint"));
    }

    #[test]
    fn a_contestant_is_its_word_in_json() {
        for engine in Engine::VARIANTS {
            let json = serde_json::to_string(&Contestant::Own(engine)).unwrap();
            assert_eq!(json, format!("\"{}\"", engine.word()));
            assert_eq!(serde_json::from_str::<Contestant>(&json).unwrap(), Contestant::Own(engine));
        }
    }

    #[cfg(not(feature = "peers"))]
    #[test]
    fn a_client_that_was_not_built_in_says_how_to_build_it() {
        for word in OTHER_CLIENT_WORDS {
            let error = word.parse::<Contestant>().unwrap_err();
            assert!(error.contains(word) && error.contains("hint: cargo build"), "{error}");
            assert!(error.ends_with("--features peers"), "{error}");
        }
    }

    #[cfg(feature = "peers")]
    #[test]
    fn every_other_client_has_its_word_and_the_defaults_have_one_of_each_kind() {
        assert_eq!(OtherClient::ALL.map(OtherClient::word), OTHER_CLIENT_WORDS);
        for client in OtherClient::ALL {
            let json = serde_json::to_string(&Contestant::Other(client)).unwrap();
            assert_eq!(json, format!("\"{}\"", client.word()));
            assert_eq!(
                serde_json::from_str::<Contestant>(&json).unwrap(),
                Contestant::Other(client)
            );
        }
        let defaults = Contestant::defaults().into_iter().map(Contestant::word).collect::<Vec<_>>();
        let (own, others) = defaults.split_at(3);
        assert_eq!(own, ["uring", "epoll", "tokio"]);
        assert_eq!(others, ["hyper", "reqwest", "monoio-http", "uring+hyper"]);
    }
}
