//! Reads ahead on a thread of its own, and hands out whatever has come: a pipe that waits for the vector of its
//! last line gets it, and a file fills whole batches while the one before is encoded.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::input::{Carried, Source, SourceParams};
use super::item::{BATCH_BYTES, BATCH_TEXTS, Found};
use crate::cli::CliError;

/// An input that is being read.
pub struct Incoming {
    queue: Arc<Queue>,
    opened: Receiver<Result<Carried, CliError>>,
    thread: JoinHandle<()>,
}

impl Incoming {
    /// Opens the input and reads on, until it ends or twice a batch waits. The thread is never waited for while
    /// it may wait for input: it ends with the process.
    pub fn start(params: SourceParams) -> Incoming {
        let queue = Arc::new(Queue::default());
        let (tell, opened) = sync_channel(1);
        let filled = Filled(queue.clone());
        let thread = std::thread::spawn(move || {
            let source = match Source::open(&params) {
                Ok((source, carried)) => {
                    let _ = tell.send(Ok(carried));
                    source
                }
                Err(error) => {
                    let _ = tell.send(Err(error));
                    return;
                }
            };
            for found in source {
                filled.0.push(found);
            }
        });
        Incoming { queue, opened, thread }
    }

    /// Waits until the input is open: what its texts come with.
    pub fn opened(&self) -> Result<Carried, CliError> {
        self.opened.recv().unwrap_or_else(|_| Err(stopped()))
    }

    /// Waits for something to come, and takes all there is; nothing at the end.
    pub fn take(&self) -> Vec<Found> {
        self.queue.take()
    }

    /// Whether nothing waits now.
    pub fn is_idle(&self) -> bool {
        self.queue.lock().waiting.is_empty()
    }

    /// To be asked at the end: whether it was one.
    pub fn finish(self) -> Result<(), CliError> {
        self.thread.join().map_err(|_| stopped())
    }
}

fn stopped() -> CliError {
    CliError::Failed("the reader stopped before the end of the input; this is a fault of the program".into())
}

/// What has been read and not yet been taken: a batch at most, or one record that is larger.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Found>,
    bytes: usize,
    ended: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, found: Found) {
        let bytes = found.bytes();
        let full = |state: &mut State| {
            !state.waiting.is_empty()
                && (state.waiting.len() >= BATCH_TEXTS || state.bytes + bytes > BATCH_BYTES)
        };
        let state = self.changed.wait_while(self.lock(), full);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        state.bytes += bytes;
        state.waiting.push_back(found);
        if state.waiting.len() == 1 {
            self.changed.notify_one();
        }
    }

    fn take(&self) -> Vec<Found> {
        let nothing = |state: &mut State| state.waiting.is_empty() && !state.ended;
        let state = self.changed.wait_while(self.lock(), nothing);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        state.bytes = 0;
        let taken = std::mem::take(&mut state.waiting);
        self.changed.notify_one();
        taken.into()
    }
}

/// Says that nothing more comes when the reader is done, however it ends.
struct Filled(Arc<Queue>);

impl Drop for Filled {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::embed::item::{Beside, Item};

    fn item(bytes: usize) -> Found {
        Found::Item(Item { text: "x".repeat(bytes), beside: Beside::Nothing, mended: false })
    }

    #[test]
    fn what_waits_is_bounded_by_count_and_by_bytes() {
        for (count, bytes, most) in
            [(5_000, 1, BATCH_TEXTS), (40, 1 << 20, BATCH_BYTES >> 20), (3, 2 * BATCH_BYTES, 1)]
        {
            let queue = Arc::new(Queue::default());
            let filled = Filled(queue.clone());
            let writer = std::thread::spawn(move || (0..count).for_each(|_| filled.0.push(item(bytes))));
            let mut taken = 0;
            loop {
                let some = queue.take();
                if some.is_empty() {
                    break;
                }
                assert!(some.len() <= most, "{} of {bytes} bytes", some.len());
                taken += some.len();
            }
            assert_eq!(taken, count);
            writer.join().unwrap();
        }
    }

    #[test]
    fn one_text_does_not_wait_for_others() {
        let queue = Arc::new(Queue::default());
        queue.push(item(1));
        assert_eq!(queue.take().len(), 1);
        assert!(queue.lock().waiting.is_empty());
    }
}
