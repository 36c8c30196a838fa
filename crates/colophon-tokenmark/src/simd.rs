//! Vector instructions chosen at run time.

/// Runs `work` compiled for the vector instructions of this machine.
///
/// The closure must be marked `#[inline(always)]`, and so must what it calls.
#[inline(always)]
pub(crate) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    struct Work<F>(F);
    // A closure handed over as it is goes through a shim of its own, which the compiler does not always put inside of the
    // function with the vector instructions; then everything runs without them.
    impl<R, F: FnOnce() -> R> pulp::NullaryFnOnce for Work<F> {
        type Output = R;

        #[inline(always)]
        fn call(self) -> R {
            (self.0)()
        }
    }
    pulp::Arch::new().dispatch(Work(work))
}
