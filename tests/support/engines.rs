//! The engines that tests run on.
//!
//! Knows nothing of what is tested.
//!
//! Invariant: what runs under the name of an engine runs on it; on CI none is left out.

use std::sync::LazyLock;

use ringfetch::runtime::launch::Engine;

/// Every engine that can run here: where the kernel refuses io_uring, epoll would serve in its
/// place, and what it proves it proves under its own name already.
pub(crate) fn engines() -> impl Iterator<Item = Engine> {
    RUNNING.iter().copied()
}

static RUNNING: LazyLock<Vec<Engine>> =
    LazyLock::new(|| Engine::ALL.into_iter().filter(|engine| can_run(*engine)).collect());

#[expect(clippy::print_stdout, reason = "what is left out is said")]
fn can_run(engine: Engine) -> bool {
    let (instead, refusal) = engine.or_fallback();
    if let Some(refusal) = &refusal {
        assert!(std::env::var_os("CI").is_none(), "CI has {engine}: {refusal}");
        println!("left out: the kernel refuses {engine}: {refusal}");
    }
    instead == engine
}
