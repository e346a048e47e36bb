//! Why there is no comparison.

use std::fmt;
use std::io;

/// Why there is no comparison.
#[derive(Debug)]
pub enum CompareError {
    /// An option has a value that cannot be used.
    Option(String),
    /// The test server could not be started.
    Server(io::Error),
    /// No contestant could begin, or one could not go on.
    Contestant(String),
    /// It was stopped before any round was complete.
    Stopped,
}

impl fmt::Display for CompareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(text) => f.write_str(text),
            Self::Server(error) => write!(f, "cannot start the origin: {error}"),
            Self::Contestant(text) => write!(f, "cannot compare: {text}"),
            Self::Stopped => f.write_str("stopped before any round was complete"),
        }
    }
}

impl std::error::Error for CompareError {}
