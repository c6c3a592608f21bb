//! A child process that is spoken to line by line, and never waited for without end.
//!
//! Its output is read by threads of its own, so that neither side can block the other for good;
//! what it writes to stderr is kept, the end of it, for error messages. It is killed when its
//! [`Child`] is dropped. Must not know what the lines mean.

use super::remote::quote;
use crate::secret;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of stderr that are kept.
const STDERR_BYTES_MAX: usize = 400;

/// How long a child that has closed its output may take to end, and its last words to arrive.
const FAREWELL: Duration = Duration::from_millis(500);

/// Lines read ahead of being asked for.
const LINES_AHEAD_MAX: usize = 4;

/// Why there is no line.
#[derive(Debug)]
pub enum NoLine {
    /// None came in time.
    Late,
    /// The child has ended or closed its output, or broke off: what is known about it.
    Ended(String),
    /// The line is longer than it may be.
    TooLong,
}

/// A running child.
pub struct Child {
    child: std::process::Child,
    to: Option<Sender<Vec<u8>>>,
    from: Option<Receiver<Result<Vec<u8>, NoLine>>>,
    last_words: LastWords,
}

/// The end of what the child wrote to stderr.
struct LastWords {
    tail: Arc<Mutex<Vec<u8>>>,
    /// Closed when the child's stderr is.
    end: Receiver<()>,
}

impl Child {
    /// Starts a program, found as the system finds programs; no shell is involved. It inherits the environment but
    /// for the variables that are known to hold keys, of which it gets the one called `key_env` at most.
    pub fn start(command: &[String], line_bytes_max: u64, key_env: Option<&str>) -> Result<Child, String> {
        let (program, arguments) = command.split_first().ok_or("there is no command")?;
        let mut command = Command::new(program);
        for name in secret::variables().iter().filter(|name| Some(name.as_str()) != key_env) {
            command.env_remove(name);
        }
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", quote(program)))?;
        let (to, lines_in) = channel::<Vec<u8>>();
        if let Some(mut stdin) = child.stdin.take() {
            spawn(move || {
                // An error means that the child has ended, which its output tells better.
                for line in lines_in {
                    if stdin.write_all(&line).and_then(|()| stdin.flush()).is_err() {
                        break;
                    }
                }
            });
        }
        let (lines_out, from) = sync_channel(LINES_AHEAD_MAX);
        if let Some(stdout) = child.stdout.take() {
            spawn(move || read_lines(BufReader::new(stdout), line_bytes_max, &lines_out));
        }
        let tail = Arc::new(Mutex::new(Vec::new()));
        let (end_of_stderr, end) = sync_channel(0);
        if let Some(stderr) = child.stderr.take() {
            let tail = tail.clone();
            spawn(move || {
                keep_tail(stderr, &tail);
                drop(end_of_stderr);
            });
        }
        Ok(Child { child, to: Some(to), from: Some(from), last_words: LastWords { tail, end } })
    }

    /// Sends a line, without waiting until it is read.
    pub fn send(&self, line: &[u8]) {
        if let Some(to) = &self.to {
            // Fails when the child has ended, which receiving will tell.
            let _ = to.send([line, b"\n"].concat());
        }
    }

    /// The next line, without its end.
    pub fn receive(&mut self, timeout: Duration) -> Result<Vec<u8>, NoLine> {
        let received = match &self.from {
            Some(from) => from.recv_timeout(timeout),
            None => Err(RecvTimeoutError::Disconnected),
        };
        match received {
            Ok(Ok(line)) => Ok(line),
            Err(RecvTimeoutError::Timeout) => Err(NoLine::Late),
            Ok(Err(NoLine::Ended(what))) => Err(NoLine::Ended(self.farewell(&what))),
            Ok(Err(other)) => Err(other),
            Err(RecvTimeoutError::Disconnected) => Err(NoLine::Ended(self.farewell("closed its output"))),
        }
    }

