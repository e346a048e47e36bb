//! Starts one pinned thread with one runtime for each core: the only place that tells the engines
//! apart. A [`Program`] is compiled once per engine.
//!
//! Invariant: a runtime is built on the thread that runs it, after that thread is pinned.

use std::fmt;
use std::future::Future;
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::thread::JoinHandle;

use monoio::{LegacyDriver, RuntimeBuilder};
use serde::{Deserialize, Serialize};

use crate::base::cpu_time::CpuTime;
use crate::os::system;
use crate::runtime::monoio::{Driver, MonoioIo};
use crate::runtime::tokio::TokioIo;
use crate::runtime::{Io, cores, ring};

/// What carries the I/O of a run. In JSON it is its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Engine {
    /// monoio on io_uring, with the ring set up for one thread that submits.
    Uring,
    /// monoio on io_uring, with a ring that has no flags.
    UringPlain,
    /// monoio on io_uring, with a thread of the kernel's that polls for submissions. It is bound to
    /// no CPU, and its CPU time is the process's.
    UringSqpoll,
    /// monoio on epoll.
    Epoll,
    /// Tokio's current-thread runtime.
    Tokio,
}

impl Engine {
    /// The engines that differ in kind.
    pub const ALL: [Self; 3] = [Self::Uring, Self::Epoll, Self::Tokio];
    /// Every engine: those, and the other ways to set up a ring.
    pub const VARIANTS: [Self; 5] =
        [Self::Uring, Self::UringPlain, Self::UringSqpoll, Self::Epoll, Self::Tokio];

    /// The word that the command line uses.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Uring => "uring",
            Self::UringPlain => "uring:plain",
            Self::UringSqpoll => "uring:sqpoll",
            Self::Epoll => "epoll",
            Self::Tokio => "tokio",
        }
    }

    /// Why the kernel refuses this engine, if it does.
    #[must_use]
    pub fn refusal(self) -> Option<io::Error> {
        self.ring().and_then(ring::refusal)
    }

    /// This engine where the kernel allows it, else epoll with the kernel's reason.
    #[must_use]
    pub fn or_fallback(self) -> (Self, Option<io::Error>) {
        match self.refusal() {
            None => (self, None),
            Some(reason) => (Self::Epoll, Some(reason)),
        }
    }

    /// How its ring is set up, where it has one.
    const fn ring(self) -> Option<ring::Setup> {
        match self {
            Self::Uring => Some(ring::Setup::Cooperative),
            Self::UringPlain => Some(ring::Setup::Plain),
            Self::UringSqpoll => Some(ring::Setup::Polled),
            Self::Epoll | Self::Tokio => None,
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Engine {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::VARIANTS.into_iter().find(|engine| engine.word() == word);
        found.ok_or_else(|| {
            format!(
                "no engine: {word}, hint: uring, epoll or tokio (or uring:plain, uring:sqpoll: \
                 other ways to set up the ring)"
            )
        })
    }
}

impl From<Engine> for &'static str {
    fn from(engine: Engine) -> Self {
        engine.word()
    }
}

impl TryFrom<String> for Engine {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        word.parse()
    }
}

/// Whether the threads of the cores stay on their CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pinning {
    /// Each thread is kept on its CPU.
    Pinned,
    /// The kernel moves threads as it likes.
    Free,
}

/// Where the threads run, and on what.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The engine of every core.
    pub engine: Engine,
    /// One core for each CPU named.
    pub cpus: Vec<usize>,
    /// Whether they stay there.
    pub pinning: Pinning,
    /// Operations that one core has in flight at most, roughly: the rings are sized by it.
    pub operations: usize,
    /// What the threads are called, before a hyphen and the core's index.
    pub name: &'static str,
}

/// One core of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Which core of the run it is, from 0.
    pub idx: usize,
    /// How many cores the run has.
    pub count: usize,
    /// The CPU that it was meant for.
    pub cpu: usize,
    /// Whether the kernel confirms that the thread stays there.
    pub pinned: bool,
}

impl Placement {
    /// This core's share of `total`: equal ones, the first cores taking what is left over, and one
    /// at least.
    #[must_use]
    pub fn share_of(&self, total: usize) -> usize {
        let share = total / self.count + usize::from(self.idx < total % self.count);
        share.max(1)
    }
}

/// What runs on every core.
pub trait Program: Send + Sync + 'static {
    /// What a core hands back when it ends.
    type Output: Send + 'static;

    /// Runs on one core until its work is done.
    fn run<I: Io>(
        self: Arc<Self>,
        io: I,
        placement: Placement,
    ) -> impl Future<Output = Self::Output>;
}

