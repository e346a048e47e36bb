//! What another client does: a load, or a list of pages.

use crate::base::target::Target;
use crate::bench::Loop;
use crate::fetch::policy::StatusPolicy;

/// What a client does.
#[derive(Clone, Debug)]
pub enum ClientWork {
    /// Asks for these in turn, at least one, in a closed or an open loop.
    Bench(Vec<Target>, Loop),
    /// Fetches a list, which comes with the order.
    Fetch(Pages),
}

/// What is done with the pages of a list.
#[derive(Clone, Debug)]
pub struct Pages {
    /// Redirects that one fetch follows.
    pub redirects_max: usize,
    /// Largest body, in bytes.
    pub body_bytes_max: u64,
    /// Named CSS selectors, where pages are extracted at all.
    pub selectors: Option<Vec<(String, String)>>,
    /// Whether a status of 400 or above is a failure.
    pub status: StatusPolicy,
}