    /// Lets everything that the child still writes go by unread.
    pub fn stop_listening(&mut self) {
        self.from = None;
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// How it ended, and its last words.
    pub fn farewell(&mut self, what: &str) -> String {
        let deadline = Instant::now() + FAREWELL;
        let mut status = None;
        while status.is_none() && Instant::now() < deadline {
            status = self.child.try_wait().ok().flatten();
            if status.is_none() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        if status.is_some() {
            // Nothing is ever sent: this waits until stderr is closed.
            let _ = self.last_words.end.recv_timeout(FAREWELL);
        }
        let how = status.map_or_else(|| what.to_owned(), |status| format!("ended ({status})"));
        format!("{how}{}", self.stderr())
    }

    /// The end of what it wrote to stderr, for an error message; empty where it wrote nothing.
    pub fn stderr(&self) -> String {
        let tail = self.last_words.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let words = String::from_utf8_lossy(&tail);
        let words = words.trim().lines().map(str::trim).collect::<Vec<_>>().join(" | ");
        if words.is_empty() { words } else { format!("; its stderr ends with: {words}") }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.to = None;
        self.from = None;
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) {
    // Where the system has no threads left, the child's output is closed, which is reported as such.
    let _ = std::thread::Builder::new().name("child".to_owned()).spawn(work);
}

/// Hands on line after line until the output ends; whatever nobody takes is dropped.
fn read_lines(mut output: impl BufRead, bytes_max: u64, lines: &SyncSender<Result<Vec<u8>, NoLine>>) {
    loop {
        let mut line = Vec::new();
        let read = (&mut output).take(bytes_max.saturating_add(1)).read_until(b'\n', &mut line);
        let has_end = line.last() == Some(&b'\n');
        if has_end {
            line.pop();
        }
        let found = match read {
            Err(error) => Err(NoLine::Ended(format!("cannot be read from: {error}"))),
            Ok(0) => Err(NoLine::Ended("closed its output".to_owned())),
            Ok(_) if line.len() as u64 > bytes_max => Err(NoLine::TooLong),
            Ok(_) if !has_end => Err(NoLine::Ended("closed its output inside a line".to_owned())),
            Ok(_) => Ok(line),
        };
        let is_over = matches!(found, Err(NoLine::Ended(_)));
        // Nobody takes it any more: read on all the same, so that the child can write.
        let _ = lines.send(found);
        if is_over {
            return;
        }
    }
}

/// Reads to the end and keeps the last bytes.
fn keep_tail(mut from: impl Read, tail: &Mutex<Vec<u8>>) {
    let mut buffer = [0u8; 4096];
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 {
            return;
        }
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend_from_slice(&buffer[..n]);
        let surplus = tail.len().saturating_sub(STDERR_BYTES_MAX);
        tail.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8], bytes_max: u64) -> Vec<String> {
        let (to, from) = sync_channel(20);
        read_lines(text, bytes_max, &to);
        drop(to);
        let tell = |line: Result<Vec<u8>, NoLine>| match line {
            Ok(line) => String::from_utf8_lossy(&line).into_owned(),
            Err(NoLine::TooLong) => "too long".to_owned(),
            Err(NoLine::Late) => "late".to_owned(),
            Err(NoLine::Ended(what)) => what,
        };
        from.into_iter().map(tell).collect()
    }

    #[test]
    fn lines_are_whole_and_bounded() {
        assert_eq!(lines(b"abc\n\nde\n", 3), ["abc", "", "de", "closed its output"]);
        assert_eq!(lines(b"abc\nd", 3), ["abc", "closed its output inside a line"]);
        assert_eq!(lines(b"abcd\ne\n", 3)[0], "too long");
        assert_eq!(lines(b"abcdefgh", 3)[0], "too long");
    }

    #[test]
    fn only_the_end_of_stderr_is_kept() {
        let tail = Mutex::new(Vec::new());
        keep_tail([vec![b'a'; 10_000], b"end".to_vec()].concat().as_slice(), &tail);
        let tail = tail.into_inner().expect("no panic");
        assert_eq!((tail.len(), &tail[STDERR_BYTES_MAX - 4..]), (STDERR_BYTES_MAX, &b"aend"[..]));
    }
}
