//! The loop of one worker: it accepts connections, ends late ones, and stops.
//!
//! Invariant: when [`run`] returns, no connection of the worker is left, unless one ignored its end
//! for [`STOP_SWEEPS_MAX`] sweeps.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::base::instant::Instant;
use crate::base::limits::EXHAUSTED_PAUSE;
use crate::runtime::{Interrupt, Io, Listener};
use crate::testserver::connection;
use crate::testserver::worker::ServerWorker;

/// How often a worker looks at the clock and at the stop flag.
const SWEEP_INTERVAL: Duration = Duration::from_millis(20);
/// After how many of those looks it checks deadlines, too.
const LOOKS_PER_SWEEP: u32 = 10;
/// LIMIT: sweeps after which a worker that was stopped no longer waits for its connections.
const STOP_SWEEPS_MAX: u32 = 50;

/// Serves whoever connects to `listener` until the server is stopped.
pub(super) async fn run<I: Io>(worker: Rc<ServerWorker<I>>, listener: I::Listener) {
    let listener = Rc::new(listener);
    let is_accepting = Rc::new(Cell::new(true));
    worker.io.spawn(accept(Rc::clone(&worker), Rc::clone(&listener), Rc::clone(&is_accepting)));
    let mut look_count = 0_u32;
    while !worker.is_stopping() {
        look(&worker).await;
        look_count = look_count.wrapping_add(1);
        if look_count.is_multiple_of(LOOKS_PER_SWEEP) {
            worker.connections.sweep(worker.now());
        }
    }
    listener.interrupter().interrupt();
    // Sockets must be dropped while their runtime lives. A sweep ends every connection at once; a
    // second one catches those that were just being accepted.
    for _ in 0..STOP_SWEEPS_MAX {
        worker.connections.sweep(Instant::NEVER);
        if worker.connections.is_empty() && !is_accepting.get() {
            break;
        }
        look(&worker).await;
    }
}

/// Accepts connections until the listener is shut down.
async fn accept<I: Io>(
    worker: Rc<ServerWorker<I>>,
    listener: Rc<I::Listener>,
    is_accepting: Rc<Cell<bool>>,
) {
    while !worker.is_stopping() {
        match listener.accept().await {
            Ok(socket) => {
                worker.counters().count_connection();
                worker.io.spawn(connection::run(Rc::clone(&worker), socket));
            }
            Err(_) if worker.is_stopping() => break,
            // A peer may be gone before it was accepted: then there is nothing to do. A kernel that
            // is out of descriptors has some again when other connections close.
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                worker.io.sleep_until(worker.io.now() + EXHAUSTED_PAUSE).await;
            }
        }
    }
    is_accepting.set(false);
}

/// Waits for the next look at the clock.
async fn look<I: Io>(worker: &ServerWorker<I>) {
    worker.io.sleep_until(worker.io.now() + SWEEP_INTERVAL).await;
    worker.look_at_clock();
}
