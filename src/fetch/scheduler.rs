//! One core's share of the jobs: which of them may start now.
//!
//! Hosts take turns, so that one with a long queue, or one that is at its cap or rests between two
//! starts, holds up no other.
//!
//! Invariant: a job that was pushed is waiting, deferred or taken, never two of them; a host with
//! no job, no lane and no rest to keep leaves nothing behind.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use hashbrown::HashTable;

use crate::base::instant::Instant;
use crate::fetch::job::Job;

/// The end of a list of slots.
const NONE: u32 = u32::MAX;

/// How jobs are given to cores, and what holds for one host on its core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Politeness {
    /// Fetches of one host at a time; 0 is no cap.
    pub per_host: u32,
    /// Least time between two starts on one host.
    pub delay: Duration,
}

impl Politeness {
    /// Whether a job belongs to the core that its origin hashes to. Without any rule for hosts,
    /// jobs are dealt to all cores in turn instead, so that a list of one host uses every core.
    #[must_use]
    pub fn is_by_host(&self) -> bool {
        self.per_host > 0 || !self.delay.is_zero()
    }

    /// The core out of `cores` that owns `origin_hash`.
    #[must_use]
    pub fn owner(origin_hash: u64, cores: usize) -> usize {
        // The low bits choose the cell of a hash table on that core; these are others.
        let high = usize::try_from(origin_hash >> 32).unwrap_or(0);
        high % cores.max(1)
    }
}

/// The place of a host among a core's hosts; a job that was taken keeps it until it is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HostId(u32);

/// One core's waiting and deferred jobs.
#[derive(Debug)]
pub(super) struct Scheduler {
    rules: Politeness,
    slots: Vec<Slot>,
    free_slot: u32,
    hosts: Vec<Host>,
    free_hosts: Vec<u32>,
    by_origin: HashTable<u32>,
    ready: VecDeque<u32>,
    resting: BinaryHeap<Reverse<(Instant, u32)>>,
    deferred: BinaryHeap<Deferred>,
    waiting: usize,
}

/// A waiting job in its host's list, or a free slot in the list of those.
#[derive(Debug)]
struct Slot {
    job: Option<Job>,
    next: u32,
}

/// A host with jobs that wait or run, or that rests between two starts.
#[derive(Debug, Default)]
struct Host {
    origin: Box<str>,
    origin_hash: u64,
    first: u32,
    last: u32,
    active: u32,
    is_ready: bool,
    is_resting: bool,
}

/// A job that waits for its time.
#[derive(Debug)]
struct Deferred {
    at: Instant,
    job: Job,
}

impl Scheduler {
    /// An empty scheduler under `rules`.
    pub(super) fn new(rules: Politeness) -> Self {
        Self {
            rules,
            slots: Vec::new(),
            free_slot: NONE,
            hosts: Vec::new(),
            free_hosts: Vec::new(),
            by_origin: HashTable::new(),
            ready: VecDeque::new(),
            resting: BinaryHeap::new(),
            deferred: BinaryHeap::new(),
            waiting: 0,
        }
    }

    /// Adds `job` behind those of its host.
    pub(super) fn push(&mut self, job: Job) {
        let host = self.host_of(&job);
        let slot = self.slot(job);
        let list = &mut self.hosts[host as usize];
        if list.first == NONE {
            list.first = slot;
        } else {
            self.slots[list.last as usize].next = slot;
        }
        list.last = slot;
        self.waiting += 1;
        self.make_ready(host);
    }

    /// Adds `job` before those of its host: it has begun already.
    pub(super) fn push_front(&mut self, job: Job) {
        let host = self.host_of(&job);
        let slot = self.slot(job);
        let list = &mut self.hosts[host as usize];
        if list.first == NONE {
            list.last = slot;
        }
        self.slots[slot as usize].next = list.first;
        list.first = slot;
        self.waiting += 1;
        self.make_ready(host);
    }

    /// Keeps `job` until `at`.
    pub(super) fn defer(&mut self, job: Job, at: Instant) {
        self.deferred.push(Deferred { at, job });
    }

    /// Whether a job may start now; true at times where none may.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// A job that may start at `now`, the hosts taking turns. Its host counts one more lane until
    /// [`Scheduler::release`].
    pub(super) fn take(&mut self, now: Instant) -> Option<(Job, HostId)> {
        let host = loop {
            let host = self.ready.pop_front()?;
            let list = &mut self.hosts[host as usize];
            list.is_ready = false;
            if list.first != NONE {
                break host;
            }
            // Lanes that went on with it have done its jobs meanwhile.
            self.forget_if_unused(host);
        };
        let list = &mut self.hosts[host as usize];
        list.active += 1;
        if !self.rules.delay.is_zero() {
            list.is_resting = true;
            self.resting.push(Reverse((now + self.rules.delay, host)));
        }
        let job = self.pop(host);
        self.make_ready(host);
        Some((job, HostId(host)))
    }

