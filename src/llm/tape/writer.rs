//! The thread that writes: it takes all that is queued, writes it in one transaction, and tells each who
//! waits, so that many replies share one wait for the disk. Must not know what wins.

use super::rows::{self, Standing};
use super::{Call, Outcome, TapeError, file};
use rusqlite::{Connection, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Calls that wait to be written; whoever comes next waits for room.
const QUEUE_LENGTH_MAX: usize = 1024;

/// Left free between two transactions, so that writers of other processes get their turn: twice as long as
/// they take to look.
const TURN: Duration = Duration::from_millis(1);

/// A call to be written, and who wants to know.
struct Job {
    call: Call,
    done: oneshot::Sender<Result<Outcome, TapeError>>,
}

/// The way to the thread. Dropping it writes what is queued and closes the file.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    /// `None` only while it is dropped.
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub fn start(path: PathBuf, connection: Connection, standing: Standing) -> Result<Self, TapeError> {
        let (queue, jobs) = mpsc::channel(QUEUE_LENGTH_MAX);
        let place = path.clone();
        let thread = std::thread::Builder::new()
            .name("tape".to_owned())
            .spawn(move || write_all(&place, connection, standing, jobs))
            .map_err(|source| TapeError::io(&path, source))?;
        Ok(Writer { path, queue: Some(queue), thread: Some(thread) })
    }

    /// Has a call written, and waits until it is durable; gives what the tape holds then.
    pub async fn keep(&self, call: Call) -> Result<Outcome, TapeError> {
        let closed = || TapeError::Closed { path: self.path.clone() };
        let queue = self.queue.as_ref().ok_or_else(closed)?;
        let (done, answer) = oneshot::channel();
        queue.send(Job { call, done }).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.take();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has told whoever waited, by dropping their channels.
            let _ = thread.join();
        }
    }
}

/// Writes until nobody can queue anything any more.
fn write_all(path: &Path, mut connection: Connection, standing: Standing, mut jobs: mpsc::Receiver<Job>) {
    let mut batch = Vec::new();
    while jobs.blocking_recv_many(&mut batch, QUEUE_LENGTH_MAX) > 0 {
        let held = write_batch(&mut connection, &batch, standing);
        let answers = match held {
            Ok(held) => held.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(TapeError::of(path, &error)); batch.len()],
        };
        for (job, answer) in batch.drain(..).zip(answers) {
            // Who no longer waits has no need of the answer.
            let _ = job.done.send(answer);
        }
        sleep(TURN);
    }
    file::close(connection);
}

/// One transaction: when this returns, all of it is durable, or none of it is there.
fn write_batch(
    connection: &mut Connection,
    batch: &[Job],
    standing: Standing,
) -> rusqlite::Result<Vec<Outcome>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let held = batch
        .iter()
        .map(|job| rows::put(&transaction, &job.call, standing).map(|(held, _)| held))
        .collect::<rusqlite::Result<Vec<_>>>()?;
    transaction.commit()?;
    Ok(held)
}
