//! Many inputs at a time: a queue, some workers, a progress bar on a terminal.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::sync::{Mutex, mpsc};

use indicatif::{ProgressBar, ProgressStyle};

use crate::files::Input;

/// Runs `work` on every input with `jobs` workers and hands each result to `done` on this thread, in order of
/// completion.
pub(super) fn run<T: Send>(
    inputs: Vec<Input>,
    jobs: usize,
    quiet: bool,
    work: impl Fn(&Input) -> T + Sync,
    mut done: impl FnMut(&Input, T),
) {
    let bar = progress(inputs.len(), quiet);
    if jobs <= 1 || inputs.len() <= 1 {
        for input in &inputs {
            bar.set_message(input.relative.display().to_string());
            let result = work(input);
            bar.suspend(|| done(input, result));
            bar.inc(1);
        }
        bar.finish_and_clear();
        return;
    }
    let workers = jobs.min(inputs.len());
    let queue = Mutex::new(VecDeque::from(inputs));
    let (sender, results) = mpsc::sync_channel(workers * 2);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (sender, queue, work) = (sender.clone(), &queue, &work);
            scope.spawn(move || {
                loop {
                    // A worker that panicked elsewhere must not stop the others.
                    let next = queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop_front();
                    let Some(input) = next else { break };
                    let result = work(&input);
                    if sender.send((input, result)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for (input, result) in results {
            bar.suspend(|| done(&input, result));
            bar.inc(1);
        }
    });
    bar.finish_and_clear();
}

fn progress(len: usize, quiet: bool) -> ProgressBar {
    if quiet || len < 2 || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(len as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len}  {eta} left  {wide_msg}") {
        bar.set_style(style);
    }
    bar
}
