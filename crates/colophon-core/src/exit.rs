//! The exit codes of the command line, published as a type.

/// How a run ended. Several at once: the one with the highest [`Exit::rank`] wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Marked and read back; every verdict passes.
    Ok = 0,
    /// A verdict fails; a mark is missing, invalid or lost.
    Finding = 1,
    /// Bad flags, configuration, profile or declaration.
    Usage = 2,
    /// Some inputs failed or could not be examined; the rest is done and reported.
    Partial = 3,
    /// Nothing matched.
    NoInput = 4,
    /// An existing mark or an existing output forbids it.
    Conflict = 5,
    /// Key, certificate or signer failure; nothing was written.
    Signing = 6,
    /// Reading back differs from the plan; the output was removed.
    Check = 7,
}

impl Exit {
    /// Every code with its name and meaning, in numeric order.
    pub const ALL: [(Self, &'static str, &'static str); 8] = [
        (Self::Ok, "ok", "marked and read back; every verdict passes"),
        (Self::Finding, "finding", "a verdict fails; a mark is missing, invalid or lost"),
        (Self::Usage, "usage", "bad flags, configuration, profile or declaration"),
        (
            Self::Partial,
            "partial",
            "some inputs failed or could not be examined; the rest is done and reported",
        ),
        (Self::NoInput, "no-input", "nothing matched"),
        (Self::Conflict, "conflict", "an existing mark or an existing output forbids it"),
        (Self::Signing, "signing", "key, certificate or signer failure; nothing was written"),
        (Self::Check, "check", "reading back differs from the plan; the output was removed"),
    ];

    /// The number given to the operating system.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Which of several outcomes a batch reports: check, signing, conflict, finding, partial, then the rest.
    pub fn rank(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::NoInput => 1,
            Self::Partial => 2,
            Self::Finding => 3,
            Self::Usage => 4,
            Self::Conflict => 5,
            Self::Signing => 6,
            Self::Check => 7,
        }
    }

    /// The worse of two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    /// The code for an error that stopped one input.
    pub fn of_error(kind: crate::ErrorKind) -> Self {
        use crate::ErrorKind as K;
        match kind {
            K::Conflict => Self::Conflict,
            K::Key => Self::Signing,
            K::Check => Self::Check,
            K::Policy | K::Usage => Self::Usage,
            _ => Self::Partial,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn codes_are_the_published_ones() {
        for (i, (exit, ..)) in Exit::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(exit.code()), i);
        }
    }

    #[test]
    fn seven_beats_six_beats_five_beats_one_beats_three() {
        let order = [Exit::Check, Exit::Signing, Exit::Conflict, Exit::Finding, Exit::Partial, Exit::Ok];
        for w in order.windows(2) {
            assert_eq!(w[0].and(w[1]), w[0]);
            assert_eq!(w[1].and(w[0]), w[0]);
        }
    }
}
