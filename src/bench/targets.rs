//! The URLs of a bench, read from its arguments and lists and held to their bounds.
//!
//! All of them are kept in memory, since a bench asks for them over and over.

use std::path::PathBuf;

use crate::base::target::Target;
use crate::bench::run::BenchError;
use crate::bench::shared::first_by_route;
use crate::http::http1::RequestTemplate;
use crate::input::Input;
use crate::input::source::{Line, Source};

/// Most URLs that a bench asks for in turn; they are kept in memory.
const TARGETS_MAX: usize = 100_000;
/// Most different origins among them: each gets all the connections.
const ORIGINS_MAX: usize = 1000;
/// Most bytes that the requests of all URLs come to, as often as a pipeline is deep; each core has
/// them once.
const REQUEST_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Reads `urls`, and then the lists `files`.
pub(super) fn read(urls: Vec<String>, files: Vec<PathBuf>) -> Result<Vec<Target>, BenchError> {
    let mut input = Input::open(urls, files).map_err(BenchError::Input)?;
    let mut targets = Vec::new();
    while let Some(line) = input.next_line().map_err(BenchError::Input)? {
        let text = match line {
            Line::Text(text) => text,
            Line::TooLong(start) => start,
        };
        let target = Target::parse(text).map_err(|failure| {
            BenchError::Option(format!("cannot be asked for: {text}: {failure}"))
        })?;
        targets.push(target);
        if targets.len() > TARGETS_MAX {
            return Err(BenchError::Option(format!(
                "more than {TARGETS_MAX} URLs, hint: they are kept in memory and asked for in \
                 turn, so a part of the list will do"
            )));
        }
    }
    if targets.is_empty() {
        let text = "no URL to ask for, hint: ringfetch bench http://127.0.0.1:8080/";
        return Err(BenchError::Option(text.to_owned()));
    }
    let origins = first_by_route(&targets).len();
    if origins > ORIGINS_MAX {
        return Err(BenchError::Option(format!(
            "more than {ORIGINS_MAX} different hosts: {origins}, hint: each of them gets all the \
             connections, so a shorter list"
        )));
    }
    Ok(targets)
}

/// Refuses requests that would take too much memory, rendered for each target.
pub(super) fn check_request_bytes(
    request: &RequestTemplate,
    targets: &[Target],
    pipeline: usize,
) -> Result<(), BenchError> {
    let bytes_of = |t: &Target| request.len(t.authority(), t.path_and_query());
    let bytes = targets.iter().map(bytes_of).sum::<usize>().saturating_mul(pipeline);
    if bytes > REQUEST_BYTES_MAX {
        return Err(BenchError::Option(format!(
            "the requests of all URLs together take {bytes} bytes, more than \
             {REQUEST_BYTES_MAX}, hint: fewer URLs, a smaller body, or a smaller --pipeline"
        )));
    }
    Ok(())
}
