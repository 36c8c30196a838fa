//! Running a loop with the widest vectors the processor has.

/// Calls `work`, compiled for the best instruction set found at run time. What is to gain from it must be inlined into
/// `work`, and so must `work` itself: write `vectorised(#[inline(always)] || ...)`, or the loop is compiled for the oldest
/// processor after all. No instruction set changes the order of sums or fuses roundings, so results are the same everywhere.
pub fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    struct Work<F>(F);
    impl<R, F: FnOnce() -> R> pulp::NullaryFnOnce for Work<F> {
        type Output = R;
        #[inline(always)]
        fn call(self) -> R {
            self.0()
        }
    }
    pulp::Arch::new().dispatch(Work(work))
}
