//! Folders for one test each.
//!
//! Knows nothing of what is put there.
//!
//! Invariant: a folder is gone when its test ends.

use std::fs;
use std::path::{Path, PathBuf};

/// A folder of its own for one test, removed when the test ends.
pub(crate) struct Dir(PathBuf);

impl Dir {
    /// A fresh folder for `test`.
    pub(crate) fn new(test: &str) -> Self {
        let name = format!("ringfetch-it-{test}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("there is a place for temporary files");
        Self(path)
    }

    /// A file `name` that holds `bytes`.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, bytes).expect("the folder can be written to");
        path
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
