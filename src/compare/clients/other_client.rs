//! Which clients there are, their words, and what each of them cannot do.
//!
//! Invariant: a word names one client, and no engine of ringfetch's own.

use http::Method;

use crate::compare::clients::work::ClientWork;
use crate::runtime::launch::Engine;

/// A client that is not ringfetch's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherClient {
    /// hyper's client connections on Tokio's runtime, with a thread for each CPU.
    Hyper,
    /// reqwest as most people would use it: one client, and `buffer_unordered`.
    Reqwest,
    /// The codec of monoio-http on io_uring.
    MonoioHttp,
    /// hyper's client connections in place of ringfetch's own protocol layer, on io_uring.
    UringHyper,
    /// The same on monoio's epoll driver.
    EpollHyper,
    /// The same on Tokio's current-thread runtime.
    TokioHyper,
}

impl OtherClient {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Hyper,
        Self::Reqwest,
        Self::MonoioHttp,
        Self::UringHyper,
        Self::EpollHyper,
        Self::TokioHyper,
    ];

    /// The word that the command line uses.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hyper => "hyper",
            Self::Reqwest => "reqwest",
            Self::MonoioHttp => "monoio-http",
            Self::UringHyper => "uring+hyper",
            Self::EpollHyper => "epoll+hyper",
            Self::TokioHyper => "tokio+hyper",
        }
    }

    /// The engine of ringfetch's own from which it differs by its protocol layer alone.
    #[must_use]
    pub const fn shared_engine(self) -> Option<Engine> {
        match self {
            Self::Hyper | Self::Reqwest | Self::MonoioHttp => None,
            Self::UringHyper => Some(Engine::Uring),
            Self::EpollHyper => Some(Engine::Epoll),
            Self::TokioHyper => Some(Engine::Tokio),
        }
    }

    /// The engine whose runtimes carry it, one for each CPU; none where it has Tokio's runtime of
    /// several threads.
    pub(super) const fn engine(self) -> Option<Engine> {
        match self {
            Self::MonoioHttp => Some(Engine::Uring),
            _ => self.shared_engine(),
        }
    }

    /// Why it cannot run here or send requests by `method`, if so.
    pub(super) fn refusal(self, method: &Method) -> Option<String> {
        if let Some(reason) = self.engine().and_then(Engine::refusal) {
            return Some(format!("the kernel refuses the engine: {reason}"));
        }
        if self == Self::MonoioHttp && *method == Method::HEAD {
            // It waits for a body of the length that the answer to a GET would have.
            return Some("its codec cannot read the answer to a request: HEAD".to_owned());
        }
        None
    }

    /// Notes for a reader of its numbers, where it does `work`.
    pub(super) fn notes(self, work: &ClientWork) -> Vec<String> {
        let mut notes = Vec::new();
        if self == Self::MonoioHttp {
            notes.push(
                "its codec takes a body that ends with the connection for an empty one, and waits \
                 for the body that an answer of status 204 or 304 does not have"
                    .to_owned(),
            );
        }
        if matches!(work, ClientWork::Fetch(_)) {
            notes.push(
                "it caps the fetches under way in all, not those of one host, keeps idle \
                 connections besides, and tries nothing again"
                    .to_owned(),
            );
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_names_one_client_and_no_engine() {
        for (idx, client) in OtherClient::ALL.into_iter().enumerate() {
            assert!(client.word().parse::<Engine>().is_err(), "{}", client.word());
            assert!(OtherClient::ALL[..idx].iter().all(|other| other.word() != client.word()));
        }
    }

    #[test]
    fn a_client_that_shares_an_engine_is_named_after_it() {
        for client in OtherClient::ALL {
            let shared = client.word().strip_suffix("+hyper");
            assert_eq!(client.shared_engine().map(Engine::word), shared);
        }
    }
}
