//! What is compared, at what work and for how long: the options of a comparison.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::limits::DESCRIPTORS_KEPT;
use crate::base::units;
use crate::compare::contestant::Contestant;
use crate::compare::error::CompareError;
use crate::compare::subject::Subject;
use crate::compare::testbed::Testbed;
use crate::compare::workload::Workload;
use crate::os::host;
use crate::os::system;

/// Rounds, where nothing is said.
pub(crate) const ROUNDS_DEFAULT: usize = 10;
/// How long each contestant works in a round, where nothing is said.
pub(crate) const SLICE_DEFAULT: Duration = Duration::from_secs(1);
/// Size of the test server's bodies where nothing is said, in bytes.
pub(crate) const BODY_BYTES_DEFAULT: u64 = 64;

/// Most rounds of a comparison.
const ROUNDS_MAX: usize = 10_000;
/// Shortest slice: below it the steps in which the kernel counts CPU time show.
const SLICE_MIN: Duration = Duration::from_millis(50);
/// Longest slice.
const SLICE_MAX: Duration = Duration::from_secs(3600);
/// How long one turn of a closed loop is, roughly; a slice is spread over as many turns as it
/// holds. What others do on the machine comes in bursts, and a median hides those that few turns
/// see: a hundred turns of 100 ms told a ratio to 2 %, ten of a second to 5 to 10 %, on a shared
/// virtual machine.
const TURN: Duration = Duration::from_millis(50);
// LIMIT: turns of each contestant: the slice of every one is kept.
const TURNS_MAX: usize = 100_000;
/// Most contestants of a comparison.
const CONTESTANTS_MAX: usize = 32;

const _: () = assert!(TURN.as_millis() <= SLICE_MIN.as_millis(), "a slice holds a turn");

/// A comparison to be run: who is compared, at what work, for how long, and where.
///
/// Each contestant is a process of its own, which runs the program `ringfetch`. Where the workload
/// names no URL, they ask a test server, which is started from the same program. Every option has
/// a default; the methods change one option each. Values out of bounds are errors when the
/// comparison is run, or when [`Compare::check`] is called.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let comparison = ringfetch::Compare::new("target/release/ringfetch")
///     .contestants(["uring".parse()?, "tokio".parse()?])
///     .rounds(20)
///     .run()?;
/// for (label, figures) in &comparison.engines.0 {
///     println!("{label}: {:?} of CPU time, {:?}", figures.cpu_us_per_request, figures.verdict);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Compare {
    pub(super) program: PathBuf,
    pub(super) contestants: Vec<Contestant>,
    pub(super) workload: Workload,
    pub(super) body_bytes: u64,
    pub(super) rounds: usize,
    pub(super) slice: Duration,
    cpus: Option<Vec<usize>>,
    server_cpus: Option<Vec<usize>>,
}