/// What one core hands back.
#[derive(Debug)]
pub struct Ended<T> {
    /// Where it ran.
    pub placement: Placement,
    /// CPU time of its thread.
    pub cpu_time: CpuTime,
    /// What its program returned.
    pub output: T,
}

/// Threads that run a program, one for each core.
#[derive(Debug)]
pub struct Running<T>(Vec<JoinHandle<io::Result<Ended<T>>>>);

/// Where a core waits until every core has its runtime: either all of them run, or none does.
struct Gate {
    ready: flume::Sender<()>,
    open: flume::Receiver<()>,
}

impl Gate {
    /// Says that this core is ready, and waits for the others.
    fn pass(self) -> io::Result<()> {
        // Where nobody listens any more, another core failed, and the gate will not open.
        let _ = self.ready.send(());
        drop(self.ready);
        self.open.recv().map_err(|_| io::Error::other("another core could not start"))
    }
}

impl<T> Default for Running<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Running<T> {
    /// Whether every core has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.iter().all(JoinHandle::is_finished)
    }

    /// Whether at least one core has ended.
    #[must_use]
    pub fn has_lost_one(&self) -> bool {
        self.0.iter().any(JoinHandle::is_finished)
    }

    /// Why not every core could start.
    fn first_error(self) -> io::Error {
        let ended: Vec<_> = self.0.into_iter().map(JoinHandle::join).collect();
        let mut errors = ended.into_iter().filter_map(|core| match core {
            Ok(Err(error)) if error.raw_os_error().is_some() => Some(error),
            _ => None,
        });
        errors.next().unwrap_or_else(|| io::Error::other("a core could not start"))
    }

    /// Waits for every core, in order.
    ///
    /// # Errors
    ///
    /// Where a core could not build its runtime, or panicked outside any lane.
    pub fn join(self) -> io::Result<Vec<Ended<T>>> {
        let join = |core: JoinHandle<_>| {
            core.join().unwrap_or_else(|_| Err(io::Error::other("the thread of a core panicked")))
        };
        // Every thread is waited for, also where an early one failed.
        let ended: Vec<_> = self.0.into_iter().map(join).collect();
        ended.into_iter().collect()
    }
}

/// Starts `program` on every core of `launch`.
///
/// # Errors
///
/// Where a thread cannot be started.
pub fn launch<P: Program>(launch: &Launch, program: &Arc<P>) -> io::Result<Running<P::Output>> {
    let count = launch.cpus.len();
    let (ready, started) = flume::bounded(count);
    let (opener, open) = flume::bounded(count);
    let mut running = Vec::with_capacity(count);
    for (idx, cpu) in launch.cpus.iter().copied().enumerate() {
        let program = Arc::clone(program);
        let launch = launch.clone();
        let gate = Gate { ready: ready.clone(), open: open.clone() };
        let name = format!("{}-{idx}", launch.name);
        let run = move || {
            let pinned = launch.pinning == Pinning::Pinned && cores::pin(cpu);
            let placement = Placement { idx, count, cpu, pinned };
            let output = on_engine(&launch, program, placement, gate)?;
            Ok(Ended { placement, cpu_time: system::thread_cpu_time(), output })
        };
        running.push(std::thread::Builder::new().name(name).spawn(run)?);
    }
    drop(ready);
    let running = Running(running);
    if started.iter().count() < count {
        drop(opener);
        // The first error is the one that explains; those that only waited come after it.
        return Err(running.first_error());
    }
    for _ in 0..count {
        opener.send(()).expect("every core waits at the gate");
    }
    Ok(running)
}

/// Builds the runtime of `engine` on this thread and runs `program` to its end.
fn on_engine<P: Program>(
    launch: &Launch,
    program: Arc<P>,
    placement: Placement,
    gate: Gate,
) -> io::Result<P::Output> {
    match launch.engine {
        Engine::Uring | Engine::UringPlain | Engine::UringSqpoll => {
            let setup = launch.engine.ring().expect("the engine has a ring");
            let mut runtime = ring::runtime(setup, launch.operations)?;
            gate.pass()?;
            Ok(runtime.block_on(program.run(MonoioIo(Driver::Uring), placement)))
        }
        Engine::Epoll => {
            let builder = RuntimeBuilder::<LegacyDriver>::new().enable_timer();
            let mut runtime = builder.build()?;
            gate.pass()?;
            Ok(runtime.block_on(program.run(MonoioIo(Driver::Epoll), placement)))
        }
        Engine::Tokio => {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_io().enable_time().build_local(Default::default())?;
            gate.pass()?;
            Ok(runtime.block_on(program.run(TokioIo, placement)))
        }
    }
}