    /// Another job of `host`, which a lane has just finished one of and not yet released, out of
    /// turn: its connection is open and warm.
    pub(super) fn take_again(&mut self, host: HostId) -> Option<Job> {
        let list = &self.hosts[host.0 as usize];
        if list.first == NONE || !self.rules.delay.is_zero() {
            return None;
        }
        Some(self.pop(host.0))
    }

    /// Ends one lane of `host`.
    pub(super) fn release(&mut self, host: HostId) {
        let list = &mut self.hosts[host.0 as usize];
        assert!(list.active > 0, "a host is released as often as it was taken");
        list.active -= 1;
        self.make_ready(host.0);
        self.forget_if_unused(host.0);
    }

    /// Lets those start whose time has come.
    pub(super) fn settle(&mut self, now: Instant) {
        while self.deferred.peek().is_some_and(|first| first.at <= now) {
            let first = self.deferred.pop().expect("it was just seen");
            self.push_front(first.job);
        }
        while self.resting.peek().is_some_and(|first| first.0.0 <= now) {
            let Reverse((_, host)) = self.resting.pop().expect("it was just seen");
            self.hosts[host as usize].is_resting = false;
            self.make_ready(host);
            self.forget_if_unused(host);
        }
    }

    /// Jobs that wait or are deferred.
    pub(super) fn len(&self) -> usize {
        self.waiting + self.deferred.len()
    }

    /// Takes every job out, in no order: the run has been stopped.
    pub(super) fn drain(&mut self) -> Vec<Job> {
        let waiting = self.slots.iter_mut().filter_map(|slot| slot.job.take());
        let jobs = waiting.chain(self.deferred.drain().map(|d| d.job)).collect();
        self.slots.clear();
        self.free_slot = NONE;
        self.ready.clear();
        for host in &mut self.hosts {
            host.first = NONE;
            host.is_ready = false;
        }
        self.waiting = 0;
        jobs
    }

    /// Takes the first job of `host`.
    fn pop(&mut self, host: u32) -> Job {
        let list = &mut self.hosts[host as usize];
        let slot = list.first;
        let job = self.slots[slot as usize].job.take().expect("a ready host has a job");
        list.first = self.slots[slot as usize].next;
        self.slots[slot as usize].next = self.free_slot;
        self.free_slot = slot;
        self.waiting -= 1;
        job
    }

    /// A slot with `job` and nothing after it.
    fn slot(&mut self, job: Job) -> u32 {
        if self.free_slot == NONE {
            let slot = u32::try_from(self.slots.len()).expect("a scheduler's jobs are bounded");
            self.slots.push(Slot { job: Some(job), next: NONE });
            return slot;
        }
        let slot = self.free_slot;
        self.free_slot = self.slots[slot as usize].next;
        self.slots[slot as usize] = Slot { job: Some(job), next: NONE };
        slot
    }

    /// The host of `job`: one for all where no rule tells hosts apart.
    fn host_of(&mut self, job: &Job) -> u32 {
        let (hash, origin) = match self.rules.is_by_host() {
            true => (job.target.origin_hash(), job.target.origin()),
            false => (0, ""),
        };
        let hosts = &self.hosts;
        if let Some(host) =
            self.by_origin.find(hash, |host| &*hosts[*host as usize].origin == origin)
        {
            return *host;
        }
        let fresh =
            Host { origin: origin.into(), origin_hash: hash, first: NONE, ..Host::default() };
        let host = match self.free_hosts.pop() {
            Some(host) => {
                self.hosts[host as usize] = fresh;
                host
            }
            None => {
                self.hosts.push(fresh);
                u32::try_from(self.hosts.len() - 1).expect("a scheduler's hosts are bounded")
            }
        };
        let hosts = &self.hosts;
        self.by_origin.insert_unique(hash, host, |host| hosts[*host as usize].origin_hash);
        host
    }

    /// Queues `host` for its turn where a job of it may start.
    fn make_ready(&mut self, host: u32) {
        let cap = if self.rules.per_host == 0 { u32::MAX } else { self.rules.per_host };
        let list = &mut self.hosts[host as usize];
        if list.first != NONE && !list.is_ready && !list.is_resting && list.active < cap {
            list.is_ready = true;
            self.ready.push_back(host);
        }
    }

    /// Frees `host` where it has no job, no lane and no rest to keep.
    fn forget_if_unused(&mut self, host: u32) {
        let list = &self.hosts[host as usize];
        let used = list.first != NONE || list.active > 0 || list.is_ready || list.is_resting;
        // The one host of a run without rules is kept: it would come back with the next job.
        if used || !self.rules.is_by_host() {
            return;
        }
        if let Ok(entry) = self.by_origin.find_entry(list.origin_hash, |other| *other == host) {
            entry.remove();
            self.hosts[host as usize].origin = Box::default();
            self.free_hosts.push(host);
        }
    }
}