impl Compare {
    /// A comparison with every option at its default. `program` is the file of a `ringfetch` of
    /// this version.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            contestants: Contestant::defaults(),
            workload: Workload::Bench(Box::default()),
            body_bytes: BODY_BYTES_DEFAULT,
            rounds: ROUNDS_DEFAULT,
            slice: SLICE_DEFAULT,
            cpus: None,
            server_cpus: None,
        }
    }

    /// Compares `contestants`, from 1 to 32; the first is the baseline, and one may come twice. The
    /// default is [`Contestant::defaults`].
    #[must_use]
    pub fn contestants(mut self, contestants: impl IntoIterator<Item = Contestant>) -> Self {
        self.contestants = contestants.into_iter().collect();
        self
    }

    /// Gives each contestant this to do. Its engine and its CPUs are ignored: each contestant has
    /// its own engine, and the CPUs of the comparison. The default is a load in a closed loop.
    #[must_use]
    pub fn workload(mut self, workload: Workload) -> Self {
        self.workload = workload;
        self
    }

    /// Asks the test server for bodies of `bytes`, where the workload is a load without a URL. The
    /// default is 64.
    #[must_use]
    pub fn body_bytes(mut self, bytes: u64) -> Self {
        self.body_bytes = bytes;
        self
    }

    /// Lets each contestant work in `count` rounds, from 1 to 10,000. The default is 10; after
    /// fewer than six turns there are no ratios.
    #[must_use]
    pub fn rounds(mut self, count: usize) -> Self {
        self.rounds = count;
        self
    }

    /// Measures each contestant for this long in each round, from 50 ms to an hour. The default is
    /// a second.
    #[must_use]
    pub fn slice(mut self, slice: Duration) -> Self {
        self.slice = slice;
        self
    }

    /// Keeps the contestants on `cpus`, at least one, numbered as the kernel numbers them. The
    /// default is every CPU that the test server leaves.
    #[must_use]
    pub fn cpus(mut self, cpus: impl Into<Vec<usize>>) -> Self {
        self.cpus = Some(cpus.into());
        self
    }

    /// Keeps the test server on `cpus`, at least one. The default is every CPU that the contestants
    /// leave, or half of those that the process may use.
    #[must_use]
    pub fn server_cpus(mut self, cpus: impl Into<Vec<usize>>) -> Self {
        self.server_cpus = Some(cpus.into());
        self
    }

    /// Chooses the CPUs, and starts a test server where the workload names no URL.
    ///
    /// # Errors
    ///
    /// [`CompareError::Server`]; [`CompareError::Option`], where there are CPUs for a test server
    /// and none is needed.
    #[doc(hidden)]
    pub fn testbed(&self) -> Result<Testbed, CompareError> {
        let (cpus, server_cpus) = (self.cpus.clone(), self.server_cpus.clone());
        match (self.workload.has_urls(), server_cpus) {
            (true, None) => Ok(Testbed::with_other_server(cpus)),
            (true, Some(_)) => {
                let hint = "hint: no --origin-cores";
                let error = format!("the built-in origin serves where no URL is given, {hint}");
                Err(CompareError::Option(error))
            }
            (false, server_cpus) => Testbed::with_test_server(&self.program, cpus, server_cpus)
                .map_err(CompareError::Server),
        }
    }

    /// Checks the options, as every run does.
    ///
    /// # Errors
    ///
    /// [`CompareError::Option`], for a person to read.
    pub fn check(&self) -> Result<(), CompareError> {
        let bad = |text: String| Err(CompareError::Option(text));
        let (rounds, slice, count) = (self.rounds, self.slice, self.contestants.len());
        if !(1..=ROUNDS_MAX).contains(&rounds) {
            return bad(format!(
                "rounds must be from 1 to {ROUNDS_MAX}: {rounds}, hint: --rounds 10"
            ));
        }
        if !(SLICE_MIN..=SLICE_MAX).contains(&slice) {
            let (least, most) = (SLICE_MIN.as_millis(), SLICE_MAX.as_secs());
            return bad(format!(
                "a slice must be from {least} ms to {most} s: {} s, hint: --slice 1s",
                slice.as_secs_f64()
            ));
        }
        if !(1..=CONTESTANTS_MAX).contains(&count) {
            return bad(format!(
                "from 1 to {CONTESTANTS_MAX} engines can be compared: {count}, hint: \
                 --engines uring,epoll"
            ));
        }
        if [&self.cpus, &self.server_cpus].into_iter().flatten().any(Vec::is_empty) {
            return bad("no CPU is named, hint: --cores 0,2-5".to_owned());
        }
        if self.turns_per_slice().saturating_mul(rounds) > TURNS_MAX {
            return bad(format!(
                "rounds and slices make more than {TURNS_MAX} turns, hint: fewer --rounds"
            ));
        }
        self.workload.check().map_err(CompareError::Option)
    }

    /// Checks the options, and what of them depends on the testbed.
    ///
    /// # Errors
    ///
    /// [`CompareError::Option`], for a person to read.
    #[doc(hidden)]
    pub fn check_on(&self, testbed: &Testbed) -> Result<(), CompareError> {
        self.check()?;
        self.check_connections(testbed)
    }

    /// What the comparison is of, on `testbed`, as the lists of URLs are now.
    ///
    /// # Errors
    ///
    /// [`CompareError::Option`], where a list cannot be read.
    #[doc(hidden)]
    pub fn subject(&self, testbed: &Testbed) -> Result<Subject, CompareError> {
        // Without the URLs of the test server, whose port is another one each time.
        let mut options = self.workload.fingerprint().map_err(CompareError::Option)?;
        let server_cpus = testbed.test_server().map(|server| server.cpus().to_vec());
        if server_cpus.is_some() {
            options["body_bytes"] = self.body_bytes.into();
        }
        let workload = match server_cpus.is_some() && matches!(self.workload, Workload::Bench(_)) {
            true => format!("{}, bodies of {}", self.workload, units::bytes(self.body_bytes)),
            false => self.workload.to_string(),
        };
        let cpus = testbed.cpus().to_vec();
        let servers = server_cpus.iter().flatten().copied();
        let share_core = host::share_core(&cpus, &servers.collect::<Vec<_>>());
        let machine = host::machine();
        Ok(Subject { machine, workload, options, cpus, server_cpus, share_core })
    }

    /// How many turns each slice is spread over. A closed loop has many short ones, so that what
    /// else the machine does is seen by all alike. Other work has one: a fetch takes its time to
    /// begin, and few requests know no percentiles.
    pub(super) fn turns_per_slice(&self) -> usize {
        if self.workload.is_open_loop() || !matches!(self.workload, Workload::Bench(_)) {
            return 1;
        }
        let turns = self.slice.as_nanos() / TURN.as_nanos();
        usize::try_from(turns).unwrap_or(1).max(1)
    }

    /// Refuses more connections, of all contestants together, than the test server or the ports of
    /// this host allow: contestants with fewer than they were to have cannot be compared.
    fn check_connections(&self, testbed: &Testbed) -> Result<(), CompareError> {
        let contestants = self.contestants.len() + 1;
        let wanted = self.workload.connections().saturating_mul(contestants);
        let refused = |most: usize, of: &str| {
            Err(CompareError::Option(format!(
                "{contestants} contestants with {} connections each are more than the {most} {of}, \
                 hint: a smaller -c, or fewer --engines",
                self.workload.connections()
            )))
        };
        if testbed.test_server().is_none() || !matches!(self.workload, Workload::Bench(_)) {
            return Ok(());
        }
        let limit = system::raise_descriptor_limit().unwrap_or(usize::MAX);
        let open_max = limit.saturating_sub(DESCRIPTORS_KEPT);
        if wanted > open_max {
            return refused(open_max, "that the built-in origin may have open");
        }
        match host::ephemeral_ports() {
            Some(ports) if wanted > ports => refused(ports, "ports that this host has for them"),
            _ => Ok(()),
        }
    }
}
