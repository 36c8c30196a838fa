//! Two pieces of work at the same time.

use std::thread;

/// From how many bytes of input on a second thread pays: starting one takes as long as hashing some 50 kB.
const WORTH_A_THREAD: u64 = 1 << 20;

/// Does both, the first beside the second where the input of `len` bytes is large.
///
/// # Panics
/// As `first` and `second` do.
pub(crate) fn beside<A: Send, B>(
    len: u64,
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B,
) -> (A, B) {
    if len < WORTH_A_THREAD {
        return (first(), second());
    }
    thread::scope(|scope| {
        let first = scope.spawn(first);
        let second = second();
        let first = first.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (first, second)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_answers_come_back_for_small_and_large_inputs() {
        for len in [0, WORTH_A_THREAD - 1, WORTH_A_THREAD, u64::MAX] {
            assert_eq!(beside(len, || "first", || "second"), ("first", "second"));
        }
    }
}