impl PartialEq for Deferred {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Deferred {}

impl PartialOrd for Deferred {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Deferred {
    /// The earliest is the greatest: the first out of a heap.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.job.n).cmp(&(self.at, self.job.n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::target::Target;

    const NOW: Instant = Instant::from_ns(1_000_000);

    fn job(n: u64, url: &str) -> Job {
        Job::new(n, url, Target::parse(url).unwrap(), NOW)
    }

    fn scheduler(per_host: u32, delay_ms: u64) -> Scheduler {
        Scheduler::new(Politeness { per_host, delay: Duration::from_millis(delay_ms) })
    }

    fn take_all(scheduler: &mut Scheduler, now: Instant) -> Vec<(u64, HostId)> {
        std::iter::from_fn(|| scheduler.take(now).map(|(job, host)| (job.n, host))).collect()
    }

    #[test]
    fn a_host_at_its_cap_holds_up_no_other() {
        let mut scheduler = scheduler(2, 0);
        (0..10).for_each(|n| scheduler.push(job(n, "http://slow/")));
        scheduler.push(job(10, "http://quick/"));
        let taken = take_all(&mut scheduler, NOW);
        assert_eq!(taken.iter().map(|t| t.0).collect::<Vec<_>>(), [0, 10, 1]);
        scheduler.release(taken[0].1);
        assert_eq!(take_all(&mut scheduler, NOW)[0].0, 2);
        assert_eq!(scheduler.len(), 7);
    }

    #[test]
    fn a_lane_may_go_on_with_its_host_out_of_turn() {
        let mut scheduler = scheduler(1, 0);
        (0..3).for_each(|n| scheduler.push(job(n, "http://a/")));
        scheduler.push(job(3, "http://b/"));
        let (_, a) = scheduler.take(NOW).unwrap();
        assert_eq!(scheduler.take_again(a).unwrap().n, 1);
        assert_eq!(take_all(&mut scheduler, NOW).iter().map(|t| t.0).collect::<Vec<_>>(), [3]);
        scheduler.release(a);
        assert_eq!(scheduler.take(NOW).unwrap().0.n, 2);
        assert!(scheduler.take_again(a).is_none());
    }

    #[test]
    fn starts_on_one_host_keep_their_distance() {
        let mut scheduler = scheduler(0, 10);
        (0..2).for_each(|n| scheduler.push(job(n, "http://a/")));
        let (_, host) = scheduler.take(NOW).unwrap();
        scheduler.release(host);
        assert!(scheduler.take(NOW).is_none());
        scheduler.settle(NOW + Duration::from_millis(9));
        assert!(scheduler.take(NOW).is_none());
        scheduler.settle(NOW + Duration::from_millis(10));
        assert_eq!(scheduler.take(NOW).unwrap().0.n, 1);
    }

    #[test]
    fn a_deferred_job_comes_back_in_its_time_before_the_others() {
        let mut scheduler = scheduler(1, 0);
        scheduler.push(job(1, "http://a/"));
        scheduler.defer(job(0, "http://a/"), NOW + Duration::from_millis(5));
        assert_eq!(scheduler.len(), 2);
        scheduler.settle(NOW + Duration::from_millis(5));
        assert_eq!(scheduler.take(NOW).unwrap().0.n, 0);
    }

    #[test]
    fn without_rules_jobs_keep_their_order() {
        let mut scheduler = scheduler(0, 0);
        (0..5).for_each(|n| scheduler.push(job(n, &format!("http://h{}/", n % 2))));
        let order: Vec<u64> = take_all(&mut scheduler, NOW).iter().map(|t| t.0).collect();
        assert_eq!(order, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn hosts_that_are_done_leave_nothing_behind() {
        let mut scheduler = scheduler(8, 1);
        for n in 0..1000 {
            scheduler.push(job(n, &format!("http://h{n}/")));
        }
        for (_, host) in take_all(&mut scheduler, NOW) {
            scheduler.release(host);
        }
        scheduler.settle(NOW + Duration::from_millis(1));
        assert_eq!((scheduler.by_origin.len(), scheduler.len()), (0, 0));
        assert_eq!(scheduler.free_hosts.len(), scheduler.hosts.len());
        scheduler.push(job(0, "http://again/"));
        assert_eq!(scheduler.hosts.len(), 1000);
    }

    #[test]
    fn draining_gives_every_job_back_once() {
        let mut scheduler = scheduler(1, 0);
        (0..5).for_each(|n| scheduler.push(job(n, "http://a/")));
        scheduler.defer(job(5, "http://b/"), NOW);
        let (_, host) = scheduler.take(NOW).unwrap();
        let mut left: Vec<u64> = scheduler.drain().iter().map(|job| job.n).collect();
        left.sort_unstable();
        assert_eq!(left, [1, 2, 3, 4, 5]);
        scheduler.release(host);
        assert_eq!((scheduler.len(), scheduler.by_origin.len()), (0, 0));
    }
}
